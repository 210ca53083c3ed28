import dataclasses
import json

import keras
import numpy as np
import pytest
from tiny_imagenet_tf.transfer.config import TransferConfig
from tiny_imagenet_tf.transfer.reporting import Experiment

from tiny_imagenet_tf.data import pipelines, splits, views
from tiny_imagenet_tf.evaluation import metrics
from tiny_imagenet_tf.transfer import experiment
from tiny_imagenet_tf.transfer.experiment import run

V3 = Experiment("transfer_v3", "Transfer Learning v3", "milani/transfer_v3")


@pytest.fixture(scope="module")
def config(tmp_path_factory, builder):
    """A small run of everything: ten-crop, stored augmented views of half the images, a held-out slice."""
    folder = tmp_path_factory.mktemp("experiment")
    return TransferConfig(
        data_dir=builder.data_path.parents[1],
        weights="random",
        input_size=75,
        precision="float32",
        store=folder / "values",
        runs=folder / "runs",
        augment=True,
        augmented_views=2,
        augmented_fraction=0.5,
        crops="ten",
        holdout=0.2,
        epochs=2,
        learning_rate=0.05,
    )


@pytest.fixture(scope="module")
def finished(config):
    return run(V3, config)


def test_the_run_directory_holds_what_it_should(finished, config):
    names = {path.name for path in finished.path.iterdir()}
    assert names == {
        "config.json",
        "environment.json",
        "metrics.jsonl",
        "summary.json",
        "snapshots",
        "best.keras",
        "predictions-validation.npz",
        "predictions-test.txt",
    }
    assert finished.config["recipe"] == "transfer_v3" and finished.config["augmented_views"] == 2
    environment = finished.environment
    assert environment["precision"] == "float32" and environment["seed"] == 0
    assert environment["dataset"]["counts"] == {"train": 24, "validation": 12, "test": 5}
    assert len(environment["weights_sha256"]) == 64
    assert [row["epoch"] for row in finished.metrics] == [1, 2]
    assert {"learning_rate", "loss", "accuracy", "val_loss", "val_accuracy", "seconds"} <= set(finished.metrics[0])


def test_the_summary_says_what_was_done(finished):
    summary = finished.summary
    options = "--input-size 75 --augment --crops ten --learning-rate 0.05"
    assert (summary["published"], summary["title"]) == (None, f"Transfer Learning v3 with {options}")
    assert summary["recipe_epochs"] == 10
    assert summary["validation"]["images"] == 12 and summary["validation"]["crops"] == "ten-crop"
    assert summary["train"]["images"] == 20  # of 24: one of each class is held out
    assert summary["train"]["views"] == "whole image; 2 augmented views of 12 images"
    assert summary["selection"] == "best epoch on held-out training images"
    assert summary["partial"] == "augmented views of 50% of the images"
    assert "the trunk's weights are random" in summary["notes"]
    assert "24 of the official 100,000 train images" in summary["notes"]
    assert summary["hours"] * 3600 == pytest.approx(sum(summary["seconds"].values()))
    assert summary["seconds"]["extraction"] > 0
    assert [entry["rows"] for entry in summary["transfer_values"]["train"]] == [24, 12, 12]


def test_the_model_scores_raw_images_as_the_run_did(finished, builder):
    predictions = finished.read_validation_predictions()
    validation = splits.load(builder, "validation")
    assert predictions["file_names"].tolist() == validation.file_names.tolist()
    assert predictions["wnids"].tolist() == list(validation.wnids)
    model = keras.saving.load_model(finished.path / "best.keras")
    assert model.input_shape == (None, 64, 64, 3) and model.input.dtype == "uint8"
    # The model sees whole images: ten crops, two of them whole, cannot be had from it alone.
    whole = model.predict(pipelines.images(validation), verbose=0)
    by_hand = []
    for view in views.TEN_CROP:
        inputs = pipelines.network_inputs(validation, view, size=75, resize="half_pixel", batch_size=12)
        head, trunk = model.layers[-1], model.get_layer("trunk")
        by_hand.append(head.predict(trunk.predict(inputs, verbose=0), verbose=0))
    np.testing.assert_allclose(whole, by_hand[0], atol=1e-3)
    # The run's values went through float16.
    np.testing.assert_allclose(predictions["probabilities"], metrics.combine(by_hand), atol=1e-3)
    assert finished.summary["validation"]["top1"] == metrics.top_k_accuracy(
        predictions["probabilities"], validation.labels
    )


def test_predictions_of_the_test_split_are_in_the_challenges_form(finished, builder):
    lines = (finished.path / "predictions-test.txt").read_text().splitlines()
    wnids = splits.load(builder, "test").wnids
    assert [line.split()[0] for line in lines] == [f"test_{number}.JPEG" for number in range(5)]
    assert all(line.split()[1] in wnids for line in lines)


def test_a_seed_fixes_the_run(finished, config):
    again = run(V3, config)
    assert again.path != finished.path
    a, b = finished.read_validation_predictions(), again.read_validation_predictions()
    np.testing.assert_array_equal(a["probabilities"], b["probabilities"])
    for first, second in zip(finished.metrics, again.metrics, strict=True):
        assert {**first, "seconds": 0} == {**second, "seconds": 0}


def test_fresh_views_every_epoch_leave_the_trunk_alone(config, monkeypatch):
    built = []
    build = experiment.trunks.build

    def remember(*args, **kwargs):
        built.append(build(*args, **kwargs))
        before.append([variable.numpy() for variable in built[-1].model.variables])
        return built[-1]

    before = []
    monkeypatch.setattr(experiment.trunks, "build", remember)
    fresh = dataclasses.replace(config, augmented_views=0, crops="whole", holdout=0, epochs=1, weight_decay=0)
    finished = run(V3, fresh)
    assert finished.summary["train"]["views"] == "new augmented view each epoch"
    assert finished.metrics[0]["loss"] > 0
    for old, variable in zip(before[0], built[0].model.variables, strict=True):
        np.testing.assert_array_equal(old, variable.numpy(), err_msg=variable.path)


def test_tensorboard_gets_every_epoch(config):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    finished = run(V3, dataclasses.replace(config, tensorboard=True))
    events = EventAccumulator(str(finished.path / "tensorboard"), size_guidance={"tensors": 0})
    events.Reload()
    assert [event.step for event in events.Tensors("val_accuracy")] == [1, 2]


def test_weight_decay_conventions():
    assert TransferConfig(weight_decay=0.0116).keras_weight_decay == 0.0058
    assert TransferConfig(weight_decay=0.0116, weight_decay_convention="keras").keras_weight_decay == 0.0116


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fraction": 0}, "--fraction 0"),
        ({"holdout": 1}, "--holdout 1"),
        ({"dropout_keep": 1.5}, "--dropout-keep 1.5"),
        ({"epochs": 0}, "--epochs 0"),
        ({"augmented_views": -1}, "--augmented-views"),
        ({"input_size": 64}, "--input-size 64"),
    ],
)
def test_senseless_options_are_refused_by_name(options, message):
    with pytest.raises(ValueError, match=message):
        TransferConfig(**options).check()


def test_config_json_is_plain(finished):
    assert isinstance(json.loads((finished.path / "config.json").read_text())["store"], str)
