"""Fits a network so that it can stop at any step and go on exactly; and what a run does between its steps.

Keras ends every ``Model.fit`` by writing an optimizer's averages over the weights (``use_ema``), and its callbacks
count whole epochs. So a run is one ``fit``, or two where it goes on within an epoch: the rest of that, then the
others.
"""

import contextlib
import dataclasses
import math
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import keras

from tiny_imagenet_tf import hardware, interrupts, processes
from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.experiments import checkpoints
from tiny_imagenet_tf.experiments.clock import Clock
from tiny_imagenet_tf.experiments.lines import Lines
from tiny_imagenet_tf.models.layers import normalizations
from tiny_imagenet_tf.runs import networks
from tiny_imagenet_tf.runs.networks import Classes
from tiny_imagenet_tf.runs.run import Run
from tiny_imagenet_tf.runs.snapshots import Snapshots


def compile_for_training(
    model: keras.Model, optimizer: keras.optimizers.Optimizer, loss: keras.losses.Loss, *, steps_per_execution: int = 1
) -> None:
    """Compiles a network with what ``fit`` shows: the loss without the weight penalty, and the accuracy.

    Under the scope of a strategy, so that a batch spread over devices gives the losses it gives on one.

    Args:
        model: ends in float32 scores.
        optimizer: under a float16 policy Keras adds loss scaling.
        loss: of one-hot labels and scores.
        steps_per_execution: steps between two returns to Python; must divide an epoch. One on several of TensorFlow's
            devices, whose sums do not work within Keras' loop over steps.
    """
    on_tensorflow = keras.backend.backend() == "tensorflow"
    replicas = model.distribute_strategy.num_replicas_in_sync if on_tensorflow else 1
    model.compile(
        optimizer=optimizer,
        loss=loss,
        metrics=[
            keras.metrics.MeanMetricWrapper(loss.call, name="data_loss", dtype="float32"),
            keras.metrics.CategoricalAccuracy(name="accuracy", dtype="float32"),
        ],
        jit_compile=hardware.jit_compile(replicas),
        steps_per_execution=steps_per_execution if replicas == 1 else 1,
    )
    model.optimizer.build(model.trainable_variables)  # under the scope, so that a checkpoint can be restored
    for layer in normalizations(model) if replicas > 1 else ():
        layer.synchronized = True  # or each device would normalize its share of a batch by itself


def steps_together(run: Run, per_epoch: int, *pauses: int, devices: Sequence[str] = ()) -> int:
    """Returns the steps between two returns to Python, for ``steps_per_execution`` where a step is long.

    On a GPU, which would wait for Python, up to 20, as many as divide an epoch and fit into a pause; on a CPU one.

    Args:
        run: that a CPU may have been stopped in at any step.
        per_epoch: steps an epoch.
        pauses: intervals, in steps, after which Python must act: measure, or write a checkpoint. It acts at the end of
            the steps that are taken together.
        devices: as ``hardware.place`` takes them.
    """
    if not hardware.on_gpu(devices):
        return 1
    begun = checkpoints.read_clock(run.checkpoint, per_epoch)
    return largest_divisor(math.gcd(per_epoch, begun.step), min(20, *pauses))


def largest_divisor(number: int, most: int) -> int:
    """Returns the largest divisor of a number that is not above another."""
    return max(divisor for divisor in range(1, most + 1) if number % divisor == 0)


def save_network(model: keras.Model, classes: Classes, path: Path) -> None:
    """Saves a model with its classes, to load on any Keras backend, which layers that synchronize devices do not."""
    synchronized = [layer for layer in normalizations(model) if layer.synchronized]
    for layer in synchronized:
        layer.synchronized = False
    try:
        networks.save(model.save, path, classes)
    finally:
        for layer in synchronized:
            layer.synchronized = True


@dataclasses.dataclass(frozen=True)
class Keeping:
    """What is kept of a run while it trains.

    Attributes:
        run: gets rows and checkpoints.
        snapshots: get the networks that beat all before.
        measure: returns ``val_loss``, ``val_accuracy``, ``val_top5`` and ``selection_accuracy``.
        save: writes the network to a path.
        measure_every: steps from one measurement to the next; each epoch ends in one too.
        checkpoint_every: steps, at the most, that an interruption costs.
        tensorboard: whether measurements go to TensorBoard, too.
        measure_more: returns what is measured at an epoch's end alone.
        trackers: callbacks that log an epoch's figures elsewhere.
        prepared: a context in which the network is measured and saved; it leaves the network as it was.
        taken_up: called when all that a run goes on from has been read, and before it goes on.
    """

    run: Run
    snapshots: Snapshots
    measure: Callable[[], dict[str, float]]
    save: Callable[[Path], None]
    measure_every: int
    checkpoint_every: int
    tensorboard: bool = False
    measure_more: Callable[[], dict[str, float]] = dict
    prepared: Callable[[], contextlib.AbstractContextManager] = contextlib.nullcontext
    trackers: Sequence[keras.callbacks.Callback] = ()
    taken_up: Callable[[], None] | None = None


