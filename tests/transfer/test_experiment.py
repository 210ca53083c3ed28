import dataclasses
import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from tiny_imagenet_tf.data import splits, views
from tiny_imagenet_tf.data.batches import in_order
from tiny_imagenet_tf.data.views import MILANI_TRANSFER, RandomViews
from tiny_imagenet_tf.errors import NonFiniteLoss, UserError
from tiny_imagenet_tf.evaluation import members
from tiny_imagenet_tf.evaluation.metrics import combine, top_k_accuracy
from tiny_imagenet_tf.evaluation.predict import Predictor
from tiny_imagenet_tf.experiments import checkpoints
from tiny_imagenet_tf.experiments.clock import Clock
from tiny_imagenet_tf.experiments.options import Study
from tiny_imagenet_tf.models import backbones, network_files, preprocess
from tiny_imagenet_tf.models.heads import scores
from tiny_imagenet_tf.runs.files import write_json
from tiny_imagenet_tf.runs.run import Run
from tiny_imagenet_tf.runs.transfer_values import existing_store
from tiny_imagenet_tf.transfer import experiment
from tiny_imagenet_tf.transfer.experiment import run
from tiny_imagenet_tf.transfer.options import TransferOptions

V3 = Study("transfer_v3", "Transfer Learning v3", "milani/transfer_v3")


@pytest.fixture(scope="module")
def config(tiny_transfer, tmp_path_factory):
    """A small run of everything: ten-crop, stored augmented views of half the images, a held-out slice."""
    folder = tmp_path_factory.mktemp("experiment")
    return TransferOptions(
        **tiny_transfer,
        precision="float32",
        store=folder / "values",
        runs=folder / "runs",
        augment=True,
        augmented_views=2,
        augmented_fraction=0.5,
        crops="ten",
        holdout=0.2,
        epochs=2,
        batch_size=4,
        learning_rate=0.05,
    )


@pytest.fixture(scope="module")
def finished(config):
    return run(V3, config)


def test_the_run_directory_holds_what_it_should(finished, config):
    names = {path.name for path in finished.path.iterdir()}
    assert names == {
        ".lock",
        "config.json",
        "environment.json",
        "metrics.jsonl",
        "summary.json",
        "snapshots",
        "best.keras",
        "checkpoint.npz",
        "predictions-validation.npz",
        "predictions-test.txt",
    }
    assert finished.config["recipe"] == "transfer_v3" and finished.config["augmented_views"] == 2
    environment = finished.environment
    assert environment["precision"] == "float32" and environment["seed"] == 0
    assert environment["dataset"]["counts"] == {"train": 20, "validation": 12, "test": 5}
    assert len(stores_of(finished)["train"][0].key["weights_sha256"]) == 64
    assert [row["epoch"] for row in finished.metrics] == [1, 2]
    assert {"learning_rate", "loss", "accuracy", "val_loss", "val_accuracy", "seconds"} <= set(finished.metrics[0])


def test_the_summary_says_what_was_done(finished):
    summary = finished.summary
    options = "--backbone tiny.keras --pixels=-1..1 --augment --crops ten --learning-rate 0.05"
    assert (summary.published, summary.title) == (None, f"Transfer Learning v3 with --batch-size 4 {options}")
    assert (summary.epochs, summary.recipe_epochs) == (2, 10)
    assert (summary.validation.images, summary.validation.crops) == (12, "ten")
    assert summary.train.images == 20  # of 24: one of each class is held out
    assert summary.train.views == "whole image; 2 augmented views of 12 images"
    assert RandomViews.from_json(summary.train.drawn) == MILANI_TRANSFER
    assert summary.selection == "best of the measurements on held-out training images"
    assert summary.partial == "augmented views of 50% of the images"
    assert (summary.trunk, summary.backbone) == ("tiny.keras", "tiny.keras")
    assert {"20 of the official 100,000 train images"} < set(summary.notes)
    assert [view.rows for view in summary.transfer_values["train"]] == [24, 12, 12]


def test_no_head_is_trained_on_what_picks_it(config, builder, monkeypatch):
    seen, dataset = set(), experiment.ValueBatches.dataset

    def recorded(self, *steps):
        seen.update(row.tobytes() for values, _ in dataset(self, *steps) for row in values.numpy())
        return dataset(self, *steps)

    monkeypatch.setattr(experiment.ValueBatches, "dataset", recorded)
    done = run(V3, dataclasses.replace(config, augment=False, augmented_views=2, augmented_fraction=1.0))
    values = stores_of(done)["train"][0].load().astype("float32")
    rows, held = splits.load(builder, "train").hold_out_rows(0.2)
    assert seen == {values[row].tobytes() for row in rows}
    assert len(held) == 4 and not seen & {values[row].tobytes() for row in held}


