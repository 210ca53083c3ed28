"""Milani's own network from scratch: what "Baseline" and "Regularized" share (section 3)."""

import dataclasses
from typing import Literal

import keras

from tiny_imagenet_tf.data.batches import MILANI, NONE
from tiny_imagenet_tf.experiments import experiment
from tiny_imagenet_tf.experiments.fitting import compile_for_training
from tiny_imagenet_tf.experiments.losses import l2_coefficient, smoothed_cross_entropy
from tiny_imagenet_tf.experiments.options import TrainingConfig
from tiny_imagenet_tf.experiments.schedules import staircase
from tiny_imagenet_tf.models.compact_inception import compact_inception
from tiny_imagenet_tf.runs.run import Run


@dataclasses.dataclass(frozen=True)
class InceptionConfig(TrainingConfig):
    """Options of ``inception_baseline.py`` and ``inception_regularized.py``; Adam with its default betas."""

    learning_rate: float = 1e-3
    """Of the first epoch. Paper: 1e-3 for Baseline, doubled for Regularized."""
    learning_rate_decay: float = 0.9
    """Factor. Paper: 0.9."""
    decay_every_epochs: int = 1
    """Epochs from one factor to the next. Paper: 1 for Baseline, 2 for Regularized."""
    label_smoothing: float = 0.1
    """Epsilon of Eq. 1. Paper: 0.1."""
    dropout_keep: float = 1.0
    """Share of the features that dropout keeps. Paper: no dropout for Baseline, 0.8 for Regularized."""
    augment: bool = False
    """Random mirror images, brightness and contrast. Paper: for Regularized."""
    weight_decay: float = 0.08
    """Strength on every kernel, as printed. Paper: 0.08."""
    weight_decay_convention: Literal["decoupled", "l2_loss", "keras"] = "decoupled"
    """What weight_decay multiplies: in the loss, l2_loss is sum(w^2)/2, as tf.nn.l2_loss, and keras is sum(w^2);
    decoupled shrinks w by itself, each step by learning_rate * weight_decay * w. Paper: not said; 0.08 in the loss
    hardly lets the network learn (README, Choices)."""
    width_multiplier: float = 1.0
    """Factor on the width of every convolution; below 1 for a quick try."""

    @property
    def decoupled(self) -> bool:
        """Whether the weight decay is the optimizer's, not part of the loss."""
        return self.weight_decay_convention == "decoupled"


def network(config: InceptionConfig, classes: int) -> keras.Model:
    """Returns the compact Inception, compiled.

    Args:
        config: the recipe's options.
        classes: how many scores.
    """
    model = compact_inception(
        classes=classes,
        width_multiplier=config.width_multiplier,
        dropout_rate=1 - config.dropout_keep,
        weight_decay=0 if config.decoupled else l2_coefficient(config.weight_decay, config.weight_decay_convention),
    )
    compile_for_training(model, adam(config), smoothed_cross_entropy(config.label_smoothing))
    return model


def adam(config: InceptionConfig) -> keras.optimizers.Adam:
    """Returns Adam, with the decoupled weight decay of kernels if it is chosen.

    Its other parameters are Keras' defaults; the paper's are TensorFlow 1's, where epsilon was 1e-8, not 1e-7.

    Args:
        config: the recipe's options.
    """
    decay = config.weight_decay if config.decoupled else None
    optimizer = keras.optimizers.Adam(config.learning_rate, weight_decay=decay)
    optimizer.exclude_from_weight_decay(var_names=["beta", "bias"])
    return optimizer


def falling_learning_rate(config: InceptionConfig) -> keras.callbacks.Callback:
    """Returns what sets the learning rate of each epoch."""

    def of_epoch(epoch: int, _: float) -> float:
        return staircase(
            config.learning_rate, config.learning_rate_decay, every_epochs=config.decay_every_epochs, epoch=epoch
        )

    return keras.callbacks.LearningRateScheduler(of_epoch)


def run(recipe: str, title: str, published_key: str, config: InceptionConfig) -> Run:
    """Trains the compact Inception and returns the run's directory.

    Args:
        recipe: its name, of the run directory too.
        title: what a table calls it.
        published_key: of the paper's row in :data:`published.RESULTS`.
        config: the recipe's options.
    """
    begun = experiment.begin(recipe, config, MILANI if config.augment else NONE)
    with begun.strategy.scope():
        model = network(config, begun.classes)
    clock = begun.fit(model, callbacks=[falling_learning_rate(config)])
    begun.report(clock, title=title, published_key=published_key)
    return begun.run
