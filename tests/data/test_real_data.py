"""The counts of the official files, on those of them that are here."""

import json

import numpy as np
import pytest

from tiny_imagenet_tf.data import batches, splits, views
from tiny_imagenet_tf.data.screening import screen
from tiny_imagenet_tf.evaluation.metrics import top_k_accuracy
from tiny_imagenet_tf.evaluation.predict import Predictor
from tiny_imagenet_tf.models import packaged


def test_counts(real_data):
    assert {name: info.num_examples for name, info in real_data.info.splits.items()} == {
        "train": 100_000,
        "validation": 5_000,
        "test": 2_000,
    }
    assert real_data.info.metadata["grayscale"]["train"] == 1_821


@pytest.fixture(scope="module")
def real_train(real_data):
    return splits.load(real_data, "train")


def test_classes_and_boxes(real_train):
    train = real_train
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


def test_screened_images_are_of_classes_such_as_basketball(real_train):
    """Le & Yang section 5.3.3."""
    train = real_train
    names = np.array([train.words[wnid].split(",")[0] for wnid in train.wnids])[train.labels]
    judged = screen(train.boxes)
    for kind, counts in (
        (judged.removed, {"volleyball": 138, "basketball": 87}),
        (judged.small, {"volleyball": 233, "rugby ball": 166, "basketball": 142}),
    ):
        found = dict(zip(*np.unique(names[kind], return_counts=True), strict=True))
        assert {name: found[name] for name in counts} == counts
    assert (int(judged.removed.sum()), int(judged.small.sum())) == (1544, 1972)


def test_section_5_5_exchanges_truth_and_prediction(real_data):
    """Le & Yang call val_4311 a bucket taken for a frying pan; the annotations call it a frying pan."""
    validation = splits.load(real_data, "validation")
    truth = dict(zip(validation.file_names, (validation.wnids[label] for label in validation.labels), strict=True))
    assert validation.words[truth["val_4311.JPEG"]].startswith("frying pan")
    assert validation.words[truth["val_1153.JPEG"]].startswith("cardigan")


def test_bullet_trains_cover_hardly_more_than_other_things(real_train):
    """Milani section 4.3: they "usually occupy most of the image"."""
    x0, y0, x1, y1 = real_train.boxes.T.astype(int)
    covered, bullet_train = (x1 - x0 + 1) * (y1 - y0 + 1) / 64**2, list(real_train.wnids).index("n02917067")
    medians = np.array([np.median(covered[real_train.labels == label]) for label in range(200)])
    assert round(medians[bullet_train], 3) == 0.548 and round(np.median(covered), 3) == 0.526
    assert (medians > medians[bullet_train]).sum() == 92


def test_enlarged_images_are_less_noisy(real_data):
    """Milani section 4.1 and Fig. 8; noise as Immerkær (1996) estimates it."""

    def noise(images):
        gray = np.asarray(images, float) @ [0.299, 0.587, 0.114]
        rows = gray[:, :, :-2] - 2 * gray[:, :, 1:-1] + gray[:, :, 2:]
        both = rows[:, :-2] - 2 * rows[:, 1:-1] + rows[:, 2:]
        return np.sqrt(np.pi / 2) / 6 * np.abs(both).mean(axis=(1, 2))

    validation = splits.load(real_data, "validation")
    images = batches.decoded(validation.take(validation.spread_rows(200)))
    enlarged = views.show(images, views.WHOLE.table(len(images)), 299, recolour=False)
    assert round(np.median(noise(images)), 1) == 11.2 and round(np.median(noise(enlarged)), 2) == 0.02
    assert (noise(enlarged) < noise(images)).all()


@pytest.mark.parametrize("images", [500, pytest.param(5000, marks=pytest.mark.slow)])
def test_the_packaged_network_reaches_what_is_said_of_it(real_data, images):
    told = json.loads(packaged.FILE.with_suffix(".json").read_text())["validation"]
    validation = splits.load(real_data, "validation")
    assert len(validation) == told["images"] == 5000
    shown = validation.take(validation.spread_rows(images))
    reached = top_k_accuracy(Predictor.load(packaged.FILE).probabilities(shown), shown.labels)
    by_chance = 4 * np.sqrt(told["top1"] * (1 - told["top1"]) / images) if images < 5000 else 2e-4
    assert reached == pytest.approx(told["top1"], abs=by_chance)
