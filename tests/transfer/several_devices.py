"""Three devices extract in turn, and none changes the values; they are parts of a CPU.

KERAS_BACKEND=jax XLA_FLAGS=--xla_force_host_platform_device_count=3 python tests/transfer/several_devices.py
KERAS_BACKEND=tensorflow python tests/transfer/several_devices.py
"""

import tempfile
from pathlib import Path
from unittest import mock

import keras
import numpy as np
import tensorflow as tf

from tiny_imagenet_tf import hardware
from tiny_imagenet_tf.data.views import WHOLE
from tiny_imagenet_tf.models import backbones
from tiny_imagenet_tf.transfer import engine


def trunk() -> backbones.Trunk:
    """A small one."""
    images = keras.Input((40, 40, 3))
    x = keras.layers.Conv2D(12, 7, strides=5, activation="relu")(images)
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.BatchNormalization()(x))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tiny.keras"
        keras.Model(images, x).save(path)
        return backbones.build(backbones.find(str(path), "-1..1"))


def main() -> None:
    """Raises AssertionError where a device is left out, or computes something else."""
    if keras.backend.backend() == "tensorflow":
        (cpu,) = tf.config.list_physical_devices("CPU")
        tf.config.set_logical_device_configuration(cpu, 3 * [tf.config.LogicalDeviceConfiguration()])
        assert hardware.extraction_devices() == ["CPU:0"], "where there is no GPU"
        devices = [device.name for device in tf.config.list_logical_devices("CPU")]
    else:
        devices = hardware.extraction_devices()
    assert len(devices) == 3
    images = np.random.default_rng(0).integers(0, 256, (4, 64, 64, 3), dtype=np.uint8)
    small, table, found = trunk(), WHOLE.table(4), []
    with mock.patch.object(engine, "freezes", lambda: False), mock.patch.object(engine, "batch_size", lambda: 4):
        for some in (devices[:1], devices):
            with mock.patch.object(hardware, "extraction_devices", lambda some=some: some):
                extract = engine.Engine(small, "float32").extractor(WHOLE)
            found.append([extract(images, table) for _ in range(6)])
    alone, together = found
    used = [str(getattr(each, "device", None)) for each in together]
    assert len(set(used)) == 3 and used[:3] == used[3:], used
    for each in (*alone, *together):
        np.testing.assert_allclose(each, alone[0], rtol=1e-5)
    assert np.asarray(alone[0]).std() > 0


if __name__ == "__main__":
    main()
