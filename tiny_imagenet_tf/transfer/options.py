"""What can be chosen in a transfer-learning run. The recipes set the defaults of their paper's paragraph."""

import contextlib
import dataclasses
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from tiny_imagenet_tf import extras
from tiny_imagenet_tf.choices import Engine, FrozenPrecision, Pixels, Resize, TransferCrops, WeightDecayConvention
from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.experiments.options import (
    PART,
    POSITIVE,
    SEED,
    SHARE,
    DataOptions,
    Rule,
    RunOptions,
    flag,
    given,
    option,
    path_of,
    read,
)
from tiny_imagenet_tf.runs.networks import in_files
from tiny_imagenet_tf.runs.run import Run

_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache")


@dataclass(frozen=True)
class ValueOptions(DataOptions):
    """What transfer values are made of and where they are kept."""

    GROUP: ClassVar[str] = "transfer_values"
    FROZEN: ClassVar[bool] = True
    AUGMENTED_BY: ClassVar[str] = "--augment"

    DEMO: ClassVar[dict[str, Any]] = {"weights": "random", "input_size": 107, "layer": "mixed0"}

    backbone: str = option("inception_v3", resumable=True)
    """inception_v3, inception_resnet_v2, xception, resnet50, resnet50_v2, efficientnet_v2_b0, efficientnet_v2_s,
    convnext_tiny or mobilenet_v3_large of keras.applications, this package's inception_v3_blocks, or a .keras file,
    whose values are stored under its name."""
    weights: str = option("imagenet", departs=False, resumable=True)
    """Weights of the backbone: imagenet (Keras' own, downloaded), random, or a .h5, .weights.h5 or .keras file that
    holds the network, under any head. Paper: Inception-v3 from
    TensorFlow.org; we infer that of December 2015."""
    pixels: Pixels | None = option(None)
    """What a .keras file given as --backbone expects, where it does not scale pixels itself: -1..1 (write
    --pixels=-1..1), 0..1, 0..255, or caffe."""
    layer: str | None = option(None)
    """Layer of the backbone that gives the transfer values. Default: the averaged last map, 2048 values as in the
    paper. Or name a block such as mixed8, whose map is averaged, too."""
    input_size: int | None = option(None, Rule("from 1 to 4096", lambda value: 1 <= value <= 4096))
    """Pixels of the backbone's input. Default: the backbone's own. Paper: 299."""
    resize: Resize = option("half_pixel")
    """Bilinear sampling: half_pixel is TensorFlow 2's; tf1 maps pixel i to i * in / out, as TensorFlow 1 did in 2017.
    Paper: bilinear, no more is said."""
    store: Path = option(_CACHE / "tiny_imagenet_tf" / "transfer_values", departs=False, resumable=True)
    """Where transfer values are kept. Runs share them; 4 KB an image and view."""

    engine: Engine = option("auto", departs=False)
    """What computes transfer values on a CPU: tensorflow, or openvino, which is faster (pip install
    "tiny_imagenet_tf[openvino]"). auto: openvino for int8, and, without --ray, for stored values in bfloat16 where it
    is installed and no GPU computes; otherwise tensorflow. The two do not share stored values."""
    precision: FrozenPrecision = option("auto", departs=False)
    """Precision of the backbone. auto: float16 on a GPU (Volta or newer), bfloat16 on a CPU that supports it, float32
    otherwise. int8 is the fastest on any CPU: OpenVINO quantizes the backbone, calibrated on 300 training images (on
    x86 without VNNI with seven-bit weights, if those are closer to float32). The head is always float32."""

    augment: bool = option(False)
    """Train on randomly cropped views with random brightness and contrast (section 4.2, v3)."""
    augmented_views: int = option(2, departs=False)
    """With augmentation: random views of each image to store beside the whole image; each epoch draws one of them, or
    the whole image. 0 draws new views every epoch, as we read the paper, which does not say how often; that needs a
    pass through the backbone each epoch and is meant for GPUs."""
    augmented_fraction: float = option(1.0, SHARE, departs=False)
    """Share of each class that has stored augmented views; the rest is trained on whole images."""
    views_seed: int | None = option(None, SEED, departs=False)
    """Seed of the stored augmented views. Default: --seed. Give that of an earlier run to reuse its stored views: a
    head with another --seed then takes only minutes."""

    @classmethod
    def starting_point(cls, arguments: Sequence[str]) -> Self:
        """Returns the options that a command line does not name; a new demo's layer is Inception-v3's."""
        found, backbone = super().starting_point(arguments), given(arguments, "--backbone")
        found = dataclasses.replace(found, backbone=backbone or found.backbone)
        begins = found.demo and not getattr(found, "resume", None)
        return dataclasses.replace(found, layer=found.defaults.layer) if begins else found

    @property
    def defaults(self) -> Self:
        """The recipe's defaults; with ``--demo`` the demo's. Another backbone than Inception-v3 has no ``layer``."""
        found = super().defaults
        return found if self.backbone.startswith("inception_v3") else dataclasses.replace(found, layer=None)

    @property
    def values_folder(self) -> Path:
        """Where transfer values are kept."""
        return self.demo_folder / "transfer_values" if self.demo else self.store.expanduser()

    @property
    def augments(self) -> bool:
        """Whether there are augmented views."""
        return self.augment

    @property
    def new_views(self) -> bool:
        """Whether the augmented views are new every epoch, and pass through the backbone then; none is stored."""
        return self.augments and not self.augmented_views

    @property
    def drawn_by(self) -> int:
        """The seed that draws the stored augmented views."""
        return self.seed if self.views_seed is None else self.views_seed

    @property
    def settled(self) -> Self:
        """The same options with the engine that ``auto`` takes here: that of the run to resume, if there is one."""
        from tiny_imagenet_tf.transfer import openvino  # only now Keras is loaded

        engine, resumed = self.engine, getattr(self, "resume", None)
        if engine == "auto" and resumed:
            with contextlib.suppress(UserError, OSError):  # which are told when the run is read
                engine = Run(resumed).environment.get("engine", engine)
        free = not (self.new_views or resumed or getattr(self, "ray", None))  # actors of a cluster may have GPUs
        return dataclasses.replace(self, engine=openvino.resolve(engine, self.precision, free=free))

    @property
    def openvino(self) -> bool:
        """Whether OpenVINO computes the transfer values."""
        return self.settled.engine == "openvino"

    @property
    def devices(self) -> tuple[str, ...]:
        """What computes the transfer values: for OpenVINO the CPU, whatever else there is."""
        return ("CPU:0",) if self.openvino else ()

    def check(self) -> None:
        """Raises UserError, naming the option, where a value makes no sense. Nothing is on disk yet."""
        super().check()
        if not self.augments:
            names = ("augmented_views", "augmented_fraction", "views_seed")
            self.refuse(names, f"without {self.AUGMENTED_BY} there are no augmented views")
        elif not self.augmented_views:
            self.refuse(("augmented_fraction", "views_seed"), "with --augmented-views 0 no view is stored")
        if self.demo:
            self.refuse(("store",), "--demo keeps its values beside its images")
        self.check_folder("store", written=False)
        from tiny_imagenet_tf.models import backbones, network_files  # only now Keras is loaded
        from tiny_imagenet_tf.transfer import openvino

        if self.backbone not in backbones.BACKBONES:
            self.refuse(("weights",), f"{self.backbone} has weights of its own")
        network_files.weights_file(self.weights)
        backbones.check(backbones.find(self.backbone, self.pixels), layer=self.layer, input_size=self.input_size)
        openvino.check_backend(self.engine)
        if self.openvino and self.new_views:
            raise UserError("--augmented-views 0: not with OpenVINO, which computes stored views alone; give 1 or more")


