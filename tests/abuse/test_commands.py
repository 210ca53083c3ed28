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
        "this command reads it",
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
    "no page": ("report . --docs nowhere/page.md", "in a folder that is there"),
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
    "no run to report": ("report nowhere", "no summary.json"),
    "no run to record": ("record nowhere", "no summary.json"),
    "a record elsewhere": ("record nowhere --name ../x", "no summary.json"),
    "no formats": ("export good.keras --output photo.jpg", "is there already"),
    "another dataset's": ("labels good.keras --from sorted --to imagenet1k --output x.keras", "4 scores for 200"),
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
    before, (line, message) = (state(tmp_path), state(whole_tree)), COMMANDS[kind]
    words = [os.fsdecode(word) for word in line.split()] if isinstance(line, bytes) else line.split()
    done = tiny_imagenet(*words)
    told = done.stdout + done.stderr
    assert done.returncode == 2 and " ".join(message.split()) in " ".join(told.replace("\u2502", " ").split()), told
    assert "Traceback" not in told and (state(tmp_path), state(whole_tree)) == before


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
