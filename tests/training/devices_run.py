"""Prints the losses of six steps on the devices named, of two logical CPUs.

python tests/training/devices_run.py [CPU:0 [CPU:1]]
"""

import json
import sys

import keras
import numpy as np
import tensorflow as tf

from tiny_imagenet_tf import hardware
from tiny_imagenet_tf.training import fitting, losses


class Losses(keras.callbacks.Callback):
    """The loss of each step: Keras gives means over the epoch so far."""

    def __init__(self):
        super().__init__()
        self.found, self._sum = [], 0.0

    def on_train_batch_end(self, batch, logs=None):
        total = logs["loss"] * (batch + 1)
        self.found.append(total - self._sum)
        self._sum = total


def main(*devices: str) -> None:
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    hardware.set_seed(0)
    strategy = hardware.strategy(devices)
    random = np.random.default_rng(0)
    images = random.uniform(-1, 1, (48, 8, 8, 3)).astype(np.float32)
    labels = np.eye(4, dtype=np.float32)[random.integers(4, size=48)]
    with strategy.scope():
        x = inputs = keras.Input((8, 8, 3))
        x = keras.layers.Conv2D(4, 3, activation="relu", kernel_regularizer=keras.regularizers.L2(1e-2))(x)
        x = keras.layers.Flatten()(x)
        model = keras.Model(inputs, keras.layers.Dense(4, name="logits")(x))
        fitting.compile_for_training(model, keras.optimizers.SGD(0.1, 0.9), losses.smoothed_cross_entropy(0.1))
    seen = Losses()
    model.fit(tf.data.Dataset.from_tensor_slices((images, labels)).batch(8), callbacks=[seen], verbose=0)
    print(json.dumps({"replicas": strategy.num_replicas_in_sync, "losses": seen.found}))


if __name__ == "__main__":
    main(*sys.argv[1:])
