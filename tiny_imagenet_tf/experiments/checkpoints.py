"""The whole state of a run in one file, so that it can go on exactly.

``checkpoint.npz`` holds every variable of the network (weights, moving statistics, the random state of dropout),
of the optimizer (its averages, too, under ``use_ema``) and of the running metrics, and where the run stands. What
else a run knows is in its directory already and reaches no further than the checkpoint once it is rolled back: the
rows of ``metrics.jsonl``, from which a plateau's patience follows, and the index of the snapshots.

On one device the run then goes on bit for bit; on several, up to the order in which their gradients are summed.

Keras' own BackupAndRestore cannot do this (keras issues 19179, 22010, 22014).
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import keras
import numpy as np

from tiny_imagenet_tf.errors import NonFiniteLoss, UserError
from tiny_imagenet_tf.experiments.clock import Clock
from tiny_imagenet_tf.runs.files import replacing

LEARNING_RATE = "learning_rate"


class CheckpointError(UserError):
    """The checkpoint does not belong to this network and optimizer."""


def stop_unless_finite(clock: Clock, what: str, *values: np.ndarray | float) -> None:
    """Raises NonFiniteLoss if a number is NaN or infinite.

    Args:
        clock: of the run.
        what: the numbers are.
        values: numbers or arrays of them.
    """
    if not all(np.isfinite(value).all() for value in values):
        raise NonFiniteLoss(
            f"{what} is not finite at step {clock.step}, epoch {clock.epochs:.2f}. Nothing of this step was "
            "saved; the snapshots and the last checkpoint are good. To get further, begin a new run with a smaller "
            "--learning-rate or with --precision float32."
        )


def save(path: Path, model: keras.Model, clock: Clock) -> None:
    """Writes the state of a model in training, whole or not at all.

    Args:
        path: of the file; an older one is replaced.
        model: compiled and fitted for at least a step.
        clock: of the run.

    Raises:
        NonFiniteLoss: a number is NaN or infinite; an older file stays.
    """
    arrays = {name: keras.ops.convert_to_numpy(variable) for name, variable in (*_variables(model), *_metrics(model))}
    stop_unless_finite(clock, "a weight", *arrays.values())
    position = {"step": clock.step, "per_epoch": clock.per_epoch, "seconds": clock.seconds}
    with replacing(path) as file:
        np.savez(file, position=json.dumps(position), **arrays)


def read_clock(path: Path, per_epoch: int) -> Clock:
    """Returns the clock as it stood.

    Raises:
        CheckpointError: the epochs had another length, so the run had other images or batches.
    """
    with np.load(path, allow_pickle=False) as arrays:
        position = json.loads(arrays["position"].item())
    if position.get("per_epoch") != per_epoch:
        raise CheckpointError(f"{path}: its epochs have {position.get('per_epoch')} steps, here they have {per_epoch}")
    return Clock(per_epoch, position["step"], position["seconds"])


def restore(path: Path, model: keras.Model, *, but: Sequence[str] = ()) -> None:
    """Gives network and optimizer the state that was saved.

    Args:
        path: of the file.
        model: built and compiled as it was.
        but: last names of variables that stay as they are.

    Raises:
        CheckpointError: a variable is missing or has another shape.
    """
    with np.load(path, allow_pickle=False) as arrays:
        _assign(path, arrays, dict(_variables(model)), but)


def restore_metrics(path: Path, model: keras.Model) -> None:
    """Gives the running metrics the state that was saved, once Keras has reset them for a new epoch."""
    if not all(metric.variables for metric in model.metrics):
        # Keras makes their variables at the first batch; this makes them now.
        nothing = keras.ops.zeros((1, model.output_shape[-1]))
        model.compute_metrics(None, nothing, nothing)
    with np.load(path, allow_pickle=False) as arrays:
        _assign(path, arrays, dict(_metrics(model)))


def _variables(model: keras.Model) -> Iterator[tuple[str, keras.Variable]]:
    # `variables` has the seed generators, which `weights` has not.
    yield from _named("model", model.variables)
    yield from _named("optimizer", model.optimizer.variables)


def _metrics(model: keras.Model) -> Iterator[tuple[str, keras.Variable]]:
    yield from _named("metrics", model.metrics_variables)


def _named(group: str, variables: Sequence[keras.Variable]) -> Iterator[tuple[str, keras.Variable]]:
    # By number alone where a name holds counters of what else the process has built: an optimizer's do.
    for number, variable in enumerate(variables):
        name = LEARNING_RATE if variable.name == LEARNING_RATE else "" if group == "optimizer" else variable.name
        yield f"{group}/{number}/{name}", variable


def _assign(
    path: Path, arrays: Mapping[str, np.ndarray], variables: dict[str, keras.Variable], but: Sequence[str] = ()
) -> None:
    groups = {name.split("/")[0] for name in variables}
    stored = {name for name in arrays if name.split("/")[0] in groups}
    if stored != variables.keys():
        odd = ", ".join(sorted(stored ^ variables.keys())[:3])
        raise CheckpointError(f"{path} is of another network or optimizer; they differ in {odd}")
    for name, variable in variables.items():
        if arrays[name].shape != tuple(variable.shape):
            raise CheckpointError(f"{path}: {name} is {arrays[name].shape}, here it is {tuple(variable.shape)}")
        if name.split("/")[-1] not in but:
            variable.assign(arrays[name])
