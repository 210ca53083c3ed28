"""A training run of seconds, in a process of its own or in a test's.

python tests/experiments/tiny_run.py RUN SOURCE DATA_DIR [KILL_AT_STEP [ema]]
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
from tiny_imagenet_tf.data.batches import ImageBatches
from tiny_imagenet_tf.data.views import MILANI, RandomViews
from tiny_imagenet_tf.evaluation.predict import Predictor
from tiny_imagenet_tf.experiments import losses, schedules
from tiny_imagenet_tf.experiments.fit import Keeping, compile_for_training, fit
from tiny_imagenet_tf.models import preprocess
from tiny_imagenet_tf.runs.run import Run

BATCH_SIZE, EPOCHS, MEASURE_EVERY, CHECKPOINT_EVERY = 4, 3, 4, 2  # 6 steps an epoch
STEPS = 18


class At(keras.callbacks.Callback):
    """Does something once a step of the run is over."""

    def __init__(self, step, action):
        super().__init__()
        self._step, self._action = step, action

    def on_train_batch_begin(self, batch, logs=None):
        if int(self.model.optimizer.iterations) == self._step:  # it is over, with all that belongs to it
            self._action()


def make_run(path: Path) -> Run:
    return Run(path).make()


def network(classes: int, penalty: float = 1e-3, dropout: float = 0.5) -> keras.Model:
    x = images = keras.Input((64, 64, 3))
    x = conv_bn(x, 4, 5, strides=4, weight_decay=penalty, name="first")
    x = keras.layers.GlobalAveragePooling2D()(x)
    x = keras.layers.Dropout(dropout, name="dropout")(x)
    return keras.Model(images, keras.layers.Dense(classes, dtype="float32", name="logits")(x))


def keeping(run, train, classifier, measure, **options) -> Keeping:
    """What the tiny run keeps."""
    saved, snapshots = preprocess.deployed(classifier), run.snapshots(train.wnids, 3)
    options = {"measure_every": MEASURE_EVERY, "checkpoint_every": CHECKPOINT_EVERY} | options
    return Keeping(run, snapshots, measure, saved.save, **options)


def measured(value: float) -> dict[str, float]:
    return {"val_loss": value, "val_accuracy": value, "val_top5": value, "selection_accuracy": value}


def accuracy(predictor: Predictor, validation) -> float:
    """A number from 0 to 1 that goes up and down, and is another when a single weight is."""
    return 0.5 + 0.5 * float(np.sin(3000 * predictor.scores(validation, predictor.views()[0]).astype(np.float64).sum()))


def train(
    run: Run, train_split, validation, *, seed=0, plateau=True, epochs=EPOCHS, callbacks=(), ema=False, mixup=0.0
):
    """Trains the tiny network, from the run's checkpoint if there is one, and returns it."""
    hardware.set_seed(seed)
    views = RandomViews(**MILANI.__dict__ | {"mixup": mixup})
    classifier = preprocess.classifier(network(len(train_split.wnids)))
    model = preprocess.behind_views(classifier, views)
    optimizer = keras.optimizers.Adam(1e-2, use_ema=ema, ema_momentum=0.9)
    compile_for_training(model, optimizer, losses.smoothed_cross_entropy(0.1))
    predictor = Predictor(classifier)
    rate = schedules.staircase_callback(1e-2, 0.5)
    if plateau:
        rate = schedules.Plateau(run, 1e-2, patience=1)
    kept = keeping(run, train_split, classifier, lambda: measured(accuracy(predictor, validation)))
    batches = ImageBatches(train_split, views, BATCH_SIZE, seed)
    fit(model, batches, kept, epochs=epochs, callbacks=[rate, *callbacks], verbose=0)
    return model


def layer(model: keras.Model, name: str) -> keras.layers.Layer:
    """A layer of the tiny network, which lies two models deep."""
    return model.get_layer("classifier").layers[-1].get_layer(name)


def state(model: keras.Model) -> list[np.ndarray]:
    """Every variable of the network and its optimizer."""
    return [keras.ops.convert_to_numpy(v) for v in (*model.variables, *model.optimizer.variables)]


def main(path: str, source: str, data_dir: str, kill_at: str = "", ema: str = "") -> None:
    builder = splits.prepare(Path(source), Path(data_dir))
    run = make_run(Path(path))
    callbacks = [keras.callbacks.SwapEMAWeights()] if ema else []
    if kill_at:
        callbacks.append(At(int(kill_at), lambda: os.kill(os.getpid(), signal.SIGKILL)))
    images = splits.load(builder, "train"), splits.load(builder, "validation")
    model = train(run, *images, callbacks=callbacks, ema=bool(ema), mixup=0.4 if ema else 0.0)
    np.savez(run.path / "final.npz", *state(model))


if __name__ == "__main__":
    main(*sys.argv[1:])
