"""Bad command lines: status 2, one message, no traceback, and nothing written."""

import os

import pytest

COMMANDS = {
    "no such command": ("transfer v4", "no command 'transfer v4'"),
    "no such option": ("transfer vanilla --learning-rat 1", "--learning-rat"),
    "a number in words": ("transfer v2 --epochs many", "many"),
    "a choice that is none": ("train baseline --blocks printed", "printed"),
    "no model": ("predict", "no picture was given"),
    "no file": ("predict model.keras photo.jpg", "neither a .keras file nor a run"),
    "no picture": ("predict good.keras nothing.jpg", "nothing.jpg"),
    "no answers": ("predict good.keras photo.jpg --top 0", "--top 0"),
    "a table over a picture": ("predict good.keras photo.jpg --csv photo.jpg", "this command reads it"),
    "a table over a picture of a folder": ("predict good.keras . --json ./photo.jpg", "this command reads it"),
    "both in one file": ("predict good.keras photo.jpg --csv a --json a", "both are a"),
    "predictions over the model": ("evaluate good.keras --output good.keras", "this command reads it"),
    "test without a place": ("evaluate good.keras --split test", "--output PATH"),
    "predictions over the labels": (
        "evaluate good.keras --labels wnids.txt --output wnids.txt",
        "this command reads it",
    ),
    "predictions over the images": (
        "evaluate good.keras --source tree --output tree/words.txt",
        "lies within the dataset",
    ),
    "predictions into the images": (
        "evaluate good.keras --source tree --output tree/predictions.txt",
        "lies within the dataset",
    ),
    "predictions over a run": ("evaluate good.keras --output run/summary.json", "is a file of the run in"),
    "predictions over records": ("evaluate good.keras --data-dir . --output photo.jpg", "this command reads it"),
    "an export in the dataset": ("export good.keras --output tree/out", "lies within the dataset"),
    "an export below a file": ("export good.keras --output photo.jpg/out", "a file, not a folder"),
    "no format": ("export good.keras --formats", "name at least one"),
    "a list in the dataset": ("list --names le_yang_model_6 --output tree/words.txt", "lies within the dataset"),
    "a list nowhere": ("list --names le_yang_model_6 --output nowhere/x.json", "in an existing folder"),
    "one file in two spellings": ("predict good.keras photo.jpg --csv a --json nowhere/../a", "in an existing folder"),
    "one file by two ways": ("predict good.keras photo.jpg --csv a --json here/a", "both are a"),
    "a file for records": ("prepare --data-dir photo.jpg", "a file, not a folder"),
    "runs behind a dangling link": ("ensemble good.keras --runs dangling", "which is not there"),
    "a run twice": ("report run ./run", "run: was named twice"),
    "a member twice": ("ensemble good.keras ./good.keras", "good.keras: was named twice"),
    "no members": ("ensemble", "no run directory or .keras file was given"),
    "records that are not there": ("record --results typo", "no such folder"),
    "tables of other records": ("record --results tree/..", "name --pages"),
    "pages for no tables": ("record --no-tables --pages page.md", "would be ignored"),
    "networks for no tables": ("record --no-tables --networks photo.jpg", "would be ignored"),
    "a report of images that are not there": ("report . --source nowhere", "no such file or folder"),
    "a network of nobody's to package": ("package good.keras", "not a run of"),
    "a study in a run": ("search --study run", "holds other files but no search"),
    "somebody's journal": ("search --study notes", "holds other files but no search"),
    "a study in the dataset": ("search --study tree/study", "lies within the dataset"),
    "a report over somebody's page": ("report run --out run/mine", "run/mine"),
    "a table over a snapshot": (
        "predict good.keras photo.jpg --json run/snapshots/index.json",
        "is a file of the run in",
    ),
    "a record for records": ("report run --results run/summary.json", "must be a folder of records"),
    "a teacher that is no run": ("train modern --teacher tree", "no summary.json"),
    "a network without end": ("train convnet --architecture conv3-99999999999", "more than the"),
    "wider than any machine": ("train baseline --width-multiplier 1e9", "at most 16"),
    "a demo's blocks of another backbone": (
        "finetune --demo --backbone mobilenet_v3_large",
        "--unfreeze mixed0: a block of Inception-v3; name a layer of mobilenet_v3_large",
    ),
    "no epochs after a demo's": ("finetune --demo --epochs 0", "--epochs 0"),
    "cores for no cluster": ("extract --cores 2", "would be ignored"),
    "devices of several processes": ("train baseline --distributed --devices CPU:0", "needs KERAS_BACKEND=jax"),
    "nobody's home for labels": ("evaluate good.keras --labels ~nosuchuser/w", "neither sorted, imagenet1k"),
    "labels of another size": (
        "predict good.keras photo.jpg --labels imagenet1k",
        "lists 1000 classes, but the model has 4 scores",
    ),
    "records in the dataset": ("prepare --source tree --data-dir tree/records", "lies within the dataset"),
    "a report in the dataset": ("report . --source tree --out tree/report", "lies within the dataset"),
    "ensembles in the dataset": ("ensemble good.keras --source tree --runs tree/runs", "lies within the dataset"),
    "scores in the dataset": ("zero-shot --source tree --runs tree/runs", "lies within the dataset"),
    "more than all": ("evaluate good.keras --fraction 7", "--fraction 7"),
    "less than nothing": ("ensemble good.keras --fraction -1", "--fraction -1"),
    "no such order": ("evaluate good.keras --labels alphabetical", "neither sorted, imagenet1k"),
    "a name for no record": ("record --name mine", "no run was named"),
    "claims for no tables": ("record --no-tables --claims claims.toml", "would be ignored"),
    "images for no model": ("doctor --images 10", "would be ignored"),
    "no page": ("report . --docs nowhere/page.md", "in an existing folder"),
    "a range that is known": ("evaluate good.keras --pixels 0..1", "would be ignored"),
    "a bucket as a store": ("transfer vanilla --store gs://bucket/values", "must be of this machine"),
    "a bucket for runs": ("train baseline --runs s3://bucket/runs", "must be of this machine"),
    "a bucket as a source": ("transfer v3 --source gs://bucket/tiny.zip", "must be of this machine"),
    "a bucket for a study": ("search --study gs://bucket/study", "must be of this machine"),
    "a bucket for a report": ("report . --out gs://bucket/report", "must be of this machine"),
    "a bucket for records": ("record --results gs://bucket/results", "must be of this machine"),
    "a bucket for an export": ("export good.keras --output gs://bucket/out", "must be of this machine"),
    "nobody's home": ("transfer vanilla --store ~nosuchuser/values", "home directory"),
    "links in a ring": ("transfer vanilla --source ring", "ring"),
    "a name that is too long": (f"transfer vanilla --source {'x' * 5000}", "too long"),
    "not UTF-8": (b"transfer vanilla --source caf\xe9", "its name is not UTF-8"),
    "no run to resume": ("train convnet --resume nowhere", "not a run directory"),
    "a file to resume": ("train convnet --resume good.keras", "not a run directory"),
    "no runs to join": ("ensemble nowhere", "neither a .keras file nor a run"),
    "no run to report": ("report nowhere", "nowhere: no such folder; if the run was moved, name its new place"),
    "no run to record": ("record nowhere", "nowhere: no such folder; if the run was moved, name its new place"),
    "a record elsewhere": (
        "record nowhere --name ../x",
        "nowhere: no such folder; if the run was moved, name its new place",
    ),
    "no formats": ("export good.keras --output photo.jpg", "already exists"),
    "another dataset's": (
        "labels good.keras --from sorted --to imagenet1k --output x.keras",
        "has 4 scores, but --from lists 200",
    ),
    "over itself": ("labels good.keras --from wnids.txt --to sorted --output good.keras", "this command reads it"),
    "over the classes": ("labels good.keras --from wnids.txt --to sorted --output wnids.txt", "this command reads it"),
    "another kind": ("labels good.keras --from wnids.txt --to sorted --output x.npy", "must end in .keras"),
    "a model as a backbone, no range": ("zero-shot --backbone good.keras", "good.keras"),
    "the GPU's arithmetic": ("train baseline --precision float16 --demo", "float16"),
}