@dataclass(frozen=True)
class TransferOptions(ValueOptions, RunOptions):
    """Options of ``transfer_vanilla.py``, ``transfer_v2.py`` and ``transfer_v3.py``."""

    GROUP: ClassVar[str] = "head"

    crops: TransferCrops = option("whole")
    """At test time: the whole image, or the sum of ten crops' probabilities (section 4.2 and Eq. 2)."""

    DEMO: ClassVar[dict[str, Any]] = ValueOptions.DEMO | {
        "batch_size": 20, "standardize": True, "learning_rate": 0.01, "weight_decay": 0.0002,
    }  # fmt: skip

    # Head
    head: Literal["linear", "mlp"] = option("linear")
    """linear: one fully connected layer. mlp: FC-ReLU-FC, which section 4.1 tried without gain."""
    standardize: bool = option(False)
    """Bring transfer values to mean 0 and deviation 1 over the training images first. Paper: not said."""
    hidden_units: int = option(1024, Rule("from 1 to 65536", lambda value: 1 <= value <= 65536))
    """Width of the mlp's hidden layer. Paper: not given."""
    dropout_keep: float = option(1.0, SHARE)
    """Share of the last layer's inputs, the transfer values or with --head mlp its hidden units, that dropout keeps.
    Paper: 1 in vanilla and v3, 0.8 in v2."""
    label_smoothing: float = option(0.1, PART)
    """Epsilon of Eq. 1. Paper: 0.1."""

    # Optimization: Adam with its default betas
    epochs: int = 10
    """Passes over the training images. Paper: 10 for vanilla, "slightly more" for v2."""
    batch_size: int = 100
    """Images a step. Paper: 100; from 25 to 100 the results were nearly the same."""
    learning_rate: float = option(6.5e-4, POSITIVE)
    """Learning rate of the first epoch. Paper: 6.5e-4 for vanilla; given neither for v2, which was tuned again, nor for
    v3."""
    learning_rate_decay_per_epoch: float = option(0.713, POSITIVE)
    """Factor from one epoch to the next. Paper: 0.713 for vanilla."""
    weight_decay: float = option(0.0116)
    """L2 strength on the head's kernels. Paper: 0.0116 for vanilla."""
    weight_decay_convention: WeightDecayConvention = option("l2_loss")
    """What weight_decay multiplies: l2_loss is sum(w^2)/2, as tf.nn.l2_loss; keras is sum(w^2). Paper: not said."""

    def check(self) -> None:
        """Raises UserError, naming the option, where a value makes no sense. Nothing is on disk yet."""
        super().check()
        if self.head == "linear":
            self.refuse(("hidden_units",), "a linear head has no hidden layer")
        if not self.weight_decay:
            self.refuse(("weight_decay_convention",), "there is no weight decay")
        before = self.resumed_options.backbone if self.resumed_options else self.backbone
        if self.backbone != before and not in_files(self.backbone, before):
            raise UserError(f"--backbone {self.backbone}: this run was started with {before}; leave the option out")


