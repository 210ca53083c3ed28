"""Le & Yang's nine networks: what ``convnets.py`` trains (section 5)."""

from functools import partial

import keras

from tiny_imagenet_tf.data.views import LE_YANG, LE_YANG_ANYWHERE, View
from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.experiments import losses
from tiny_imagenet_tf.experiments.experiment import Experiment, begin
from tiny_imagenet_tf.experiments.options import Study
from tiny_imagenet_tf.experiments.schedules import Plateau
from tiny_imagenet_tf.models.convnets import convnet
from tiny_imagenet_tf.runs.run import SHALLOW, Run
from tiny_imagenet_tf.training import staged
from tiny_imagenet_tf.training.options import SCHEDULE, ConvnetOptions
from tiny_imagenet_tf.training.scratch import Scratch


def run(options: ConvnetOptions) -> Run:
    """Trains one of the nine, or another network of their kind, and returns the run's directory."""
    number, words = options.number, options.words
    study = Study("convnets", f"Model {number}", f"le_yang/model_{number}") if number else Study("convnets", "Convnet")
    with begin(study, options, devices=options.devices, screened=options.screened) as experiment:
        printed = options.stated.learning_rate / (experiment.classes - 1 if options.loss == "svm" else 1)
        rate = (options.learning_rate or printed) * options.rate_factor
        decay = losses.l2_coefficient(options.decay, options.weight_decay_convention)
        crops = {"five": LE_YANG, "anywhere": LE_YANG_ANYWHERE}[options.training_crops]
        network = partial(convnet, classes=experiment.classes, activation=options.nonlinearity, weight_decay=decay)

        def training(part: Experiment, architecture: str) -> Scratch:
            loss = losses.MulticlassHinge() if options.loss == "svm" else losses.smoothed_cross_entropy(0)
            return Scratch.compiled(
                part,
                partial(network, architecture),
                crops,
                lambda _: keras.optimizers.SGD(rate, options.momentum),
                loss,
            )

        plateau = Plateau(experiment.run, rate, patience=options.patience, stop_after=options.stop_after_cuts)
        if plateau.cuts > options.stop_after_cuts:
            raise UserError(
                f"--stop-after-cuts {options.stop_after_cuts}: this run has had {plateau.cuts} cuts already; give at "
                "least that"
            )
        deep, more = training(experiment, words), {}
        if options.in_stages:
            shallow = training(experiment.part(SHALLOW), staged.shallow(words))
            shallow_plateau = Plateau(shallow.experiment.run, rate, patience=options.patience)
            shallow.fit(epochs=options.staged_epochs, callbacks=[shallow_plateau])
            networks = (each.classifier.layers[-1] for each in (shallow, deep))  # behind the scaling
            moved_layers = ", ".join(staged.move_weights(*networks))
            after = f"a shallow network after {options.staged_epochs} epochs, which are not in the hours"
            more = {"notes": [f"{moved_layers} began with the weights of {after}"]}
        clock = deep.fit(epochs=plateau.last_epoch or options.epochs, callbacks=[plateau])
        if plateau.last_epoch:
            more["recipe_epochs"] = clock.epochs  # the schedule's own end
        if plateau.cuts < SCHEDULE:
            more["partial"] = f"{plateau.cuts} of the recipe's {SCHEDULE} cuts of the learning rate"
        if "fc-" in words:  # Fig. 1 shows such a layer; convolutions would be gigabytes
            deep.write_features(View("center"))
        deep.report(clock, **more)
        return experiment.run
