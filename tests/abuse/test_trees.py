"""Trees in the official layout, each with one thing wrong: nothing is prepared, and the message names it."""

import os
import shutil

import numpy as np
import pytest
import tensorflow as tf

from tiny_imagenet_tf.data import jpeg as jpegs
from tiny_imagenet_tf.data import official_layout, splits, synthetic
from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.evaluation import members
from tiny_imagenet_tf.experiments import images
from tiny_imagenet_tf.experiments.options import DataOptions
from tiny_imagenet_tf.models import packaged

ONE = {
    "train": "train/n99990000/images/n99990000_0.JPEG",
    "validation": "val/images/val_0.JPEG",
    "test": "test/images/test_0.JPEG",
}
PIXELS = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)


def scan_cut(data, share):
    start = data.index(b"\xff\xda") + 14
    return data[: start + int((len(data) - start) * share)].rstrip(b"\xff") + b"\xff\xd9"


def jpeg(height, width):
    return tf.io.encode_jpeg(np.zeros((height, width, 3), np.uint8)).numpy()


IMAGES = {
    "empty": (lambda data: b"", "not a JPEG"),
    "cut": (lambda data: data[: len(data) // 2], "truncated JPEG"),
    "without its end": (lambda data: data[:-2], "truncated JPEG"),
    "stops early": (lambda data: scan_cut(data, 0.5), "stops before the image is whole"),
    "stops at once": (lambda data: scan_cut(data, 0.02), "stops before the image is whole"),
    "stops at the last blocks": (lambda data: scan_cut(data, 0.95), "stops before the image is whole"),
    "stops early, two ends": (lambda data: scan_cut(data, 0.5) + b"\xff\xd9", "stops before the image is whole"),
    "stops early, then whole": (lambda data: scan_cut(data, 0.5) + data, "stops before the image is whole"),
    "header alone": (lambda data: data[:20] + b"\xff\xd9", "does not decode"),
    "zeros": (lambda data: bytes(len(data)), "not a JPEG"),
    "text": (lambda data: b"<html>404</html>", "not a JPEG"),
    "PNG": (lambda data: tf.io.encode_png(PIXELS).numpy(), "not a JPEG"),
    "GIF": (lambda data: b"GIF89a" + data, "not a JPEG"),
    "too small": (lambda data: jpeg(32, 64), "64x32 pixels, expected 64x64"),
    "too large": (lambda data: jpeg(500, 375), "375x500 pixels, expected 64x64"),
    "huge": (lambda data: data + bytes(2**20), "at most 1,048,576 bytes"),
    "shifted": (lambda data: b"\n" + data, "not a JPEG"),
}


@pytest.mark.parametrize("split", ONE)
@pytest.mark.parametrize("kind", IMAGES)
def test_images(refusal, bad_tree, tmp_path, split, kind):
    file, (spoil, message) = bad_tree / ONE[split], IMAGES[kind]
    file.write_bytes(spoil(file.read_bytes()))
    with refusal(tmp_path, file.name, message, "Restore these files"):
        official_layout.read(bad_tree)


BOXES = {
    "swapped": "60\t60\t3\t3",
    "swapped in y": "3\t60\t60\t3",
    "of the full-size image": "0\t0\t499\t374",
    "one beyond": "0\t0\t64\t10",
    "negative": "-1\t0\t5\t5",
    "decimal": "0.5\t0\t5\t5",
    "text": "a\tb\tc\td",
    "three numbers": "0\t0\t5",
    "five numbers": "0\t0\t5\t5\t5",
    "none": "",
    "superscript": "0\t0\t5\t²",
    "Arabic digits": "0\t0\t\u0665\t\u0665",
    "hexadecimal": "0x1\t0\t5\t5",
    "not a number": "nan\t0\t5\t5",
    "too large for any integer": "0\t0\t5\t99999999999999999999",
    "commas": "0,0,5,5",
    "exponent": "0\t0\t1e1\t5",
    "plus sign": "+0\t0\t5\t5",
    "words between": "0 to 5 by 5",
}


@pytest.mark.parametrize("kind", BOXES)
@pytest.mark.parametrize(
    ("annotations", "name"),
    [("train/n99990000/n99990000_boxes.txt", "n99990000_1.JPEG"), ("val/val_annotations.txt", "val_1.JPEG")],
)
def test_boxes(refusal, bad_tree, tmp_path, annotations, name, kind):
    file = bad_tree / annotations
    lines = file.read_text().splitlines()
    fields = lines[1].split("\t")
    lines[1] = "\t".join([*fields[:-4], BOXES[kind]])
    file.write_text("\n".join(lines))
    with refusal(tmp_path, file.name, "line 2"):
        official_layout.read(bad_tree)


def replace(text, *pairs):
    for old, new in pairs:
        text = text.replace(old, new, 1)
    return text


LINES = {
    "a line twice": ("val/val_annotations.txt", lambda t: t + t.splitlines()[0] + "\n", "duplicate"),
    "an unknown class": ("val/val_annotations.txt", lambda t: replace(t, ("n99990000", "n12345678")), "n12345678"),
    "a line gone": ("val/val_annotations.txt", lambda t: "\n".join(t.splitlines()[1:]), "val_0.JPEG"),
    "all lines gone": ("val/val_annotations.txt", lambda t: "", "no annotation line"),
    "no tabs": ("val/val_annotations.txt", lambda t: t.replace("\t", ""), "does not have 6 columns"),
    "a header": ("val/val_annotations.txt", lambda t: "file,class,x0,y0,x1,y1\n" + t, "line 1"),
    "a train line gone": (
        "train/n99990001/n99990001_boxes.txt",
        lambda t: "\n".join(t.splitlines()[1:]),
        "n99990001_0.JPEG",
    ),
    "a train line twice": ("train/n99990001/n99990001_boxes.txt", lambda t: t + t, "duplicate"),
    "a wnid twice": ("wnids.txt", lambda t: t + "n99990001\n", "listed 2 times"),
    "a wnid in capitals": ("wnids.txt", lambda t: t + "N99990009\n", "N99990009"),
    "a wnid of seven digits": ("wnids.txt", lambda t: t + "n9999000\n", "n9999000"),
    "a wnid of nine digits": ("wnids.txt", lambda t: t + "n999900011\n", "n999900011"),
    "a wnid in Arabic digits": ("wnids.txt", lambda t: t + "n\u0669999\u06600009\n", "is not a wnid"),
    "a name for a wnid": ("wnids.txt", lambda t: t + "goldfish\n", "goldfish"),
    "a comma after a wnid": ("wnids.txt", lambda t: t.replace("\n", ",\n"), "is not a wnid"),
    "a class without images": ("wnids.txt", lambda t: t + "n99990007\n", "n99990007: no training image"),
    "a class gone": ("wnids.txt", lambda t: t.replace("n99990001\n", ""), "unknown wnid"),
    "no wnids": ("wnids.txt", lambda t: "", "unknown wnid"),
}


@pytest.mark.parametrize("kind", LINES)
def test_lines(refusal, bad_tree, tmp_path, kind):
    name, spoil, message = LINES[kind]
    file = bad_tree / name
    file.write_text(spoil(file.read_text()))
    with refusal(tmp_path, message):
        official_layout.read(bad_tree)


TEXTS = ["wnids.txt", "words.txt", "val/val_annotations.txt", "train/n99990002/n99990002_boxes.txt"]
ENCODINGS = {
    "UTF-16": (lambda data: data.decode().encode("utf-16"), "UTF-16"),
    "big-endian UTF-16": (lambda data: b"\xfe\xff" + data.decode().encode("utf-16-be"), "UTF-16"),
    "Latin-1": (lambda data: data[:5] + b"\xe9" + data[5:], "not UTF-8: byte 0xe9"),
    "compressed": (lambda data: b"\x1f\x8b\x08\x00" + data, "not UTF-8: byte 0x8b"),
}


@pytest.mark.parametrize("kind", ENCODINGS)
@pytest.mark.parametrize("name", TEXTS)
def test_encodings(refusal, bad_tree, tmp_path, name, kind):
    file, (spoil, message) = bad_tree / name, ENCODINGS[kind]
    file.write_bytes(spoil(file.read_bytes()))
    with refusal(tmp_path, str(file), "line 1", message, "save it as UTF-8"):
        official_layout.read(bad_tree)


@pytest.mark.parametrize("name", TEXTS)
def test_a_byte_order_mark_is_none_of_the_text(bad_tree, whole_tree, name):
    file = bad_tree / name
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    found, expected = official_layout.read(bad_tree), official_layout.read(whole_tree)
    assert (found.words, found.digests, found.wnids) == (expected.words, expected.digests, expected.wnids)


def flat(tree):
    for file in (tree / "train/n99990001/images").iterdir():
        file.rename(file.parents[1] / file.name)


def other_class(tree):
    shutil.copy(tree / ONE["train"], tree / "train/n99990001/images/n99990000_0.JPEG")
    with (tree / "train/n99990001/n99990001_boxes.txt").open("a") as lines:
        lines.write("n99990000_0.JPEG\t0\t0\t62\t62\n")


def moved(tree):
    (tree / ONE["validation"]).rename(tree / "val" / "val_0.JPEG")


def fifo(tree):
    (tree / ONE["test"]).unlink()
    os.mkfifo(tree / ONE["test"])


def folder(tree):
    (tree / ONE["test"]).unlink()
    (tree / ONE["test"]).mkdir()


def dangling(tree):
    (tree / ONE["test"]).unlink()
    (tree / ONE["test"]).symlink_to(tree / "nowhere.JPEG")


def endless(tree):
    (tree / ONE["test"]).unlink()
    (tree / ONE["test"]).symlink_to("/dev/zero")


def renamed(tree, name):
    (tree / ONE["test"]).rename((tree / ONE["test"]).with_name(name))


def two_in_val(tree):
    val = tree / "val"
    for wnid in ("n99990000", "n99990001"):
        (val / wnid).mkdir()
        shutil.copy(val / "images/val_0.JPEG", val / wnid / "val_0.JPEG")
    shutil.rmtree(val / "images")
    (val / "val_annotations.txt").unlink()


def wrong_class_in_val(tree):
    val = tree / "val"
    for wnid in ("n99990000", "n99990001", "n99990002"):
        (val / wnid).mkdir()
    for file in (val / "images").iterdir():
        file.rename(val / "n99990000" / file.name)
    (val / "images").rmdir()


TREES = {
    "a class arranged flat": (flat, "nothing claims"),
    "all of train gone": (lambda tree: shutil.rmtree(tree / "train"), "no training images"),
    "train empty": (lambda tree: [shutil.rmtree(each) for each in (tree / "train").iterdir()], "no training images"),
    "a class folder gone": (lambda tree: shutil.rmtree(tree / "train/n99990002"), "n99990002: no training image"),
    "a class without its images": (
        lambda tree: shutil.rmtree(tree / "train/n99990002/images"),
        "n99990002: no training image",
    ),
    "a class without its boxes": (
        lambda tree: (tree / "train/n99990002/n99990002_boxes.txt").unlink(),
        "missing annotation file",
    ),
    "an unknown class folder": (lambda tree: (tree / "train/n11111111").mkdir(), "n11111111: unknown wnid"),
    "val without its annotations": (
        lambda tree: (tree / "val/val_annotations.txt").unlink(),
        "missing annotation file",
    ),
    "another class's file": (other_class, "an image of n99990000 in the folder of n99990001"),
    "a val image beside the folder": (moved, "val/val_0.JPEG: an image that nothing claims"),
    "an image at the top": (lambda tree: shutil.copy(tree / ONE["test"], tree / "x.jpg"), "x.jpg: an image that"),
    "images of another layout": (
        lambda tree: shutil.copytree(tree / "test/images", tree / "test/unknown"),
        "test/unknown/test_0.JPEG",
    ),
    "a FIFO": (fifo, "not an ordinary file"),
    "a folder for a file": (folder, "not an ordinary file"),
    "a link to nowhere": (dangling, "not an ordinary file"),
    "a link to a device": (endless, "not an ordinary file"),
    "lower case": (lambda tree: renamed(tree, "test_0.jpeg"), "not a name such as"),
    "another ending": (lambda tree: renamed(tree, "test_0.jpg"), "not a name such as"),
    "no number": (lambda tree: renamed(tree, "test_x.JPEG"), "not a name such as"),
    "an Arabic number": (lambda tree: renamed(tree, "test_\u0663.JPEG"), "not a name such as"),
    "a copy": (lambda tree: renamed(tree, "test_0 (1).JPEG"), "not a name such as"),
    "a newline in a name": (lambda tree: renamed(tree, "test_0\n.JPEG"), "not a name such as"),
    "Windows' thumbnails": (lambda tree: (tree / "test/images/Thumbs.db").touch(), "Thumbs.db: not a name"),
    "val by class, one name twice": (two_in_val, "val_0.JPEG is there 2 times"),
    "val by class against its annotations": (wrong_class_in_val, "in the folder of n99990000"),
    "two datasets": (lambda tree: shutil.copytree(tree, tree.parent / "other"), "several datasets"),
}


@pytest.mark.parametrize("kind", TREES)
def test_trees(bad_tree, kind):
    spoil, message = TREES[kind]
    spoil(bad_tree)
    source = bad_tree.parent if kind == "two datasets" else bad_tree
    with pytest.raises(official_layout.DatasetError) as caught:
        official_layout.read(source)
    assert message in str(caught.value)


@pytest.mark.parametrize("inner", ["images", ""])
@pytest.mark.parametrize("annotated", [True, False])
def test_val_by_class_is_read(bad_tree, whole_tree, inner, annotated):
    val, expected = bad_tree / "val", official_layout.read(whole_tree).examples["validation"]
    for line in (val / "val_annotations.txt").read_text().splitlines():
        name, wnid, *_ = line.split("\t")
        (val / wnid / inner).mkdir(parents=True, exist_ok=True)
        (val / "images" / name).rename(val / wnid / inner / name)
    (val / "images").rmdir()
    if not annotated:
        (val / "val_annotations.txt").unlink()
    found = official_layout.read(bad_tree).examples["validation"]
    assert [(each.path.name, each.label) for each in found] == [(each.path.name, each.label) for each in expected]
    assert [each.box for each in found] == [each.box if annotated else (-1,) * 4 for each in expected]


@pytest.mark.parametrize("empty", [True, False])
def test_val_by_class_within_its_images_or_beside_an_empty_folder_is_read(bad_tree, whole_tree, empty):
    images, expected = bad_tree / "val/images", official_layout.read(whole_tree).examples["validation"]
    for line in (bad_tree / "val/val_annotations.txt").read_text().splitlines():
        name, wnid, *_ = line.split("\t")
        folder = (bad_tree / "val" if empty else images) / wnid
        folder.mkdir(exist_ok=True)
        (images / name).rename(folder / name)
    (images / ".DS_Store").touch()
    found = official_layout.read(bad_tree).examples["validation"]
    assert [(each.path.name, each.label, each.box) for each in found] == [
        (each.path.name, each.label, each.box) for each in expected
    ]


def test_images_of_odd_names_keep_their_order_in_the_records(bad_tree, tmp_path):
    test = bad_tree / "test/images"
    (test / "test_0.JPEG").rename(test / "zebra_1.JPEG")
    (test / "test_1.JPEG").rename(test / "test_02.JPEG")
    assert [path.path.name for path in official_layout.read(bad_tree).examples["test"]] == [
        "test_02.JPEG", "test_2.JPEG", "zebra_1.JPEG",
    ]  # fmt: skip
    splits.verify(splits.prepare(bad_tree, tmp_path / "data"))


def test_a_marker_in_a_segment_ends_no_image(bad_tree):
    data = (bad_tree / ONE["test"]).read_bytes()
    thumbnail = b"\xff\xe1\x00\x08xx\xff\xd9yy"
    assert jpegs.verify(data[:2] + thumbnail + data[2:] + b"after it \xff\xd9") == (64, 64, 3)


@pytest.mark.parametrize("how", ["class folders", "train", "images", "round"])
def test_links_are_followed(bad_tree, whole_tree, tmp_path, how):
    if how == "round":
        (bad_tree / "train" / "again").symlink_to(bad_tree)
        (bad_tree / "train" / "again").rename(bad_tree / "again")
    else:
        part = {"class folders": "train/n99990000", "train": "train", "images": "val/images"}[how]
        (bad_tree / part).rename(tmp_path / "elsewhere")
        (bad_tree / part).symlink_to(tmp_path / "elsewhere")
    assert official_layout.read(bad_tree).digests == official_layout.read(whole_tree).digests


def test_one_class_alone_is_nothing_to_train_on(tmp_path):
    tree = synthetic.write(tmp_path, synthetic.Sizes(classes=1, train=3, validation=2, test=1))
    with pytest.raises(UserError, match="1 class in their wnids.txt"):
        images.load(DataOptions(source=tree, data_dir=tmp_path / "data"))
    validation = splits.load(splits.prepare(tree, tmp_path / "data"), "validation")
    with pytest.raises(UserError, match="there is nothing to tell apart"):
        members.Member("the packaged network", packaged.FILE).probabilities(validation)
