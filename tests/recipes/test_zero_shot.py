"""An ImageNet network's own head on Tiny ImageNet's classes; the network here is made up."""

import keras
import numpy as np
import pytest

from tiny_imagenet_tf.data import imagenet, labels, splits, views
from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.evaluation import members, metrics
from tiny_imagenet_tf.evaluation.metrics import combine
from tiny_imagenet_tf.evaluation.predict import Predictor


def network(path, scores=1000, activation=None):
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((32, 32, 3)),
            keras.layers.Conv2D(4, 5, strides=4, activation="relu"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(scores, activation=activation, kernel_initializer="normal"),
        ]
    )
    model.save(path)
    return str(path)


def test_the_thousand_classes_are_sorted_and_hold_the_two_hundred():
    wnids = imagenet.wnids()
    assert len(set(wnids)) == 1000 and list(wnids) == sorted(wnids)
    assert wnids[0] == "n01440764" and wnids[999] == "n15075141"  # tench, toilet tissue
    two = ["n01443537", "n12267677"]
    assert labels.columns(labels.order("imagenet1k", two), two).tolist() == [1, 988]  # goldfish, acorn
    with pytest.raises(UserError, match="imagenet1k: 1 of the dataset's classes are missing, such as n99999999"):
        labels.order("imagenet1k", ["n01443537", "n99999999"])


@pytest.mark.parametrize("crops", ["whole", "ten"])
def test_scores_are_cut_to_the_classes(downloaded, recipe, builder, tmp_path, monkeypatch, crops):
    zero_shot = recipe("zero_shot")
    thousand = (*imagenet.wnids()[:996], *splits.load(builder, "validation").wnids)
    monkeypatch.setattr(imagenet, "wnids", lambda: thousand)
    common = {"data_dir": downloaded, "pixels": "-1..1", "precision": "float32", "crops": crops}
    runs = []
    for activation in (None, "softmax"):  # the same network, whether it gives scores or probabilities
        path = network(tmp_path / f"{activation}.keras", activation=activation)
        config = zero_shot.Config(path, store=tmp_path / "values", runs=tmp_path / str(activation), **common)
        runs.append(zero_shot.main(config))
    found, other = (run.read_validation_predictions()["probabilities"] for run in runs)
    assert found.shape == (12, 4) and found.sum(axis=1) == pytest.approx(np.ones(12), abs=1e-6)
    np.testing.assert_allclose(found, other, atol=1e-5)
    validation, whole = splits.load(builder, "validation"), Predictor.load(tmp_path / "None.keras", "-1..1")
    shown = views.MILANI_TEN_CROP if crops == "ten" else (views.WHOLE,)
    expected = combine(whole.scores(validation, view)[:, 996:] for view in shown)  # which the four classes are
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert np.ptp(expected) > 0.01
    (evaluated,) = members.find([tmp_path / "None.keras"], pixels="-1..1", labels="imagenet1k")
    np.testing.assert_allclose(evaluated.probabilities(validation, crops), expected, atol=1e-6)
    summary = runs[0].summary
    assert summary.validation.crops == crops and summary.published is None
    labels = splits.load(builder, "validation").labels
    assert summary.validation.top1 == pytest.approx(np.mean(found.argmax(axis=1) == labels))


def test_a_network_near_chance_is_told(downloaded, recipe, builder, tmp_path, monkeypatch, capsys):
    zero_shot = recipe("zero_shot")
    thousand = (*imagenet.wnids()[:996], *splits.load(builder, "validation").wnids)
    monkeypatch.setattr(imagenet, "wnids", lambda: thousand)
    monkeypatch.setattr(metrics, "near_chance", lambda top1, classes, why: f"{top1} of {classes} classes: {why}\n")
    own = {"data_dir": downloaded, "pixels": "-1..1", "precision": "float32", "store": tmp_path / "values"}
    run = zero_shot.main(zero_shot.Config(network(tmp_path / "net.keras"), runs=tmp_path / "runs", **own))
    told = capsys.readouterr().out.splitlines()[-1]
    assert told.startswith(f"{run.summary.validation.top1} of 4 classes: is --pixels right, and are the scores")


def test_in_int8_it_is_calibrated_on_training_images(downloaded, recipe, builder, tmp_path, monkeypatch):
    pytest.importorskip("openvino")
    zero_shot = recipe("zero_shot")
    thousand = (*imagenet.wnids()[:996], *splits.load(builder, "validation").wnids)
    monkeypatch.setattr(imagenet, "wnids", lambda: thousand)
    config = zero_shot.Config(
        network(tmp_path / "net.keras"), data_dir=downloaded, pixels="-1..1", precision="int8",
        store=tmp_path / "values", runs=tmp_path / "runs",
    )  # fmt: skip
    assert zero_shot.main(config).environment["precision"] == "int8"
    assert len(list((tmp_path / "values").glob("int8-*.xml"))) == 1


def test_a_network_without_a_thousand_scores_is_refused(recipe, builder, tmp_path):
    zero_shot = recipe("zero_shot")
    path = network(tmp_path / "few.keras", scores=200)
    config = zero_shot.Config(path, pixels="-1..1", runs=tmp_path / "runs")
    with pytest.raises(UserError, match=r"few.keras: gives \(None, 200\), not ImageNet's 1,000 scores"):
        zero_shot.main(config)
    assert not (tmp_path / "runs").exists()
