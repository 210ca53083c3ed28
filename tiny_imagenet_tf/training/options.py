"""What can be chosen in a training from scratch. The recipes set the defaults of their paper's paragraph."""

import dataclasses
from pathlib import Path
from typing import Any, ClassVar, Literal

from tyro.conf import FlagCreatePairsOff

from tiny_imagenet_tf import published
from tiny_imagenet_tf.choices import Blocks, Decayed, WeightDecayConvention
from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.experiments.options import PART, POSITIVE, SHARE, Rule, RunOptions, option
from tiny_imagenet_tf.runs.run import Run
from tiny_imagenet_tf.training import staged

Flag = FlagCreatePairsOff[bool]
WIDTH = Rule("above 0 and at most 16", lambda value: 0 < value <= 16)
SCHEDULE = 3
"""Cuts of a convnet's learning rate, after which no more is learned."""


@dataclasses.dataclass(frozen=True)
class ScratchOptions(RunOptions):
    """Options of every recipe that trains a network from scratch."""

    GROUP: ClassVar[str] = "pace"

    DEMO: ClassVar[dict[str, Any]] = {"epochs": 2, "batch_size": 20, "measure_every": 5, "checkpoint_every": 5}

    cache: bool = option(False, departs=False, resumable=True)
    """Keep decoded images in memory, 1.2 GB for all of train and at first twice that, instead of decoding them every
    epoch."""
    measure_every: int = option(500, POSITIVE, departs=False)
    """Steps between two measurements of the val accuracy, from which snapshots follow; each epoch ends in one too.
    Paper: "some number of" steps (Milani section 3.4)."""
    checkpoint_every: int = option(100, POSITIVE, departs=False)
    """Steps between checkpoints: the most that an interruption costs."""
    scale_learning_rate: bool = option(False)
    """Multiply the learning rate by batch size / the recipe's own batch size (Goyal et al. 2017), for many devices."""
    devices: tuple[str, ...] = option((), departs=False, resumable=True)
    """Devices to train on, such as GPU:0 GPU:1, or all. Default: one GPU (on JAX all), or the CPU if there is none.
    TensorFlow takes some memory on every GPU it sees; set CUDA_VISIBLE_DEVICES to hide the others."""
    distributed: bool = option(False, departs=False, resumable=True)
    """This is one of several processes, of one machine or many, that train one network together; see docs/scale.md.
    Needs KERAS_BACKEND=jax."""

    def check(self) -> None:
        """Raises UserError, naming the option, where a value makes no sense. Nothing is on disk yet."""
        super().check()
        if self.batch_size == self.defaults.batch_size:
            self.refuse(("scale_learning_rate",), "the batches are the recipe's own")
        if self.distributed:
            self.refuse(("devices",), "processes that train together use every device of each")
            if self.devices:  # the begun run's
                raise UserError(
                    f"--devices {' '.join(self.devices)}: not with --distributed; add --devices without any"
                )

    @property
    def rate_factor(self) -> float:
        """What the recipe's learning rate is multiplied by."""
        return self.batch_size / self.defaults.batch_size if self.scale_learning_rate else 1.0