@dataclass(frozen=True)
class ClusterOptions(ValueOptions):
    """Options of what the machines of a cluster can share."""

    GROUP: ClassVar[str] = "cluster"

    ray: str | None = option(None, departs=False)
    """Have actors of a Ray cluster do it, one a GPU, or one for each --cores: auto for the cluster that this machine is
    in, local for a new one on this machine alone, or an address such as ray://head:10001 (needs the extra: pip install
    "tiny_imagenet_tf[cluster]"). All machines see --source, --data-dir, --store, files of weights and this folder under
    the same names."""
    cores: int = option(4, POSITIVE, departs=False)
    """With --ray and without GPUs: cores of an actor. On JAX an actor computes on all that its machine has."""

    def check(self) -> None:
        """Raises UserError, naming the option, where a value makes no sense. Nothing is on disk yet."""
        super().check()
        if self.ray is None:
            self.refuse(("cores",), "without --ray a process takes the cores that it finds")
        else:
            extras.require("--ray", "cluster")


@dataclass(frozen=True)
class ExtractOptions(ClusterOptions):
    """Options of ``extract.py``."""

    GROUP: ClassVar[str] = "extraction"

    crops: TransferCrops = option("whole")
    """How val and test images are shown: whole, or in ten crops, as the heads of v2 and v3 are tested."""

    def check(self) -> None:
        """Raises UserError, naming the option, where a value makes no sense. Nothing is on disk yet."""
        super().check()
        if self.new_views:
            raise UserError("--augmented-views 0: no view is stored")


