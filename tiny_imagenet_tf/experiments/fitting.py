"""Compiles and fits a network so that it can stop at any step and go on exactly."""

from collections.abc import Callable, Sequence

import keras

from tiny_imagenet_tf.data.batches import TrainingBatches
from tiny_imagenet_tf.experiments import checkpoints, replicas
from tiny_imagenet_tf.experiments.callbacks import DATA_LOSS, Brake, KeepSnapshots, Measure, Progress, ProgressBar
from tiny_imagenet_tf.experiments.checkpoints import Checkpoints
from tiny_imagenet_tf.experiments.clock import Clock
from tiny_imagenet_tf.runs.run import Run
from tiny_imagenet_tf.runs.snapshots import Snapshots


def compile_for_training(model: keras.Model, optimizer: keras.optimizers.Optimizer, loss: keras.losses.Loss) -> None:
    """Compiles a network with what :func:`fit` shows: the loss without the weight penalty, and the accuracy.

    Under the scope of a strategy, so that a batch spread over devices gives the losses it gives on one.

    Args:
        model: ends in float32 scores.
        optimizer: under a float16 policy Keras adds loss scaling.
        loss: of one-hot labels and scores.
    """
    model.compile(
        optimizer=optimizer,
        loss=loss,
        metrics=[
            keras.metrics.MeanMetricWrapper(loss.call, name=DATA_LOSS, dtype="float32"),
            keras.metrics.CategoricalAccuracy(name="accuracy", dtype="float32"),
        ],
        jit_compile=False,  # slower on a CPU, and crashes with loss scaling on several GPUs (keras issue 21366)
    )
    model.optimizer.build(model.trainable_variables)  # under the scope, so that a checkpoint can be restored
    replicas.synchronize(model)


def fit(
    model: keras.Model,
    batches: TrainingBatches,
    run: Run,
    snapshots: Snapshots,
    *,
    epochs: int,
    measure: Callable[[], dict[str, float]],
    measure_every: int,
    checkpoint_every: int,
    callbacks: Callable[[Clock], Sequence[keras.callbacks.Callback]] = lambda clock: (),
    verbose: int = 1,
) -> Clock:
    """Fits a compiled network, from the run's checkpoint if there is one.

    An interrupted run ends with the very weights, rows and snapshots of one that was not. Keras' ``Model.fit`` is
    called once an epoch, since each epoch has its own finite dataset.

    Args:
        model: compiled by :func:`compile_for_training`.
        batches: epoch by epoch.
        run: its directory has the checkpoint and the rows.
        snapshots: the folder they are kept in.
        epochs: to have been trained in the end.
        measure: see :class:`~tiny_imagenet_tf.experiments.callbacks.Measure`.
        measure_every: steps.
        checkpoint_every: steps, at the most, that an interruption costs.
        callbacks: more of them, made for the run's clock; they see each measurement.
        verbose: Keras' progress bar: 0 or 1.

    Returns:
        The clock, at the end.

    Raises:
        NonFiniteLoss: the loss is not finite.
        CheckpointError: the checkpoint is of another network or optimizer, or is gone.
    """
    clock, resumed = _take_up(model, run, snapshots, batches.steps)
    everything = keras.callbacks.CallbackList(
        [
            clock,
            Brake(clock),
            Progress(batches.batch_size),
            Measure(run, clock, measure, measure_every),
            KeepSnapshots(snapshots, clock),
            *callbacks(clock),
            Checkpoints(run, clock, every=checkpoint_every, resumed=resumed),
            *([ProgressBar(clock)] if verbose else []),
        ],
        add_history=True,  # Model.fit returns it
        model=model,
        verbose=verbose,
        epochs=epochs,
        steps=batches.steps,
    )
    while clock.epoch < epochs:
        rest = batches.epoch(clock.epoch, start=clock.step)
        model.fit(
            rest,
            initial_epoch=clock.epoch,
            epochs=clock.epoch + 1,
            callbacks=everything,
            verbose=verbose,
            shuffle=False,  # the batches are shuffled
        )
    return clock


def _take_up(model: keras.Model, run: Run, snapshots: Snapshots, steps_per_epoch: int) -> tuple[Clock, bool]:
    """Takes model, rows and snapshots back to the checkpoint, or to the beginning where there is none."""
    path = run.path / checkpoints.NAME
    resumed = path.exists()
    if not resumed and len(run.metrics) > 1:  # the first is followed by a checkpoint
        raise checkpoints.CheckpointError(f"{path} is gone: the run cannot go on, and is left as it is")
    if resumed:
        checkpoints.restore(path, model)
        clock = Clock(steps_per_epoch, **checkpoints.read_position(path))
    else:
        clock = Clock(steps_per_epoch)
    run.write_metrics([row for row in run.metrics if row["step"] <= clock.total_steps])
    snapshots.go_back_to(clock.total_steps)
    return clock, resumed
