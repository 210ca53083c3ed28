"""What happens while a network trains: measuring, the screen, TensorBoard, and the brake.

They share one dictionary of logs, and what one callback adds the next ones see: :class:`Brake`, :class:`Progress`,
then :class:`Measure`, then what reacts to a measurement, and :class:`ProgressBar`.
"""

import time
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np

from tiny_imagenet_tf.experiments.clock import Clock
from tiny_imagenet_tf.experiments.replicas import for_one_device
from tiny_imagenet_tf.runs.run import Run
from tiny_imagenet_tf.runs.snapshots import Snapshots

DATA_LOSS = "data_loss"  # the compiled metric: the loss without the weight penalty


class NonFiniteLoss(RuntimeError):
    """The loss, or a weight, became NaN or infinite."""


def stop_unless_finite(clock: Clock, what: str, *values) -> None:
    """Raises NonFiniteLoss if a number is NaN or infinite.

    Args:
        clock: of the run.
        what: the numbers are.
        values: numbers or arrays of them.
    """
    if not all(np.isfinite(value).all() for value in values):
        raise NonFiniteLoss(
            f"{what} is not finite at step {clock.total_steps}, epoch {clock.epochs:.2f}. Nothing of this step was "
            "saved; the snapshots and the last checkpoint are good. To get further, begin a new run with a smaller "
            "--learning-rate or with --precision float32."
        )


class Brake(keras.callbacks.Callback):
    """Stops the run at a loss that is not finite, before anything of that step is saved.

    Args:
        clock: of the run.
    """

    def __init__(self, clock: Clock):
        super().__init__()
        self._clock = clock

    def on_train_batch_end(self, batch, logs=None):
        stop_unless_finite(self._clock, "the loss", logs["loss"])


class Progress(keras.callbacks.Callback):
    """Puts on the progress bar the loss of the data, the weight penalty if there is one, and images a second.

    Args:
        batch_size: images a step.
    """

    def __init__(self, batch_size: int):
        super().__init__()
        self._batch_size = batch_size
        self._seconds, self._images, self._traced = 0.0, 0, False

    def on_train_begin(self, logs=None):
        self._penalized = any(variable.regularizer for variable in self.model.trainable_variables)

    def on_epoch_begin(self, epoch, logs=None):
        self._seconds, self._images = 0.0, 0

    def on_train_batch_begin(self, batch, logs=None):
        self._started = time.perf_counter()

    def on_train_batch_end(self, batch, logs=None):
        self._separate_penalty(logs)
        if self._traced:  # the first step traces the graph
            self._seconds += time.perf_counter() - self._started
            self._images += self._batch_size
            logs["images_per_second"] = self._images / self._seconds
        self._traced = True

    def on_epoch_end(self, epoch, logs=None):
        self._separate_penalty(logs)

    def _separate_penalty(self, logs: dict) -> None:
        """Keras' ``loss`` is the sum of both, means over the epoch so far."""
        total = logs["loss"]
        logs["loss"] = logs.pop(DATA_LOSS)
        if self._penalized:
            logs["penalty"] = total - logs["loss"]


class Measure(keras.callbacks.Callback):
    """Measures the network every so many steps and after each epoch, and writes a row of ``metrics.jsonl``.

    Weights that are not finite stop the run here: the loss shows them a step later, when they would be a snapshot.

    A row: ``epoch`` (epochs so far; a whole number after an epoch), ``step``, ``learning_rate``, ``loss`` (of the
    data alone), ``penalty`` (of the weights, if there is one) and ``accuracy``, means over the epoch so far;
    ``seconds`` since the run began; and what was measured.

    Args:
        run: gets the rows.
        clock: of the run.
        measure: returns ``val_loss``, ``val_accuracy`` and ``selection_accuracy``.
        every: steps, counted from the beginning of each epoch.
    """

    def __init__(self, run: Run, clock: Clock, measure: Callable[[], dict[str, float]], every: int):
        super().__init__()
        self._run, self._clock, self._measure, self._every = run, clock, measure, every

    def on_train_batch_end(self, batch, logs=None):
        clock = self._clock
        if clock.step % self._every and clock.step < clock.steps_per_epoch:
            return
        stop_unless_finite(clock, "a weight", *self.model.get_weights())
        logs |= self._measure()
        learning_rate = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
        row = {"epoch": clock.epochs, "step": clock.total_steps, "learning_rate": learning_rate}
        row |= {name: value for name, value in logs.items() if name != "images_per_second"}
        self._run.write_metrics([*self._run.metrics, row | {"seconds": clock.seconds}])


class ProgressBar(keras.callbacks.ProgbarLogger):
    """Keras' bar, but of the steps that remain where a run goes on within an epoch: so the time left is right.

    Args:
        clock: of the run.
    """

    def __init__(self, clock: Clock):
        super().__init__()
        self._clock = clock

    def on_epoch_begin(self, epoch, logs=None):
        self.target = self._clock.steps_per_epoch - self._clock.step
        super().on_epoch_begin(epoch, logs)


class TensorBoard(keras.callbacks.Callback):
    """Writes each measurement for TensorBoard. Keras' own callback takes every epoch's ``fit`` for a new run.

    Args:
        run: whose directory gets the folder ``tensorboard``.
        clock: of the run.
    """

    def __init__(self, run: Run, clock: Clock):
        super().__init__()
        import tensorflow as tf  # the other callbacks do without it

        self._summary, self._clock = tf.summary, clock
        self._writer = tf.summary.create_file_writer(str(run.path / "tensorboard"))

    def on_train_batch_end(self, batch, logs=None):
        if "selection_accuracy" in logs:
            with self._writer.as_default(step=self._clock.total_steps):
                for name, value in logs.items():
                    self._summary.scalar(name, value)
            self._writer.flush()


class KeepSnapshots(keras.callbacks.Callback):
    """Offers the network to the snapshots after every measurement; stands behind :class:`Measure`.

    Args:
        snapshots: the folder.
        clock: of the run.
    """

    def __init__(self, snapshots: Snapshots, clock: Clock):
        super().__init__()
        self._snapshots, self._clock = snapshots, clock

    def on_train_batch_end(self, batch, logs=None):
        if "selection_accuracy" in logs:
            self._snapshots.offer(
                self._save,
                step=self._clock.total_steps,
                epoch=self._clock.epochs,
                accuracy=logs["selection_accuracy"],
            )

    def _save(self, path: Path) -> None:
        # The same layers in a model that was never compiled: the optimizer's state is not saved.
        plain = keras.Model(self.model.inputs, self.model.outputs, name=self.model.name)
        with for_one_device(plain):
            plain.save(path)
