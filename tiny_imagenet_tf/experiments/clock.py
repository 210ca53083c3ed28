"""Where a run stands."""

import time

import keras


class Clock(keras.callbacks.Callback):
    """Counts epochs, steps and seconds over all parts of a run; stands before the callbacks that ask it.

    Args:
        steps_per_epoch: batches an epoch.
        epoch: epochs that are over.
        step: steps taken in the epoch after those.
        seconds: spent in earlier parts of the run.
    """

    def __init__(self, steps_per_epoch: int, *, epoch: int = 0, step: int = 0, seconds: float = 0.0):
        super().__init__()
        self.steps_per_epoch = steps_per_epoch
        self.epoch, self.step = epoch, step
        self._earlier, self._started = seconds, time.perf_counter()

    @property
    def total_steps(self) -> int:
        """Steps taken since the run began."""
        return self.epoch * self.steps_per_epoch + self.step

    @property
    def epochs(self) -> float:
        """The same in epochs; an int when no epoch is under way."""
        if self.step % self.steps_per_epoch:
            return self.epoch + self.step / self.steps_per_epoch
        return self.epoch + self.step // self.steps_per_epoch

    @property
    def seconds(self) -> float:
        """Time spent, with measurements, without the pauses between the parts of a run."""
        return self._earlier + time.perf_counter() - self._started

    def on_train_batch_end(self, batch, logs=None):
        self.step += 1

    def on_epoch_end(self, epoch, logs=None):
        self.epoch, self.step = epoch + 1, 0
