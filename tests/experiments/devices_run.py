"""A run without dropout on the devices named, of two logical CPUs; goes on where it stopped.

python tests/experiments/devices_run.py RUN SOURCE DATA_DIR EPOCHS [CPU:0 [CPU:1]]
"""

import sys
from functools import partial
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
import tiny_run

from tiny_imagenet_tf import hardware
from tiny_imagenet_tf.data import splits
from tiny_imagenet_tf.data.batches import ImageBatches
from tiny_imagenet_tf.data.views import PLAIN
from tiny_imagenet_tf.evaluation.metrics import negative_log_likelihood
from tiny_imagenet_tf.evaluation.predict import Predictor
from tiny_imagenet_tf.experiments import losses
from tiny_imagenet_tf.experiments.fit import Keeping, compile_for_training, fit, save_network
from tiny_imagenet_tf.models import preprocess
from tiny_imagenet_tf.runs.networks import Classes


def main(path: str, source: str, data_dir: str, epochs: str, *devices: str) -> None:
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    hardware.set_seed(0)
    placement = hardware.place(devices)
    assert placement.replicas == max(1, len(devices))
    builder = splits.prepare(Path(source), Path(data_dir))
    train, validation = splits.load(builder, "train"), splits.load(builder, "validation")
    with placement.scope():
        classifier = preprocess.classifier(tiny_run.network(4, dropout=0))  # devices draw the same for other images
        model = preprocess.behind_views(classifier, PLAIN)
        loss = losses.smoothed_cross_entropy(0.1)
        compile_for_training(model, keras.optimizers.SGD(0.1, 0.9), loss, steps_per_execution=2)
    predictor = Predictor(classifier)

    def measure() -> dict[str, float]:
        value = negative_log_likelihood(predictor.probabilities(validation), np.asarray(validation.labels))
        return tiny_run.measured(-value) | {"selection_accuracy": float(np.exp(-value))}

    save = partial(save_network, preprocess.deployed(classifier), Classes.of(train.wnids, train.words))
    run = tiny_run.make_run(Path(path))
    kept = Keeping(run, run.snapshots(train.wnids), measure, save, measure_every=1, checkpoint_every=9)
    fit(model, ImageBatches(train, PLAIN, 4, seed=0), kept, epochs=int(epochs), verbose=0)


if __name__ == "__main__":
    main(*sys.argv[1:])
