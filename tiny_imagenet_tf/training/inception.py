"""Milani's own network from scratch: what "Baseline" and "Regularized" share (section 3)."""

import dataclasses
from functools import partial
from typing import Literal

import keras

from tiny_imagenet_tf.data.views import MILANI, PLAIN
from tiny_imagenet_tf.experiments.experiment import Study, begin
from tiny_imagenet_tf.experiments.losses import l2_coefficient, smoothed_cross_entropy
from tiny_imagenet_tf.experiments.options import PART, POSITIVE, SHARE, option
from tiny_imagenet_tf.experiments.schedules import staircase_callback
from tiny_imagenet_tf.models.compact_inception import compact_inception
from tiny_imagenet_tf.runs.run import Run
from tiny_imagenet_tf.training.scratch import Scratch, ScratchOptions


@dataclasses.dataclass(frozen=True)
class InceptionOptions(ScratchOptions):
    """Options of ``inception_baseline.py`` and ``inception_regularized.py``; Adam with its default betas."""

    epochs: int = 30
    """Passes over the training images. Paper: 20 to 50 for Baseline; it overfitted after 30."""
    learning_rate: float = option(1e-3, POSITIVE)
    """Of the first epoch. Paper: 1e-3 for Baseline, doubled for Regularized."""
    learning_rate_decay: float = option(0.9, POSITIVE)
    """Factor. Paper: 0.9."""
    decay_every_epochs: int = option(1, POSITIVE)
    """Epochs from one factor to the next. Paper: 1 for Baseline, 2 for Regularized."""
    label_smoothing: float = option(0.1, PART)
    """Epsilon of Eq. 1. Paper: 0.1."""
    dropout_keep: float = option(1.0, SHARE)
    """Share of the features that dropout keeps. Paper: no dropout for Baseline, 0.8 for Regularized."""
    augment: bool = option(False)
    """Random mirror images, brightness and contrast. Paper: for Regularized."""
    weight_decay: float = option(0.08)
    """Strength on every kernel, as printed. Paper: 0.08."""
    weight_decay_convention: Literal["decoupled", "l2_loss", "keras"] = option("decoupled")
    """What weight_decay multiplies: in the loss, l2_loss is sum(w^2)/2, as tf.nn.l2_loss, and keras is sum(w^2);
    decoupled shrinks w by itself, each step by learning_rate * weight_decay * w. Paper: not said. Beside a
    cross-entropy that is summed over a batch of 100, 0.08 is 0.0008 as l2_loss (docs/from_scratch.md)."""
    width_multiplier: float = option(1.0, POSITIVE)
    """Factor on the width of every convolution; below 1 for a quick try."""

    @property
    def decoupled(self) -> bool:
        """Whether the weight decay is the optimizer's, not part of the loss."""
        return self.weight_decay_convention == "decoupled"


def run(study: Study, options: InceptionOptions) -> Run:
    """Trains the compact Inception and returns the run's directory."""
    experiment = begin(study, options, devices=options.devices)
    network = partial(
        compact_inception,
        classes=experiment.classes,
        width_multiplier=options.width_multiplier,
        dropout_rate=1 - options.dropout_keep,
        weight_decay=0 if options.decoupled else l2_coefficient(options.weight_decay, options.weight_decay_convention),
    )
    loss = smoothed_cross_entropy(options.label_smoothing)
    training = Scratch.compiled(experiment, network, MILANI if options.augment else PLAIN, partial(adam, options), loss)
    rate = staircase_callback(
        options.learning_rate, options.learning_rate_decay, every_epochs=options.decay_every_epochs
    )
    training.report(training.fit(callbacks=[rate]))
    return experiment.run


def adam(options: InceptionOptions) -> keras.optimizers.Adam:
    """Returns Adam, with the decoupled weight decay of kernels if it is chosen.

    Its other parameters are Keras' defaults; the paper's are TensorFlow 1's, where epsilon was 1e-8, not 1e-7.
    """
    decay = options.weight_decay if options.decoupled else None
    optimizer = keras.optimizers.Adam(options.learning_rate, weight_decay=decay)
    optimizer.exclude_from_weight_decay(var_names=["beta", "bias"])
    return optimizer
