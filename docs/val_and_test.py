"""Val beside test: are they alike, and what accuracy may a run have on test, whose labels are the course server's?

Milani finds test considerably below val and gives no reason (section 5). Compared are the pixels; the nearest training
images; whether a linear classifier tells val from test by their transfer values; and each run's confidence, calibrated
on val by one temperature, which on images of the same kind is its accuracy. Writes results/analyses/val_and_test.json
and the part of docs/analysis.md between its markers (needs the extra report).

python docs/val_and_test.py --source tiny-imagenet-200 runs/transfer_vanilla-20260101-120000 ...
"""

import dataclasses
import re
from pathlib import Path

import numpy as np
import tyro

from tiny_imagenet_tf import cli  # isort: skip  # first: it quiets TensorFlow's log
from scipy import optimize
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tiny_imagenet_tf.data import splits
from tiny_imagenet_tf.data.batches import in_order
from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.evaluation.metrics import combine
from tiny_imagenet_tf.evaluation.predict import Predictor
from tiny_imagenet_tf.models import network_files
from tiny_imagenet_tf.models.heads import scores
from tiny_imagenet_tf.reports import markers
from tiny_imagenet_tf.reports.table import grid
from tiny_imagenet_tf.runs.environment import describe_environment
from tiny_imagenet_tf.runs.files import write_json
from tiny_imagenet_tf.runs.run import Run
from tiny_imagenet_tf.runs.transfer_values import stores_of

ROOT = Path(__file__).parents[1]
NAMES = ("validation", "test")
NEAR = (0.9, 0.95, 0.99)  # cosine similarity to a training image


@dataclasses.dataclass(frozen=True)
class Config:
    """Which runs, and the images."""

    runs: tyro.conf.Positional[tuple[Path, ...]]
    """Finished runs; the first is one of transfer learning, whose stored transfer values say which images are near."""
    source: Path | None = None
    """A tiny-imagenet-200 folder, zip or tar."""
    data_dir: Path | None = None
    """Where prepared datasets are kept."""
    output: Path = ROOT / "results/analyses/val_and_test.json"
    """Where to write the figures."""


def main(config: Config) -> None:
    """Measures, stores and renders."""
    if not config.runs:
        raise UserError("no run was named")
    builder = splits.prepare(config.source, config.data_dir)
    train, val, test = (splits.load(builder, name) for name in ("train", *NAMES))
    first = Run.finished(config.runs[0])
    known, *pair = (values(first, each)[0] for each in (train, val, test))
    near = {name: nearest(each, known) for name, each in zip(NAMES, pair, strict=True)}
    found = {
        **describe_environment(),
        "images": {"validation": len(val), "test": len(test)},
        "pixels": pixels(train, val, test),
        "nearest": {"of": first.summary.title} | near,
        "told apart": told_apart(*pair),
        "runs": [confidence(Run.finished(path), val, test) for path in config.runs],
    }
    write_json(config.output, found)
    markers.replace(ROOT / "docs/analysis.md", "val_and_test", lambda _: section(found))


def values(run: Run, split: splits.Split) -> list[np.ndarray]:
    """Returns a run's transfer values (n, width) of a split, one array per view.

    Raises:
        UserError: they are not stored, or of other images.
    """
    stores = stores_of(run.summary, split.name, split.digest)
    if not stores:
        raise UserError(f"{run.path}: the transfer values of these {split.name} images are not stored")
    return [store.load() for store in stores]


def pixels(train: splits.Split, val: splits.Split, test: splits.Split) -> dict[str, dict[str, float]]:
    """Returns mean brightness, contrast and saturation of each, in 0..255 and 0..1, and the standard errors between."""

    def measured(split: splits.Split) -> dict[str, np.ndarray]:
        parts = []
        for batch in in_order(split, 200).as_numpy_iterator():
            x = batch.astype(np.float64)
            gray, most = x.mean(-1), x.max(-1)
            saturation = np.where(most > 0, (most - x.min(-1)) / np.maximum(most, 1), 0)
            parts.append([gray.mean((1, 2)), gray.std((1, 2)), saturation.mean((1, 2))])
        return dict(zip(("brightness", "contrast", "saturation"), np.concatenate(parts, axis=1), strict=True))

    sets = {split.name: measured(split) for split in (train, val, test)}
    found = {}
    for name in sets["train"]:
        means = {of: each[name].mean() for of, each in sets.items()}
        pairs = (("train", "validation"), ("train", "test"), NAMES)
        found[name] = means | {f"{a} to {b}": apart(sets[a][name], sets[b][name]) for a, b in pairs}
    return found


