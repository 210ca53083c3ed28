"""What can be chosen in every run. Each option carries its own rule; a run that goes on gets its choices back."""

import argparse
import dataclasses
import functools
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar

from tiny_imagenet_tf import extras
from tiny_imagenet_tf.choices import Precision, Tracker
from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.runs.places import check_folder
from tiny_imagenet_tf.runs.run import Run, demo_folder
from tiny_imagenet_tf.runs.typed import misfit

Options = TypeVar("Options", bound="DataOptions")


@dataclasses.dataclass(frozen=True)
class Study:
    """The names of an experiment.

    Attributes:
        recipe: the recipe's, of the run directory too.
        title: what a table calls it.
        row: key of the paper's row in ``published.RESULTS``; None for what is in no paper.
    """

    recipe: str
    title: str
    row: str | None = None


@dataclasses.dataclass(frozen=True)
class Rule:
    """What an option may be, and what a change of it means.

    Attributes:
        words: what a number must be.
        allows: whether a number is that.
        departs: another value than the recipe's makes another experiment, which is in no table of a paper.
        resumable: a run that goes on may be given another value.
    """

    words: str
    allows: Callable[[float], bool]
    departs: bool = True
    resumable: bool = False

    def check(self, name: str, value: Any) -> None:
        """Raises UserError, naming the option, where a number is not finite or out of range."""
        if isinstance(value, int | float) and not (math.isfinite(value) and self.allows(value)):
            raise UserError(f"{flag(name)} {value}: must be {self.words}")
        if isinstance(value, float) and value and not 1e-38 < abs(value) < 3.4e38:
            raise UserError(f"{flag(name)} {value}: float32, in which it is computed, has no such number")


POSITIVE = Rule("above 0", lambda value: value > 0)
AMOUNT = Rule("at least 0", lambda value: value >= 0)
# Not so small that 1 less it is 1.
SHARE = Rule("above 0 and at most 1", lambda value: 0 < value <= 1 and 1 - value < 1)
PART = Rule("at least 0 and below 1", lambda value: 0 <= value < 1)
SEED = Rule("from 0 to 4294967295", lambda value: 0 <= value < 2**32)


def option(default: Any, rule: Rule = AMOUNT, **changes: Any) -> Any:
    """Returns a dataclass field with its rule.

    Args:
        default: of the field.
        rule: a kind of numbers.
        changes: of the rule, such as ``departs=False``.
    """
    return dataclasses.field(default=default, metadata={"rule": dataclasses.replace(rule, **changes)})


@dataclasses.dataclass(frozen=True)
class DataOptions:
    """Options of every recipe that reads the dataset's images."""

    GROUP: ClassVar[str] = "data"
    """Of the options on the command line."""
    DEMO: ClassVar[dict[str, Any]] = {}
    """What ``--demo`` takes instead of the defaults."""
    FROZEN: ClassVar[bool] = False
    """Whether the precision is that of a network that does not learn."""

    demo: bool = option(False, departs=False)
    """Run the whole recipe on a few synthetic images of ten shapes, in seconds to minutes. The accuracy says nothing
    about real images."""
    source: Path | None = option(None, departs=False, resumable=True)
    """A tiny-imagenet-200 folder, zip or tar. Without it the official archive is downloaded."""
    data_dir: Path | None = option(None, departs=False, resumable=True)
    """Where prepared datasets are kept. Default: TFDS's own, $TFDS_DATA_DIR or ~/tensorflow_datasets."""
    fraction: float = option(1.0, SHARE, departs=False)
    """Share of each class to use, of train and val alike. Paper: 1; section 3.2 tried things out on 0.25."""
    holdout: float = option(0.0, PART, departs=False)
    """Share of each training class to hold out of training, for choosing the snapshots; shown whole, also where val is
    in ten crops. At 0 val chooses them, as in the papers, so the val accuracy reported is the best of many
    measurements."""
    seed: int = option(0, SEED, departs=False)
    """Random seed. On a CPU the same seed gives the same run, bit for bit."""

    def check(self) -> None:
        """Raises UserError, naming the option, where a value makes no sense. Nothing is on disk yet."""
        for field in dataclasses.fields(self):
            rule_of(type(self), field.name).check(field.name, getattr(self, field.name))
        if self.demo:
            self.refuse(("source", "data_dir"), "--demo makes its images up")
            check_folder("--demo", self.demo_folder)
        if self.source is not None and not self.source.expanduser().exists():
            raise UserError(f"--source {self.source}: no such file or folder")
        self.check_folder("data_dir", written=False)

    def check_folder(self, name: str, *, written: bool = True) -> None:
        """Raises UserError where an option's folder could not be made, or lies within a dataset, which is only read.

        Args:
            name: of the field; where it is None nothing is to be made.
            written: see ``tiny_imagenet_tf.runs.places.check_folder``.
        """
        if (folder := getattr(self, name)) is not None:
            check_folder(flag(name), folder, written=written)

    @property
    def demo_folder(self) -> Path:
        """Where a demo's images, records and transfer values are."""
        return demo_folder(getattr(self, "runs", Path("runs")), self.seed)

    @classmethod
    def starting_point(cls, arguments: Sequence[str]) -> Self:
        """Returns the options that a command line does not name: the recipe's own, or with ``--demo`` small ones."""
        demo = given(arguments, "--demo", action=argparse.BooleanOptionalAction)
        return cls(demo=True, **cls.DEMO) if demo else cls()

    @property
    def defaults(self) -> Self:
        """The recipe's defaults; with ``--demo`` the demo's."""
        return type(self)(**(self.DEMO if self.demo else {}))

    @property
    def implied(self) -> tuple[Self, ...]:
        """Options whose values do not count as given: the defaults."""
        return (self.defaults,)

    def refuse(self, names: Sequence[str], because: str) -> None:
        """Raises UserError where one of some options was given that would be ignored.

        Args:
            names: of fields.
            because: the reason, for the message.
        """
        for name in names:
            if getattr(self, name) not in [getattr(each, name) for each in self.implied]:
                raise UserError(f"{flag(name)} {getattr(self, name)} would be ignored: {because}")