def test_heads_of_other_seeds_learn_from_the_same_views(finished, config):
    other = run(V3, dataclasses.replace(config, seed=1, views_seed=0))
    assert [store.folder for store in stores_of(other)["train"]] == [s.folder for s in stores_of(finished)["train"]]
    first, second = (done.read_validation_predictions()["probabilities"] for done in (finished, other))
    assert np.abs(first - second).max() > 1e-3


def test_mean_and_variance_are_those_of_all_values():
    values = np.random.default_rng(0).normal(3e-3, 1e-4, (25_000, 3)).astype(np.float16)
    mean, variance = experiment._statistics(values)
    np.testing.assert_allclose(mean, values.astype(np.float64).mean(0), rtol=1e-3)
    np.testing.assert_allclose(variance, values.astype(np.float64).var(0), rtol=1e-2)
    _, variance = experiment._statistics(np.full((50_000, 1), 0.1, np.float16))
    assert variance[0] < 1e-14, "it is constant"


def stores_of(run):
    return {
        name: [existing_store(Path(view.folder)) for view in stored]
        for name, stored in run.summary.transfer_values.items()
    }


def test_the_model_scores_raw_images_as_the_run_did(finished, builder):
    predictions = finished.read_validation_predictions()
    validation = splits.load(builder, "validation")
    assert predictions["file_names"].tolist() == validation.file_names.tolist()
    assert predictions["wnids"].tolist() == list(validation.wnids)
    model = keras.saving.load_model(finished.classifier)
    assert model.input_shape == (None, 64, 64, 3)
    predictor = Predictor.load(finished.classifier)
    whole = model.predict(in_order(validation, 12), verbose=0)
    np.testing.assert_allclose(whole, predictor.scores(validation, views.WHOLE), atol=1e-5)
    # The run's values went through float16.
    ten = predictor.probabilities(validation, views.MILANI_TEN_CROP)
    np.testing.assert_allclose(predictions["probabilities"], ten, atol=1e-3)
    assert finished.summary.validation.top1 == top_k_accuracy(predictions["probabilities"], validation.labels)


def test_the_best_epoch_is_reported_and_snapshots_are_heads(finished):
    best = max(finished.metrics, key=lambda row: row["selection_accuracy"])  # of equals the first
    assert finished.summary.best_epoch == best["epoch"]
    assert finished.summary.validation.top1 == best["val_accuracy"]
    head = keras.saving.load_model(finished.snapshots().paths[-1])
    assert head.input_shape == (None, 12)


def test_snapshots_that_are_heads_answer_from_the_stored_values(finished, builder):
    validation = splits.load(builder, "validation")
    kept = finished.snapshots()
    best = members.Member("head", kept.best_path, finished, kept.wnids, is_head=True)
    stored = finished.read_validation_predictions()["probabilities"]
    np.testing.assert_allclose(best.probabilities(validation), stored, atol=1e-6)
    with pytest.raises(UserError, match="heads can be tested only on the crops of their run, ten; leave out --crops"):
        best.probabilities(validation, "whole")
    with pytest.raises(UserError, match="are not stored; give --snapshots best"):
        best.probabilities(validation.take(np.arange(5)))


class Interrupted(Exception):
    pass


