"""The tools: pictures named, doctor, labels."""

import csv
import dataclasses
import io
import json
import os
import sys

import keras
import numpy as np
import pytest
from PIL import Image
from PIL.TiffImagePlugin import BITSPERSAMPLE, PHOTOMETRIC_INTERPRETATION

from tiny_imagenet_tf.data import pictures, splits
from tiny_imagenet_tf.data.tiny_imagenet.tiny_imagenet_dataset_builder import classes as official
from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.evaluation import checkup, members
from tiny_imagenet_tf.evaluation.predict import Predictor
from tiny_imagenet_tf.models import preprocess
from tiny_imagenet_tf.runs import networks
from tiny_imagenet_tf.runs.files import write_json
from tiny_imagenet_tf.runs.networks import Classes
from tiny_imagenet_tf.runs.run import Run
from tiny_imagenet_tf.runs.summary import Summary, Validation

COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}
WNIDS = ("n00000001", "n00000002", "n00000003")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A network that names a picture's colour."""
    images = keras.Input((64, 64, 3))
    x = keras.layers.Rescaling(10.0)(keras.layers.GlobalAveragePooling2D()(images))
    path = tmp_path_factory.mktemp("model") / "colours.keras"
    saved = preprocess.deployed(preprocess.classifier(keras.Model(images, x)))
    networks.save(saved.save, path, Classes(WNIDS, tuple(COLOURS)))
    return path


@pytest.fixture
def photos(tmp_path):
    """A colour at the left or top of an upright picture, in several kinds of file."""
    folder = tmp_path / "photos"
    folder.mkdir()
    Image.new("RGB", (300, 200), COLOURS["red"]).save(folder / "a.jpg")
    Image.new("RGB", (20, 50), COLOURS["green"]).save(folder / "b.png")
    Image.new("RGB", (64, 64), COLOURS["blue"]).save(folder / "c.webp", lossless=True)
    (folder / "notes.txt").write_text("no picture")
    return folder


def test_a_run_names_pictures_as_it_was_tested(recipe, photos, builder, tmp_path, capsys):
    run, validation = Run(tmp_path / "run"), splits.load(builder, "validation")
    run.path.mkdir()
    images = keras.Input((64, 64, 3))
    corner = keras.layers.Cropping2D(((0, 60), (0, 60)))(images)  # which crops and mirror images change
    model = preprocess.deployed(preprocess.classifier(keras.Model(images, keras.layers.Flatten()(corner)[:, :4])))
    networks.save(model.save, run.classifier, Classes.of(validation.wnids, {}))
    write_json(run.path / "config.json", {"recipe": "transfer_v2"})
    write_json(run.path / "environment.json", {})
    run.write_validation_predictions(validation, np.full((len(validation), 4), 1 / 4))
    run.write_summary(Summary("v2", Validation(12, 0.5, crops="ten")))
    edge = Image.new("RGB", (64, 64), COLOURS["red"])
    edge.paste(COLOURS["green"], (0, 0, 4, 64))
    edge.save(photos / "edge.png")
    predict, network = recipe("predict"), Predictor.of(model)
    found = predict.main(predict.Config((run.path, photos / "edge.png"), top=4))
    assert "10 crops" in capsys.readouterr().out
    (expected,) = network.of_images([np.asarray(edge)], network.views("ten"))
    (whole,) = network.of_images([np.asarray(edge)], network.views("whole"))
    assert np.abs(expected - whole).max() > 0.1, "or one crop would do"
    answers = {each["wnid"]: each["probability"] for each in found[0]["answers"]}
    np.testing.assert_allclose([answers[wnid] for wnid in validation.wnids], expected, atol=1e-5)


def test_pictures_are_named(recipe, model, photos, tmp_path, capsys):
    predict = recipe("predict")
    table, document = tmp_path / "out.csv", tmp_path / "out.json"
    answers = predict.main(predict.Config((model, photos), top=2, csv=table, json=document))
    assert [each["answers"][0]["name"] for each in answers] == list(COLOURS)
    assert "(300x200)" in capsys.readouterr().out
    rows = list(csv.DictReader(table.open()))
    assert [row["wnid"] for row in rows if row["rank"] == "1"] == list(WNIDS) and len(rows) == 6
    assert json.loads(document.read_text()) == answers


