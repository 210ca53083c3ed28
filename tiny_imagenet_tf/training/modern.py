"""The compact Inception by today's methods: what ``inception_modern.py`` trains."""

import dataclasses
from functools import partial

import keras
import numpy as np

from tiny_imagenet_tf.data.views import RandomViews
from tiny_imagenet_tf.experiments.checkpoints import read_clock
from tiny_imagenet_tf.experiments.experiment import begin
from tiny_imagenet_tf.experiments.images import Data
from tiny_imagenet_tf.experiments.losses import smoothed_cross_entropy
from tiny_imagenet_tf.experiments.options import Study
from tiny_imagenet_tf.models.compact_inception import compact_inception
from tiny_imagenet_tf.runs.run import Run
from tiny_imagenet_tf.training import teacher
from tiny_imagenet_tf.training.options import ModernOptions
from tiny_imagenet_tf.training.scratch import Scratch


def run(study: Study, options: ModernOptions) -> Run:
    """Trains one network at one size of images after the other, and returns the run's directory.

    It is measured, and saved, as a network of 64 pixels all the time: random crops of images shown at 48 have things of
    the size that they have in whole images at 64. No weight depends on the size, so each stage goes on from the
    checkpoint of the one before, with the optimizer's momentum and averages, as a run does that was interrupted.
    But the statistics of batch normalization do depend on it, and on the weights, which are averages where it is
    measured: they are estimated anew there.
    """
    source = Run(options.teacher) if options.teacher else None
    with begin(study, options, devices=options.devices, source=source) as experiment:
        if experiment.placement.replicas > 1:
            print("val is measured by moving statistics, as on several devices; one estimates them anew")
        steps = experiment.steps.per_epoch
        epochs_done = read_clock(experiment.run.checkpoint, steps).epoch
        views = RandomViews(mirror=True, mixup=options.mixup, least_area=options.least_area)
        targets = taught(options, experiment.data) if options.teacher else None
        network = partial(
            compact_inception,
            (None, None, 3),
            experiment.classes,
            width_multiplier=options.width_multiplier,
            momentum=options.batch_norm_momentum,
        )
        loss, clock = smoothed_cross_entropy(options.label_smoothing), None
        for size, first, last in zip(options.sizes, (0, *options.ends), options.ends, strict=False):
            if last == first or last <= min(epochs_done, options.until - 1):
                continue  # a stage that is over, or that --stop-after leaves out
            stage = Scratch.compiled(experiment, network, views, lambda _: optimizer_of(options, steps), loss, size)
            stage = dataclasses.replace(stage, targets=targets, reestimate=experiment.placement.replicas == 1)
            print(f"images of {size} pixels until epoch {last}")
            clock = stage.fit(epochs=last, of=options.until, announced=clock is None)
        notes = [] if stage.reestimate else ["measured with moving statistics, as on several devices"]
        if targets is not None and options.teacher_share > 0.5:
            notes.append("training accuracy is agreement with what was taught, mostly the teacher's answers")
        stage.report(clock, notes=notes, recipe_epochs=max(options.epochs, type(options)().epochs))
        return experiment.run


def optimizer_of(options: ModernOptions, steps: int) -> keras.optimizers.Optimizer:
    """Returns the optimizer: a rate that warms up and falls with a cosine, decoupled decay of kernels, averages.

    Args:
        options: of the run.
        steps: an epoch.
    """
    warm = max(0, min(round(options.warmup_epochs * steps), options.epochs * steps - 2))  # a step is left to come down
    rate = keras.optimizers.schedules.CosineDecay(
        options.rate / 100, options.epochs * steps - warm, warmup_target=options.rate, warmup_steps=warm
    )
    averaged = {"use_ema": True, "ema_momentum": options.average} if options.average else {}
    if options.optimizer == "sgd":
        optimizer = keras.optimizers.SGD(rate, 0.9, nesterov=True, weight_decay=options.decay, **averaged)
    else:
        optimizer = keras.optimizers.AdamW(rate, weight_decay=options.decay, **averaged)
    optimizer.exclude_from_weight_decay(var_names=["beta", "bias"])
    return optimizer


def taught(options: ModernOptions, data: Data) -> np.ndarray:
    """Returns what is learned of each training image, float32 (images, classes): its label and the teacher's words."""
    truth = np.eye(len(data.train.wnids), dtype=np.float32)[data.train.labels]
    return (1 - options.teacher_share) * truth + options.teacher_share * teacher.probabilities(options.teacher, data)
