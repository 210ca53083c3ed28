"""The recipes that train from scratch, from images to the run directory, and what reads those."""

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tiny_imagenet_tf.data import splits
from tiny_imagenet_tf.data.views import LE_YANG_TEN_CROP, View
from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.evaluation.members import Member
from tiny_imagenet_tf.evaluation.metrics import top_k_accuracy
from tiny_imagenet_tf.evaluation.predict import Predictor
from tiny_imagenet_tf.runs.files import write_json
from tiny_imagenet_tf.runs.run import Run

ROOT = Path(__file__).parents[2]


def call(name, *arguments, **options):
    settings = {"env": os.environ | {"PYTHONPATH": str(ROOT)}, "text": True} | options
    return subprocess.run([sys.executable, ROOT / "recipes" / f"{name}.py", *map(str, arguments)], **settings)


@pytest.fixture(scope="module")
def source(tmp_path_factory, builder):
    """Options that lead a recipe to the synthetic images."""
    tree = next(Path(builder.data_path).parents[4].glob("tiny-imagenet-200"))
    return {"source": tree, "data_dir": Path(builder.data_path).parents[3], "runs": tmp_path_factory.mktemp("runs")}


@pytest.fixture(scope="module")
def trained(recipe, source):
    """Model 1, softmax and SVM, after two epochs of 24 images."""
    convnets = recipe("convnets")
    pace = {"epochs": 2, "batch_size": 8, "measure_every": 2, "precision": "float32", "learning_rate": 1e-3}
    yield [convnets.main(convnets.Config(**source, **pace, model=1, loss=loss)) for loss in ("softmax", "svm")]


def test_a_run_has_all_that_is_promised(trained, builder):
    validation = splits.load(builder, "validation")
    for run, loss in zip(trained, ("", "--loss svm "), strict=True):
        summary = run.summary
        title = f"Model 1 with --batch-size 8 {loss}--learning-rate 0.001"
        assert (summary.published, summary.title) == (None, title)
        assert (summary.epochs, summary.recipe_epochs) == (2, 40)
        assert summary.train.images == 24 and summary.train.screened == 0
        whole_epoch = next(row for row in run.metrics if row["epoch"] == np.ceil(summary.best_epoch))
        assert summary.train.accuracy == whole_epoch["accuracy"]
        assert summary.validation.crops == "center"
        assert [row["step"] for row in run.metrics] == [2, 3, 5, 6]
        best = max(run.metrics, key=lambda row: row["selection_accuracy"])  # of equals the first
        assert summary.best_epoch == best["epoch"]
        assert summary.validation.top1 == pytest.approx(best["val_accuracy"])
        stored = run.read_validation_predictions()
        assert top_k_accuracy(stored["probabilities"], validation.labels) == pytest.approx(best["val_accuracy"])
        assert len((run.path / "predictions-test.txt").read_text().splitlines()) == 5
        best_network = Predictor.load(run.snapshots().best_path)
        features = best_network.features(validation, View("center"))
        assert features.shape == (12, 256)
        np.testing.assert_allclose(run.read_features()["features"], features, atol=1e-5)
        environment = run.environment
        assert environment["precision"] == "float32" and environment["dataset"]["counts"]["train"] == 24
        assert any("24 of the official 100,000" in note for note in summary.notes)


def test_the_two_losses_are_two(trained):
    softmax, svm = (run.metrics[0]["loss"] for run in trained)
    assert softmax == pytest.approx(np.log(4), rel=0.2)
    assert svm == pytest.approx(3, rel=0.2), "three wrong classes, a margin of 1 each"