def test_a_folder_of_pictures_may_hold_any_other_file(recipe, photos, tmp_path, monkeypatch):
    predict = recipe("predict")
    (photos / "config.json").write_text('{"camera": 1}')
    assert predict.split((photos,)) == (None, (photos,))
    (photos / "best.keras").touch()  # of an early run, say
    assert predict.split((photos, photos / "a.jpg")) == (photos, (photos / "a.jpg",))
    (photos / "best.keras").unlink()
    monkeypatch.chdir(photos)
    with pytest.raises(UserError, match="no picture was given"):
        predict.split(())


def test_pictures_behind_links_are_found_once(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "elsewhere").mkdir()
    for name in ("photos/a.png", "elsewhere/b.png", "elsewhere/c.txt"):
        (tmp_path / name).touch()
    (tmp_path / "photos" / "more").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "back").symlink_to(tmp_path / "photos")
    found = pictures.find([tmp_path / "photos"])
    assert [path.name for path in found] == ["a.png", "b.png"]
    assert pictures.left_out([tmp_path / "photos"], found) == 1


def test_a_folder_that_cannot_be_read_is_told_once(tmp_path, monkeypatch, capsys):
    (tmp_path / "a.png").touch()
    walk = os.walk

    def refused(top, followlinks, onerror):
        onerror(PermissionError(13, "Permission denied", "lost+found"))
        return walk(top, followlinks=followlinks)

    monkeypatch.setattr(os, "walk", refused)
    found = pictures.find([tmp_path])
    assert [path.name for path in found] == ["a.png"] and pictures.left_out([tmp_path], found) == 0
    assert capsys.readouterr().err == "skipped lost+found: Permission denied\n"


def test_a_picture_is_turned_as_its_camera_says(tmp_path):
    upright = Image.new("RGB", (60, 120), (0, 0, 0))
    upright.paste((255, 255, 255), (0, 30, 60, 60))  # above the middle of the centre square
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    upright.rotate(90, expand=True).save(tmp_path / "turned.png", exif=exif)
    upright.save(tmp_path / "upright.png")
    (turned, size), (plain, _) = (pictures.read(tmp_path / f"{name}.png") for name in ("turned", "upright"))
    assert size == (60, 120)
    np.testing.assert_allclose(turned.astype(int), plain, atol=2)
    assert plain[:30].mean() > 200 > 50 > plain[34:].mean()


def test_sixteen_bits_a_pixel_are_as_bright_as_eight(tmp_path):
    eight = np.tile(np.linspace(0, 255, 64).astype(np.uint8), (64, 1))
    Image.fromarray(eight.astype(np.uint16) * 257).save(tmp_path / "gray.png")
    (tmp_path / "gray.pgm").write_bytes(b"P5 64 64 65535\n" + (eight.astype(">u2") * 257).tobytes())
    for name in ("gray.png", "gray.pgm"):
        found, _ = pictures.read(tmp_path / name)
        np.testing.assert_array_equal(found, np.repeat(eight[..., None], 3, axis=2))
    for bits, photometric, numbers in ((12, 1, eight * 4095.0 / 255), (16, 0, (255.0 - eight) * 257)):
        tags = {BITSPERSAMPLE: (bits,), PHOTOMETRIC_INTERPRETATION: photometric}
        found = pictures._in_bytes(Image.fromarray(np.ceil(numbers).astype(np.uint16)), "TIFF", tags)
        np.testing.assert_allclose(np.asarray(found, int), eight, atol=1)
    Image.fromarray(eight.astype(np.float32) / 255).save(tmp_path / "floats.tif")
    with pytest.raises(pictures.PictureError, match="32 bits, whose range is not known; save it with 8 or 16"):
        pictures.read(tmp_path / "floats.tif")


def test_what_is_transparent_is_white(tmp_path):
    Image.new("RGBA", (64, 64), (255, 0, 0, 0)).save(tmp_path / "clear.png")
    half = Image.new("RGBA", (64, 64), (0, 0, 0, 128))
    half.save(tmp_path / "half.png")
    assert (pictures.read(tmp_path / "clear.png")[0] == 255).all()
    np.testing.assert_allclose(pictures.read(tmp_path / "half.png")[0], 127, atol=1)