def fit(
    model: keras.Model,
    batches: Any,
    keeping: Keeping,
    *,
    epochs: int,
    of: int | None = None,
    announced: bool = True,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    verbose: int = 1,
) -> Clock:
    """Fits a compiled network, from the run's checkpoint if there is one.

    An interrupted run ends with the very weights, rows and snapshots of one that was not.

    Args:
        model: compiled by ``compile_for_training``.
        batches: have ``steps``, their order, and ``dataset(first, last)``, those of some steps of the run;
            ``tiny_imagenet_tf.data.batches.ImageBatches``, say.
        keeping: what is measured and kept.
        epochs: to have been trained in the end.
        of: epochs of the whole run, for the display, where this fit is one stage of several.
        announced: say after which step it goes on; not where nobody has stopped it.
        callbacks: Keras' or others', unmodified; at an epoch's end they find ``val_loss``, ``val_accuracy`` and
            ``val_top5``.
        verbose: 1 shows a bar and a line per epoch, 0 nothing.

    Returns:
        The clock, at the end.

    Raises:
        NonFiniteLoss: the loss, or a weight, is not finite.
        UserError: the checkpoint is of another network or optimizer, or is gone.
    """
    per_epoch = batches.steps.per_epoch
    clock = take_up(model, keeping, per_epoch, announced=announced)
    supervisor = Supervisor(keeping, clock, batches.steps.batch_size)
    first = keras.callbacks.LambdaCallback(on_epoch_end=lambda _, logs: supervisor.tell(logs))
    shown = [Lines(clock, of or epochs)] if verbose else []
    rest = -clock.step % per_epoch  # steps left of an epoch under way
    for steps, to in ((rest, min(clock.epoch + 1, epochs)), (per_epoch, epochs)):
        if steps and clock.step < to * per_epoch:
            with interrupts.waiting(), contextlib.ExitStack() as ended:
                for each in (*shown, supervisor):
                    ended.callback(each.close)
                model.fit(
                    batches.dataset(clock.step, to * per_epoch),
                    initial_epoch=clock.epoch,
                    epochs=to,
                    steps_per_epoch=steps,
                    callbacks=[first, *callbacks, supervisor, *keeping.trackers, *shown],
                    verbose=0,
                    shuffle=False,  # the batches are shuffled
                )
            if processes.hear_of_interruptions():  # what came after the last step
                interrupts.end()
            if model.stop_training:
                break
    return clock


def take_up(model: keras.Model, keeping: Keeping, per_epoch: int, *, announced: bool = True) -> Clock:
    """Takes model, rows and snapshots back to the checkpoint, or to the beginning where there is none."""
    run, path = keeping.run, keeping.run.checkpoint
    checkpoints.check_there(run)
    clock = checkpoints.read_clock(path, per_epoch)
    if path.exists():
        checkpoints.restore(path, model)
    rows = [row for row in run.metrics if row.get("step", 0) <= clock.step]
    if lost := {entry.step for entry in keeping.snapshots.entries if entry.step <= clock.step} - {
        row.get("step") for row in rows
    }:
        raise UserError(f"{run.rows_file}: the row of step {min(lost)} is missing; restore the file from a copy")
    keeping.snapshots.go_back_to(clock.step)
    run.write_metrics(rows)
    run.reopen()  # all of it can be read
    if keeping.taken_up:
        keeping.taken_up()
    if clock.step and announced and processes.is_first():
        print(f"resuming after step {clock.step:,}")
    return clock


