"""One run, from images to figures, whatever is trained: a head on transfer values or a network from scratch.

The two differ in the network, and in where batches and predictions come from; all else is here.
"""

import contextlib
import dataclasses
import math
import shlex
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tiny_imagenet_tf import hardware, processes, published
from tiny_imagenet_tf.choices import Arithmetic, Crops, Engine
from tiny_imagenet_tf.data import splits
from tiny_imagenet_tf.data.batches import Steps
from tiny_imagenet_tf.data.splits import Split
from tiny_imagenet_tf.errors import NonFiniteLoss, UserError
from tiny_imagenet_tf.evaluation.metrics import negative_log_likelihood, top_k_accuracy, validation_of
from tiny_imagenet_tf.experiments import checkpoints, images
from tiny_imagenet_tf.experiments.clock import Clock
from tiny_imagenet_tf.experiments.fit import Keeping
from tiny_imagenet_tf.experiments.images import Data
from tiny_imagenet_tf.experiments.options import RunOptions, Study, rule_of
from tiny_imagenet_tf.experiments.tracking import tracked
from tiny_imagenet_tf.hardware import Placement
from tiny_imagenet_tf.interrupts import Interrupted, told_as_such
from tiny_imagenet_tf.runs.networks import Classes
from tiny_imagenet_tf.runs.run import Run
from tiny_imagenet_tf.runs.snapshots import Snapshots
from tiny_imagenet_tf.runs.summary import CROPS, Summary, Training

Predict = Callable[[Split], np.ndarray]
"""From a split to its class probabilities (n, classes), by the network as it is now."""