def test_what_is_neither_file_nor_folder_is_named(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(UserError, match=r"pipe.jpg: neither a file nor a folder"):
        pictures.find([tmp_path / "pipe.jpg"])


def test_a_file_name_of_any_bytes_comes_back_in_the_table(recipe, model, photos, tmp_path, monkeypatch):
    predict, table = recipe("predict"), tmp_path / "out.csv"
    (photos / "a.jpg").rename(photos / os.fsdecode(b"caf\xe9.jpg"))
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), errors="backslashreplace"))  # as the command does
    predict.main(predict.Config((model, photos), csv=table, json=tmp_path / "out.json"))
    assert b"caf\xe9.jpg" in table.read_bytes()
    files = [each["file"] for each in json.loads((tmp_path / "out.json").read_text())]
    assert str(photos / os.fsdecode(b"caf\xe9.jpg")) in files


def test_classes_that_a_model_does_not_hold_are_named_by_labels(recipe, photos, tmp_path, capsys):
    images = keras.Input((64, 64, 3))
    scores = keras.layers.Dense(200, name="logits")(keras.layers.GlobalAveragePooling2D()(images))
    keras.Model(images, scores).save(tmp_path / "plain.keras")
    predict = recipe("predict")
    given = {"paths": (tmp_path / "plain.keras", photos), "pixels": "0..1", "top": 1}
    (named, *_) = predict.main(predict.Config(**given, labels="sorted"))
    answer = named["answers"][0]
    assert answer["name"] == official()[answer["wnid"]].split(",")[0]
    (numbered, *_) = predict.main(predict.Config(**given))
    assert numbered["answers"][0]["wnid"].startswith("class ")
    assert "does not store its classes; give --labels to see their names" in capsys.readouterr().err


def test_a_broken_picture_of_a_folder_is_left_out_and_one_that_was_named_is_an_error(recipe, model, photos, capsys):
    predict = recipe("predict")
    (photos / "b.png").write_bytes(b"half")
    assert len(predict.main(predict.Config((model, photos)))) == 2
    assert "left out" in capsys.readouterr().err
    with pytest.raises(UserError, match="b.png: not a picture"):
        predict.main(predict.Config((model, photos / "b.png")))


@pytest.mark.parametrize(
    ("pictures_given", "options", "message"),
    [
        (("nowhere.jpg",), {}, "nowhere.jpg: no such file"),
        ((), {}, "no picture was given"),
        (("empty",), {}, "no picture in this folder"),
        (("photos",), {"top": 0}, "--top 0"),
        (("photos",), {"csv": "nowhere/x.csv"}, "must be a file in an existing folder"),
        (("photos",), {"csv": "wnids.txt", "labels": "wnids.txt"}, "is there already, and this command reads it"),
    ],
)
def test_what_cannot_be_done_is_said(recipe, model, photos, tmp_path, pictures_given, options, message):
    predict = recipe("predict")
    (tmp_path / "empty").mkdir()
    (tmp_path / "wnids.txt").write_text("\n".join(WNIDS))
    options = {name: value if name == "top" else tmp_path / value for name, value in options.items()}
    with pytest.raises(UserError, match=message):
        predict.main(predict.Config((model, *(tmp_path / each for each in pictures_given)), **options))


@pytest.fixture
def well(monkeypatch):
    """A machine with room on its disk, and nothing amiss with a GPU."""
    monkeypatch.setattr(checkup, "room", lambda path: (path, 100 * 2**30))
    monkeypatch.setattr(checkup.hardware, "gpu_without_cuda", lambda: False)


