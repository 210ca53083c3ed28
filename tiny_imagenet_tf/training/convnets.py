"""Le & Yang's nine networks: what ``convnets.py`` trains (section 5)."""

import dataclasses
from functools import partial
from typing import Literal

import keras
from tyro.conf import FlagCreatePairsOff

from tiny_imagenet_tf import published
from tiny_imagenet_tf.data.views import LE_YANG, View
from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.experiments import losses
from tiny_imagenet_tf.experiments.experiment import Experiment, Study, begin
from tiny_imagenet_tf.experiments.options import PART, POSITIVE, option
from tiny_imagenet_tf.experiments.schedules import Plateau
from tiny_imagenet_tf.models.convnets import READINGS, convnet
from tiny_imagenet_tf.runs.run import Run
from tiny_imagenet_tf.training import staged
from tiny_imagenet_tf.training.scratch import Scratch, ScratchOptions

Flag = FlagCreatePairsOff[bool]


@dataclasses.dataclass(frozen=True)
class ConvnetOptions(ScratchOptions):
    """Section 5.2."""

    model: Literal[1, 2, 3, 4, 5, 6, 7, 8, 9] | None = option(None, departs=False)
    """Column of Table 1. Default: 8, unless there is an architecture. Models 7 and 8 are one network as printed."""
    reading: Literal["table", "text"] = option("table")
    """What models 5, 6 and 7 are: Table 1's columns, or what sections 5.3.2 and 5.3.4 say of them: 5 is 4 with PReLU,
    6 has one dropout, 7 is 4 with 3x3 kernels, 14.20 million parameters."""
    architecture: str | None = option(None)
    """Another network in the words of Table 1, such as "conv3-64 maxpool conv3-128 maxpool fc-256 dropout", with
    model 8's rate and decay (section 4.1)."""
    activation: Literal["relu", "leaky_relu", "prelu"] | None = option(None)
    """Nonlinearity. Default: the column's; ReLU for an architecture."""
    screen: Flag = option(False)
    """Leave out training images whose object a crop can lose (section 5.2.1). Default: for models 5 to 9."""
    no_screen: Flag = option(False)
    """Train on all images."""
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
    stop_after_cuts: int = option(3, POSITIVE, departs=False, resumable=True)
    """Cuts of the learning rate after which training ends, if there are so many before the last epoch."""
    patience: int = option(3, POSITIVE)
    """Epochs without a better val accuracy after which the learning rate is divided by 10. Paper: not given."""
    momentum: float = option(0.9, PART)
    """Of SGD. Paper: 0.9."""
    weight_decay: float | None = option(None)
    """As printed. Paper, and default: 5e-4 for model 9, 1e-4 for the others."""
    weight_decay_convention: losses.WeightDecayConvention = option("l2_loss")
    """What weight_decay multiplies: l2_loss is sum(w^2)/2, as Caffe does; keras is sum(w^2)."""

    def check(self) -> None:
        """Raises UserError, naming the option, where a value makes no sense. Nothing is on disk yet."""
        super().check()
        if not self.in_stages:
            self.refuse(("staged_epochs",), "no shallow network is trained first")
        if self.weight_decay == 0:
            self.refuse(("weight_decay_convention",), "there is no weight decay")
        if self.screen and self.no_screen:
            raise UserError("--screen and --no-screen: choose one")
        if self.architecture is not None:
            if self.model is not None or self.reading != "table":
                raise UserError("--architecture: a network of its own; leave out --model and --reading")
            try:
                convnet(self.architecture)
            except ValueError as error:
                raise UserError(f"--architecture {self.architecture!r}: {error}") from error
        if self.staged == "always" and staged.shallow(self.words) == self.words:
            raise UserError("--staged always: the network has one convolution a stage, there is no shallower one")

    @property
    def number(self) -> int | None:
        """The model, if it is one of the nine."""
        return None if self.architecture is not None else self.model or 8

    @property
    def in_stages(self) -> bool:
        """Whether a shallow network comes first."""
        return self.staged == "always" or (self.staged == "deep" and self.number in (8, 9))

    @property
    def words(self) -> str:
        """The network, in the words of Table 1."""
        return self.architecture if self.number is None else READINGS[self.reading][self.number].architecture

    @property
    def nonlinearity(self) -> str:
        """The network's."""
        own = "relu" if self.number is None else READINGS[self.reading][self.number].activation
        return self.activation or own

    @property
    def screened(self) -> bool:
        """Whether training images are screened."""
        table = self.number is not None and published.LE_YANG_TABLE_2_SCREENED[self.number - 1]
        return self.screen or (table and not self.no_screen)


def run(options: ConvnetOptions) -> Run:
    """Trains one of the nine, or another network of their kind, and returns the run's directory."""
    number, words = options.number, options.words
    stated = published.TRAINING[f"le_yang/model_{9 if number == 9 else 8}"]
    study = Study("convnets", f"Model {number}", f"le_yang/model_{number}") if number else Study("convnets", "Convnet")
    with begin(study, options, devices=options.devices, screened=options.screened) as experiment:
        rate = options.learning_rate or stated.learning_rate / (experiment.classes - 1 if options.loss == "svm" else 1)
        printed = stated.weight_decay if options.weight_decay is None else options.weight_decay
        decay = losses.l2_coefficient(printed, options.weight_decay_convention)
        network = partial(convnet, classes=experiment.classes, activation=options.nonlinearity, weight_decay=decay)

        def training(part: Experiment, architecture: str) -> Scratch:
            loss = losses.MulticlassHinge() if options.loss == "svm" else losses.smoothed_cross_entropy(0)
            optimizer = partial(keras.optimizers.SGD, rate, options.momentum)
            return Scratch.compiled(part, partial(network, architecture), LE_YANG, optimizer, loss)

        deep, more = training(experiment, words), {}
        if options.in_stages:
            shallow = training(experiment.part("shallow"), staged.shallow(words))
            falling = Plateau(shallow.experiment.run, rate, patience=options.patience)
            shallow.fit(epochs=options.staged_epochs, callbacks=[falling])
            moved = staged.move_weights(*(each.classifier.layers[-1] for each in (shallow, deep)))  # behind the scaling
            began = (
                f"{', '.join(moved)} began with the weights of a shallow network after {options.staged_epochs} epochs"
            )
            more = {"notes": [f"{began}, which are not in the hours"]}
        plateau = Plateau(experiment.run, rate, patience=options.patience, stop_after=options.stop_after_cuts)
        clock = deep.fit(epochs=plateau.last_epoch or options.epochs, callbacks=[plateau])
        if plateau.last_epoch:
            more["recipe_epochs"] = clock.epochs  # the schedule's own end
        best = deep.report(clock, **more)
        experiment.run.write_features(
            experiment.data.validation, best.features(experiment.data.validation, View("center"))
        )
        return experiment.run
