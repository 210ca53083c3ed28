"""Le & Yang's nine networks: what ``convnets.py`` trains (section 5)."""

import dataclasses
from functools import partial
from typing import Any, Literal

import keras

from tiny_imagenet_tf import published
from tiny_imagenet_tf.data.views import LE_YANG, View
from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.experiments import losses
from tiny_imagenet_tf.experiments.clock import Clock
from tiny_imagenet_tf.experiments.experiment import Experiment, Study, begin
from tiny_imagenet_tf.experiments.options import POSITIVE, option
from tiny_imagenet_tf.experiments.schedules import plateau_callback
from tiny_imagenet_tf.models.convnets import TABLE_1, convnet
from tiny_imagenet_tf.runs.run import Run
from tiny_imagenet_tf.training import staged
from tiny_imagenet_tf.training.scratch import Scratch, ScratchOptions


@dataclasses.dataclass(frozen=True)
class ConvnetOptions(ScratchOptions):
    """Section 5.2."""

    model: Literal[1, 2, 3, 4, 5, 6, 7, 8, 9] = option(8, departs=False)
    """Column of Table 1. Models 7 and 8 are one network as printed."""
    loss: Literal["softmax", "svm"] = option("softmax")
    """Multinomial logistic, or multiclass SVM (section 4.1). Paper: its nine results are softmax's."""
    staged: Literal["deep", "always", "never"] = option("deep")
    """When to train a shallow network first, of the first convolution of each stage and the fully connected layers.
    Paper: for deep networks, that is models 8 and 9."""
    staged_epochs: int = option(5, POSITIVE, departs=False)
    """Of the shallow network. Paper: not given."""

    epochs: int = 40
    """Passes over the training images, after those of the shallow network. Paper: not given."""
    batch_size: int = 200
    """Images a step, on all devices together. Paper: 200."""
    snapshots: int = 3
    """How many are kept; 8 MB (model 1) to 540 MB (model 9) each."""
    checkpoint_every: int = 500
    """Steps that an interruption costs at the most. A checkpoint is twice a snapshot's size."""
    learning_rate: float | None = option(None, POSITIVE)
    """Of the first epoch. Paper, and default: 0.01 for model 9, 0.02 for the others. With --loss svm the default is
    a 199th of that, since the loss sums over the 199 wrong classes; at the paper's rate it diverges."""
    patience: int = option(3, POSITIVE)
    """Epochs without a better val accuracy after which the learning rate is divided by 10. Paper: not given."""
    momentum: float = option(0.9)
    """Of SGD. Paper: 0.9."""
    weight_decay: float | None = option(None)
    """As printed. Paper, and default: 5e-4 for model 9, 1e-4 for the others."""
    weight_decay_convention: losses.WeightDecayConvention = option("l2_loss")
    """What weight_decay multiplies: l2_loss is sum(w^2)/2, as Caffe does; keras is sum(w^2)."""


def run(options: ConvnetOptions) -> Run:
    """Trains one of the nine, and returns the run's directory."""
    column, stated = TABLE_1[options.model], published.TRAINING[f"le_yang/model_{9 if options.model == 9 else 8}"]
    if options.staged == "always" and staged.shallow(column.architecture) == column.architecture:
        raise UserError(
            f"--staged always: model {options.model} has one convolution a stage, there is no shallower network"
        )
    in_stages = options.staged == "always" or (options.staged == "deep" and options.model >= 8)
    study = Study("convnets", f"Model {options.model}", f"le_yang/model_{options.model}")
    screened = published.LE_YANG_TABLE_2_SCREENED[options.model - 1]
    experiment = begin(study, options, devices=options.devices, screened=screened)
    rate = options.learning_rate or stated.learning_rate / (experiment.classes - 1 if options.loss == "svm" else 1)
    decay = stated.weight_decay if options.weight_decay is None else options.weight_decay
    common = {
        "classes": experiment.classes,
        "activation": column.activation,
        "weight_decay": losses.l2_coefficient(decay, options.weight_decay_convention),
    }

    def training(part: Experiment, architecture: str) -> Scratch:
        loss = losses.MulticlassHinge() if options.loss == "svm" else losses.smoothed_cross_entropy(0)
        optimizer = partial(keras.optimizers.SGD, rate, options.momentum)
        return Scratch.compiled(part, partial(convnet, architecture, **common), LE_YANG, optimizer, loss)

    def fit(part: Scratch, epochs: int) -> Clock:
        plateau = plateau_callback(part.experiment.run, rate, patience=options.patience)
        return part.fit(epochs=epochs, callbacks=[plateau])

    deep, more = training(experiment, column.architecture), {}
    if in_stages:
        shallow = training(experiment.part("shallow"), staged.shallow(column.architecture))
        fit(shallow, options.staged_epochs)
        moved = staged.move_weights(_network(shallow), _network(deep))
        more = _note(moved, options.staged_epochs)
    best = deep.report(fit(deep, options.epochs), **more)
    experiment.run.write_features(experiment.data.validation, best.features(experiment.data.validation, View("center")))
    return experiment.run


def _network(training: Scratch) -> keras.Model:
    """The network behind the scaling of its pixels."""
    return training.classifier.layers[-1]


def _note(moved: tuple[str, ...], epochs: int) -> dict[str, Any]:
    began = f"{', '.join(moved)} began with the weights of a shallow network after {epochs} epochs"
    return {"notes": [f"{began}, which are not in the hours"]}