def test_the_ensemble_joins_runs_and_writes_a_run(recipe, trained, source, builder, capsys):
    ensemble = recipe("ensemble")
    run = ensemble.main(ensemble.Config(tuple(run.path for run in trained), **source))
    found = run.summary.ensemble
    snapshots = sum(len(each.snapshots().entries) for each in trained)
    assert len(found.members) == len(found.accuracy_by_size) == snapshots >= 2
    accuracies = [accuracy for _, accuracy in found.members]
    assert accuracies == sorted(accuracies, reverse=True)
    assert found.accuracy_by_size[0] == accuracies[0]
    assert run.summary.validation.top1 == max(found.accuracy_by_size)
    assert found.accuracy_by_size[found.best_size - 1] == max(found.accuracy_by_size)
    assert capsys.readouterr().out.count("*") == 1
    paths = {f"{each.path.name}/{path.name}": path for each in trained for path in each.snapshots().paths}
    test, chosen = splits.load(builder, "test"), [paths[name] for name, _ in found.members[: found.best_size]]
    answers = sum(Predictor.load(path).probabilities(test) for path in chosen).argmax(axis=1)
    lines = [f"{name} {test.wnids[label]}" for name, label in zip(test.file_names, answers, strict=True)]
    assert (run.path / "predictions-test.txt").read_text().splitlines() == lines
    every = ensemble.main(ensemble.Config(tuple(run.path for run in trained), all=True, **source)).summary
    assert every.validation.top1 == pytest.approx(every.ensemble.accuracy_by_size[-1])
    assert every.title == f"Ensemble of {len(every.ensemble.members)}" and every.selection == "none: all members"
    best = ensemble.main(ensemble.Config(tuple(run.path for run in trained), snapshots="best", **source))
    assert len(best.summary.ensemble.members) == 2


def test_an_ensemble_knows_its_images_and_is_the_papers_only_as_the_paper_made_it(recipe, trained, source, tmp_path):
    run = Run(shutil.copytree(trained[0].path, tmp_path / "run"))
    run.write_summary(dataclasses.replace(run.summary, published="milani/baseline"))
    ensemble, own = recipe("ensemble"), {"runs": tmp_path}  # the images are the run's
    joined = ensemble.main(ensemble.Config((run.path,), **own))
    assert joined.images == run.images and joined.summary.published == "milani/baseline_ensemble"
    for other in ({"crops": "ten"}, {"all": True}, {"snapshots": "best"}):
        assert ensemble.main(ensemble.Config((run.path,), **own, **other)).summary.published is None


def test_what_a_member_cannot_answer_is_told_before_any_is_asked(recipe, trained, source, tmp_path, monkeypatch):
    ensemble = recipe("ensemble")
    joined = ensemble.main(ensemble.Config((trained[0].path,), **source | {"runs": tmp_path}))  # without a network
    monkeypatch.setattr(Member, "probabilities", None)
    with pytest.raises(UserError, match="no network is stored, only predictions for its own val images"):
        ensemble.main(ensemble.Config((trained[0].path, joined.path), crops="ten", **source))


def test_an_ensemble_of_a_run_under_way_says_so(recipe, trained, source, tmp_path):
    shutil.copytree(trained[0].path, tmp_path / "going")
    (tmp_path / "going/summary.json").unlink()
    ensemble = recipe("ensemble")
    summary = ensemble.main(ensemble.Config((tmp_path / "going",), **source)).summary
    assert summary.partial == "going: has not ended" and summary.published is None


def test_an_ensemble_with_a_demo_is_known_as_one_and_so_is_an_ensemble_of_it(recipe, trained, source, tmp_path):
    demo = Run(shutil.copytree(trained[0].path, tmp_path / "demo"))
    write_json(demo.path / "config.json", demo.config | {"demo": True})
    ensemble, run = recipe("ensemble"), demo
    for _ in range(2):
        run = ensemble.main(ensemble.Config((run.path,), **source | {"runs": tmp_path / "runs"}))
        assert run.of_synthetic_images and not run.config.get("demo")
    assert not trained[0].of_synthetic_images


def test_a_network_and_its_copy_are_one_member(recipe, trained, source, tmp_path):
    run = trained[0]
    shutil.copy(run.snapshots().best_path, tmp_path / "copy.keras")
    module = recipe("ensemble")
    with pytest.raises(
        UserError, match=r"and copy.keras give identical predictions, so one would count twice; leave one out"
    ):
        module.main(module.Config((run.path, tmp_path / "copy.keras"), **source | {"runs": tmp_path / "runs"}))
    assert not (tmp_path / "runs").exists()