@pytest.mark.parametrize("kind", COMMANDS)
def test_bad_command_lines(kind, tmp_path, monkeypatch, tiny_imagenet, state, whole_tree, good_network):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "good.keras").write_bytes(good_network)
    (tmp_path / "photo.jpg").write_bytes((whole_tree / "test/images/test_0.JPEG").read_bytes())
    (tmp_path / "wnids.txt").write_text("n99990000\nn99990001\nn99990002\nn99990003\n")
    (tmp_path / "ring").symlink_to("ring")
    (tmp_path / "tree").symlink_to(whole_tree)
    (tmp_path / "here").symlink_to(".")
    (tmp_path / "dangling").symlink_to("gone")
    (tmp_path / "run").mkdir()
    for name in ("config", "environment", "summary", "snapshots/index"):
        (path := tmp_path / "run" / f"{name}.json").parent.mkdir(exist_ok=True)
        path.write_text("{}")
    for name in ("notes/journal.log", "run/mine/index.html"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text("mine, without an end of line")
    before, (line, message) = (state(tmp_path), state(whole_tree)), COMMANDS[kind]
    words = [os.fsdecode(word) for word in line.split()] if isinstance(line, bytes) else line.split()
    done = tiny_imagenet(*words)
    told = done.stdout + done.stderr
    assert done.returncode == 2 and " ".join(message.split()) in " ".join(told.replace("\u2502", " ").split()), told
    assert "Traceback" not in told and (state(tmp_path), state(whole_tree)) == before


@pytest.mark.parametrize("line", ["search --source .", "extract --demo", "train baseline --demo"])
def test_nothing_is_made_in_a_dataset_where_a_command_is_started(line, monkeypatch, tiny_imagenet, state, whole_tree):
    monkeypatch.chdir(whole_tree)
    before, done = state(whole_tree), tiny_imagenet(*line.split())
    assert done.returncode == 2 and "lies within the dataset" in done.stderr and state(whole_tree) == before


def test_a_missing_picture_is_told_before_a_device_is(tiny_imagenet):
    done = tiny_imagenet("predict", "nothing.jpg")
    assert (done.returncode, done.stdout) == (2, "") and done.stderr == "error: nothing.jpg: no such file or folder\n"


@pytest.fixture(scope="module")
def good_network(tmp_path_factory):
    """A network of this package, of four classes."""
    import keras

    from tiny_imagenet_tf.models import preprocess

    images = keras.Input((64, 64, 3))
    scores = keras.layers.Dense(4, name="logits")(keras.layers.GlobalAveragePooling2D()(images))
    path = tmp_path_factory.mktemp("network") / "good.keras"
    preprocess.deployed(preprocess.classifier(keras.Model(images, scores))).save(path)
    return path.read_bytes()