@dataclasses.dataclass(frozen=True)
class Experiment:
    """A run under way.

    Attributes:
        study: its names.
        options: its options.
        run: its directory.
        data: its images.
        precision: of the arithmetic.
        placement: build and compile the network under its scope.
        trackers: callbacks that log it elsewhere.
        taken_up: records the resumption; called, once, when everything to resume from has been read. None for a new
            run.
    """

    study: Study
    options: RunOptions
    run: Run
    data: Data
    precision: Arithmetic
    placement: Placement
    trackers: Sequence[keras.callbacks.Callback] = ()
    taken_up: Callable[[], None] | None = None

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.data.validation.wnids)

    @property
    def steps(self) -> Steps:
        """The order of its training images."""
        return Steps(len(self.data.rows), self.options.batch_size, self.options.seed)

    @property
    def class_names(self) -> Classes:
        """The classes with their names."""
        return Classes.of(self.data.validation.wnids, self.data.validation.words)

    @property
    def snapshots(self) -> Snapshots:
        """The run's snapshots."""
        return self.run.snapshots(self.data.validation.wnids, self.options.snapshots)

    def part(self, name: str) -> "Experiment":
        """Returns the same experiment with a directory inside the run's, for a network that comes before."""
        noted = None if self.run.ended else self.taken_up  # what has ended goes on with its last network alone
        return dataclasses.replace(self, run=Run(self.run.path / name).make(), trackers=(), taken_up=noted)

    def measure(self, predict: Predict) -> dict[str, float]:
        """Measures a network: ``val_loss``, ``val_accuracy``, ``val_top5``, and ``selection_accuracy``, which picks."""
        data = self.data
        probabilities, truth = predict(data.validation), data.validation.labels
        selecting = predict(data.selection) if len(data.held_out) else probabilities
        return {
            "val_loss": negative_log_likelihood(probabilities, truth),
            "val_accuracy": top_k_accuracy(probabilities, truth),
            "val_top5": top_k_accuracy(probabilities, truth, 5),
            "selection_accuracy": top_k_accuracy(selecting, data.selection.labels),
        }

    def keeping(self, predict: Predict, save: Callable[[Path], None], **more: Any) -> Keeping:
        """Returns what is kept of the run, for ``tiny_imagenet_tf.experiments.fit.fit``.

        Args:
            predict: class probabilities by the network in training.
            save: writes it to a path.
            more: ``measure_every`` and ``checkpoint_every`` in steps, ``measure_more`` and ``prepared``.
        """
        shows = {"tensorboard": self.options.tensorboard, "trackers": self.trackers, "taken_up": self.taken_up}
        return Keeping(self.run, self.snapshots, lambda: self.measure(predict), save, **shows, **more)

    def report(
        self,
        clock: Clock,
        predict: Predict,
        *,
        crops: Crops,
        train: Training,
        recipe_epochs: int | None = None,
        hours: float | None = None,
        notes: Sequence[str] = (),
        **more: Any,
    ) -> Summary:
        """Predicts val and test with the best network and writes the summary, beside the paper's figure.

        Args:
            clock: from ``tiny_imagenet_tf.experiments.fit.fit``.
            predict: class probabilities of the best snapshot.
            crops: how it shows an image.
            train: how training images were shown; their number and accuracy are added.
            recipe_epochs: default: the recipe's own.
            hours: default: the clock's.
            notes: beside those on the images.
            more: further fields of the ``Summary``.

        Returns:
            The summary.
        """
        data, options, best = self.data, self.options, self.snapshots.best
        probabilities = predict(data.validation)
        self.run.write_validation_predictions(data.validation, probabilities)
        if data.test is not None:
            self.run.write_test_predictions(data.test, predict(data.test).argmax(axis=1))
        title, row = self.study.title, self.study.row
        if options.departures:
            title, row = f"{title} with {options.departures}", None
        if not all(map(splits.may_be_official, (data.all_train, data.validation))):
            row = None
        shortfalls = splits.shortfalls(data.named.values(), data.screened)
        if options.demo:
            shortfalls, row = ["synthetic images: this says nothing about real ones"], None
        # of its whole epoch: a part of one, which began with better weights, has a higher mean
        accuracy = next(
            measured["accuracy"] for measured in self.run.metrics if measured["epoch"] == math.ceil(best.epoch)
        )
        summary = Summary(
            title=title,
            published=row,
            validation=validation_of(probabilities, data.validation.labels, crops),
            train=dataclasses.replace(train, images=len(data.rows), accuracy=accuracy, screened=data.screened),
            selection=f"best of the measurements on {'held-out training images' if len(data.held_out) else 'val'}",
            best_epoch=best.epoch,
            epochs=clock.epochs,
            snapshots=len(self.snapshots.entries),
            recipe_epochs=recipe_epochs or type(options)().epochs,
            hours=clock.seconds / 3600 if hours is None else hours,
            notes=(*shortfalls, *notes),
            **more,
        )
        self.run.write_summary(summary)
        self._print(summary)
        return summary

    def _print(self, summary: Summary) -> None:
        """The run beside the paper's row, within 80 columns."""
        val = summary.validation
        print()
        heading = f"{summary.title}: best of epoch {summary.best_epoch:g}, {CROPS[val.crops]}"
        print(textwrap.fill(heading, 80, break_on_hyphens=False, break_long_words=False))
        lines = [("this run", f"{val.images:,}", val.top1, val.top5, None)]
        if self.study.row and not self.options.demo:
            paper = published.RESULTS[self.study.row]
            lines.append((paper.paper, f"{published.VAL_IMAGES:,}", paper.val_accuracy, None, paper.test_accuracy))
        print(f"{'':20}{'val images':>12}{'top-1 accuracy':>16}{'top-5':>9}{'test top-1':>12}")
        for name, count, *figures in lines:
            top1, top5, test = ("" if figure is None else f"{figure:.2%}" for figure in figures)
            print(f"{name:20}{count:>12}{top1:>16}{top5:>9}{test:>12}")
        for note in summary.notes:
            print(f"  note: {note}")
        print(f"Written to {self.run.path}", end="\n" if self.options.demo else "; next:\n")
        if not self.options.demo:  # whose report is made at once
            print(f"  tiny-imagenet report {shlex.quote(str(self.run.path))}")


