"""How the learning rate falls: by a factor every so many epochs (Milani), or at a plateau (Le & Yang)."""

from collections.abc import Iterable

import keras

from tiny_imagenet_tf.runs.run import Run


def staircase(initial: float, factor: float, *, every_epochs: int, epoch: int) -> float:
    """Returns initial * factor^n in the epochs from n * every_epochs on (Milani sections 3.2 and 3.3).

    Args:
        initial: learning rate of the first epoch.
        factor: from one stair to the next.
        every_epochs: length of a stair.
        epoch: from 0.
    """
    return initial * factor ** (epoch // every_epochs)


def plateau(initial: float, accuracies: Iterable[float], *, patience: int) -> float:
    """Returns the learning rate after some epochs: a tenth each time the accuracy stops improving.

    It has stopped when ``patience`` epochs in a row brought no new best; the count then begins again. A tie is
    no improvement, nor is NaN. (Le & Yang section 5.2.1; they do not say how long they waited.)

    Args:
        initial: learning rate of the first epoch.
        accuracies: after each epoch so far.
        patience: epochs.
    """
    best, waited, cuts = float("-inf"), 0, 0
    for accuracy in accuracies:
        if accuracy > best:
            best, waited = accuracy, 0
        else:
            waited += 1
        if waited == patience:
            waited, cuts = 0, cuts + 1
    return initial / 10**cuts


def staircase_callback(initial: float, factor: float, *, every_epochs: int = 1) -> keras.callbacks.Callback:
    """Returns what sets the rate of :func:`staircase` at the beginning of each epoch."""
    return keras.callbacks.LearningRateScheduler(
        lambda epoch, _: staircase(initial, factor, every_epochs=every_epochs, epoch=epoch)
    )


def plateau_callback(run: Run, initial: float, *, patience: int) -> keras.callbacks.Callback:
    """Returns what sets the rate of :func:`plateau` at the beginning of each epoch.

    Its memory is the run's ``metrics.jsonl``, so an interrupted run goes on with the patience it had left.

    Args:
        run: where the accuracies of past epochs stand.
        initial: learning rate of the first epoch.
        patience: epochs.
    """

    def rate(epoch: int, _: float) -> float:
        ended = {int(row["epoch"]): row["selection_accuracy"] for row in run.metrics if row["epoch"] % 1 == 0}
        return plateau(initial, [ended[number] for number in sorted(ended) if number <= epoch], patience=patience)

    return keras.callbacks.LearningRateScheduler(rate)
