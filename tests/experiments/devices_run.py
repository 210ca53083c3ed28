"""A run without dropout on the devices named, of two logical CPUs; goes on where it stopped.

python tests/training/devices_run.py RUN SOURCE DATA_DIR EPOCHS [CPU:0 [CPU:1]]
"""

import sys
from pathlib import Path

import keras
import tensorflow as tf
import tiny_run

from tiny_imagenet_tf import hardware
from tiny_imagenet_tf.data import splits
from tiny_imagenet_tf.data.batches import NONE, TrainingBatches
from tiny_imagenet_tf.evaluation import predict
from tiny_imagenet_tf.experiments import fitting, losses
from tiny_imagenet_tf.runs.snapshots import Snapshots


def main(path: str, source: str, data_dir: str, epochs: str, *devices: str) -> None:
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    hardware.set_seed(0)
    strategy = hardware.strategy(devices)
    assert strategy.num_replicas_in_sync == max(1, len(devices))
    builder = splits.prepare(Path(source), Path(data_dir))
    train, validation = splits.load(builder, "train"), splits.load(builder, "validation")
    loss = losses.smoothed_cross_entropy(0.1)
    with strategy.scope():
        model = tiny_run.network(4)
        model.get_layer("dropout").rate = 0  # each device would draw its own
        fitting.compile_for_training(model, keras.optimizers.SGD(0.1, 0.9), loss)

    def measure() -> dict[str, float]:
        scores = predict.scores(model, validation, predict.test_views(model, "one")[0])
        value = float(loss(keras.ops.one_hot(validation.labels, 4), scores))
        return {"val_loss": value, "val_accuracy": 0.0, "selection_accuracy": -value}

    run = tiny_run.make_run(Path(path))
    snapshots = Snapshots(run.path / "snapshots", train.wnids)
    batches = TrainingBatches(train, NONE, 4, seed=0)
    fitting.fit(
        model, batches, run, snapshots, epochs=int(epochs), measure=measure, measure_every=1, checkpoint_every=9,
        verbose=0,
    )  # fmt: skip


if __name__ == "__main__":
    main(*sys.argv[1:])