def test_the_doctor_ends_with_1_where_the_disk_is_nearly_full(recipe, well, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(checkup, "room", lambda path: (path, 2 * 2**30))
    doctor = recipe("doctor")
    with pytest.raises(SystemExit) as ended:
        doctor.main(doctor.Config(data_dir=tmp_path / "data"))
    told = "2.0 GiB are free; dataset and transfer values need about 3"
    assert ended.value.code == 1 and told in " ".join(capsys.readouterr().out.split())


def test_the_doctor_finds_nothing_wrong_with_good_data(recipe, well, tree, tmp_path, capsys):
    doctor = recipe("doctor")
    assert doctor.examine(doctor.Config(source=tree, data_dir=tmp_path / "data")) == []
    told = capsys.readouterr().out
    assert "Nothing is wrong" in told and "24 train, 12 validation, 5 test" in told and "CPU" in told


def test_the_doctor_names_what_is_wrong_with_data(recipe, well, tree, tmp_path):
    doctor = recipe("doctor")
    (tree / "val/images/val_3.JPEG").write_text("no")
    (wrong,) = doctor.examine(doctor.Config(source=tree, data_dir=tmp_path / "data"))
    assert "val_3.JPEG: not a JPEG file" in wrong


def test_the_doctor_looks_at_records(recipe, well, builder, tmp_path, monkeypatch):
    doctor = recipe("doctor")
    monkeypatch.setattr(splits, "verify", lambda builder: (_ for _ in ()).throw(UserError("the records differ")))
    tree = next(builder.data_path.parents[4].glob("tiny-imagenet-200"))
    assert doctor.examine(doctor.Config(source=tree, data_dir=builder.data_path.parents[3])) == ["the records differ"]


def test_the_doctor_tells_of_a_model(recipe, well, tree, tmp_path):
    doctor = recipe("doctor")
    images = keras.Input((64, 64, 3))
    x = keras.layers.GlobalAveragePooling2D()(images)
    keras.Model(images, keras.layers.Dense(4, kernel_initializer="zeros")(x)).save(tmp_path / "mine.keras")
    options = {"source": tree, "data_dir": tmp_path / "data", "model": tmp_path / "mine.keras", "pixels": "0..1"}
    (wrong,) = doctor.examine(doctor.Config(**options))
    assert wrong.startswith("mine.keras: it is at chance")


@pytest.fixture
def orders(tmp_path):
    """The classes in another order, and sorted."""
    (tmp_path / "wnids.txt").write_text("n00000003\nn00000001\nn00000002\n")
    return tmp_path / "wnids.txt"


def test_predictions_are_brought_in_order_and_back(recipe, orders, tmp_path):
    labels = recipe("labels")
    values = np.random.default_rng(0).random((5, 3)).astype(np.float32)
    np.save(tmp_path / "in.npy", values)
    labels.main(labels.Config(tmp_path / "in.npy", str(orders), "sorted", tmp_path / "out.npy"))
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), values[:, [1, 2, 0]])
    labels.main(labels.Config(tmp_path / "out.npy", "sorted", str(orders), tmp_path / "back.npy"))
    np.testing.assert_array_equal(np.load(tmp_path / "back.npy"), values)


def test_a_class_that_was_not_asked_has_the_least_score_of_whole_numbers(recipe, tmp_path):
    labels = recipe("labels")
    (tmp_path / "two.txt").write_text("n00000001\nn00000002\n")
    (tmp_path / "three.txt").write_text("n00000003\nn00000001\nn00000002\n")
    np.save(tmp_path / "in.npy", np.array([[-9, 5]], np.int8))
    given = {"start": str(tmp_path / "two.txt"), "to": str(tmp_path / "three.txt"), "classes": tmp_path / "two.txt"}
    labels.main(labels.Config(tmp_path / "in.npy", **given, output=tmp_path / "out.npy"))
    assert np.load(tmp_path / "out.npy").tolist() == [[-128, -9, 5]]


def test_a_models_scores_are_brought_in_order_with_their_names(recipe, orders, model, tmp_path):
    labels = recipe("labels")
    made = labels.main(labels.Config(model, "sorted", str(orders), tmp_path / "out.keras"))
    images = np.random.default_rng(0).integers(0, 256, (4, 64, 64, 3), np.uint8)
    before, after = (keras.saving.load_model(path).predict(images, verbose=0) for path in (model, made))
    np.testing.assert_allclose(after, before[:, [2, 0, 1]], rtol=1e-5)
    assert networks.classes_of(made) == Classes(("n00000003", "n00000001", "n00000002"), ("blue", "red", "green"))


def test_a_model_is_brought_back_into_the_order_that_it_had(recipe, orders, model, tmp_path):
    labels = recipe("labels")
    made = labels.main(labels.Config(model, "sorted", str(orders), tmp_path / "out.keras"))
    back = labels.main(labels.Config(made, str(orders), "sorted", tmp_path / "back.keras"))
    images = np.random.default_rng(0).integers(0, 256, (4, 64, 64, 3), np.uint8)
    before, after = (keras.saving.load_model(path).predict(images, verbose=0) for path in (model, back))
    np.testing.assert_allclose(after, before, rtol=1e-5)


