"""The whole state of a run in one file, so that it can go on exactly.

``checkpoint.npz`` holds every variable of the network (weights, moving statistics, the random state of dropout),
of the optimizer (its averages, too, under ``use_ema``) and of the running metrics, and where the run stands. What
else a run knows is in its directory already and reaches no further than the checkpoint once it is rolled back: the
rows of ``metrics.jsonl``, from which a plateau's patience follows, and the index of the snapshots.

On one device the run then goes on bit for bit; on several, up to the order in which their gradients are summed.

Keras' own BackupAndRestore cannot do this (keras issues 19179, 22010, 22014).
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import keras
import numpy as np

from tiny_imagenet_tf.errors import NonFiniteLoss, UserError
from tiny_imagenet_tf.experiments.clock import Clock
from tiny_imagenet_tf.runs.files import read_arrays, read_object, replacing
from tiny_imagenet_tf.runs.run import Run
from tiny_imagenet_tf.runs.typed import misfits

LEARNING_RATE = "learning_rate"


def state(model: keras.Model, clock: Clock, *, kept: bool = True) -> dict[str, np.ndarray]:
    """Returns every variable of a compiled network, by name.

    Args:
        model: trained so far.
        clock: where it stands.
        kept: whether there is a checkpoint before this one, for the message.

    Raises:
        NonFiniteLoss: a number is NaN or infinite.
    """
    variables = (*_variables(model), *_named("metrics", model.metrics_variables))
    arrays = {name: keras.ops.convert_to_numpy(variable) for name, variable in variables}
    if not all(np.isfinite(array).all() for array in arrays.values()):
        raise NonFiniteLoss(
            f"The loss, or a weight, is not finite at step {clock.step}, epoch {clock.epochs:.2f}. Nothing of this "
            f"step was saved{'; the snapshots and the last checkpoint are good' * kept}. To get further, begin a new "
            "run with a smaller --learning-rate or with --precision float32."
        )
    return arrays


def save(path: Path, arrays: dict[str, np.ndarray], clock: Clock) -> None:
    """Writes what ``state`` returned and where the run stands, whole or not at all."""
    position = {"step": clock.step, "per_epoch": clock.per_epoch, "seconds": clock.seconds}
    with replacing(path) as file:
        np.savez(file, position=json.dumps(position), **arrays)


def check_there(run: Run) -> None:
    """Raises UserError where a run has come further than its checkpoint can tell, which is gone."""
    if not run.checkpoint.exists() and (run.ended or len(run.metrics) > 1):  # the first is followed by a checkpoint
        raise UserError(f"{run.checkpoint} is missing; restore it, or start a new run. This one was left unchanged")


def read_clock(path: Path, per_epoch: int) -> Clock:
    """Returns the clock of a checkpoint, at the beginning where there is none.

    Raises:
        UserError: the epochs had another length, so the run had other images or batches.
    """
    if not path.exists():
        return Clock(per_epoch)
    stored = read_arrays(path, lambda name: name == "position").get("position", np.array(""))
    if stored.ndim or stored.dtype.kind != "U":
        raise UserError(f"{path} is damaged: its position is {stored.dtype} {stored.shape}, not a text")
    position = read_object(path, stored.item())
    if position.get("per_epoch") != per_epoch:
        raise UserError(f"{path}: its epochs have {position.get('per_epoch')} steps, here they have {per_epoch}")
    wrong = misfits({"step": None, "seconds": None} | position, {"step": int, "seconds": float}, "its position")
    if wrong:
        raise UserError(f"{path} is damaged: {wrong}")
    return Clock(per_epoch, position["step"], position["seconds"])


def restore(path: Path, model: keras.Model, *, but: Sequence[str] = ()) -> None:
    """Gives network and optimizer the state that was saved.

    Args:
        path: the checkpoint.
        model: built and compiled as it was.
        but: last names of variables that stay as they are.

    Raises:
        UserError: a variable is missing or has another shape.
    """
    _assign(path, dict(_variables(model)), but)


def restore_metrics(path: Path, model: keras.Model) -> None:
    """Gives the running metrics the state that was saved, once Keras has reset them for a new epoch."""
    if not all(metric.variables for metric in model.metrics):
        # Keras makes their variables at the first batch; this makes them now.
        nothing = keras.ops.zeros((1, model.output_shape[-1]))
        model.compute_metrics(None, nothing, nothing)
    _assign(path, dict(_named("metrics", model.metrics_variables)))


def _variables(model: keras.Model) -> Iterator[tuple[str, keras.Variable]]:
    # `variables` has the seed generators, which `weights` has not.
    yield from _named("model", model.variables)
    yield from _named("optimizer", model.optimizer.variables)


def _named(group: str, variables: Sequence[keras.Variable]) -> Iterator[tuple[str, keras.Variable]]:
    # By number alone where a name holds counters of what else the process has built: an optimizer's do.
    for number, variable in enumerate(variables):
        name = "" if group == "optimizer" and variable.name != LEARNING_RATE else variable.name
        yield f"{group}/{number}/{name}", variable


def _assign(path: Path, variables: dict[str, keras.Variable], but: Sequence[str] = ()) -> None:
    groups = {name.split("/")[0] for name in variables}
    arrays = read_arrays(path, lambda name: name.split("/")[0] in groups)
    if arrays.keys() != variables.keys():
        odd = ", ".join(sorted(arrays.keys() ^ variables.keys())[:3])
        raise UserError(f"{path} is of another network or optimizer; they differ in {odd}")
    for name, variable in variables.items():
        value = arrays[name]
        if value.shape != tuple(variable.shape):
            raise UserError(f"{path}: {name} is {value.shape}, here it is {tuple(variable.shape)}")
        if name.split("/")[-1] not in but:
            variable.assign(value)