@contextlib.contextmanager
def begin(
    study: Study,
    options: RunOptions,
    *,
    devices: Sequence[str] | None = None,
    screened: bool = False,
    data: Data | None = None,
    learns_in: Arithmetic | None = None,
    engine: Engine | None = None,
    backbone: dict[str, str] | None = None,
    source: Run | None = None,
) -> Iterator[Experiment]:
    """Reads the images and makes the run directory, or goes back to the one to resume, and keeps others away from it.

    A run that fails or is stopped before it has anything to go on with leaves no directory.

    Args:
        study: its names.
        options: its options.
        devices: to train on; see ``hardware.place``. None for what trains on one, whatever there is.
        screened: leave out training images whose object a crop can lose (Le & Yang section 5.2.1).
        data: the images, where they have been read already, and the options checked.
        learns_in: what computes the training, where the precision is of what is frozen alone.
        engine: what computes the stored values of what is frozen, for a run that goes on.
        backbone: digests of the backbone, likewise.
        source: the finished run whose best network it starts from, or learns from.

    Raises:
        UserError: an option makes no sense, the images are not those the run was begun with, or another process is at
            work on the run.
        DatasetError: there are no images to use.
    """
    if data is None:
        options.check()
    with hardware.placement_given_back():
        placement = hardware.ALONE if devices is None else hardware.place(devices)
        devices = devices or ()
        check_resumable(study, options)
        precision = precision_of(options)
        if options.batch_size % placement.replicas:
            raise UserError(
                f"--batch-size {options.batch_size}: not divisible by the {placement.replicas} devices; "
                "give a multiple of that, or fewer --devices"
            )
        data = data or images.load(options, screened=screened)
        check_resumable(study, options, data)
        values_by = options.devices if not devices else ()  # OpenVINO's, beside a GPU that trains the head
        facts = {
            "device": hardware.describe_device(devices, alone=placement.replicas == 1),
            "replicas": placement.replicas,
            "backend": keras.backend.backend(),
            "processes": processes.count() if processes.count() > 1 else None,
            "learns_in": learns_in,
            "engine": engine,
            "backbone": backbone,
            "source_sha256": source and source.snapshots().best_sha256,
            "values_by": hardware.describe_device(values_by) if values_by else None,
        }
        facts = {name: value for name, value in facts.items() if value is not None}
        tracker = options.track if processes.is_first() else None
        with _directory(study, options) as run, run.locked():
            taken_up = _check_same(run, data, options, facts) if options.resume else None
            with _kept_if_begun(run, taken_up), tracked(tracker, run.path, options) as trackers:
                if not options.resume:
                    dataset = {
                        "digests": {name: split.digest for name, split in data.named.items()},
                        "counts": {name: len(split) for name, split in data.named.items()},
                    }
                    run.write_environment(**facts, precision=precision, seed=options.seed, dataset=dataset)
                print(
                    f"{len(data.rows):,} training, {len(data.validation):,} validation images, "
                    f"{len(data.validation.wnids)} classes\n{run.path}"
                )
                # Only now: to prepare the images, and perhaps a tracker, draws random numbers.
                hardware.set_seed(options.seed, devices)
                yield Experiment(study, options, run, data, precision, placement, trackers, taken_up)


@contextlib.contextmanager
def _directory(study: Study, options: RunOptions) -> Iterator[Run]:
    """The run's directory; all processes but the first have one of their own, which goes when they end."""
    with processes.own_folder(options.resume) as own:
        yield Run(own or options.resume) if options.resume else Run.create(own or options.runs, study.recipe, options)


@contextlib.contextmanager
def _kept_if_begun(run: Run, taken_up: Any) -> Iterator[None]:
    """When a run fails, says how it goes on, or removes the directory of one that has nothing to go on with.

    Args:
        run: its directory.
        taken_up: from ``_check_same``, None for a new run. What the run goes on from has been read when it was called.
    """
    try:
        with told_as_such():
            yield
    except BaseException as error:
        kept = taken_up.cache_info().currsize if taken_up else not run.remove_if_empty()
        if kept and not run.ended and processes.is_first() and not isinstance(error, NonFiniteLoss):
            if isinstance(error, Interrupted):
                error.then = ("--resume", str(run.path))  # who knows the command tells
            else:
                print(f"\nTo resume this run: --resume {shlex.quote(str(run.path))}", file=sys.stderr)
        raise


