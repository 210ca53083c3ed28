"""Damaged runs, records and stores: what reads them names the file, and writes nothing."""

import dataclasses
import json
import zipfile

import keras
import numpy as np
import pytest

from tiny_imagenet_tf.data import splits
from tiny_imagenet_tf.evaluation.metrics import combine
from tiny_imagenet_tf.experiments import checkpoints, options
from tiny_imagenet_tf.experiments.clock import Clock
from tiny_imagenet_tf.experiments.fit import Keeping, take_up
from tiny_imagenet_tf.models import preprocess
from tiny_imagenet_tf.runs import records
from tiny_imagenet_tf.runs.run import Run
from tiny_imagenet_tf.runs.snapshots import Snapshots
from tiny_imagenet_tf.runs.summary import Summary, Validation
from tiny_imagenet_tf.runs.transfer_values import open_store
from tiny_imagenet_tf.transfer.options import TransferOptions

SUMMARY = Summary("A run", Validation(12, 0.5, 0.75, "whole"), epochs=1, hours=0.1)


@pytest.fixture(scope="module")
def network():
    images = keras.Input((64, 64, 3))
    scores = keras.layers.Dense(4, name="logits")(keras.layers.GlobalAveragePooling2D()(images))
    return preprocess.deployed(preprocess.classifier(keras.Model(images, scores)))


@pytest.fixture
def finished(downloaded, builder, tmp_path, network):
    """A run that ended, and the options to find its images."""
    images = {"source": None, "data_dir": downloaded}
    run = Run.create(tmp_path / "runs", "transfer_vanilla", TransferOptions(**images))
    run.write_environment(device="a CPU", seed=0, precision="float32", dataset={"digests": {}})
    run.write_metrics([{"epoch": 1, "step": 6, "accuracy": 0.5, "val_accuracy": 0.5}])
    validation = splits.load(builder, "validation")
    run.write_validation_predictions(validation, np.full((12, 4), 0.25))
    run.snapshots(validation.wnids, 3).offer(network.save, step=6, epoch=1, accuracy=0.5)
    run.write_summary(SUMMARY)
    return run


