"""Tiny-ImageNet-C's layout, read and measured."""

import dataclasses
import os

import keras
import numpy as np
import pytest
import tensorflow as tf

from tiny_imagenet_tf.data import corruptions, splits, tiny_imagenet_c
from tiny_imagenet_tf.data.batches import in_order
from tiny_imagenet_tf.data.official_layout import DatasetError
from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.models import preprocess


@pytest.fixture
def clean(builder):
    return splits.load(builder, "validation")


@pytest.fixture
def corrupted(clean, tmp_path):
    """Val as it is under "none", and black under "night"; two severities each."""
    images = np.concatenate(list(in_order(clean, 50).as_numpy_iterator()))
    for kind, factor in (("none", 1), ("night", 0)):
        for severity in (1, 3):
            for image, label, name in zip(images, clean.labels, clean.file_names, strict=True):
                folder = tmp_path / "C" / kind / str(severity) / clean.wnids[label]
                folder.mkdir(parents=True, exist_ok=True)
                (folder / name).write_bytes(tf.io.encode_jpeg(image * np.uint8(factor), quality=100).numpy())
    return tmp_path / "C"


def test_groups_and_images(corrupted, clean):
    assert tiny_imagenet_c.groups(corrupted) == [("night", 1), ("night", 3), ("none", 1), ("none", 3)]
    found = tiny_imagenet_c.read(corrupted, "night", 1, clean)
    assert len(found) == 12 and found.wnids == clean.wnids and found.labels.tolist() == sorted(clean.labels)
    assert max(batch.max() for batch in in_order(found, 50).as_numpy_iterator()) == 0
    assert len(tiny_imagenet_c.read(corrupted, "night", 1, clean, 0.34)) == 4


def test_the_recipe_prints_each_corruptions_error(corrupted, clean, downloaded, recipe, tmp_path, capsys):
    pixels = keras.Input((64, 64, 3))
    scores = keras.layers.Dense(4, name="logits")(keras.layers.GlobalAveragePooling2D()(pixels))
    preprocess.deployed(preprocess.classifier(keras.Model(pixels, scores))).save(tmp_path / "net.keras")
    evaluate = recipe("evaluate")
    config = evaluate.Config(tmp_path / "net.keras", corrupted=corrupted, data_dir=downloaded)
    figures = evaluate.main(config)
    assert figures["night 1"] == figures["night 3"] == 0.75, "black images have one answer"
    assert figures["none 1"] == pytest.approx(1 - figures["top-1"], abs=0.1)
    printed = capsys.readouterr().out.splitlines()
    assert printed[-3].split() == ["night", "75.0%", "75.0%", "75.0%"]
    mean = (0.75 + figures["none 1"]) / 2
    assert (
        printed[-1]
        == f"mean error of 2 corruptions, not normalized (no mCE): {mean:.2%}; clean error {1 - figures['top-1']:.2%}"
    )


def endless(path):
    path.symlink_to("/dev/zero")


def test_images_come_in_the_order_of_their_numbers(corrupted, clean):
    wnid = corrupted / "night/1" / clean.wnids[0]
    for number, file in zip((9, 10, 100), sorted(wnid.iterdir()), strict=True):
        file.rename(wnid / f"val_{number}.JPEG")
    found = tiny_imagenet_c.read(corrupted, "night", 1, clean)
    assert found.file_names[:3].tolist() == ["val_9.JPEG", "val_10.JPEG", "val_100.JPEG"]


def test_corruptions_of_other_images_are_not_compared(corrupted, downloaded, recipe, tmp_path):
    next((corrupted / "none/3").rglob("*.JPEG")).unlink()
    pixels = keras.Input((64, 64, 3))
    scores = keras.layers.Dense(4, name="logits")(keras.layers.GlobalAveragePooling2D()(pixels))
    preprocess.deployed(preprocess.classifier(keras.Model(pixels, scores))).save(tmp_path / "net.keras")
    evaluate = recipe("evaluate")
    with pytest.raises(DatasetError, match="none 3: not the images of night 1; 1 are in one of them alone"):
        evaluate.main(evaluate.Config(tmp_path / "net.keras", corrupted=corrupted, data_dir=downloaded))


def test_there_is_no_mean_over_corruptions_of_other_severities():
    *_, last = tiny_imagenet_c.table({("fog", 5): 0.9, ("contrast", 1): 0.1, ("contrast", 5): 0.5}, 0.25)
    assert last.startswith("no mean over the corruptions") and last.endswith("clean error 25.00%")
    *_, last = tiny_imagenet_c.table({("fog", 5): 0.9, ("contrast", 5): 0.5}, 0.25)
    assert last.startswith("mean error of 2 corruptions, not normalized (no mCE): 70.00%")


@pytest.mark.parametrize(
    "fault",
    [
        "no folder",
        "nothing in it",
        "a class less",
        "a class too many",
        "no image",
        "damaged",
        "small",
        "a pipe",
        "endless",
        "huge",
    ],
)
def test_what_cannot_be_measured(corrupted, clean, fault):
    wnid = corrupted / "night/1" / clean.wnids[0]
    file = next(wnid.iterdir())
    if fault == "a class less":
        wnid.rename(corrupted / "elsewhere")
    elif fault == "a class too many":
        (wnid.parent / "n00000000").mkdir()
    elif fault == "no image":
        for each in wnid.iterdir():
            each.unlink()
    elif fault == "damaged":
        file.write_bytes(file.read_bytes()[:100])
    elif fault == "small":
        file.write_bytes(tf.io.encode_jpeg(np.zeros((32, 32, 3), np.uint8)).numpy())
    elif fault in ("a pipe", "endless", "huge"):
        file.unlink()
        {"a pipe": os.mkfifo, "endless": endless, "huge": lambda path: path.write_bytes(bytes(2**20 + 1))}[fault](file)
    folder = {"no folder": corrupted / "gone", "nothing in it": wnid}.get(fault, corrupted)
    with pytest.raises(DatasetError, match=str(folder if folder != corrupted else wnid.parent)):
        tiny_imagenet_c.groups(folder)
        tiny_imagenet_c.read(folder, "night", 1, clean)


