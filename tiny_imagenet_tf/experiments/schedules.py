"""How the learning rate falls: by a factor every so many epochs (Milani), or at a plateau (Le & Yang)."""

from collections.abc import Iterable

import keras

from tiny_imagenet_tf.runs.run import Run


def cuts(accuracies: Iterable[float], *, patience: int) -> list[int]:
    """Returns the epochs, counted from 1, after which the accuracy has stopped improving.

    It has stopped when ``patience`` epochs in a row brought no new best; the count then begins again. A tie is
    no improvement, nor is NaN. (Le & Yang section 5.2.1; they do not say how long they waited.)

    Args:
        accuracies: after each epoch so far.
        patience: epochs.
    """
    best, waited, found = float("-inf"), 0, []
    for epoch, accuracy in enumerate(accuracies, start=1):
        waited = 0 if accuracy > best else waited + 1
        best = accuracy if accuracy > best else best
        if waited == patience:
            waited = 0
            found.append(epoch)
    return found


def staircase_callback(initial: float, factor: float, *, every_epochs: int = 1) -> keras.callbacks.Callback:
    """Returns what sets the rate to initial * factor^n from epoch n * every_epochs on (Milani sections 3.2 and 3.3).

    Args:
        initial: learning rate of the first epoch.
        factor: from one stair to the next.
        every_epochs: length of a stair.
    """
    return keras.callbacks.LearningRateScheduler(lambda epoch, _: initial * factor ** (epoch // every_epochs))


class Plateau(keras.callbacks.LearningRateScheduler):
    """Divides the learning rate by 10 at the beginning of an epoch that follows one of ``cuts``.

    Its memory is the run's ``metrics.jsonl``, so an interrupted run goes on with the patience it had left.

    Args:
        run: where the accuracies of past epochs stand.
        initial: learning rate of the first epoch.
        patience: epochs.
        stop_after: cuts after which training ends; None for never.
    """

    def __init__(self, run: Run, initial: float, *, patience: int, stop_after: int | None = None):
        super().__init__(lambda epoch, _: initial / 10 ** len([end for end in self._ends if end <= epoch]))
        self._run, self._patience, self._stop_after = run, patience, stop_after

    @property
    def last_epoch(self) -> int | None:
        """The epoch whose end was the last cut; None while it is to come."""
        found = self._ends
        return found[self._stop_after - 1] if self._stop_after and len(found) >= self._stop_after else None

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Ends the training after the last cut."""
        super().on_epoch_end(epoch, logs)
        if self.last_epoch:
            self.model.stop_training = True

    @property
    def cuts(self) -> int:
        """How often the rate has been cut."""
        return len(self._ends)

    @property
    def _ends(self) -> list[int]:
        ended = {int(row["epoch"]): row["selection_accuracy"] for row in self._run.metrics if row["epoch"] % 1 == 0}
        return cuts([ended[number] for number in sorted(ended)], patience=self._patience)