DAMAGE = {
    "empty": lambda data: b"",
    "cut": lambda data: data[: len(data) * 2 // 3],
    "garbage": lambda data: b"\x00\xff\x13garbage" * 20,
    "text": lambda data: b"<html>404</html>\n",
    "UTF-16": lambda data: "{}".encode("utf-16"),
    "a list": lambda data: b"[1, 2]",
    "a word": lambda data: b'"word"',
    "nothing": lambda data: b"null",
    "deep": lambda data: b"[" * 100_000,
}


def record(recipe, finished, tmp_path):
    module = recipe("record_result")
    module.main(module.Config(run=finished.path, results=tmp_path / "results", tables=False))


def report(recipe, finished, tmp_path):
    module = recipe("report")
    (tmp_path / "none").mkdir(exist_ok=True)
    module.main(module.Config((finished.path,), out=tmp_path / "report", results=tmp_path / "none"))


def resume(recipe, finished, tmp_path):
    options.read(recipe("transfer_vanilla").Config, finished.path)


def ensemble(recipe, finished, tmp_path):
    module = recipe("ensemble")
    module.main(module.Config((finished.path,), runs=tmp_path / "more", data_dir=finished.config["data_dir"]))


READERS = {
    "config.json": [record, resume],
    "environment.json": [record],
    "metrics.jsonl": [record, report],
    "summary.json": [record, report],
    "snapshots/index.json": [ensemble],
}
DAMAGED = [(file, reader, kind) for file, readers in READERS.items() for reader in readers for kind in DAMAGE]
DAMAGED = [each for each in DAMAGED if each[0] != "metrics.jsonl" or each[2] != "empty"]  # no measurement is no damage


@pytest.mark.parametrize(("file", "reader", "kind"), DAMAGED, ids=lambda value: getattr(value, "__name__", None))
def test_damaged_json(recipe, refusal, finished, tmp_path, file, reader, kind):
    path = finished.path / file
    path.write_bytes(DAMAGE[kind](path.read_bytes()))
    if reader is ensemble:
        (finished.path / "predictions-validation.npz").unlink()
    with refusal(tmp_path, path.name):
        reader(recipe, finished, tmp_path)


ARRAYS = {
    **{kind: DAMAGE[kind] for kind in ("empty", "cut", "garbage", "text")},
    "flipped": lambda data: data[: len(data) // 2] + bytes([data[len(data) // 2] ^ 0xFF]) + data[len(data) // 2 + 1 :],
    "pickled": lambda data: b"\x80\x04K\x01.",
}


@pytest.mark.parametrize("kind", ARRAYS)
@pytest.mark.parametrize("reader", [report, ensemble])
def test_damaged_predictions(recipe, refusal, finished, tmp_path, reader, kind):
    path = finished.path / "predictions-validation.npz"
    path.write_bytes(ARRAYS[kind](path.read_bytes()))
    (finished.path / "snapshots/index.json").unlink()
    with refusal(tmp_path, path.name):
        reader(recipe, finished, tmp_path)


VALUES = {
    "one NaN": lambda arrays: arrays["probabilities"].__setitem__((0, 0), np.nan),
    "all NaN": lambda arrays: arrays["probabilities"].fill(np.nan),
    "infinite": lambda arrays: arrays["probabilities"].__setitem__((3, 1), np.inf),
    "scores, not probabilities": lambda arrays: arrays["probabilities"].__imul__(10),
    "a class less": lambda arrays: arrays.update(probabilities=arrays["probabilities"][:, 1:]),
    "a class less in both": lambda arrays: arrays.update(
        probabilities=arrays["probabilities"][:, 1:] * 4 / 3, wnids=arrays["wnids"][1:]
    ),
    "an image less": lambda arrays: arrays.update(probabilities=arrays["probabilities"][1:]),
    "classes the other way": lambda arrays: arrays.update(wnids=arrays["wnids"][::-1]),
    "a class twice": lambda arrays: arrays["wnids"].__setitem__(1, arrays["wnids"][0]),
    "a label too many": lambda arrays: arrays["labels"].__setitem__(0, 7),
    "a label below": lambda arrays: arrays["labels"].__setitem__(0, -1),
    "no labels": lambda arrays: arrays.pop("labels"),
    "no classes": lambda arrays: arrays.pop("wnids"),
    "no probabilities": lambda arrays: arrays.pop("probabilities"),
}


@pytest.mark.parametrize("kind", VALUES)
@pytest.mark.parametrize("reader", [report, ensemble])
def test_predictions_that_cannot_be(recipe, refusal, finished, tmp_path, reader, kind):
    path = finished.path / "predictions-validation.npz"
    with np.load(path) as stored:
        arrays = dict(stored)
    VALUES[kind](arrays)
    np.savez(path, **arrays)
    (finished.path / "snapshots/index.json").unlink()
    with refusal(tmp_path, path.name):
        reader(recipe, finished, tmp_path)


FIGURES = {
    "NaN": ("validation", "top1", float("nan")),
    "infinite": ("validation", "top1", float("inf")),
    "seven": ("validation", "top1", 7),
    "percent": ("validation", "top1", 70.9),
    "negative": ("validation", "top1", -0.1),
    "text": ("validation", "top1", "70.9%"),
    "nothing": ("validation", "top1", None),
    "top-5 below top-1": ("validation", "top5", 0.1),
    "top-5 of seven": ("validation", "top5", 7),
    "no images": ("validation", "images", 0),
    "half an image": ("validation", "images", 12.5),
    "images in words": ("validation", "images", "12"),
    "accuracy of training": ("train", "accuracy", 80),
    "hours": (None, "hours", -1),
    "endless": (None, "hours", float("inf")),
    "epochs": (None, "epochs", "thirty"),
    "title": (None, "title", ""),
    "no title": (None, "title", None),
    "no validation": (None, "validation", None),
    "validation in words": (None, "validation", "good"),
    "train in words": (None, "train", "good"),
    "notes in numbers": (None, "notes", 7),
    "ensemble in words": (None, "ensemble", "good"),
    "crops": ("validation", "crops", "twenty"),
    "no row of a paper": (None, "published", "milani/best"),
    "a row in numbers": (None, "published", 7),
    "a trunk in a list": (None, "trunk", ["x"]),
    "snapshots in words": (None, "snapshots", "many"),
    "partial in numbers": (None, "partial", 3),
    "a note in numbers": (None, "notes", ["good", 7]),
    "images of training": ("train", "images", "100,000"),
    "screened": ("train", "screened", None),
    "an ensemble's accuracy": (None, "ensemble", {"accuracy_by_size": [7], "best_size": 1, "members": [["a", 0.5]]}),
    "an ensemble of none": (None, "ensemble", {"accuracy_by_size": [0.5], "best_size": 0, "members": []}),
    "an ensemble of more": (None, "ensemble", {"accuracy_by_size": [0.5], "best_size": 3, "members": []}),
    "an ensemble's members": (None, "ensemble", {"accuracy_by_size": [0.5], "best_size": 1, "members": [[1, 2]]}),
}


@pytest.mark.parametrize("kind", FIGURES)
@pytest.mark.parametrize("reader", [record, report])
def test_figures_that_cannot_be(recipe, refusal, finished, tmp_path, reader, kind):
    part, name, value = FIGURES[kind]
    stored = json.loads(json.dumps(dataclasses.asdict(SUMMARY)))
    (stored[part] if part else stored)[name] = value
    (finished.path / "summary.json").write_text(json.dumps(stored))
    with refusal(tmp_path, "summary.json"):
        reader(recipe, finished, tmp_path)


ODD = {
    "config without a recipe": ("config.json", lambda stored: stored.pop("recipe"), "of which recipe"),
    "config of nothing": ("config.json", lambda stored: stored.clear(), "of which recipe"),
    "recipe in numbers": ("config.json", lambda stored: stored.update(recipe=7), "config.recipe is '7'"),
    "seed in words": ("config.json", lambda stored: stored.update(seed="one"), "config.seed is 'one'"),
    "source in numbers": ("config.json", lambda stored: stored.update(source=5), "config.source is '5'"),
    "fraction in words": ("config.json", lambda stored: stored.update(fraction="half"), "config.fraction"),
    "fraction NaN": ("config.json", lambda stored: stored.update(fraction=float("nan")), "NaN is no number"),
    "commit in numbers": ("environment.json", lambda stored: stored.update(commit=7), "environment.commit"),
    "device in a list": ("environment.json", lambda stored: stored.update(device=["a"]), "environment.device"),
    "dataset in words": ("environment.json", lambda stored: stored.update(dataset="all"), "environment.dataset"),
    "a row without its epoch": ("metrics.jsonl", lambda stored: stored.pop("epoch"), "no epoch"),
    "a step in words": ("metrics.jsonl", lambda stored: stored.update(step="six"), "it.step is 'six'"),
    "half a step": ("metrics.jsonl", lambda stored: stored.update(step=0.5), "it.step is '0.5'"),
    "a step below": ("metrics.jsonl", lambda stored: stored.update(step=-6), "below 0"),
    "an accuracy in words": ("metrics.jsonl", lambda stored: stored.update(accuracy="good"), "it.accuracy"),
    "an accuracy NaN": ("metrics.jsonl", lambda stored: stored.update(accuracy=float("nan")), "NaN is no number"),
}


@pytest.mark.parametrize("kind", ODD)
def test_what_a_run_cannot_have_been(recipe, refusal, finished, tmp_path, kind):
    name, spoil, message = ODD[kind]
    stored = json.loads((finished.path / name).read_text())
    spoil(stored)
    (finished.path / name).write_text(json.dumps(stored))
    with refusal(tmp_path, name, message):
        record(recipe, finished, tmp_path)


@pytest.mark.parametrize("accuracy", [7, -1, "good", None, True])
def test_snapshots_that_cannot_have_been_measured(refusal, finished, tmp_path, accuracy):
    path = finished.path / "snapshots/index.json"
    stored = json.loads(path.read_text())
    stored["snapshots"][0]["accuracy"] = accuracy
    path.write_text(json.dumps(stored))
    with refusal(tmp_path, str(path)):
        finished.snapshots()


@pytest.mark.parametrize("position", [{}, {"step": "3", "seconds": 0}, {"step": 3, "seconds": None}, {"step": 1.5}])
def test_checkpoints_that_stand_nowhere(refusal, tmp_path, position):
    path = tmp_path / "checkpoint.npz"
    np.savez(path, position=json.dumps({"per_epoch": 6, **position}))
    with refusal(tmp_path, str(path), "damaged"):
        checkpoints.read_clock(path, 6)


@pytest.mark.parametrize("position", [np.zeros(3), np.float64(2), np.array("[1]"), np.array(["{}"] * 2)], ids=str)
def test_checkpoints_whose_position_is_no_text(refusal, tmp_path, position):
    np.savez(tmp_path / "checkpoint.npz", position=position)
    with refusal(tmp_path, "checkpoint.npz", "damaged"):
        checkpoints.read_clock(tmp_path / "checkpoint.npz", 6)


CONFIG = {
    "a number in words": {"batch_size": "100"},
    "a half": {"epochs": 1.5},
    "a list": {"learning_rate": [0.1]},
    "nothing": {"seed": None},
    "a number as a path": {"store": 3},
    "no choice": {"precision": "float8"},
    "yes": {"demo": "yes"},
}


@pytest.mark.parametrize("kind", CONFIG)
def test_options_of_other_types_are_not_resumed(refusal, finished, tmp_path, kind):
    path = finished.path / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | CONFIG[kind]))
    with refusal(tmp_path, str(finished.path), next(iter(CONFIG[kind]))):
        options.read(TransferOptions, finished.path)