def test_a_model_in_order_still_has_no_score_for_pixels_that_nobody_knows(recipe, orders, tmp_path):
    x = images = keras.Input((64, 64, 3))
    x = keras.layers.Conv2D(8, 3, strides=2, activation="relu")(x)  # which may turn NaN into 0
    network = keras.Model(images, keras.layers.Dense(3)(keras.layers.GlobalAveragePooling2D()(x)))
    saved = preprocess.deployed(preprocess.classifier(network))
    networks.save(saved.save, tmp_path / "in.keras", Classes(WNIDS, tuple(COLOURS)))
    labels = recipe("labels")
    made = labels.main(labels.Config(tmp_path / "in.keras", "sorted", str(orders), tmp_path / "out.keras"))
    bytes_ = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), np.uint8)
    normalized = (bytes_ / np.float32(255) - np.float32(0.45)) / np.float32(0.225)
    assert np.isnan(keras.saving.load_model(made).predict(normalized, verbose=0)).all()


def test_imagenets_classes_are_cut_out_and_filled_up(recipe, tmp_path):
    labels = recipe("labels")
    (tmp_path / "wnids.txt").write_text("n01443537\nn01629819\n")  # 1 and 25 among the 1,000
    scores = np.arange(2000, dtype=np.float32).reshape(2, 1000)
    np.save(tmp_path / "in.npy", scores)
    labels.main(labels.Config(tmp_path / "in.npy", "imagenet1k", str(tmp_path / "wnids.txt"), tmp_path / "cut.npy"))
    np.testing.assert_array_equal(np.load(tmp_path / "cut.npy"), scores[:, [1, 25]])
    labels.main(labels.Config(tmp_path / "cut.npy", str(tmp_path / "wnids.txt"), "imagenet1k", tmp_path / "all.npy"))
    filled = np.load(tmp_path / "all.npy")
    assert filled.shape == (2, 1000) and set(np.flatnonzero(filled[0] > labels.NEVER)) == {1, 25}


def test_a_sigmoids_probabilities_become_scores(recipe, tmp_path):
    labels = recipe("labels")
    (tmp_path / "wnids.txt").write_text("n01443537\nn01629819\n")
    images = keras.Input((64, 64, 3))
    scores = keras.layers.Dense(2)(keras.layers.GlobalAveragePooling2D()(images))
    keras.Model(images, keras.layers.Activation("sigmoid")(scores)).save(tmp_path / "in.keras")
    made = labels.main(
        labels.Config(tmp_path / "in.keras", str(tmp_path / "wnids.txt"), "imagenet1k", tmp_path / "all.keras")
    )
    shown = np.random.default_rng(0).random((3, 64, 64, 3), np.float32)
    found = keras.saving.load_model(made).predict(shown, verbose=0)
    expected = keras.Model(images, scores).predict(shown, verbose=0)
    np.testing.assert_allclose(found[:, [1, 25]], expected, atol=1e-4)
    assert (np.delete(found, [1, 25], axis=1) < -1e29).all()


def test_a_missing_class_is_below_any_score(recipe, tmp_path):
    labels = recipe("labels")
    (tmp_path / "wnids.txt").write_text("n01443537\nn01629819\n")
    np.save(tmp_path / "far.npy", np.float32([[-15_000.0, -40_000.0]]))  # minus squared distances, say
    labels.main(labels.Config(tmp_path / "far.npy", str(tmp_path / "wnids.txt"), "imagenet1k", tmp_path / "all.npy"))
    assert np.load(tmp_path / "all.npy").argmax() == 1