@dataclasses.dataclass(frozen=True)
class InceptionOptions(ScratchOptions):
    """Options of ``inception_baseline.py`` and ``inception_regularized.py``; Adam with its default betas."""

    GROUP: ClassVar[str] = "training"

    DEMO: ClassVar[dict[str, Any]] = ScratchOptions.DEMO | {
        "epochs": 3,
        "measure_every": 10,
        "batch_norm_momentum": 0.8,
    }

    epochs: int = 30
    """Passes over the training images. Paper: 20 to 50 for Baseline, which overfits at 30."""
    learning_rate: float = option(1e-3, POSITIVE)
    """Learning rate of the first epoch. Paper: 1e-3 for Baseline, doubled for Regularized."""
    learning_rate_decay: float = option(0.9, POSITIVE)
    """Factor on the learning rate each time it falls. Paper: 0.9."""
    decay_every_epochs: int = option(1, POSITIVE)
    """Epochs between two falls of the learning rate. Paper: 1 for Baseline, 2 for Regularized."""
    label_smoothing: float = option(0.1, PART)
    """Epsilon of Eq. 1. Paper: 0.1."""
    dropout_keep: float = option(1.0, SHARE)
    """Share of the features that dropout keeps. Paper: no dropout for Baseline, 0.8 for Regularized."""
    augment: bool = option(False)
    """Random mirror images, brightness and contrast. Paper: for Regularized."""
    weight_decay: float = option(0.08)
    """Strength, as printed; weight_decay_on says on which kernels. Paper: 0.08."""
    weight_decay_convention: Literal["decoupled", "l2_loss", "keras"] = option("l2_loss")
    """What weight_decay multiplies: in the loss, l2_loss is sum(w^2)/2, as tf.nn.l2_loss, and keras is sum(w^2);
    decoupled shrinks w by itself, each step by learning_rate * weight_decay * w. Paper: not said; l2_loss beside the
    summed cross-entropy comes nearest to its curves."""
    weight_decay_on: Decayed = option("all")
    """Kernels that decay: all, or the last layer's alone. Paper: not said."""
    cross_entropy: Literal["mean", "sum"] = option("sum")
    """Whether l2_loss or keras is added to a batch's sum of cross-entropies or to their mean: with l2_loss, 0.08 added
    to the sum of 100 images is 0.0008 added to the mean, for Adam ignores a loss's scale. Paper: not said."""
    blocks: Blocks = option("released")
    """Blocks of the released Inception-v3 (5x5 in type-1, two kinds of dim), or as Fig. 4 draws them (3x3, one dim)."""
    batch_norm_momentum: float = option(0.99, PART)
    """Momentum of the moving averages that batch normalization tests with. Paper: not said."""
    width_multiplier: float = option(1.0, WIDTH)
    """Factor on the width of every convolution; below 1 for a quick try."""

    @property
    def rate(self) -> float:
        """The learning rate of the first epoch."""
        return self.rate_factor * self.learning_rate

    @property
    def decoupled(self) -> bool:
        """Whether the weight decay is the optimizer's, not part of the loss."""
        return self.weight_decay_convention == "decoupled"

    def check(self) -> None:
        """Raises UserError, naming the option, where a value makes no sense. Nothing is on disk yet."""
        super().check()
        if not self.weight_decay:
            names = ("weight_decay_convention", "weight_decay_on", "cross_entropy")
            self.refuse(names, "there is no weight decay")
        if self.decoupled:
            self.refuse(("cross_entropy",), "a decoupled weight decay is no part of the loss")