@pytest.mark.parametrize("lost", ["metrics.jsonl", "step-0000006.keras"])
def test_a_run_that_has_lost_something_does_not_go_on(refusal, finished, tmp_path, builder, lost):
    network = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    network.compile("sgd")
    checkpoints.save(finished.checkpoint, checkpoints.state(network, Clock(6, 6)), Clock(6, 6))
    next(finished.path.rglob(lost)).unlink()
    kept = Keeping(finished, finished.snapshots(splits.load(builder, "train").wnids), dict, network.save, 6, 6)
    with refusal(tmp_path, lost, "missing"):
        take_up(network, kept, 6)


def spoilt(path, *, encrypted=False, members=None):
    """A saved network with another member, or the mark of encryption on all."""
    data = bytearray(path.read_bytes())
    if members:
        with zipfile.ZipFile(path, "a") as archive:
            for name, content in members.items():
                archive.writestr(name, content)
        data = bytearray(path.read_bytes())
        place = data.rindex(b"[]")  # its CRC no longer fits
        data[place] ^= 1
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)) if encrypted else ():
        place = -1
        while (place := data.find(mark, place + 1)) >= 0:
            data[place + offset] |= 1
    path.write_bytes(data)


@pytest.mark.parametrize("reader", ["evaluate", "predict", "export", "labels"])
@pytest.mark.parametrize("kind", ["encrypted", "classes with another checksum"])
def test_archives_of_networks_that_cannot_be_read(recipe, refusal, finished, tmp_path, network, reader, kind):
    path = tmp_path / "spoilt.keras"
    network.save(path)
    spoilt(path, encrypted=kind == "encrypted", members=None if kind == "encrypted" else {"classes.json": "[]" * 8})
    read_network(recipe, refusal, finished, path, reader)