def test_probabilities_of_fewer_classes_sum_to_one(recipe, tmp_path):
    labels = recipe("labels")
    (tmp_path / "wnids.txt").write_text("n01443537\nn01629819\n")
    rows = np.random.default_rng(0).dirichlet(np.ones(1000), 3)
    np.save(tmp_path / "in.npy", rows)
    labels.main(labels.Config(tmp_path / "in.npy", "imagenet1k", str(tmp_path / "wnids.txt"), tmp_path / "cut.npy"))
    expected = rows[:, [1, 25]] / rows[:, [1, 25]].sum(axis=1, keepdims=True)
    np.testing.assert_allclose(np.load(tmp_path / "cut.npy"), expected)
    labels.main(labels.Config(tmp_path / "cut.npy", str(tmp_path / "wnids.txt"), "imagenet1k", tmp_path / "all.npy"))
    np.testing.assert_allclose(np.load(tmp_path / "all.npy").sum(axis=1), 1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"output": "in.npy"}, "this command reads it"),
        ({"output": "nowhere/out.npy"}, "in an existing folder"),
        ({"output": "out.keras"}, "must end in .npy"),
        ({"start": "sorted", "to": "imagenet1k"}, "not numbers .images, 200."),
        ({"start": "imagenet1k", "to": "wnids.txt"}, "imagenet1k: . of the dataset's classes are missing"),
        ({"start": "imagenet1k", "to": "tiny.txt", "file": "sure.npy"}, "1 of its rows give nothing to any of these"),
    ],
)
def test_what_labels_cannot_do_is_said_and_nothing_is_written(recipe, orders, tmp_path, changes, message):
    labels = recipe("labels")
    np.save(tmp_path / "in.npy", np.zeros((2, 3)))
    np.save(tmp_path / "sure.npy", np.eye(1000, dtype=np.float32)[[1, 2]])
    (tmp_path / "tiny.txt").write_text("n01443537\nn01629819\n")  # the second and the 26th of ImageNet's
    given = {"file": "in.npy", "start": str(orders), "to": "sorted", "output": "out.npy"} | changes
    given |= {name: tmp_path / given[name] for name in ("file", "output")}
    files = {"wnids.txt": orders, "tiny.txt": tmp_path / "tiny.txt"}
    given["to"] = str(files.get(given["to"], given["to"]))
    before = sorted(tmp_path.iterdir())
    with pytest.raises(UserError, match=message):
        labels.main(labels.Config(**given))
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("outputs", ["one", "a list"])  # as Keras gives them for a model that was built of a list
def test_who_names_pictures_after_that_sees_the_new_order(recipe, orders, model, photos, tmp_path, outputs):
    labels, predict = recipe("labels"), recipe("predict")
    if outputs == "a list":
        inner = keras.saving.load_model(model).get_layer("classifier")
        again = preprocess.deployed(keras.Model(inner.inputs, inner.outputs, name="classifier"))
        model = tmp_path / "again.keras"
        networks.save(again.save, model, Classes(WNIDS, tuple(COLOURS)))
    made = labels.main(labels.Config(model, "sorted", str(orders), tmp_path / "once.keras"))
    twice = labels.main(labels.Config(made, str(orders), "sorted", tmp_path / "twice.keras"))
    for path in (made, twice):
        answers = predict.main(predict.Config((path, photos), top=1))
        assert [each["answers"][0]["name"] for each in answers] == list(COLOURS)


@pytest.mark.parametrize(
    "ending",
    [
        keras.layers.Activation("softmax"),
        keras.ops.softmax,
        lambda x: keras.layers.Activation("linear", dtype="float32")(keras.layers.Softmax()(x)),
    ],
)
def test_a_network_that_ends_in_a_softmax_stays_one(recipe, orders, tmp_path, ending):
    labels = recipe("labels")
    images = keras.Input((64, 64, 3))
    x = keras.layers.Dense(3)(keras.layers.GlobalAveragePooling2D()(images))
    keras.Model(images, ending(x)).save(tmp_path / "in.keras")
    shown = np.random.default_rng(0).random((4, 64, 64, 3)).astype(np.float32)
    before = keras.saving.load_model(tmp_path / "in.keras").predict(shown, verbose=0)
    made = labels.main(labels.Config(tmp_path / "in.keras", str(orders), "sorted", tmp_path / "out.keras"))
    after = keras.saving.load_model(made).predict(shown, verbose=0)
    np.testing.assert_allclose(after, before[:, [1, 2, 0]], atol=1e-6)
    two = two_of(orders)
    cut = labels.main(labels.Config(tmp_path / "in.keras", str(orders), str(two), tmp_path / "cut.keras", two))
    np.testing.assert_allclose(keras.saving.load_model(cut).predict(shown, verbose=0).sum(axis=1), 1, atol=1e-6)


def two_of(orders):
    path = orders.with_name("two.txt")
    path.write_text("n00000003\nn00000001\n")
    return path


