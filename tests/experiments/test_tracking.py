"""A run in a tracker: its options, and what was measured at each epoch's end."""

import contextlib
import sys
from types import ModuleType, SimpleNamespace

import keras
import pytest
import tiny_run

from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.experiments import fit as fitting
from tiny_imagenet_tf.experiments.tracking import tracked
from tiny_imagenet_tf.transfer.options import TransferOptions


class Epochs(keras.callbacks.Callback):
    """In the place of a tracker's own callback."""

    logged = None

    def on_epoch_end(self, epoch, logs=None):
        self.logged.append(dict(logs))


@pytest.fixture(params=["mlflow", "wandb"])
def tracker(request, monkeypatch):
    """A stand-in for a tracker's package: its name, and what it is told."""
    told = SimpleNamespace(name=request.param, opened=[], options=[])
    monkeypatch.setattr(Epochs, "logged", [])

    @contextlib.contextmanager
    def opened(config=None, **how):
        told.opened.append(how)
        told.options.append(config)
        yield

    names = {"mlflow": ("mlflow", "mlflow.keras"), "wandb": ("wandb", "wandb.integration", "wandb.integration.keras")}
    modules = [ModuleType(name) for name in names[told.name]]
    modules[0].start_run = modules[0].init = opened
    modules[0].log_params = told.options.append
    modules[-1].MlflowCallback = modules[-1].WandbMetricsLogger = Epochs
    for module in modules:
        monkeypatch.setitem(sys.modules, module.__name__, module)
    return told


def train_tracked(tracker, run, images, monkeypatch):
    keeping = tiny_run.keeping
    with tracked(tracker, run.path, TransferOptions(epochs=2)) as trackers:
        monkeypatch.setattr(tiny_run, "keeping", lambda *given, **more: keeping(*given, **more, trackers=trackers))
        tiny_run.train(run, images.train, images.validation, epochs=2)


def test_a_tracker_gets_the_options_and_what_each_epoch_measured(tracker, run, images, monkeypatch):
    train_tracked(tracker.name, run, images, monkeypatch)
    (how,), options = tracker.opened, tracker.options[-1]
    assert how["run_name" if tracker.name == "mlflow" else "name"] == run.path.name
    assert options["epochs"] == 2 and options["store"] == str(TransferOptions().store)
    rows = [row for row in run.metrics if row["epoch"] in (1, 2)]
    for logs, row in zip(Epochs.logged, rows, strict=True):
        for name in ("loss", "accuracy", "val_loss", "val_accuracy", "val_top5"):
            assert logs[name] == pytest.approx(row[name]), name


@pytest.mark.slow
def test_mlflow_itself_gets_them(run, images, monkeypatch, tmp_path):
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.chdir(tmp_path)  # where it makes a folder
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/tracked.db")
    train_tracked("mlflow", run, images, monkeypatch)
    (logged,) = mlflow.MlflowClient().search_runs(["0"])
    assert logged.info.run_name == run.path.name and logged.data.params["epochs"] == "2"
    assert logged.data.metrics["val_accuracy"] == pytest.approx(run.metrics[-1]["val_accuracy"])


def test_without_one_nothing_is_logged(run):
    with tracked(None, run.path, TransferOptions()) as trackers:
        assert not trackers
    assert fitting.Keeping(run, None, dict, dict, 1, 1).trackers == ()


def test_a_tracker_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(UserError, match=r"--track: wandb is not installed; pip install"):
        TransferOptions(track="wandb").check()