@pytest.mark.parametrize("lost", ["file_names", "labels", "wnids", "features", "a row", "a dimension", "a number"])
def test_features_that_do_not_fit(refusal, finished, tmp_path, builder, lost):
    finished.write_features(splits.load(builder, "validation"), np.zeros((12, 5)))
    path = finished.path / "features-validation.npz"
    with np.load(path) as stored:
        arrays = dict(stored)
    if lost in arrays:
        del arrays[lost]
    else:
        features = arrays["features"]
        other = {"a row": features[:-1], "a dimension": features[:, 0], "a number": features + np.nan}[lost]
        arrays["features"] = other
    np.savez(path, **arrays)
    with refusal(tmp_path, path.name):
        finished.read_features()


NUMBERS = {
    "NaN": np.full((3, 4), np.nan),
    "infinite": np.full((3, 4), np.inf),
    "words": np.full((3, 4), "a"),
    "one image": np.zeros(4),
    "a class less": np.zeros((3, 3)),
    "none": np.zeros((0, 4)),
}


@pytest.mark.parametrize("kind", [*NUMBERS, "several arrays", "cut", "an empty archive", "nothing"])
def test_arrays_of_scores_that_are_none(recipe, refusal, builder, tmp_path, kind):
    path, wnids = tmp_path / "scores.npy", splits.load(builder, "validation").wnids
    (tmp_path / "wnids.txt").write_text("\n".join(wnids))
    with path.open("wb") as file:
        np.savez(file, a=np.zeros(3)) if kind == "several arrays" else np.save(
            file, NUMBERS.get(kind, np.zeros((3, 4)))
        )
    if kind in ("cut", "an empty archive", "nothing"):
        path.write_bytes({"cut": path.read_bytes()[:100], "an empty archive": b"PK\x05\x06", "nothing": b""}[kind])
    module = recipe("labels")
    with refusal(tmp_path, "scores.npy"):
        module.main(module.Config(path, str(tmp_path / "wnids.txt"), "sorted", tmp_path / "ordered.npy"))


