"""What training shows: a bar for the epoch under way, a line for each that has ended."""

import time

import keras

from tiny_imagenet_tf import progress
from tiny_imagenet_tf.experiments.clock import Clock


class Lines(keras.callbacks.Callback):
    """Shows the figures that are in Keras' logs after a step; it stands behind what puts them there.

    Args:
        clock: of the run.
        epochs: in the end.
    """

    def __init__(self, clock: Clock, epochs: int):
        super().__init__()
        self._clock, self._epochs = clock, epochs
        self._bar = None

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Begins a bar, where the run stands within the epoch."""
        self._first = epoch * self._clock.per_epoch
        done = self._clock.step - self._first
        self._bar = progress.bar(f"epoch {epoch + 1}/{self._epochs}", self._clock.per_epoch, unit="steps", done=done)
        self._started = time.monotonic()

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Moves it on."""
        self._bar.set_postfix_str(f"loss {logs['loss']:.3f}", refresh=False)
        self._bar.update(self._clock.step - self._first - self._bar.n)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Puts a line in its place."""
        self.close()
        penalty = f" + {logs['penalty']:.3f}" if "penalty" in logs else ""  # of the weights, beside that of the data
        words = [f"epoch {epoch + 1:>{len(str(self._epochs))}}/{self._epochs}", f"loss {logs['loss']:.3f}{penalty}"]
        named = {"train": "accuracy", "val": "val_accuracy"}
        words += [f"{name} {logs[key]:.2%}" for name, key in named.items() if key in logs]
        if "images_per_second" in logs:
            rate = progress.digits(logs["images_per_second"], 3)
            words.append(f"at {rate} images/s")  # the time beside it has measurements, too
        progress.say("  ".join([*words, progress.duration(time.monotonic() - self._started)]))

    def close(self) -> None:
        """Takes the bar away, after an error too."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