def test_the_schedule_has_its_own_end(recipe, source):
    convnets = recipe("convnets")
    pace = {"epochs": 5, "batch_size": 8, "precision": "float32", "patience": 1, "stop_after_cuts": 1}
    run = convnets.main(convnets.Config(**source, **pace, model=1, learning_rate=1e-9))  # no epoch beats the first
    assert run.ended and [row["epoch"] for row in run.metrics] == [1, 2]
    assert (run.summary.epochs, run.summary.recipe_epochs, run.summary.best_epoch) == (2, 2, 1)
    assert run.summary.partial == "1 of the recipe's 3 cuts of the learning rate"


def test_an_ensemble_of_the_papers_says_of_its_members_how_long_they_trained(recipe, trained, source, tmp_path):
    run = Run(shutil.copytree(trained[0].path, tmp_path / "run"))
    member = {"published": "milani/baseline", "notes": ("of the member's own images",), "epochs": 12}
    run.write_summary(dataclasses.replace(run.summary, **member))
    ensemble = recipe("ensemble")
    summary = ensemble.main(ensemble.Config((run.path,), **source)).summary
    assert (summary.published, summary.title) == ("milani/baseline_ensemble", "Baseline ens.")
    assert (summary.epochs, summary.recipe_epochs, summary.train.images) == (12, 40, 24)
    counts = ("12 of the official 10,000 validation images", "5 of the official 10,000 test images")
    assert summary.notes == (*counts, "classes or images that are not the official ones")


def test_an_ensemble_of_two_models_says_what_each_has_less_than_its_recipe(recipe, trained, source, tmp_path):
    changes = {"published": "le_yang/model_8", "title": "Model 8"}, {"published": "le_yang/model_9", "title": "Model 9"}
    runs = []
    for run, change in zip(trained, changes, strict=True):
        runs.append(Run(shutil.copytree(run.path, tmp_path / change["title"])))
        runs[-1].write_summary(dataclasses.replace(run.summary, **change, epochs=40, partial=None))
    ensemble = recipe("ensemble")
    options = {"snapshots": "best", "all": True, **source}
    summary = ensemble.main(ensemble.Config(tuple(run.path for run in runs), **options)).summary
    assert summary.published == "le_yang/ensemble_8_9"
    assert summary.partial == "; ".join(f"Model {n}: 24 of 100,000 train images" for n in (8, 9))


def test_without_a_fully_connected_layer_no_features_are_stored(recipe, source):
    convnets = recipe("convnets")
    options = {"epochs": 1, "batch_size": 8, "precision": "float32", "architecture": "conv3-2 maxpool"}
    assert convnets.main(convnets.Config(**source, **options)).read_features() is None


def test_evaluate_agrees_with_the_summary_and_writes_predictions(recipe, trained, source, builder, tmp_path):
    evaluate = recipe("evaluate")
    options = {name: source[name] for name in ("source", "data_dir")}
    run = trained[0]
    figures = evaluate.main(evaluate.Config(run.path, **options))
    assert figures["top-1"] == run.summary.validation.top1
    assert evaluate.main(evaluate.Config(run.snapshots().paths[-1], **options)) == figures
    ten = evaluate.main(evaluate.Config(run.path, crops="ten", output=tmp_path / "val.txt", **options))
    validation = splits.load(builder, "validation")
    expected = Predictor.load(run.snapshots().paths[-1]).probabilities(validation, LE_YANG_TEN_CROP)
    assert ten["top-1"] == top_k_accuracy(expected, validation.labels)
    answers = [validation.wnids[label] for label in expected.argmax(axis=1)]
    lines = [" ".join(pair) for pair in zip(validation.file_names, answers, strict=True)]
    assert (tmp_path / "val.txt").read_text().splitlines() == lines
    with pytest.raises(ValueError, match="--output"):
        evaluate.main(evaluate.Config(run.path, split="test", **options))
    with pytest.raises(ValueError, match="neither"):
        evaluate.main(evaluate.Config(tmp_path, **options))