@dataclasses.dataclass(frozen=True)
class RunOptions(DataOptions):
    """Options of every recipe that trains."""

    GROUP: ClassVar[str] = "run"
    ONE_DEVICE_MEASURES_OTHERWISE: ClassVar[bool] = False
    """Whether val is measured on one device in another way than on several, so that a run stays with either."""

    resume: Path | None = option(None, departs=False, resumable=True)
    """A run directory to resume from its checkpoint, with the options it was started with. Only these may change:
    source, data-dir, tensorboard, track, epochs (not in train modern, where they set the schedule) and, where a recipe
    has them, backbone, cache, devices, distributed, start, store, teacher, weights, stop-after, stop-after-cuts. A
    path may change only if it still leads to the same thing."""

    # Length and pace
    epochs: int = option(30, POSITIVE, departs=False, resumable=True)
    """Passes over the training images, in all parts of the run together."""
    batch_size: int = option(100, POSITIVE)
    """Images a step, on all devices together."""
    snapshots: int = option(20, POSITIVE, departs=False)
    """Snapshots to keep. Paper: 20 (Milani section 3.4)."""

    # Run
    precision: Precision = option("auto", departs=False)
    """Precision of training. auto: bfloat16 on a GPU (Ampere or newer) or CPU that supports it, float16 on older GPUs
    (Volta or newer), otherwise float32, with products in TF32 on GPUs that have it. Scores and loss are float32."""
    runs: Path = option(Path("runs"), departs=False, resumable=True)
    """Where run directories are made."""
    tensorboard: bool = option(False, departs=False, resumable=True)
    """Write TensorBoard logs into the run directory (needs the extra: pip install "tiny_imagenet_tf[tensorboard]")."""
    track: Tracker | None = option(None, departs=False, resumable=True)
    """Log options and each epoch's figures to mlflow or wandb, too (needs the extra: pip install
    "tiny_imagenet_tf[track]")."""

    def check(self) -> None:
        """Raises UserError, naming the option, where a value makes no sense. Nothing is on disk yet."""
        super().check()
        if self.resume:
            check_unchanged(self.resumed_options, self)
            if self.runs not in (self.resumed_options.runs, self.defaults.runs):
                raise UserError(f"--runs {self.runs} would be ignored: a resumed run stays in its own folder")
            trained = max((row["epoch"] for row in Run(self.resume).metrics), default=0)
            if self.until < trained:
                name = flag("epochs" if self.until == self.epochs else "stop_after")
                raise UserError(
                    f"{name} {self.until}: this run has already trained {trained:g} epochs; give at least that many"
                )
        else:
            self.check_folder("runs", written=not getattr(self, "distributed", False))  # of many processes by one
        if self.track is not None:
            extras.require("--track", "track", self.track)
        if self.tensorboard:
            extras.require("--tensorboard", "tensorboard")

    @classmethod
    def starting_point(cls, arguments: Sequence[str]) -> Self:
        """Returns the options that a command line does not name: of the run that goes on, or the recipe's own."""
        path = given(arguments, "--resume", type=path_of)
        if path:
            return dataclasses.replace(read(cls, path), resume=path)
        return super().starting_point(arguments)

    @functools.cached_property
    def resumed_options(self) -> Self | None:
        """What the run to resume was begun with; None for a new run."""
        return read(type(self), self.resume) if self.resume else None

    @property
    def implied(self) -> tuple[Self, ...]:
        """The defaults, and what the resumed run was begun with, when the defaults may have been others."""
        return (*super().implied, *filter(None, [self.resumed_options]))

    @property
    def demo_folder(self) -> Path:
        """Where a demo's images, records and transfer values are; one that goes on may have been moved."""
        return Run(self.resume).demo_folder if self.resume else super().demo_folder

    @property
    def devices(self) -> tuple[str, ...]:
        """What computes, as ``hardware.place`` takes it; nothing for the backend's own choice."""
        return ()

    @property
    def until(self) -> int:
        """The epochs to have been trained in the end."""
        return self.epochs

    @property
    def departures(self) -> str:
        """The options, as on the command line, that make a run another experiment than the recipe's own."""
        defaults, changes = self.defaults, []
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if not rule_of(type(self), field.name).departs or value == getattr(defaults, field.name):
                continue
            if isinstance(value, bool):
                changes.append(flag(field.name if value else f"no_{field.name}"))
            else:
                words = in_words(value)
                changes.append(f"{flag(field.name)}{'=' if words.startswith('-') else ' '}{words}")
        return " ".join(changes)


