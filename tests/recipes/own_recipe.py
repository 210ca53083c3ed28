"""A recipe of one's own: the compact Inception with mixup, averaged weights and a cosine schedule.

python tests/recipes/own_recipe.py --demo
"""

from dataclasses import dataclass
from functools import partial

import keras

from tiny_imagenet_tf.cli import command
from tiny_imagenet_tf.data.views import RandomViews
from tiny_imagenet_tf.experiments.experiment import begin
from tiny_imagenet_tf.experiments.losses import smoothed_cross_entropy
from tiny_imagenet_tf.experiments.options import POSITIVE, Study, option
from tiny_imagenet_tf.models.compact_inception import compact_inception
from tiny_imagenet_tf.training.options import ScratchOptions
from tiny_imagenet_tf.training.scratch import Scratch

STUDY = Study("own_recipe", "Compact Inception, mixup")


@dataclass(frozen=True)
class Config(ScratchOptions):
    """Of today's methods, some."""

    learning_rate: float = option(0.05, POSITIVE)
    """Of the first step."""
    mixup: float = option(0.2)
    """Alpha of the Beta distribution that mixes images."""
    width_multiplier: float = option(1.0, POSITIVE)
    """Factor on the width of every convolution."""


def main(config: Config):
    with begin(STUDY, config, devices=config.devices) as experiment:
        steps = config.epochs * experiment.steps.per_epoch
        cosine = keras.optimizers.schedules.CosineDecay(config.learning_rate, steps)
        sgd = partial(keras.optimizers.SGD, cosine, momentum=0.9, nesterov=True, use_ema=True, ema_momentum=0.9)
        network = partial(compact_inception, classes=experiment.classes, width_multiplier=config.width_multiplier)
        views = RandomViews(mirror=True, mixup=config.mixup)
        training = Scratch.compiled(experiment, network, views, sgd, smoothed_cross_entropy(0.1))
        training.report(training.fit(callbacks=[keras.callbacks.SwapEMAWeights()]))
        return experiment.run


if __name__ == "__main__":
    command(Config, main, __doc__)
