"""Milani's own network from scratch: what "Baseline" and "Regularized" share (section 3)."""

import dataclasses
from functools import partial
from typing import Literal

import keras

from tiny_imagenet_tf.data.views import MILANI, PLAIN
from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.experiments.experiment import Study, begin
from tiny_imagenet_tf.experiments.losses import ADAM_EPSILON, l2_coefficient, smoothed_cross_entropy
from tiny_imagenet_tf.experiments.options import PART, POSITIVE, SHARE, option
from tiny_imagenet_tf.experiments.schedules import staircase_callback
from tiny_imagenet_tf.models.compact_inception import Blocks, Decayed, compact_inception
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
    decoupled shrinks w by itself, each step by learning_rate * weight_decay * w. Paper: not said."""
    weight_decay_on: Decayed = option("all")
    """Which kernels it is for: all, or the last layer's alone. Paper: not said."""
    cross_entropy: Literal["mean", "sum"] = option("mean")
    """Whether the decay in the loss stands beside the mean cross-entropy of a batch or its sum. Beside the sum of 100
    images 0.08 is what 0.0008 is beside the mean; Adam does not see how large a loss is. Paper: not said."""
    blocks: Blocks = option("released")
    """Of the released Inception-v3 (5x5 in type-1, two kinds of dim), or as Fig. 4 draws them (3x3, one dim)."""
    width_multiplier: float = option(1.0, POSITIVE)
    """Factor on the width of every convolution; below 1 for a quick try."""

    @property
    def decoupled(self) -> bool:
        """Whether the weight decay is the optimizer's, not part of the loss."""
        return self.weight_decay_convention == "decoupled"

    @property
    def l2(self) -> float:
        """c of Keras' ``L2(c)`` beside the mean cross-entropy."""
        if self.decoupled:
            return 0.0
        coefficient = l2_coefficient(self.weight_decay, self.weight_decay_convention)
        return coefficient / (self.batch_size if self.cross_entropy == "sum" else 1)

    def check(self) -> None:
        """Raises UserError, naming the option, where a value makes no sense. Nothing is on disk yet."""
        super().check()
        if not self.weight_decay:
            names = ("weight_decay_convention", "weight_decay_on", "cross_entropy")
            self.refuse(names, "there is no weight decay")
        if self.decoupled and self.cross_entropy == "sum":
            raise UserError("--cross-entropy sum: a decoupled weight decay is beside no loss; choose l2_loss or keras")


def run(study: Study, options: InceptionOptions) -> Run:
    """Trains the compact Inception and returns the run's directory."""
    with begin(study, options, devices=options.devices) as experiment:
        network = partial(
            compact_inception,
            classes=experiment.classes,
            width_multiplier=options.width_multiplier,
            dropout_rate=1 - options.dropout_keep,
            weight_decay=options.l2,
            decayed=options.weight_decay_on,
            blocks=options.blocks,
        )
        loss = smoothed_cross_entropy(options.label_smoothing)
        training = Scratch.compiled(
            experiment, network, MILANI if options.augment else PLAIN, partial(adam, options), loss
        )
        rate = staircase_callback(
            options.learning_rate, options.learning_rate_decay, every_epochs=options.decay_every_epochs
        )
        training.report(training.fit(callbacks=[rate]))
        return experiment.run


def adam(options: InceptionOptions) -> keras.optimizers.Adam:
    """Returns Adam as TensorFlow 1 had it, with the decoupled weight decay of kernels if it is chosen."""
    decay = options.weight_decay if options.decoupled else None
    optimizer = keras.optimizers.Adam(options.learning_rate, epsilon=ADAM_EPSILON, weight_decay=decay)
    kept = ["conv"] if options.weight_decay_on == "last" else []
    optimizer.exclude_from_weight_decay(var_names=["beta", "bias", *kept])
    return optimizer
