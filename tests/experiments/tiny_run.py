"""A training run of seconds, in a process of its own or in a test's.

python tests/training/tiny_run.py RUN SOURCE DATA_DIR [KILL_AT_STEP]
"""

import os
import signal
import sys
from pathlib import Path

import keras
import numpy as np

from tiny_imagenet_tf import hardware
from tiny_imagenet_tf.blocks import conv_bn
from tiny_imagenet_tf.data import splits
from tiny_imagenet_tf.data.batches import MILANI, TrainingBatches
from tiny_imagenet_tf.evaluation import predict
from tiny_imagenet_tf.experiments import fitting, losses, schedules
from tiny_imagenet_tf.runs.run import Run
from tiny_imagenet_tf.runs.snapshots import Snapshots

BATCH_SIZE, EPOCHS, MEASURE_EVERY, CHECKPOINT_EVERY = 4, 3, 4, 2  # 6 steps an epoch
STEPS = 18


class At(keras.callbacks.Callback):
    """Does something after a step."""

    def __init__(self, clock, step, action):
        super().__init__()
        self._clock, self._step, self._action = clock, step, action

    def on_train_batch_end(self, batch, logs=None):
        if self._clock.total_steps == self._step:
            self._action()


def make_run(path: Path) -> Run:
    (path / "snapshots").mkdir(parents=True, exist_ok=True)
    return Run(path)


def network(classes: int) -> keras.Model:
    x = images = keras.Input((64, 64, 3))
    x = conv_bn(x, 4, 5, strides=4, weight_decay=1e-3, name="first")
    x = keras.layers.GlobalAveragePooling2D()(x)
    x = keras.layers.Dropout(0.5, name="dropout")(x)
    return keras.Model(images, keras.layers.Dense(classes, dtype="float32", name="logits")(x))


def accuracy(model: keras.Model, validation) -> float:
    """A number that goes up and down, and is another when a single weight is."""
    scores = predict.scores(model, validation, predict.test_views(model, "one")[0])
    return float(np.sin(3000 * scores.astype(np.float64).sum()))


def train(run: Run, train_split, validation, *, seed=0, plateau=True, epochs=EPOCHS, callbacks=lambda clock: ()):
    """Trains the tiny network, from the run's checkpoint if there is one, and returns it."""
    hardware.set_seed(seed)
    model = network(len(train_split.wnids))
    batches = TrainingBatches(train_split, MILANI, BATCH_SIZE, seed)
    fitting.compile_for_training(model, keras.optimizers.Adam(1e-2), losses.smoothed_cross_entropy(0.1))

    staircase = keras.callbacks.LearningRateScheduler(
        lambda epoch, _: schedules.staircase(1e-2, 0.5, every_epochs=1, epoch=epoch)
    )

    def measure():
        value = accuracy(model, validation)
        return {"val_loss": 0.0, "val_accuracy": value, "selection_accuracy": value}

    fitting.fit(
        model,
        batches,
        run,
        Snapshots(run.path / "snapshots", train_split.wnids, limit=3),
        epochs=epochs,
        measure=measure,
        measure_every=MEASURE_EVERY,
        checkpoint_every=CHECKPOINT_EVERY,
        callbacks=lambda clock: [schedules.Plateau(run, 1e-2, 1) if plateau else staircase, *callbacks(clock)],
        verbose=0,
    )
    return model


def state(model: keras.Model) -> list[np.ndarray]:
    """Every variable of the network and its optimizer."""
    return [keras.ops.convert_to_numpy(v) for v in (*model.variables, *model.optimizer.variables)]


def main(path: str, source: str, data_dir: str, kill_at: str | None = None) -> None:
    builder = splits.prepare(Path(source), Path(data_dir))
    run = make_run(Path(path))

    def callbacks(clock):
        kill = lambda: os.kill(os.getpid(), signal.SIGKILL)  # noqa: E731
        return [At(clock, int(kill_at), kill)] if kill_at else []

    model = train(run, splits.load(builder, "train"), splits.load(builder, "validation"), callbacks=callbacks)
    np.savez(run.path / "final.npz", *state(model))


if __name__ == "__main__":
    main(*sys.argv[1:])
