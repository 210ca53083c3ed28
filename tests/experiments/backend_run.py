"""A run without dropout on whatever backend Keras has, from weights that another backend may have written.

KERAS_BACKEND=jax python tests/experiments/backend_run.py RUN SOURCE DATA_DIR WEIGHTS
"""

import sys
from pathlib import Path

import keras
import numpy as np
import tiny_run

from tiny_imagenet_tf import hardware
from tiny_imagenet_tf.data import splits
from tiny_imagenet_tf.data.batches import ImageBatches
from tiny_imagenet_tf.data.views import MILANI
from tiny_imagenet_tf.evaluation.metrics import negative_log_likelihood
from tiny_imagenet_tf.evaluation.predict import Predictor
from tiny_imagenet_tf.experiments import losses
from tiny_imagenet_tf.experiments.fit import compile_for_training, fit
from tiny_imagenet_tf.models import preprocess


def main(path: str, source: str, data_dir: str, weights: str) -> None:
    hardware.set_seed(0)
    builder = splits.prepare(Path(source), Path(data_dir))
    train, validation = splits.load(builder, "train"), splits.load(builder, "validation")
    network = tiny_run.network(4, dropout=0)
    if Path(weights).exists():
        with np.load(weights) as stored:
            network.set_weights([stored[name] for name in sorted(stored.files)])
    else:
        np.savez(weights, **{f"{number:03}": value for number, value in enumerate(network.get_weights())})
    classifier = preprocess.classifier(network)
    model = preprocess.behind_views(classifier, MILANI)
    compile_for_training(model, keras.optimizers.SGD(0.05, 0.9), losses.smoothed_cross_entropy(0.1))
    predictor, run = Predictor(classifier), tiny_run.make_run(Path(path))

    def measure() -> dict[str, float]:
        value = negative_log_likelihood(predictor.probabilities(validation), validation.labels)
        return tiny_run.measured(value)

    kept = tiny_run.keeping(run, train, classifier, measure, measure_every=1)
    fit(model, ImageBatches(train, MILANI, 4, seed=0), kept, epochs=1, verbose=0)


if __name__ == "__main__":
    main(*sys.argv[1:])