def flag(name: str) -> str:
    """Returns a field's name as it stands on the command line."""
    return f"--{name.replace('_', '-')}"


def in_words(value: Any) -> str:
    """Returns an option's value as it stands on the command line; of a path, the last part."""
    values = value if isinstance(value, tuple) else (value,)
    return " ".join(Path(each).name if isinstance(each, str | Path) else str(each) for each in values)


def rule_of(config: type, name: str) -> Rule:
    """Returns the rule of an option: its own, or that of the class it overrides; else a number must not be negative."""
    for each in config.__mro__:
        field = vars(each).get("__dataclass_fields__", {}).get(name)
        if field is not None and "rule" in field.metadata:
            return field.metadata["rule"]
    return AMOUNT


def given(arguments: Sequence[str], option: str, **kind: Any) -> Any:
    """Returns the value of one option of a command line, None where it is not there."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument(option, dest="value", **kind)
    try:
        return parser.parse_known_args(arguments)[0].value
    except argparse.ArgumentError:
        return None  # the whole command line is parsed next, and tells


def path_of(word: str) -> Path:
    """Returns the path that a word of a command line means; the shell leaves the ~ of ``--resume=~/run`` alone.

    Raises:
        ValueError: it is in nobody's home.
    """
    try:
        return Path(word).expanduser()
    except RuntimeError as error:
        raise ValueError(str(error)) from error


def read(config: type[Options], path: Path, option: str = "--resume") -> Options:
    """Returns the options that the run in a directory was begun with; ``option`` named it.

    Raises:
        UserError: there is no such run, or it is of another recipe.
    """
    try:
        stored = Run(path).config
    except (FileNotFoundError, NotADirectoryError) as error:
        raise UserError(f"{option} {path}: not a run directory") from error
    stored.pop("recipe")
    fields = {field.name: field for field in dataclasses.fields(config)}
    if unknown := stored.keys() - fields.keys():  # of an option that is newer than the run it has the default
        odd = ", ".join(sorted(unknown))
        raise UserError(f"{option} {path}: a run of another recipe or version, with options unknown here: {odd}")
    found = config(**{name: _from_json(value, fields[name].type) for name, value in stored.items()})
    if wrong := misfit(found, config, "its config"):
        raise UserError(f"{option} {path}: {wrong}, which no such run was begun with; put back a whole copy")
    return found


def check_unchanged(stored: RunOptions, chosen: RunOptions) -> None:
    """Raises UserError where a run that goes on is given another value of what made it what it is."""
    for field in dataclasses.fields(stored):
        before, now = getattr(stored, field.name), getattr(chosen, field.name)
        if not rule_of(type(stored), field.name).resumable and before != now:
            raise UserError(f"{flag(field.name)} {now}: this run was started with {before}; leave the option out")


def _from_json(value: Any, kind: Any) -> Any:
    if isinstance(value, list):
        return tuple(value)
    return Path(value) if isinstance(value, str) and kind in (Path, Path | None) else value
