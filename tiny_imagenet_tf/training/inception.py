"""Milani's own network from scratch: what "Baseline" and "Regularized" share (section 3)."""

from functools import partial

import keras

from tiny_imagenet_tf.data.views import MILANI, PLAIN
from tiny_imagenet_tf.experiments.experiment import begin
from tiny_imagenet_tf.experiments.losses import ADAM_EPSILON, l2_coefficient, smoothed_cross_entropy
from tiny_imagenet_tf.experiments.options import Study
from tiny_imagenet_tf.experiments.schedules import staircase_callback
from tiny_imagenet_tf.models.compact_inception import compact_inception
from tiny_imagenet_tf.runs.run import Run
from tiny_imagenet_tf.training.options import InceptionOptions
from tiny_imagenet_tf.training.scratch import Scratch


def run(study: Study, options: InceptionOptions) -> Run:
    """Trains the compact Inception and returns the run's directory."""
    with begin(study, options, devices=options.devices) as experiment:
        network = partial(
            compact_inception,
            classes=experiment.classes,
            width_multiplier=options.width_multiplier,
            dropout_rate=1 - options.dropout_keep,
            weight_decay=l2(options),
            decayed=options.weight_decay_on,
            momentum=options.batch_norm_momentum,
            blocks=options.blocks,
        )
        loss = smoothed_cross_entropy(options.label_smoothing)
        training = Scratch.compiled(
            experiment, network, MILANI if options.augment else PLAIN, partial(adam, options), loss
        )
        rate = staircase_callback(options.rate, options.learning_rate_decay, every_epochs=options.decay_every_epochs)
        training.report(training.fit(callbacks=[rate]))
        return experiment.run


def l2(options: InceptionOptions) -> float:
    """Returns c of Keras' ``L2(c)``, whose penalty is added to the mean cross-entropy of a batch."""
    if options.decoupled:
        return 0.0
    coefficient = l2_coefficient(options.weight_decay, options.weight_decay_convention)
    return coefficient / (options.batch_size if options.cross_entropy == "sum" else 1)


def adam(options: InceptionOptions, network: keras.Model) -> keras.optimizers.Adam:
    """Returns Adam as TensorFlow 1 had it, with the decoupled weight decay of kernels if it is chosen."""
    decay = options.weight_decay if options.decoupled else None
    optimizer = keras.optimizers.Adam(options.rate, epsilon=ADAM_EPSILON, weight_decay=decay)
    if options.weight_decay_on == "last":  # by paths: on JAX a variable's name does not hold its layer's
        others = [each for each in network.trainable_variables if not each.path.endswith("logits/kernel")]
        optimizer.exclude_from_weight_decay(var_list=others)
    else:
        optimizer.exclude_from_weight_decay(var_names=["beta", "bias"])
    return optimizer
