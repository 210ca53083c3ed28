"""The counts of the official files, on those of them that are here."""

import numpy as np

from tiny_imagenet_tf.data import splits


def test_counts(real_data):
    assert {name: info.num_examples for name, info in real_data.info.splits.items()} == {
        "train": 100_000,
        "validation": 5_000,
        "test": 2_000,
    }
    assert real_data.info.metadata["grayscale"]["train"] == 1_821


def test_classes_and_boxes(real_data):
    train = splits.load(real_data, "train")
    assert len(train.wnids) == 200 and list(train.wnids) == sorted(train.wnids)
    assert np.bincount(train.labels).tolist() == [500] * 200
    x0, y0, x1, y1 = train.boxes.T
    assert ((x0 == x1) | (y0 == y1)).sum() == 434
    assert train.boxes.min() == 0 and train.boxes.max() == 63
    assert train.words["n02123394"].startswith("Persian cat")


def test_wnids_on_disk_are_not_sorted(real_tree):
    wnids = (real_tree / "wnids.txt").read_text().split()
    assert len(wnids) == 200 and wnids != sorted(wnids)


def test_the_val_labels_are_those_of_the_annotations(real_data, real_tree):
    validation = splits.load(real_data, "validation")
    lines = [line.split() for line in (real_tree / "val/val_annotations.txt").read_text().splitlines()]
    truth = {name: wnid for name, wnid, *_ in lines}
    assert [truth[name] for name in validation.file_names] == [validation.wnids[i] for i in validation.labels]


def test_the_raw_tree_is_not_touched(real_data, real_tree):
    assert sum(1 for _ in real_tree.rglob("*.JPEG")) == 107_000
