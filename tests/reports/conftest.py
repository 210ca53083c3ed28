"""A finished run on synthetic images, with everything a run may store."""

import dataclasses
import importlib.util
from pathlib import Path

import numpy as np
import pytest

from tiny_imagenet_tf.data import splits, synthetic
from tiny_imagenet_tf.data.views import MILANI_TRANSFER
from tiny_imagenet_tf.reports.analysis import embedding
from tiny_imagenet_tf.runs.run import Run
from tiny_imagenet_tf.runs.summary import Ensemble, StoredView, Summary, Training, Validation
from tiny_imagenet_tf.runs.transfer_values import open_store

SIZES = synthetic.Sizes(classes=8, train=12, validation=6, test=2)
SHARD_ROWS = 40
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def docs_script():
    """Loads a script of docs/, by its name."""

    def load(name):
        spec = importlib.util.spec_from_file_location(name, ROOT / f"docs/{name}.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


@dataclasses.dataclass(frozen=True)
class Asked:
    source: Path
    data_dir: Path
    learning_rate: float = 6.5e-4
    epochs: int = 10
    seed: int = 3


@dataclasses.dataclass(frozen=True)
class MadeUp:
    """Two runs on the same images, their dataset, and the transfer values of its training images."""

    first: Run
    second: Run
    train: splits.Split
    validation: splits.Split
    values: np.ndarray


@pytest.fixture(scope="session")
def made_up(tmp_path_factory) -> MadeUp:
    folder = tmp_path_factory.mktemp("reports")
    source, data_dir = synthetic.write(folder, SIZES), folder / "datasets"
    builder = splits.prepare(source, data_dir)
    train, validation = splits.load(builder, "train"), splits.load(builder, "validation")
    random = np.random.default_rng(0)
    values = (4 * np.eye(8, 64)[train.labels] + random.normal(0, 0.3, (len(train), 64))).astype(np.float16)
    store = open_store(folder / "store", {"dataset_sha256": train.digest}, len(train), SHARD_ROWS)
    for shard in store.shards:
        store.write(shard, values[store.rows_of(shard)])
    runs = []
    for number, wrong_every in enumerate((4, 3)):
        run = Run.create(folder / "runs", f"made_up_{number + 1}", Asked(source, data_dir, 1e-3 * (number + 1)))
        run.write_environment(device="a CPU", seed=3, dataset={})
        run.write_metrics([{"epoch": e, "accuracy": 0.1 * e, "val_accuracy": 0.08 * e} for e in (1, 2, 3)])
        guesses = validation.labels.copy()
        guesses[::wrong_every] = (guesses[::wrong_every] + 1) % 8
        probabilities = np.full((len(validation), 8), 0.05)
        probabilities[np.arange(len(validation)), guesses] = 0.65
        run.write_validation_predictions(validation, probabilities)
        whole = StoredView(str(store.folder), len(train), {"view": "View", "window": "whole", "mirrored": False})
        run.write_summary(
            Summary(
                f"Made up {number + 1}",
                Validation(len(validation), float((guesses == validation.labels).mean()), crops="whole"),
                train=Training(len(train), "random", drawn=dataclasses.asdict(MILANI_TRANSFER)),
                trunk="random",
                notes=("Made up <for a test>.",),
                ensemble=Ensemble((0.4, 0.5, 0.45), 2, ()),
                transfer_values={"train": (whole,)},
            )
        )
        runs.append(run)
    features = 4 * np.eye(8, 16)[validation.labels] + random.normal(0, 0.3, (len(validation), 16))
    runs[0].write_features(validation, features)
    return MadeUp(*runs, train, validation, values)


@pytest.fixture(scope="session")
def report_folder(made_up) -> Path:
    """The report of both runs, written once."""
    from tiny_imagenet_tf.reports import report

    out = made_up.first.path / "report"
    report.write([made_up.first, made_up.second], out)
    return out


@pytest.fixture
def quick_tsne(monkeypatch):
    """Replaces t-SNE where a test is not about it."""
    monkeypatch.setattr(embedding, "tsne", lambda values, seed=0: np.random.default_rng(0).random((len(values), 2)))
