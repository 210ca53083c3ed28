"""A finished run on made-up images, with everything a run may store."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from tiny_imagenet_tf.data import splits, synthetic
from tiny_imagenet_tf.reports.analysis import embedding
from tiny_imagenet_tf.runs.run import Run

SIZES = synthetic.Sizes(classes=8, train=12, validation=6, test=2)
SHARD_ROWS = 40


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
    store = folder / "store"
    store.mkdir()
    (store / "key.json").write_text(json.dumps({"shard_rows": SHARD_ROWS, "dataset_sha256": train.digest}))
    for shard in range(-(-len(train) // SHARD_ROWS)):
        np.save(store / f"shard-{shard:05d}.npy", values[shard * SHARD_ROWS : (shard + 1) * SHARD_ROWS])
    runs = []
    for number, wrong_every in enumerate((4, 3)):
        run = Run.create(folder / "runs", f"made_up_{number + 1}", Asked(source, data_dir, 1e-3 * (number + 1)))
        run.write_environment(device="a CPU", seed=3, dataset={})
        run.write_metrics([{"epoch": e, "accuracy": 0.1 * e, "val_accuracy": 0.08 * e} for e in (1, 2, 3)])
        guesses = validation.labels.copy()
        guesses[::wrong_every] = (guesses[::wrong_every] + 1) % 8
        probabilities = np.full((len(validation), 8), 0.05)
        probabilities[np.arange(len(validation)), guesses] = 0.65
        run.write_validation_predictions(validation.file_names, validation.labels, validation.wnids, probabilities)
        run.write_summary(
            {
                "published": None,
                "title": f"Made up {number + 1}",
                "validation": {"images": len(validation), "top1": float((guesses == validation.labels).mean())},
                "train": {"images": len(train)},
                "notes": ["Made up <for a test>."],
                "ensemble": {"accuracy_by_size": [0.4, 0.5, 0.45], "best_size": 2, "members": []},
                "transfer_values": {
                    "train": [
                        {
                            "folder": str(store),
                            "rows": len(train),
                            "view": {"view": "View", "window": "whole", "mirrored": False},
                        }
                    ]
                },
            }
        )
        runs.append(run)
    np.savez(
        runs[0].path / "features-validation.npz",
        features=4 * np.eye(8, 16)[validation.labels] + random.normal(0, 0.3, (len(validation), 16)),
        labels=validation.labels,
        file_names=validation.file_names,
        wnids=np.array(validation.wnids),
    )
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