def test_made_ones_are_read_and_go_on_where_they_were_stopped(recipe, builder, clean, tmp_path, capsys):
    corrupt = recipe("corrupt_images")
    tree = next(builder.data_path.parents[4].glob("tiny-imagenet-200"))
    options = {"source": tree, "data_dir": builder.data_path.parents[3], "output": tmp_path / "made"}
    corrupt.main(corrupt.Config(corruptions=("fog",), severities=(2,), **options))
    (folder,) = (tmp_path / "made").glob("*/*")
    files = {path: path.stat().st_mtime_ns for path in folder.rglob("*.JPEG")}
    assert len(files) == len(clean)
    corrupt.main(corrupt.Config(corruptions=("fog", "contrast"), severities=(2, 5), **options))
    assert files == {path: path.stat().st_mtime_ns for path in folder.rglob("*.JPEG")}
    assert "3 groups of 12 images" in capsys.readouterr().out
    assert tiny_imagenet_c.groups(tmp_path / "made") == [("contrast", 2), ("contrast", 5), ("fog", 2), ("fog", 5)]
    found = tiny_imagenet_c.read(tmp_path / "made", "fog", 5, clean)
    assert sorted(found.file_names) == sorted(clean.file_names)
    originals, pixels = (np.concatenate(list(in_order(each, 50).as_numpy_iterator())) for each in (clean, found))
    for name, label, image in zip(found.file_names, found.labels, pixels, strict=True):
        (row,) = np.flatnonzero(clean.file_names == name)
        own, another = (
            corruptions.corrupt(originals[row], "fog", 5, corruptions.rng_of(seed, "fog", 5, name)).astype(int)
            for seed in (0, 1)
        )
        distances = np.abs(image - own).mean(), np.abs(image - another).mean()  # a JPEG between them
        assert label == clean.labels[row] and distances[0] < 8 and distances[0] < distances[1] / 2, distances
    with pytest.raises(UserError, match="with seed 0, not of these 12 images with seed 1"):
        corrupt.main(corrupt.Config(seed=1, **options))


def test_a_group_that_was_not_finished_is_not_there(clean, tmp_path):
    def stop(image, name):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), tiny_imagenet_c.claimed(tmp_path / "made", clean, 0):
        tiny_imagenet_c.write(tmp_path / "made", "fog", 1, clean, stop)
    assert sorted(path.name for path in (tmp_path / "made").iterdir()) == [".lock", tiny_imagenet_c.MADE]


def test_made_ones_are_compared_with_the_images_that_they_were_made_of(recipe, builder, tmp_path):
    tree = next(builder.data_path.parents[4].glob("tiny-imagenet-200"))
    images = {"source": tree, "data_dir": builder.data_path.parents[3], "fraction": 0.67}
    corrupt, evaluate = recipe("corrupt_images"), recipe("evaluate")
    corrupt.main(corrupt.Config(corruptions=("contrast", "contrast"), severities=(1,), output=tmp_path / "C", **images))
    pixels = keras.Input((64, 64, 3))
    scores = keras.layers.Dense(4, name="logits")(keras.layers.GlobalAveragePooling2D()(pixels))
    preprocess.deployed(preprocess.classifier(keras.Model(pixels, scores))).save(tmp_path / "net.keras")
    evaluate.main(evaluate.Config(tmp_path / "net.keras", corrupted=tmp_path / "C", **images))
    with pytest.raises(DatasetError, match="made of 8 images, which are not these 12"):
        evaluate.main(evaluate.Config(tmp_path / "net.keras", corrupted=tmp_path / "C", **images | {"fraction": 1.0}))


def test_what_was_killed_while_it_began_goes_on(clean, tmp_path):
    (tmp_path / f".{tiny_imagenet_c.MADE}.host-1-abc").touch()  # not yet of its own name
    with tiny_imagenet_c.claimed(tmp_path, clean, 0):
        assert (tmp_path / tiny_imagenet_c.MADE).is_file()


def test_one_at_a_time_makes_them_and_of_one_kind_of_images(clean, tmp_path):
    with tiny_imagenet_c.claimed(tmp_path, clean, 0), pytest.raises(UserError, match="in use by"):
        tiny_imagenet_c.claimed(tmp_path, clean, 0).__enter__()
    with pytest.raises(UserError, match="of 12 images with seed 0, not of these, which are others"):
        tiny_imagenet_c.claimed(tmp_path, dataclasses.replace(clean, digest="other"), 0).__enter__()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"corruptions": ("frost",)}, "--corruptions frost: unknown; choose from gaussian_noise"),
        ({"severities": (0, 3)}, "--severities 0: they go from 1 to 5"),
        ({"fraction": 0.0}, "fraction"),
        ({"seed": -1}, "--seed -1: from 0"),
        ({}, "is not empty and not begun by this command"),
    ],
)
def test_what_cannot_be_made(recipe, builder, tmp_path, options, message):
    corrupt = recipe("corrupt_images")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.txt").write_text("mine")
    tree = next(builder.data_path.parents[4].glob("tiny-imagenet-200"))
    config = corrupt.Config(source=tree, data_dir=builder.data_path.parents[3], output=tmp_path / "mine", **options)
    with pytest.raises(UserError, match=message):
        corrupt.main(config)
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.txt"]