@dataclasses.dataclass(frozen=True)
class ModernOptions(ScratchOptions):
    """Options of ``inception_modern.py``."""

    GROUP: ClassVar[str] = "training"
    ONE_DEVICE_MEASURES_OTHERWISE: ClassVar[bool] = True  # by statistics estimated anew

    DEMO: ClassVar[dict[str, Any]] = ScratchOptions.DEMO | {
        "epochs": 8,
        "warmup_epochs": 0.5,
        "measure_every": 10,
        "sizes": (24, 32),
        "shares": (0.5, 0.5),
        "average": 0.8,
        "batch_norm_momentum": 0.8,
    }

    epochs: int = option(30, POSITIVE, departs=False)
    """Passes over the training images, at all sizes together; the schedule's length."""
    stop_after: int | None = option(None, POSITIVE, departs=False, resumable=True)
    """Epochs after which training ends, before its schedule does, to look at what there is; a later --resume with more
    goes on. Default: the schedule's end."""
    measure_every: int = option(1000, POSITIVE, departs=False)
    """Steps between two measurements of the val accuracy, from which snapshots follow; each epoch ends in one too."""
    snapshots: int = 3
    """Snapshots to keep."""
    sizes: tuple[int, ...] = option((32, 48, 64))
    """Sizes of the training images in pixels, at least 15, one stage of the training each. The test is at 64."""
    shares: tuple[float, ...] = option((0.5, 0.3, 0.2))
    """Share of the epochs for each size."""
    optimizer: Literal["sgd", "adamw"] = option("sgd")
    """SGD with Nesterov momentum of 0.9, or Adam; both with a weight decay that is not in the loss."""
    learning_rate: float | None = option(None, POSITIVE)
    """Highest learning rate, after the warm-up. Default: 0.1 for SGD, 0.002 for Adam."""
    warmup_epochs: float = option(1.0)
    """Epochs over which the learning rate rises."""
    weight_decay: float | None = option(None)
    """Decoupled: each step shrinks kernels by this times the learning rate. Default: 0.005 for SGD, 0.05 for Adam."""
    label_smoothing: float = option(0.1, PART)
    """Epsilon of Milani's Eq. 1."""
    least_area: float = option(0.4, SHARE)
    """Smallest random crop, as a share of the image's area; 1 turns cropping off."""
    mixup: float = option(0.0)
    """Mixup: alpha of the Beta distribution that mixes two images; 0 turns it off."""
    average: float = option(0.999, PART)
    """Decay per step of the weights' exponential moving average, which is measured and saved; 0 turns it off."""
    batch_norm_momentum: float = option(0.99, PART, departs=False)
    """Momentum of batch normalization's moving averages, with which several devices measure; one device estimates the
    statistics anew."""
    width_multiplier: float = option(1.0, WIDTH)
    """Factor on the width of every convolution; below 1 for a quick try."""
    teacher: Path | None = option(None, resumable=True)
    """A finished run of transfer learning or fine-tuning, whose probabilities are learned, too; of the same --source,
    --fraction and, if there is one here, --holdout."""
    teacher_share: float = option(0.5, SHARE)
    """Weight of the teacher's probabilities in the target, which --label-smoothing then smooths as a whole; the labels
    get the rest."""

    def check(self) -> None:
        """Raises UserError, naming the option, where a value makes no sense. Nothing is on disk yet."""
        super().check()
        if not self.sizes or len(self.sizes) != len(self.shares):
            raise UserError(f"--sizes and --shares: {len(self.sizes)} sizes with {len(self.shares)} shares")
        if min(self.sizes) < 15:
            raise UserError(f"--sizes {min(self.sizes)}: the network takes images from 15 pixels on")
        if not all(0 < share <= 1 for share in self.shares) or abs(sum(self.shares) - 1) > 1e-6:
            raise UserError(
                f"--shares {' '.join(map(str, self.shares))}: each must be above 0, and together they must be 1"
            )
        ends = self._ends(self.epochs)
        if any(end <= before for before, end in zip((0, *ends), ends, strict=False)):
            raise UserError(
                f"--epochs {self.epochs}: too few for {len(self.sizes)} sizes of --shares "
                f"{' '.join(map(str, self.shares))}; give more, or fewer --sizes"
            )
        if self.warmup_epochs >= self.epochs:
            raise UserError(f"--warmup-epochs {self.warmup_epochs}: must be below the {self.epochs} of --epochs")
        if self.until > self.epochs:
            raise UserError(f"--stop-after {self.stop_after}: the schedule ends with the {self.epochs} of --epochs")
        if self.resumed_options and _name(self.teacher) != (taught_by := _name(self.resumed_options.teacher)):
            how = f"taught by {taught_by}; give that run's present path" if taught_by else "trained without a teacher"
            raise UserError(f"--teacher {self.teacher}: this run was {how}")
        if self.teacher is None:
            self.refuse(("teacher_share",), "there is no --teacher")
        else:
            taught = Run.finished(self.teacher, "--teacher").config
            if not taught["recipe"].startswith(("transfer_", "finetune")):
                raise UserError(f"--teacher {self.teacher}: not a run of transfer learning or fine-tuning")
            if self.holdout and self.holdout != (held_out := taught.get("holdout", 0.0)):
                raise UserError(
                    f"--holdout {self.holdout}: the teacher was trained with {held_out}, so it may have learned some "
                    "of the held-out images; choose a teacher with the same --holdout"
                )

    @property
    def until(self) -> int:
        """The epochs to have been trained in the end."""
        return self.stop_after or self.epochs

    @property
    def ends(self) -> tuple[int, ...]:
        """The epoch that each size ends with."""
        return self._ends(self.until)

    def _ends(self, last: int) -> tuple[int, ...]:
        ends = (round(sum(self.shares[: stage + 1]) * self.epochs) for stage in range(len(self.shares)))
        return tuple(min(end, last) for end in ends)

    @property
    def rate(self) -> float:
        """The highest learning rate."""
        return self.rate_factor * (self.learning_rate or {"sgd": 0.1, "adamw": 0.002}[self.optimizer])

    @property
    def decay(self) -> float:
        """The weight decay."""
        return {"sgd": 0.005, "adamw": 0.05}[self.optimizer] if self.weight_decay is None else self.weight_decay


def _name(run: Path | None) -> str | None:
    return run and run.expanduser().resolve().name