@pytest.mark.parametrize("epochs", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_head_that_was_stopped_ends_as_one_that_was_not(finished, config, monkeypatch, epochs):
    """Stopped after an epoch, or between the last one and the report."""
    save, saved = checkpoints.save, []

    def stop(*arguments):
        save(*arguments)
        saved.append(arguments)
        if len(saved) == epochs:
            raise Interrupted

    monkeypatch.setattr(checkpoints, "save", stop)
    with pytest.raises(Interrupted):
        run(V3, dataclasses.replace(config, runs=config.runs / f"stopped_{epochs}"))
    monkeypatch.undo()
    (path,) = (config.runs / f"stopped_{epochs}").iterdir()
    resumed = run(V3, dataclasses.replace(config, runs=config.runs / f"stopped_{epochs}", resume=path))
    assert resumed.path == path and len(resumed.environment["resumed"]) == 1
    for name in ("checkpoint.npz", "predictions-validation.npz"):
        with np.load(path / name) as mine, np.load(finished.path / name) as theirs:
            for array in set(theirs.files) - {"position"}:
                np.testing.assert_array_equal(mine[array], theirs[array], err_msg=array)


def test_a_head_does_not_go_on_with_another_backbone(finished, config, tmp_path):
    """Not even one in the same place; the run is left as it was."""
    begun = Run(shutil.copytree(finished.path, tmp_path / "begun"))
    trunk = keras.saving.load_model(config.backbone)
    trunk.set_weights([1 + weight for weight in trunk.get_weights()])
    trunk.save(tmp_path / "tiny.keras")
    before = {path: path.read_bytes() for path in begun.path.rglob("*") if path.is_file()}
    changed = dataclasses.replace(config, backbone=str(tmp_path / "tiny.keras"), resume=begun.path, epochs=3)
    with pytest.raises(UserError, match=r"--resume .*begun: its head was trained on another backbone \(weights_sha256"):
        run(V3, changed)
    assert before == {path: path.read_bytes() for path in before}
    write_json(begun.path / "environment.json", begun.environment | {"backbone": None})  # an early run's stores tell
    with pytest.raises(UserError, match="its head was trained on another backbone \\(weights_sha256"):
        run(V3, changed)
    with pytest.raises(
        UserError, match="--backbone xception: this run was started with .*tiny.keras; leave the option out"
    ):
        run(V3, dataclasses.replace(changed, backbone="xception"))


def test_a_rate_at_which_the_loss_overflows_is_a_clear_error(config):
    with pytest.raises(NonFiniteLoss, match="smaller --learning-rate"):
        run(V3, dataclasses.replace(config, learning_rate=1e38, crops="whole"))
    runs = config.runs.glob("transfer_v3-*")
    assert all((path / "checkpoint.npz").exists() for path in runs), "a run of nothing was left"


def test_predictions_of_the_test_split_are_in_the_challenges_form(finished, builder):
    lines = (finished.path / "predictions-test.txt").read_text().splitlines()
    wnids, head = splits.load(builder, "test").wnids, network_files.load(finished.snapshots().best_path)
    crops = [scores(head, store.load()) for store in stores_of(finished)["test"]]
    answers = [wnids[number] for number in combine(crops).argmax(axis=1)]
    assert lines == [f"test_{number}.JPEG {wnid}" for number, wnid in enumerate(answers)] and len(crops) == 10


def test_a_seed_fixes_the_run(finished, config, monkeypatch):
    monkeypatch.setattr(Clock, "seconds", 1000.0)
    again = run(V3, config)
    extraction = sum(store.seconds for stores in stores_of(again).values() for store in stores)
    assert again.summary.hours * 3600 == pytest.approx(1000 + extraction) and extraction > 0
    assert again.path != finished.path
    a, b = finished.read_validation_predictions(), again.read_validation_predictions()
    np.testing.assert_array_equal(a["probabilities"], b["probabilities"])
    for first, second in zip(finished.metrics, again.metrics, strict=True):
        assert {**first, "seconds": 0} == {**second, "seconds": 0}


class Enough(Exception):
    """A run has come as far as it was to."""


@pytest.fixture
def handed_to_fit(monkeypatch):
    """Runs until a head is fitted, and returns with what."""
    given = {}

    def fit(model, batches, keeping, **more):
        given.update(model=model, batches=batches, **more)
        raise Enough

    monkeypatch.setattr(experiment, "fit", fit)

    def asked(options):
        with pytest.raises(Enough):
            run(V3, options)
        return SimpleNamespace(**given)

    return asked


def test_the_settings_reach_head_and_optimizer(config, handed_to_fit):
    given = handed_to_fit(
        dataclasses.replace(
            config, dropout_keep=0.7, label_smoothing=0.2, weight_decay=0.06, learning_rate_decay_per_epoch=0.5
        )
    )
    (dropout,) = [layer for layer in given.model.layers if isinstance(layer, keras.layers.Dropout)]
    assert dropout.rate == pytest.approx(0.3) and given.model.loss.label_smoothing == 0.2
    assert given.model.get_layer("logits").kernel_regularizer.l2 == pytest.approx(0.03)  # half: l2_loss
    assert given.model.optimizer.epsilon == 1e-8
    (staircase,) = given.callbacks
    staircase.set_model(given.model)
    staircase.on_epoch_begin(2)
    assert float(given.model.optimizer.learning_rate) == pytest.approx(0.05 * 0.25)


def test_values_may_be_standardized_and_a_decay_be_keras(config, handed_to_fit):
    given = handed_to_fit(
        dataclasses.replace(config, standardize=True, weight_decay=0.06, weight_decay_convention="keras")
    )
    assert any(isinstance(layer, keras.layers.BatchNormalization) for layer in given.model.layers)
    assert given.model.get_layer("logits").kernel_regularizer.l2 == pytest.approx(0.06)


def test_a_head_may_have_a_hidden_layer(config, handed_to_fit):
    given = handed_to_fit(dataclasses.replace(config, head="mlp", hidden_units=7))
    assert [layer.units for layer in given.model.layers if isinstance(layer, keras.layers.Dense)] == [7, 4]


def test_fresh_views_are_those_of_the_paper(config, handed_to_fit):
    given = handed_to_fit(
        dataclasses.replace(config, augmented_views=0, augmented_fraction=1.0, resize="tf1", seed=3, views_seed=None)
    )
    (shown,) = [layer for layer in given.model.layers if isinstance(layer, preprocess.Views)]
    assert given.batches.views == shown.views == MILANI_TRANSFER and shown.resize == "tf1"
    assert len(given.batches.split) == 20 and given.batches.seed == 3, "four of 24 are held out"


def test_the_sampling_reaches_values_and_network(config):
    done = run(V3, dataclasses.replace(config, resize="tf1", epochs=1))
    assert stores_of(done)["train"][0].key["resize"] == "tf1"
    assert Predictor.load(done.classifier).resize == "tf1"


def test_a_seed_is_that_of_the_first_weights_the_order_and_the_views(config, handed_to_fit):
    given = [handed_to_fit(dataclasses.replace(config, seed=seed, views_seed=0)) for seed in (0, 1)]
    first, second = (each.model.get_layer("logits").get_weights()[0] for each in given)
    assert [each.batches.steps.seed for each in given] == [0, 1] and not np.array_equal(first, second)
    assert TransferOptions(seed=3).drawn_by == 3 and TransferOptions(seed=3, views_seed=1).drawn_by == 1


def test_fresh_views_every_epoch_leave_the_trunk_alone(config, monkeypatch, tmp_path):
    """Its dropout, too, whose seed each use in training would change."""
    plain = keras.saving.load_model(config.backbone)
    x = keras.layers.Dropout(0.5)(plain.layers[-2].output)
    dropping = tmp_path / "dropping.keras"
    keras.Model(plain.input, plain.layers[-1](x)).save(dropping)
    config, built, before, build = dataclasses.replace(config, backbone=str(dropping)), [], [], backbones.build

    def remember(*args, **kwargs):
        built.append(build(*args, **kwargs))
        before.append([variable.numpy() for variable in built[-1].model.variables])
        return built[-1]

    monkeypatch.setattr(backbones, "build", remember)
    fresh = dataclasses.replace(
        config, augmented_views=0, augmented_fraction=1.0, crops="whole", holdout=0, epochs=1, weight_decay=0
    )
    finished = run(V3, fresh)
    assert finished.summary.train.views == "new augmented view each epoch"
    assert finished.metrics[0]["loss"] > 0 and "penalty" not in finished.metrics[0]
    for old, variable in zip(before[0], built[0].model.variables, strict=True):
        np.testing.assert_array_equal(old, variable.numpy(), err_msg=variable.path)


@pytest.mark.slow
def test_tensorboard_gets_every_epoch(config):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    finished = run(V3, dataclasses.replace(config, tensorboard=True))
    events = EventAccumulator(str(finished.path / "tensorboard"), size_guidance={"tensors": 0})
    events.Reload()
    assert [event.step for event in events.Tensors("val_accuracy")] == [5, 10]


def test_config_json_is_plain(finished):
    assert isinstance(json.loads((finished.path / "config.json").read_text())["store"], str)


def test_a_demo_of_another_backbone_ends_where_that_does():
    asked = TransferOptions.starting_point(["--demo", "--backbone", "mobilenet_v3_large"])
    asked.check()
    assert asked.layer is None and asked.departures == "--backbone mobilenet_v3_large"
    assert TransferOptions.starting_point(["--demo"]).layer == "mixed0"


def test_a_demo_goes_on_with_the_layer_it_was_begun_with(tmp_path):
    begun = Run.create(tmp_path, "transfer_vanilla", TransferOptions(demo=True, layer="mixed1"))
    assert TransferOptions.starting_point(["--resume", str(begun.path)]).layer == "mixed1"