@pytest.mark.parametrize("reader", ["evaluate", "predict", "export", "labels"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite(recipe, refusal, finished, tmp_path, network, reader, value):
    spoiled = keras.models.clone_model(network)
    spoiled.set_weights([np.full_like(array, value) for array in network.get_weights()])
    spoiled.save(tmp_path / "spoiled.keras")
    read_network(recipe, refusal, finished, tmp_path / "spoiled.keras", reader, "not finite")


def read_network(recipe, refusal, finished, path, reader, *words):
    """Gives a file to a command, which refuses it."""
    folder = path.parent
    (folder / "wnids.txt").write_text("n99990000\nn99990001\nn99990002\nn99990003\n")
    (folder / "a.jpg").write_bytes(b"x")
    images = {"data_dir": finished.config["data_dir"]}
    chosen = {
        "evaluate": {"model": path, **images},
        "predict": {"paths": (path, folder / "a.jpg")},
        "export": {"model": path, "output": folder / "exported", **images},
        "labels": {"file": path, "start": str(folder / "wnids.txt"), "to": "sorted", "output": folder / "sorted.keras"},
    }[reader]
    module = recipe(reader)
    with refusal(folder, path.name, *words):
        module.main(module.Config(**chosen))


def test_scores_that_are_not_finite_are_no_answer(refusal, tmp_path):
    with refusal(tmp_path, "NaN or infinite"):
        combine([np.zeros((2, 3)), np.full((2, 3), np.inf)])


def test_stored_answers_count_for_their_own_images_alone(recipe, refusal, finished, tmp_path):
    environment = finished.environment | {"dataset": {"digests": {"validation": "of others"}}}
    (finished.path / "environment.json").write_text(json.dumps(environment))
    (finished.path / "snapshots/index.json").unlink()
    with refusal(tmp_path, "only predictions for its own val images"):
        ensemble(recipe, finished, tmp_path)


@pytest.mark.parametrize("other", ["file_names", "labels"])
def test_stored_answers_of_other_images_do_not_count(recipe, refusal, finished, tmp_path, other):
    path = finished.path / "predictions-validation.npz"
    with np.load(path) as stored:
        arrays = dict(stored)
    arrays[other] = arrays[other][::-1]
    np.savez(path, **arrays)
    (finished.path / "snapshots/index.json").unlink()
    with refusal(tmp_path, "only predictions for its own val images"):
        ensemble(recipe, finished, tmp_path)


NAMES = ["../evil", "../../evil", "a/b", "/tmp/evil", ".", "..", ".hidden", "a\nb", "a b", "x|y", "évil", "a\0b", "~"]


@pytest.mark.parametrize(
    ("how", "name"), [("recipe", ""), *((how, name) for name in NAMES for how in ("recipe", "option"))]
)
def test_names_cannot_leave_the_folder(recipe, refusal, finished, tmp_path, name, how):
    module, chosen = recipe("record_result"), {}
    if how == "recipe":
        config = finished.config | {"recipe": name}
        (finished.path / "config.json").write_text(json.dumps(config))
    else:
        chosen = {"name": name}
    with refusal(tmp_path, "--name"):
        module.main(module.Config(run=finished.path, results=tmp_path / "a/b/results", tables=False, **chosen))


def test_a_record_is_written_after_all_has_been_rendered(recipe, refusal, finished, tmp_path):
    page = tmp_path / "page.md"
    page.write_text("<!-- results:begin short -->\nno end\n")
    module = recipe("record_result")
    with refusal(tmp_path, str(page)):
        module.main(module.Config(run=finished.path, results=tmp_path / "results", pages=(page,)))


@pytest.mark.parametrize("kind", DAMAGE)
def test_damaged_records(refusal, finished, tmp_path, kind):
    path = records.write(tmp_path / "results", records.from_run(finished, "x"))
    path.write_bytes(DAMAGE[kind](path.read_bytes()))
    with refusal(tmp_path, str(path)):
        records.read(tmp_path / "results")


@pytest.mark.parametrize("kind", ARRAYS)
def test_damaged_checkpoints(refusal, tmp_path, kind):
    path = tmp_path / "checkpoint.npz"
    model = keras.Sequential([keras.Input((30,)), keras.layers.Dense(30, use_bias=False)])
    model.compile("sgd", "mse")
    clock = Clock(6, step=3)
    checkpoints.save(path, checkpoints.state(model, clock), clock)
    checkpoints.restore(path, model)  # whole, it is taken
    path.write_bytes(ARRAYS[kind](path.read_bytes()))
    with refusal(tmp_path, str(path)):
        assert checkpoints.read_clock(path, 6).step == 3
        checkpoints.restore(path, model)


def test_snapshots_without_their_index_are_left_alone(refusal, finished, tmp_path, builder):
    folder = finished.path / "snapshots"
    (folder / "mine.keras").touch()
    (folder / "index.json").unlink()
    with refusal(tmp_path, "index.json is missing", "nothing was removed"):
        Snapshots(folder, splits.load(builder, "validation").wnids)


def test_a_file_of_the_users_own_stays(finished):
    folder = finished.path / "snapshots"
    (folder / "mine.keras").touch()
    finished.snapshots().go_back_to(0)
    assert sorted(path.name for path in folder.iterdir()) == ["index.json", "mine.keras"]


@pytest.mark.parametrize("name", ["../../mine.keras", "/tmp/x.keras", "mine.keras", "step-1.keras/../x"])
def test_an_index_cannot_name_other_files(refusal, finished, tmp_path, name):
    path = finished.path / "snapshots/index.json"
    stored = json.loads(path.read_text())
    stored["snapshots"][0]["file"] = name
    path.write_text(json.dumps(stored))
    with refusal(tmp_path, str(path)):
        finished.snapshots()


SHARDS = {
    "values flipped": (".npy", ARRAYS["flipped"], "its sha256 has changed; delete it"),
    "values cut": (".npy", DAMAGE["cut"], "its sha256 has changed; delete it"),
    "values empty": (".npy", DAMAGE["empty"], "its sha256 has changed; delete it"),
    "checksum empty": (".json", DAMAGE["empty"], "delete it and run again"),
    "checksum cut": (".json", DAMAGE["cut"], "delete it and run again"),
    "checksum a list": (".json", DAMAGE["a list"], "its sha256 has changed"),
    "checksum without a sum": (".json", lambda data: b"{}", "its sha256 has changed"),
    "checksum garbage": (".json", DAMAGE["garbage"], "delete it and run again"),
}


@pytest.mark.parametrize("kind", SHARDS)
@pytest.mark.parametrize("how", ["load", "read_rows"])
def test_damaged_stores(refusal, tmp_path, how, kind):
    store = open_store(tmp_path, {"layer": "x"}, rows=6, shard_rows=3)
    for shard in store.shards:
        store.write(shard, np.ones((3, 40), np.float16))
    ending, spoil, message = SHARDS[kind]
    path = store.folder / f"shard-00001{ending}"
    path.write_bytes(spoil(path.read_bytes()))
    with refusal(tmp_path, "shard-00001", message):
        store.load() if how == "load" else store.read_rows(np.array([4]))


@pytest.mark.parametrize("kind", ["empty", "cut", "garbage"])
def test_damaged_keys(refusal, tmp_path, kind):
    store = open_store(tmp_path, {"layer": "x"}, rows=6)
    path = store.folder / "key.json"
    path.write_bytes(DAMAGE[kind](path.read_bytes()))
    with refusal(tmp_path, "key.json"):
        open_store(tmp_path, {"layer": "x"}, rows=6)


@pytest.mark.parametrize(
    "values",
    [np.full((3, 4), np.nan), np.full((3, 4), np.inf), np.full((3, 4), 1e6, np.float32).astype(np.float16),
     np.zeros((2, 4)), np.zeros((4, 4)), np.zeros(3)],
    ids=["NaN", "infinite", "too large for float16", "too few", "too many", "one number an image"],
)  # fmt: skip
def test_values_that_cannot_be_stored(refusal, tmp_path, values):
    store = open_store(tmp_path, {"layer": "x"}, rows=3)
    with refusal(tmp_path, "shard 0"):
        store.write(0, values)