def _check_same(run: Run, data: Data, options: RunOptions, machine: dict[str, Any]) -> Any:
    """Refuses to go on with anything else than a run was begun with.

    Returns:
        What notes that it goes on: a function of ``functools.cache``, which does so once and knows whether it has.
    """
    stored = run.environment
    try:
        digests = {name: stored["dataset"]["digests"][name] for name in ("train", "validation")}
    except (KeyError, TypeError) as error:
        raise UserError(f"--resume {run.path}: its environment.json does not say of which images it is") from error
    if test := stored["dataset"]["digests"].get("test"):
        digests["test"] = test
    for name, digest in digests.items():  # val decides on snapshots and plateaus
        if name not in data.named or digest != data.named[name].digest:
            raise UserError(
                f"--resume {run.path}: the {name} images are not those the run was started with; give the same "
                "--source and --data-dir"
            )
    check_same_backbone(run, machine.get("backbone", {}), "--resume")
    if run.recorded("source_sha256") not in (None, machine.get("source_sha256")):
        raise UserError(
            f"--resume {run.path}: the run that it started or learned from has another best network now; put that run "
            "back as it was, or begin anew"
        )
    checkpoints.check_there(run)
    before, now = stored.get("replicas", 1), machine["replicas"]
    if options.ONE_DEVICE_MEASURES_OTHERWISE and (before > 1) != (now > 1):
        raise UserError(
            f"--resume {run.path}: begun on {before} device(s), which measure otherwise than {now}, and the best "
            "snapshot is picked by that; continue on one, or on several, as it began"
        )
    if before != now:
        print(f"begun on {before} device(s), continuing on {now}; --devices selects them")
    names = [field.name for field in dataclasses.fields(options) if rule_of(type(options), field.name).resumable]
    changed = {name: getattr(options, name) for name in names if name not in ("resume", "runs")}
    # Once: what is trained in stages is taken up in each.
    return cache(partial(run.write_resumption, changed, **machine))


def check_same_backbone(run: Run, backbone: dict[str, str], option: str) -> None:
    """Raises UserError where a backbone is not the one that the head of a run was trained on.

    Args:
        run: begun or finished.
        backbone: digests of the one at hand; none for a network from scratch.
        option: that names the run.
    """
    stored = run.backbone if backbone else {}
    for name in backbone:  # its weights first, not in whichever order a set has
        if stored.get(name, backbone[name]) != backbone[name]:
            random = run.config.get("weights") == "random"
            hint = "; give the --backbone and --weights it was trained on"
            if random:
                hint = "; random weights differ from one KERAS_BACKEND to another"
            if name == "quantized_sha256":
                hint = "; int8 networks differ with the kind of CPU and NNCF's version, so go on where it was begun"
            raise UserError(
                f"{option} {run.path}: its head was trained on another backbone ({name} {stored[name]}, here "
                f"{backbone[name]}){hint}"
            )


def precision_of(options: RunOptions) -> Arithmetic:
    """Returns the arithmetic of a run; one that goes on keeps what it was begun with."""
    begun = recorded_arithmetic(options, "precision", "", options.devices)
    return hardware.resolve_precision(begun or options.precision, options.devices, frozen=options.FROZEN)


def recorded_arithmetic(options: RunOptions, name: str, what: str, devices: Sequence[str] = ()) -> Arithmetic | None:
    """Returns the arithmetic that a run which goes on was begun with; None where none is stored, or a run begins.

    Args:
        options: of the run.
        name: of the entry in its environment.
        what: computes so, in words, for the message.
        devices: that compute it now, as ``hardware.place`` takes them.

    Raises:
        UserError: it was float16, and there is no GPU.
    """
    begun = Run(options.resume).environment.get(name) if options.resume else None
    if begun == "float16" and not hardware.on_gpu(devices):
        raise UserError(f"--resume {options.resume}: {what}begun in float16, and resuming it needs a GPU")
    return begun


def check_resumable(study: Study, options: RunOptions, data: Data | None = None) -> None:
    """Raises UserError, before anything is made, where a run cannot be resumed here, or a batch exceeds the images.

    Args:
        study: the experiment's names.
        options: of the run.
        data: the images, where they have been read.
    """
    if data is not None:
        Steps(len(data.rows), options.batch_size, options.seed)
    if not options.resume:
        return
    run = Run(options.resume)
    if run.config["recipe"] != study.recipe:
        raise UserError(f"--resume {run.path}: a run of recipes/{run.config['recipe']}.py; resume it with that")
    begun = run.environment.get("backend", "tensorflow")
    if begun != keras.backend.backend():
        raise UserError(f"--resume {run.path}: started with KERAS_BACKEND={begun}; set that to resume it")