@dataclass(frozen=True)
class FinetuneOptions(TransferOptions):
    """Options of ``finetune.py``. What backbone and head are is the start's."""

    GROUP: ClassVar[str] = "fine_tuning"

    DEMO: ClassVar[dict[str, Any]] = TransferOptions.DEMO | {
        "unfreeze": "mixed0", "epochs": 3, "learning_rate": 1e-4, "checkpoint_every": 5,
    }  # fmt: skip
    REAL: ClassVar[tuple[str, ...]] = ("--start", "runs/transfer_v2-20260101-120000")  # what a demo makes itself
    INHERITED: ClassVar[tuple[str, ...]] = (
        "backbone", "weights", "pixels", "layer", "input_size", "resize", "head", "standardize", "hidden_units",
        "dropout_keep", "label_smoothing", "weight_decay", "weight_decay_convention",
    )  # fmt: skip

    store: Path = option(ValueOptions.store, departs=False, resumable=True)
    """Where maps and transfer values are kept, in float16; maps before mixed9 take 164 KB an image and view. Their size
    is reported first."""
    start: Path | None = option(None, departs=False, resumable=True)
    """A finished run of transfer learning, whose backbone and head go on learning, by default on the same images. With
    --demo one is made first."""
    unfreeze: str = option("mixed9")
    """First layer of the backbone to train, with everything after it; mixed9 is Inception-v3's last block but one. If
    the layer ends a block, the whole block is trained. all: every layer, meant for a GPU, with --augment
    --augmented-views 0 and --crops whole."""
    epochs: int = 3
    """Passes over the training images."""
    learning_rate: float = option(1e-4, POSITIVE)
    """Learning rate of the first epoch. Keep it small, or the backbone forgets what it has learned."""
    learning_rate_decay_per_epoch: float = option(0.5, POSITIVE)
    """Factor from one epoch to the next."""
    checkpoint_every: int = option(100, POSITIVE, departs=False)
    """Steps between checkpoints: the most that an interruption costs."""

    def check(self) -> None:
        """Raises UserError, naming the option, where a value makes no sense. Nothing is on disk yet."""
        super().check()
        if self.start is None:
            raise UserError("--start: name a finished run of transfer_vanilla, transfer_v2 or transfer_v3")
        began = Run.finished(self.start, "--start")
        if not began.config["recipe"].startswith("transfer_"):
            raise UserError(f"--start {self.start}: a run of {began.config['recipe']}, not of transfer learning")
        for name, value in inherited(self.start).items():
            now = getattr(self, name)
            if now != value and not (name in ("backbone", "weights") and in_files(now, value)):
                raise UserError(f"{flag(name)} {now}: the --start run has {value}; leave the option out")
        if self.holdout and inherited(self.start, HELD_OUT) != {name: getattr(self, name) for name in HELD_OUT}:
            raise UserError(
                f"--holdout {self.holdout}: the --start run was trained on some of these images; give its --holdout "
                "and --fraction, or --holdout 0"
            )
        if self.weights == "random" and self.seed != began.config["seed"]:
            raise UserError(
                f"--seed {self.seed}: the --start run's random backbone has seed {began.config['seed']}; give that"
            )

    @classmethod
    def starting_point(cls, arguments: Sequence[str]) -> Self:
        """Returns the options that a command line does not name: the start's, where they are the start's to say."""
        found, start = super().starting_point(arguments), given(arguments, "--start", type=path_of)
        if start is None:
            return found
        images = {} if found.resume else inherited(start, ("source", "data_dir", "fraction", "holdout"))
        return dataclasses.replace(found, start=start, **images, **inherited(start))

    @property
    def defaults(self) -> Self:
        """The recipe's defaults; of backbone and head, what the start had, if there is one."""
        if self.start is None:
            return super().defaults
        return dataclasses.replace(super().defaults, **{name: getattr(self, name) for name in self.INHERITED})


HELD_OUT = ("holdout", "fraction")
"""What decides which training images are held out."""


def inherited(start: Path, names: Sequence[str] = FinetuneOptions.INHERITED) -> dict[str, Any]:
    """Returns what fine-tuning takes from a run of transfer learning: its values of some options.

    Raises:
        UserError: it is no such run.
    """
    stored = read(TransferOptions, start, "--start")
    return {name: getattr(stored, name) for name in names}