class Supervisor(keras.callbacks.Callback):
    """What a run does between its steps, in this order: count, measure, keep, log, checkpoint.

    Only what shows or logs stands behind it. What stands before it finds at an epoch's end what was measured, for
    ``tell`` comes first: Keras' ``EarlyStopping``, say.

    All of it happens after a step, never after an epoch: at an epoch's end other callbacks may have put averages in
    the place of the weights.

    Args:
        keeping: what is measured and kept.
        clock: of the run.
        batch_size: images a step, for the rate on the progress bar.
    """

    def __init__(self, keeping: Keeping, clock: Clock, batch_size: int):
        super().__init__()
        self._keeping, self._clock, self._batch_size = keeping, clock, batch_size
        self._resumed_within = clock.step % clock.per_epoch > 0
        self._measured: dict[str, float] = {}
        self._writer: Any = None

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Looks at the model once: on JAX each look fetches all of its state."""
        if self._keeping.tensorboard:
            from tensorboard.summary import Writer  # an extra; TensorFlow is for data alone here

            self._writer = Writer(str(self._keeping.run.path / "tensorboard"))
        self._penalized = any(variable.regularizer for variable in self.model.trainable_variables)

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Restores the state of the last step, which other callbacks may have changed; the rate they set is kept."""
        self._began, self._steps, self._seconds = self._clock.step, 0, 0.0
        path = self._keeping.run.checkpoint
        if self._clock.step and (self._resumed_within or _averages(self.model)):
            checkpoints.restore(path, self.model, but=[checkpoints.LEARNING_RATE])
        if self._resumed_within:
            checkpoints.restore_metrics(path, self.model)
            self._resumed_within = False

    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        """Starts the clock of the progress bar's rate, which leaves measurements out."""
        self._started = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Counts, measures, keeps, logs, checkpoints."""
        clock, keeping, before = self._clock, self._keeping, self._clock.step
        clock.step = self._began + batch + 1
        ended = clock.step % clock.per_epoch == 0
        measured = ended or _passed(before, clock, keeping.measure_every)

        if self._began < before:  # the first steps trace the graph
            self._steps += clock.step - before
            self._seconds += time.perf_counter() - self._started
        self._show(logs)
        signal = processes.hear_of_interruptions()
        checkpointed = measured or signal or _passed(before, clock, keeping.checkpoint_every)
        if checkpointed:
            # before anything of a bad step is kept
            state = checkpoints.state(self.model, clock, kept=keeping.run.checkpoint.exists())
        if measured:
            self._measure(logs, ended=ended)
        if checkpointed:
            checkpoints.save(keeping.run.checkpoint, state, clock)
        if signal:
            interrupts.end()

    def _measure(self, logs: dict, *, ended: bool) -> None:
        """Measures the network, at an epoch's end more of it, keeps it if it is the best so far, and writes the row."""
        clock, keeping = self._clock, self._keeping
        row = {"epoch": clock.epochs, "step": clock.step, "learning_rate": _rate_of_last_step(self.model.optimizer)}
        row |= {name: float(value) for name, value in logs.items() if name in ("loss", "penalty", "accuracy")}
        # A measurement takes long, so a signal during it ends the run at once, without a new checkpoint, which would
        # lack this measurement. With several processes the signal waits, so that all of them measure or none.
        alone = processes.count() == 1
        with averaged_weights(self.model), keeping.prepared(), interrupts.waiting(not alone):
            row |= keeping.measure() | (keeping.measure_more() if ended else {})
            keeping.snapshots.offer(
                keeping.save, step=clock.step, epoch=clock.epochs, accuracy=row["selection_accuracy"]
            )
        keeping.run.write_metrics([*keeping.run.metrics, row | {"seconds": clock.seconds}])
        logs["val_accuracy"] = row["val_accuracy"]
        self._measured = {name: value for name, value in row.items() if name.startswith("val_")}
        if self._writer:
            for name, value in row.items():
                self._writer.add_scalar(name, value, clock.step)
            self._writer.flush()

    def tell(self, logs: dict) -> None:
        """Adds to what callbacks see at an epoch's end what was measured then, as ``val_loss`` and the like."""
        logs |= self._measured

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Shows the epoch's losses apart."""
        self._show(logs)

    def close(self) -> None:
        """Closes TensorBoard's file, however the training ended."""
        if self._writer:
            self._writer.close()

    def _show(self, logs: dict) -> None:
        """Puts on the progress bar the loss of the data, the penalty of the weights, and images a second."""
        total = logs["loss"]
        logs["loss"] = logs.pop("data_loss")
        if self._penalized:
            logs["penalty"] = total - logs["loss"]
        if self._steps:
            logs["images_per_second"] = self._steps * self._batch_size / self._seconds


@contextlib.contextmanager
def averaged_weights(model: keras.Model) -> Iterator[None]:
    """Puts an optimizer's averages (``use_ema``) in the place of the weights, and the very weights back after it."""
    if not _averages(model):
        yield
        return
    kept = model.get_weights()
    model.optimizer.finalize_variable_values(model.trainable_variables)
    model.set_weights(model.get_weights())  # on JAX they are the averages' own arrays, which prediction may use up
    try:
        yield
    finally:
        model.set_weights(kept)


def _rate_of_last_step(optimizer: keras.optimizers.Optimizer) -> float:
    """The learning rate that the last step had; a schedule is already at the next one's."""
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    schedule = optimizer._learning_rate
    if not isinstance(schedule, keras.optimizers.schedules.LearningRateSchedule):
        return float(keras.ops.convert_to_numpy(optimizer.learning_rate))
    return float(keras.ops.convert_to_numpy(schedule(optimizer._iterations - 1)))


def _averages(model: keras.Model) -> bool:
    """Whether the optimizer keeps averages; a loss-scaling one hands the question on to the one inside."""
    return bool(getattr(getattr(model.optimizer, "inner_optimizer", model.optimizer), "use_ema", False))


def _passed(before: int, clock: Clock, every: int) -> bool:
    """Whether a multiple of so many steps, counted from the epoch's beginning, was reached since ``before``."""
    begin = before // clock.per_epoch * clock.per_epoch
    return (clock.step - begin) // every > (before - begin) // every