def test_a_finished_run_can_be_made_longer(recipe, trained, source, tmp_path):
    convnets = recipe("convnets")
    run = Run(shutil.copytree(trained[0].path, tmp_path / "run"))
    stored = dataclasses.replace(
        convnets.Config(**{**source, "epochs": 3, "batch_size": 8, "measure_every": 2, "learning_rate": 1e-3}),
        model=1, precision="float32", resume=run.path,
    )  # fmt: skip
    before = run.metrics
    convnets.main(stored)
    assert run.metrics[: len(before)] == before
    assert [row["step"] for row in run.metrics[len(before) :]] == [8, 9]
    assert run.config["epochs"] == 3 and len(run.environment["resumed"]) == 1


def test_staged_needs_a_network_with_something_to_leave_out(recipe, source):
    convnets = recipe("convnets")
    with pytest.raises(UserError, match="no shallower one"):
        convnets.main(convnets.Config(**source, model=1, staged="always"))


@pytest.mark.slow
def test_the_demo_of_the_baseline_learns(tmp_path):
    call("inception_baseline", "--demo", "--runs", tmp_path, check=True)
    (path,) = tmp_path.glob("inception_baseline-*")
    assert Run(path).summary.validation.top1 >= 0.6


@pytest.mark.slow
@pytest.mark.parametrize("name", ["inception_baseline", "inception_regularized"])
def test_the_demo_of_a_small_inception(name, tmp_path):
    call(name, "--demo", "--runs", tmp_path, "--width-multiplier", "0.125", "--epochs", "1", check=True)
    (path,) = tmp_path.glob(f"{name}-*")
    run = Run(path)
    assert run.summary.published is None
    ends = [row for row in run.metrics if row["epoch"] == int(row["epoch"])]
    assert ends and all(0 <= row["val_accuracy_reestimated"] <= 1 for row in ends)  # beside the moving statistics'


@pytest.mark.slow
def test_staged_initialisation_on_a_demo(tmp_path):
    call(
        "convnets",
        "--demo",
        "--model",
        6,
        "--staged",
        "always",
        "--staged-epochs",
        1,
        "--epochs",
        1,
        "--runs",
        tmp_path,
        check=True,
    )
    (path,) = tmp_path.glob("convnets-*")
    assert "conv1_1, conv2_1, conv3_1, fc1, logits" in Run(path).summary.notes[-1]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("network", "kill_when"),
    [
        (["--model", "1", "--epochs", "3"], "checkpoint.npz"),
        (["--model", "6", "--epochs", "1", "--staged", "always", "--staged-epochs", "2"], "shallow/checkpoint.npz"),
        (["--model", "6", "--epochs", "1", "--staged", "always", "--staged-epochs", "1"], "snapshots/index.json"),
    ],
    ids=["whole", "in the shallow network", "between shallow and deep"],
)
def test_a_recipe_that_was_killed_goes_on_bit_for_bit(tmp_path, network, kill_when):
    options = ["--demo", *network, "--runs", tmp_path / "killed"]
    settings = {"env": os.environ | {"PYTHONPATH": str(ROOT)}, "stdout": subprocess.DEVNULL}
    process = subprocess.Popen([sys.executable, ROOT / "recipes/convnets.py", *options], **settings)
    deadline = time.monotonic() + 300
    while not list(tmp_path.glob(f"killed/*/{kill_when}")):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    (path,) = (tmp_path / "killed").glob("convnets-*")
    assert not (path / "summary.json").exists()
    call("convnets", "--resume", path, check=True)
    options[options.index(tmp_path / "killed")] = tmp_path / "whole"
    call("convnets", *options, check=True)
    (other,) = (tmp_path / "whole").glob("convnets-*")
    for name in ("checkpoint.npz", "predictions-validation.npz"):
        with np.load(path / name) as mine, np.load(other / name) as theirs:
            for array in set(theirs.files) - {"position"}:
                np.testing.assert_array_equal(mine[array], theirs[array])
    index = Path("snapshots") / "index.json"
    assert json.loads((path / index).read_text()) == json.loads((other / index).read_text())