def apart(first: np.ndarray, second: np.ndarray) -> float:
    """Returns how many standard errors the mean of the second lies above that of the first."""
    error = np.sqrt(first.var(ddof=1) / len(first) + second.var(ddof=1) / len(second))
    return (second.mean() - first.mean()) / error


def nearest(images: np.ndarray, train: np.ndarray) -> dict[str, float]:
    """Returns the mean cosine similarity to the nearest training image, and the share above some."""
    images, train = (each / np.linalg.norm(each.astype(np.float32), axis=1, keepdims=True) for each in (images, train))
    most = np.concatenate([(images[at : at + 500] @ train.T).max(1) for at in range(0, len(images), 500)])
    return {"mean": most.mean()} | {f"above {near}": (most > near).mean() for near in NEAR}


def told_apart(val: np.ndarray, test: np.ndarray) -> dict[str, float]:
    """Returns how often a linear classifier tells val from test, in five folds of as many of both; chance is a half."""
    count = min(len(val), len(test))
    rows = np.random.default_rng(0).permutation(len(val))[:count]
    x = np.concatenate([val[rows], test[:count]]).astype(np.float32)
    y = np.repeat([0, 1], count)
    order = np.random.default_rng(1).permutation(len(y))
    model = make_pipeline(StandardScaler(), LogisticRegression(C=1e-3, max_iter=500))
    right = cross_val_score(model, x[order], y[order], cv=5)
    return {"accuracy": right.mean(), "standard_error": float(np.sqrt(0.25 / len(y))), "images": len(y)}


def confidence(run: Run, val: splits.Split, test: splits.Split) -> dict[str, float | str]:
    """Returns a run's accuracy on val, and its mean confidence on both after one temperature, found on val."""
    raw, labels = {split.name: raw_scores(run, split) for split in (val, test)}, val.labels

    def at(temperature: float, name: str) -> np.ndarray:
        return combine(each / temperature for each in raw[name])

    def loss(temperature: float) -> float:
        return -np.log(at(temperature, "validation")[np.arange(len(labels)), labels]).mean()

    temperature = optimize.minimize_scalar(loss, bounds=(0.2, 3), method="bounded").x
    likeliest = {name: at(temperature, name).max(1) for name in NAMES}
    a, b = likeliest.values()
    accuracy = float((at(1, "validation").argmax(1) == labels).mean())
    return {
        "title": run.summary.title,
        "accuracy": accuracy,
        "temperature": temperature,
        "confidence": a.mean(),
        "test_confidence": b.mean(),
        "z": apart(a, b),
        "test_estimate": accuracy + b.mean() - a.mean(),
    }


def raw_scores(run: Run, split: splits.Split) -> list[np.ndarray]:
    """Returns what the best network of a run says of a split, scores (n, classes), one array per view."""
    best = run.snapshots().best_path
    if run.summary.trunk:
        head = network_files.load(best)
        return [scores(head, each) for each in values(run, split)]
    network = Predictor.load(best)
    return [network.scores(split, view) for view in network.views()]


def section(found: dict) -> str:
    """Returns the three tables."""
    pixels = []
    for name, each in found["pixels"].items():
        means = (f"{each[of]:.3g}" for of in ("train", *NAMES))
        between = (each[pair] for pair in ("train to validation", "train to test", "validation to test"))
        pixels.append((name, *means, *(f"{z:+.1f}" for z in between)))
    near = []
    for name in found["nearest"]["test"]:
        form = ".3f" if name == "mean" else ".2%"
        what = "similarity to the nearest training image" if name == "mean" else f"images whose nearest is {name}"
        near.append((what, *(f"{found['nearest'][each][name]:{form}}" for each in NAMES), ""))
    guessed = found["told apart"]
    errors = (guessed["accuracy"] - 0.5) / guessed["standard_error"]
    near.append(
        (f"told apart, {guessed['images']:,} images; chance is 50%", f"{guessed['accuracy']:.1%}", "", f"{errors:+.1f}")
    )
    runs = []
    for run in found["runs"]:
        title = re.sub(r" with --backbone (\S+)\.keras --pixels[ =]\S+", r", \1,", run["title"])
        shares = (f"{run[name]:.2%}" for name in ("accuracy", "confidence", "test_confidence"))
        runs.append((title.replace(" --", " ").strip(","), *shares, f"{run['z']:+.1f}", f"{run['test_estimate']:.2%}"))
    apart = "standard errors apart"
    return "\n\n".join(
        (
            grid(("", "train", "val", "test", "val above train", "test above train", "test above val"), pixels),
            "The last three columns count standard errors.",
            grid(("", "val", "test", apart), near),
            grid(("run", "val", "confidence on val", "on test", apart, "test, estimated"), runs),
        )
    )


if __name__ == "__main__":
    cli.command(Config, main, __doc__)