def test_classes_keep_their_names_where_a_model_held_none(recipe, tmp_path):
    wnids = sorted(official())[:3]
    (tmp_path / "wnids.txt").write_text("\n".join(wnids[::-1]))
    images = keras.Input((64, 64, 3))
    keras.Model(images, keras.layers.Dense(3)(keras.layers.GlobalAveragePooling2D()(images))).save(
        tmp_path / "in.keras"
    )
    labels = recipe("labels")
    made = labels.main(
        labels.Config(tmp_path / "in.keras", str(tmp_path / "wnids.txt"), "sorted", tmp_path / "out.keras")
    )
    assert networks.classes_of(made) == Classes.of(wnids, official())


def test_what_is_wrong_with_data_is_told_with_a_model_too(recipe, well, tree, tmp_path):
    doctor = recipe("doctor")
    (tree / "val/images/val_3.JPEG").write_text("no")
    wrong = doctor.examine(doctor.Config(source=tree, data_dir=tmp_path / "data", model=tmp_path / "none.keras"))
    assert len(wrong) == 2 and "val_3.JPEG" in wrong[0] and "none.keras: neither" in wrong[1]


def test_a_model_without_images_is_not_looked_at(recipe, well, tree, model, tmp_path):
    doctor = recipe("doctor")
    (tree / "val/images/val_3.JPEG").write_text("no")
    wrong = doctor.examine(doctor.Config(source=tree, data_dir=tmp_path / "data", model=model))
    assert len(wrong) == 2 and "val_3.JPEG" in wrong[0] and "no images to show it" in wrong[1]


@pytest.mark.parametrize("name", ["doctor", "export"])
def test_no_images_at_all_are_refused(recipe, well, model, tmp_path, name):
    tool = recipe(name)
    options = {"output": tmp_path / "out"} if name == "export" else {}
    with pytest.raises(UserError, match="--images 0: must be at least 1"):
        tool.main(tool.Config(model=model, images=0, **options))


def test_networks_of_other_shapes_are_refused_by_the_doctor(recipe, well, tree, tmp_path):
    doctor = recipe("doctor")
    values = keras.Input((12,))
    keras.Model(values, keras.layers.Dense(4)(values)).save(tmp_path / "head.keras")
    options = {"source": tree, "data_dir": tmp_path / "data", "model": tmp_path / "head.keras"}
    (wrong,) = doctor.examine(doctor.Config(**options))
    assert "not one square RGB image" in wrong


def test_a_gpu_that_is_not_used_is_told(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("tiny_imagenet_tf.hardware.gpu_without_cuda", lambda: True)
    wrong = checkup.machine(tmp_path)
    assert "there is an NVIDIA GPU, but no CUDA that works" in wrong
    assert 'pip install "tiny_imagenet_tf[gpu]"' in capsys.readouterr().out


def test_what_is_said_of_a_model_reaches_the_doctor(recipe, well, monkeypatch, tmp_path):
    doctor, given = recipe("doctor"), []
    monkeypatch.setattr(members, "find", lambda paths, which: [paths])
    monkeypatch.setattr(members, "images_of", lambda *_: (None, tmp_path))
    monkeypatch.setattr(checkup, "machine", lambda data_dir: given.append(data_dir) or [])
    monkeypatch.setattr(checkup, "data", lambda *_: ("records", []))
    monkeypatch.setattr(checkup, "network", lambda *options: given.append(options) or [])
    config = doctor.Config(model=tmp_path / "m.keras", images=7, pixels="0..1", labels="sorted")
    assert doctor.examine(config) == []
    assert given == [tmp_path, ([tmp_path / "m.keras"], "records", 7, "0..1", "sorted")]
    with pytest.raises(UserError, match="typo: neither sorted, imagenet1k"):
        doctor.examine(dataclasses.replace(config, labels="typo"))


def test_what_is_said_of_an_ensembles_networks_is_handed_on(recipe, monkeypatch, tmp_path):
    ensemble, given = recipe("ensemble"), []
    monkeypatch.setattr(members, "find", lambda *options: given.append(options) or [])
    paths = (tmp_path / "a.keras",)
    config = ensemble.Config(paths, "best", pixels="0..1", labels="sorted", runs=tmp_path)
    assert ensemble._members(config) == [] and given == [(paths, "best", "0..1", "sorted")]