@dataclasses.dataclass(frozen=True)
class ConvnetOptions(ScratchOptions):
    """Options of ``convnets.py``: Le & Yang's section 5.2."""

    GROUP: ClassVar[str] = "network_and_training"

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
    training_crops: Literal["five", "anywhere"] = option("five")
    """56x56 crops in training, mirrored half of the time: corners and centre, or at any place. Paper: section 4.2.1
    says both."""
    loss: Literal["softmax", "svm"] = option("softmax")
    """Multinomial logistic, or multiclass SVM (section 4.1). Paper: its nine results are softmax's."""
    staged: Literal["deep", "always", "never"] = option("deep")
    """When to train a shallow network first, made of each stage's first convolution and the fully connected layers.
    Paper: for deep networks; models 8 and 9, of which section 5.2 speaks, are assumed."""
    staged_epochs: int = option(5, POSITIVE, departs=False)
    """Epochs of the shallow network. Paper: not given."""

    epochs: int = 40
    """Passes over the training images, after those of the shallow network. Paper: not given."""
    batch_size: int = 200
    """Images a step, on all devices together. Paper: 200."""
    snapshots: int = 3
    """Snapshots to keep, 8 MB (model 1) to 540 MB (model 9) each."""
    checkpoint_every: int = 500
    """Steps between checkpoints: the most that an interruption costs. A checkpoint is twice a snapshot's size."""
    learning_rate: float | None = option(None, POSITIVE)
    """Learning rate of the first epoch. Paper: 0.02 for model 8, 0.01 for model 9. Default: that; the others take model
    8's. With --loss svm the default is a 199th of it, since the loss sums over the 199 wrong classes; at the paper's
    rate it diverges."""
    stop_after_cuts: int = option(SCHEDULE, POSITIVE, departs=False, resumable=True)
    """Training ends after this many cuts of the learning rate, or with the last epoch if that comes first. Paper: not
    given."""
    patience: int = option(3, POSITIVE)
    """Epochs without a better accuracy of val, or of what --holdout holds out, after which the learning rate is divided
    by 10. Paper: not given."""
    momentum: float = option(0.9, PART)
    """Momentum of SGD. Paper: 0.9."""
    weight_decay: float | None = option(None)
    """Weight decay as printed. Paper: 1e-4 for model 8, 5e-4 for model 9. Default: that; the others take model 8's."""
    weight_decay_convention: WeightDecayConvention = option("l2_loss")
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
            import keras  # only now

            from tiny_imagenet_tf.models.convnets import convnet

            try:
                with keras.StatelessScope(initialize_variables=False):  # no weight is made
                    convnet(self.architecture)
            except (ValueError, MemoryError) as error:
                raise UserError(f"--architecture {self.architecture!r}: {error}") from error
        if self.staged == "always":
            if staged.shallow(self.words) == self.words:
                raise UserError("--staged always: the network has one convolution a stage, there is no shallower one")
            if odd := staged.misfit(self.words):
                raise UserError(f"--staged always: {odd}: the first and the last of a stage must be equally wide")

    @property
    def departures(self) -> str:
        """The options that make it another experiment; to name what is the model's own makes none."""
        plain = self
        for name in ("reading", "activation", "screen", "no_screen", "staged", "learning_rate", "weight_decay"):
            without = dataclasses.replace(plain, **{name: getattr(self.defaults, name)})
            plain = without if without._experiment == plain._experiment else plain
        return super(ConvnetOptions, plain).departures

    @property
    def _experiment(self) -> tuple:
        rate = self.learning_rate or (self.stated.learning_rate if self.loss == "softmax" else None)
        return self.words, self.nonlinearity, self.screened, self.in_stages, rate, self.decay

    @property
    def stated(self) -> published.PublishedTraining:
        """The paper's settings: model 9's, or model 8's, which all others take."""
        return published.TRAINING[f"le_yang/model_{9 if self.number == 9 else 8}"]

    @property
    def decay(self) -> float:
        """The weight decay, as printed."""
        return self.stated.weight_decay if self.weight_decay is None else self.weight_decay

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
        return self.architecture if self.number is None else self._column.architecture

    @property
    def nonlinearity(self) -> str:
        """The network's."""
        return self.activation or ("relu" if self.number is None else self._column.activation)

    @property
    def _column(self) -> published.Column:
        return published.LE_YANG_READINGS[self.reading][self.number]

    @property
    def screened(self) -> bool:
        """Whether training images are screened."""
        table = self.number is not None and published.LE_YANG_TABLE_2_SCREENED[self.number - 1]
        return self.screen or (table and not self.no_screen)
