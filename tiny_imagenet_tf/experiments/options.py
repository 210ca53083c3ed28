"""What can be chosen in every run that trains from scratch, and how a run that goes on gets its choices back."""

import dataclasses
import importlib.util
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import tyro

from tiny_imagenet_tf import cli
from tiny_imagenet_tf.hardware import Precision
from tiny_imagenet_tf.runs.run import Run, departures

Config = TypeVar("Config", bound="TrainingConfig")

# A run that goes on may be made longer or shorter, and find its data and devices elsewhere.
_MAY_CHANGE = ("resume", "epochs", "source", "data_dir", "cache", "devices", "tensorboard")
# What these change leaves the experiment the same, or is said in a table by itself.
_SAME_EXPERIMENT = (
    *_MAY_CHANGE, "demo", "fraction", "holdout", "measure_every", "snapshots", "checkpoint_every", "precision", "runs",
    "seed", "model", "staged", "staged_epochs",
)  # fmt: skip
_DEMO = {"epochs": 2, "batch_size": 20, "measure_every": 5, "checkpoint_every": 5}


@dataclasses.dataclass(frozen=True)
class TrainingConfig:
    """Options of ``inception_baseline.py``, ``inception_regularized.py`` and ``convnets.py``."""

    demo: bool = False
    """Run the whole recipe in a minute or two on made-up images. Its accuracy means nothing."""
    resume: Path | None = None
    """A run directory whose training goes on from its checkpoint. Its config is taken up; of the other options only
    epochs, source, data-dir, cache, devices and tensorboard may then be given anew."""

    # Data
    source: Path | None = None
    """A tiny-imagenet-200 folder, zip or tar. Without it the official archive is downloaded."""
    data_dir: Path | None = None
    """Where prepared datasets are kept. Default: TFDS's own, $TFDS_DATA_DIR or ~/tensorflow_datasets."""
    fraction: float = 1.0
    """Share of each class to use, of train and val alike. Paper: 1; section 3.2 tried things out on 0.25."""
    holdout: float = 0.0
    """Share of each training class that is not trained on but picks the snapshots. At 0, val picks them, as in the
    papers: the val accuracy reported is then the best of many."""

    cache: bool = False
    """Keep decoded images in memory, 1.2 GB for all of train, instead of decoding them every epoch."""

    # Length and pace
    epochs: int = 30
    """Passes over the training images, in all parts of the run together. Paper: 20 to 50 for Milani's Baseline."""
    batch_size: int = 100
    """Images a step, on all devices together. Paper: 200 for Le & Yang; not given for Milani's own networks."""
    measure_every: int = 500
    """Steps between two measurements of the val accuracy, from which snapshots follow; each epoch ends in one too.
    Paper: "some number of" steps (Milani section 3.4)."""
    snapshots: int = 20
    """How many are kept. Paper: 20 (Milani section 3.4)."""
    checkpoint_every: int = 100
    """Steps that an interruption costs at the most."""

    # Run
    precision: Precision = "auto"
    """auto: float16 on a GPU, bfloat16 on a CPU that has it, float32 elsewhere. Scores and loss are float32."""
    devices: tuple[str, ...] = ()
    """Such as GPU:0 GPU:1. Default: every GPU, or the CPU."""
    runs: Path = Path("runs")
    """Where run directories are made."""
    seed: int = 0
    """Fixes the run, bit for bit on a CPU."""
    tensorboard: bool = False
    """Write TensorBoard logs into the run directory (needs the extra: pip install -e ".[tensorboard]")."""

    @property
    def departures(self) -> str:
        """See :func:`tiny_imagenet_tf.runs.departures`."""
        return departures(self, _SAME_EXPERIMENT)

    def check(self) -> None:
        """Raises ValueError, naming the option, where a value makes no sense."""
        if not 0 < self.fraction <= 1:
            raise ValueError(f"--fraction {self.fraction}: must be above 0 and at most 1")
        if self.tensorboard and importlib.util.find_spec("tensorboard") is None:
            raise ValueError('--tensorboard: TensorBoard is not installed; pip install -e ".[tensorboard]"')
        for name, value in dataclasses.asdict(self).items():
            option = f"--{name.replace('_', '-')} {value}"
            if name in ("holdout", "label_smoothing") and not 0 <= value < 1:
                raise ValueError(f"{option}: must be at least 0 and below 1")
            if name == "dropout_keep" and not 0 < value <= 1:
                raise ValueError(f"{option}: must be above 0 and at most 1")
            if name == "weight_decay" and value is not None and value < 0:
                raise ValueError(f"{option}: must not be negative")
            if name in _POSITIVE and value is not None and not value > 0:
                raise ValueError(f"{option}: must be above 0")


_POSITIVE = (
    "epochs", "batch_size", "measure_every", "snapshots", "checkpoint_every",
    "learning_rate", "learning_rate_decay", "decay_every_epochs", "patience", "staged_epochs",
)  # fmt: skip


def command(config: type[Config], run: Callable[[Config], object], description: str) -> None:
    """Reads the config from the command line and runs it, as :func:`cli.command` does.

    What is not on the command line is the recipe's default, or with ``--resume`` what the run was begun with, or
    with ``--demo`` small.

    Args:
        config: the recipe's dataclass.
        run: called with the config.
        description: heads ``--help``.
    """

    def run_completed(chosen: Config) -> None:
        if chosen.resume:
            stored = read(config, chosen.resume)
            chosen = tyro.cli(config, default=dataclasses.replace(stored, resume=chosen.resume))
            check_unchanged(stored, chosen)
        elif chosen.demo:
            chosen = tyro.cli(config, default=dataclasses.replace(config(), demo=True, **_DEMO))
        try:
            run(chosen)
        except KeyboardInterrupt:
            print(f"\nInterrupted. Go on with: python {sys.argv[0]} --resume RUN", file=sys.stderr)
            sys.exit(130)

    cli.command(config, run_completed, description)


def read(config: type[Config], path: Path) -> Config:
    """Returns the config that a run was begun with.

    Args:
        config: the recipe's dataclass.
        path: the run directory.

    Raises:
        ValueError: there is no such run, or it is of another recipe.
    """
    try:
        stored = Run(path).config
    except (FileNotFoundError, NotADirectoryError, json.JSONDecodeError) as error:
        raise ValueError(f"--resume {path}: not a run directory") from error
    stored.pop("recipe")
    fields = {field.name: field for field in dataclasses.fields(config)}
    if stored.keys() != fields.keys():
        odd = ", ".join(sorted(stored.keys() ^ fields.keys()))
        raise ValueError(f"--resume {path}: a run of another recipe or version; they differ in {odd}")
    return config(**{name: _from_json(value, fields[name].type) for name, value in stored.items()})


def check_unchanged(stored: TrainingConfig, chosen: TrainingConfig) -> None:
    """Raises ValueError where a run that goes on is given another value of what made it what it is."""
    for field in dataclasses.fields(stored):
        before, now = getattr(stored, field.name), getattr(chosen, field.name)
        if field.name not in _MAY_CHANGE and before != now:
            raise ValueError(f"--{field.name.replace('_', '-')} {now}: the run to resume was begun with {before}")


def _from_json(value, kind):
    if isinstance(value, list):
        return tuple(value)
    return Path(value) if value is not None and kind in (Path, Path | None) else value
