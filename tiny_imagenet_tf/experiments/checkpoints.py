"""The whole state of a run in one file, so that it can go on exactly.

``checkpoint.npz`` holds every variable of the network (weights, moving statistics, the random state of dropout),
of the optimizer and of the running metrics, and where the run stands. What else a run knows is in its directory
already and reaches no further than the checkpoint once it is rolled back: the rows of ``metrics.jsonl``, from
which a plateau's patience follows, and the index of the snapshots.

On one device the run then goes on bit for bit; on several, up to the order in which their gradients are summed.

Keras' own BackupAndRestore cannot do this (keras issues 19179, 22010, 22014).
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import keras
import numpy as np

from tiny_imagenet_tf.experiments.callbacks import stop_unless_finite
from tiny_imagenet_tf.experiments.clock import Clock
from tiny_imagenet_tf.runs.run import Run, replacing

NAME = "checkpoint.npz"


class CheckpointError(RuntimeError):
    """The checkpoint does not belong to this network and optimizer."""


def save(path: Path, model: keras.Model, clock: Clock) -> None:
    """Writes the state of a model in training, whole or not at all.

    Args:
        path: of the file; an older one is replaced.
        model: compiled and fitted for at least a step.
        clock: of the run.

    Raises:
        NonFiniteLoss: a number is NaN or infinite; an older file stays.
    """
    arrays = {name: keras.ops.convert_to_numpy(variable) for name, variable in _variables(model)}
    arrays |= {name: keras.ops.convert_to_numpy(variable) for name, variable in _metrics(model)}
    stop_unless_finite(clock, "a weight", *arrays.values())
    position = {"epoch": clock.epoch, "step": clock.step, "seconds": clock.seconds}
    with replacing(path) as file:
        np.savez(file, position=json.dumps(position), **arrays)


def read_position(path: Path) -> dict:
    """Returns ``epoch``, ``step`` (in that epoch) and ``seconds``, the arguments of a :class:`Clock`."""
    with np.load(path, allow_pickle=False) as arrays:
        return json.loads(arrays["position"].item())


def restore(path: Path, model: keras.Model) -> None:
    """Gives network and optimizer the state that was saved.

    Args:
        path: of the file.
        model: built and compiled as it was.

    Raises:
        CheckpointError: a variable is missing or has another shape.
    """
    with np.load(path, allow_pickle=False) as arrays:
        _assign(path, arrays, dict(_variables(model)))


def restore_metrics(path: Path, model: keras.Model) -> None:
    """Gives the running metrics the state that was saved, once Keras has reset them for a new epoch."""
    if not all(metric.variables for metric in model.metrics):
        # Keras makes their variables at the first batch; this makes them now.
        nothing = keras.ops.zeros((1, model.output_shape[-1]))
        model.compute_metrics(None, nothing, nothing)
    with np.load(path, allow_pickle=False) as arrays:
        _assign(path, arrays, dict(_metrics(model)))


class Checkpoints(keras.callbacks.Callback):
    """Writes the checkpoint after every measurement, every so many steps and after each epoch; stands last.

    Being never older than the last measurement, it needs no rows or snapshots that are gone.

    Args:
        run: whose directory gets the file.
        clock: of the run.
        every: steps.
        resumed: the run goes on from its checkpoint.
    """

    def __init__(self, run: Run, clock: Clock, *, every: int, resumed: bool):
        super().__init__()
        self._path, self._clock, self._every = run.path / NAME, clock, every
        self._metrics_are_due = resumed and clock.step > 0
        for part in run.path.glob(f".{NAME}.*"):  # of a process that was killed while it wrote
            part.unlink()

    def on_epoch_begin(self, epoch, logs=None):
        if self._metrics_are_due:
            restore_metrics(self._path, self.model)
            self._metrics_are_due = False

    def on_train_batch_end(self, batch, logs=None):
        if self._clock.step == self._clock.steps_per_epoch:
            return  # written when the epoch's end has been dealt with
        if "selection_accuracy" in logs or self._clock.step % self._every == 0:
            save(self._path, self.model, self._clock)

    def on_epoch_end(self, epoch, logs=None):
        save(self._path, self.model, self._clock)


def _variables(model: keras.Model) -> Iterator[tuple[str, keras.Variable]]:
    # `variables` has the seed generators, which `weights` has not.
    yield from _named("model", model.variables)
    yield from _named("optimizer", model.optimizer.variables)


def _metrics(model: keras.Model) -> Iterator[tuple[str, keras.Variable]]:
    yield from _named("metrics", model.metrics_variables)


def _named(group: str, variables: Sequence[keras.Variable]) -> Iterator[tuple[str, keras.Variable]]:
    # By number and last name: whole paths hold counters that depend on what else the process has built.
    for number, variable in enumerate(variables):
        yield f"{group}/{number}/{variable.name}", variable


def _assign(path: Path, arrays, variables: dict[str, keras.Variable]) -> None:
    groups = {name.split("/")[0] for name in variables}
    stored = {name for name in arrays.files if name.split("/")[0] in groups}
    if stored != variables.keys():
        odd = ", ".join(sorted(stored ^ variables.keys())[:3])
        raise CheckpointError(f"{path} is of another network or optimizer; they differ in {odd}")
    for name, variable in variables.items():
        if arrays[name].shape != tuple(variable.shape):
            raise CheckpointError(f"{path}: {name} is {arrays[name].shape}, here it is {tuple(variable.shape)}")
        variable.assign(arrays[name])
