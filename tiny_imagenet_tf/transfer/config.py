"""What can be chosen in a transfer-learning run. The recipes set the defaults of their paper's paragraph."""

import dataclasses
import importlib.util
import os
from pathlib import Path
from typing import Literal

from tiny_imagenet_tf.data.image_ops import Resize
from tiny_imagenet_tf.hardware import Precision
from tiny_imagenet_tf.runs.run import departures
from tiny_imagenet_tf.transfer.trunk import Kind


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tiny_imagenet_tf"


# What these change leaves the experiment the same, or is said in a table by itself.
_SAME_EXPERIMENT = (
    "demo", "source", "data_dir", "weights", "trunk", "fraction", "holdout", "precision", "store", "augmented_views",
    "augmented_fraction", "epochs", "runs", "seed", "tensorboard",
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class TransferConfig:
    """Options of ``transfer_vanilla.py``, ``transfer_v2.py`` and ``transfer_v3.py``."""

    demo: bool = False
    """Run the whole recipe in under two minutes on made-up images with a random trunk. Its accuracy means nothing."""

    # Data and weights
    source: Path | None = None
    """A tiny-imagenet-200 folder, zip or tar. Without it the official archive is downloaded."""
    data_dir: Path | None = None
    """Where prepared datasets are kept. Default: TFDS's own, $TFDS_DATA_DIR or ~/tensorflow_datasets."""
    weights: str = "imagenet"
    """Weights of the trunk: imagenet (Keras' own, downloaded), random, or a .h5, .weights.h5 or .keras file.
    Paper: TensorFlow's Inception-v3 of December 2015."""
    trunk: Kind = "keras"
    """Which Inception-v3: the one of keras.applications, or this package's own blocks."""
    fraction: float = 1.0
    """Share of each class to use, of train and val alike. Paper: 1; section 3.2 tried things out on 0.25."""
    holdout: float = 0.0
    """Share of each training class that is kept from training and picks the best epoch.
    Paper: 0, val picks it, so that the val accuracy is the best over the epochs."""

    # Transfer values
    layer: str = "avg_pool"
    """Where the trunk ends: avg_pool for the 2048 values of the paper, or a block such as mixed8, averaged."""
    input_size: int = 299
    """Pixels of the trunk's input. Paper: 299."""
    resize: Resize = "half_pixel"
    """Bilinear sampling: half_pixel is TensorFlow 2's; tf1 maps pixel i to i * in / out, as TensorFlow 1 did in 2017.
    Paper: bilinear, no more is said."""
    precision: Precision = "auto"
    """Inside the trunk. auto: float16 on a GPU, bfloat16 on a CPU that has it, float32 elsewhere."""
    store: Path = dataclasses.field(default_factory=lambda: _cache() / "transfer_values")
    """Where transfer values are kept. Runs share them; 4 KB an image and view."""

    # Training views and test crops
    augment: bool = False
    """Train on randomly cropped views with random brightness and contrast (section 4.2, v3)."""
    augmented_views: int = 3
    """With augment: random views stored of each image beside the whole one; each epoch draws one of these or the whole.
    Paper: 0, new views every epoch, which is a pass through the trunk an epoch and made for GPUs."""
    augmented_fraction: float = 1.0
    """With augment: share of each class that has stored augmented views; the rest is trained on whole images."""
    crops: Literal["whole", "ten"] = "whole"
    """At test time: the whole image, or the sum of ten crops' probabilities (section 4.2 and Eq. 2)."""

    # Head
    head: Literal["linear", "mlp"] = "linear"
    """linear: one fully connected layer. mlp: FC-ReLU-FC, which section 4.1 tried without gain."""
    hidden_units: int = 1024
    """Width of the mlp's hidden layer. Paper: not given."""
    dropout_keep: float = 1.0
    """Share of the transfer values that dropout keeps. Paper: 1 in vanilla and v3, 0.8 in v2."""
    label_smoothing: float = 0.1
    """Epsilon of Eq. 1. Paper: 0.1."""

    # Optimization: Adam with its default betas
    epochs: int = 10
    """Passes over the training images. Paper: 10 for vanilla, "slightly more" for v2."""
    batch_size: int = 100
    """Images a step. Paper: 100, and from 25 on no different."""
    learning_rate: float = 6.5e-4
    """Of the first epoch. Paper: 6.5e-4 for vanilla; v2 and v3 were tuned anew and are not printed."""
    learning_rate_decay_per_epoch: float = 0.713
    """Factor from one epoch to the next. Paper: 0.713 for vanilla."""
    weight_decay: float = 0.0116
    """L2 strength on the head's kernels. Paper: 0.0116 for vanilla."""
    weight_decay_convention: Literal["l2_loss", "keras"] = "l2_loss"
    """What weight_decay multiplies: l2_loss is sum(w^2)/2, as tf.nn.l2_loss; keras is sum(w^2). Paper: not said."""

    # Run
    runs: Path = Path("runs")
    """Where run directories are made."""
    seed: int = 0
    """Fixes the run, bit for bit on a CPU."""
    tensorboard: bool = False
    """Write TensorBoard logs into the run directory (needs the extra: pip install -e ".[tensorboard]")."""

    @property
    def keras_weight_decay(self) -> float:
        """c of Keras' ``L2(c)``, which is c * sum(w^2)."""
        return self.weight_decay / 2 if self.weight_decay_convention == "l2_loss" else self.weight_decay

    @property
    def departures(self) -> str:
        """See :func:`tiny_imagenet_tf.runs.departures`."""
        return departures(self, _SAME_EXPERIMENT)

    def check(self) -> None:
        """Raises ValueError, naming the option, where a value makes no sense."""
        for name, low, high in (
            ("fraction", 0, 1),
            ("augmented_fraction", 0, 1),
            ("dropout_keep", 0, 1),
        ):
            value = getattr(self, name)
            if not low < value <= high:
                raise ValueError(f"--{name.replace('_', '-')} {value}: must be above {low} and at most {high}")
        for name in ("holdout", "label_smoothing"):
            value = getattr(self, name)
            if not 0 <= value < 1:
                raise ValueError(f"--{name.replace('_', '-')} {value}: must be at least 0 and below 1")
        for name in ("epochs", "batch_size", "hidden_units", "learning_rate", "learning_rate_decay_per_epoch"):
            if not getattr(self, name) > 0:
                raise ValueError(f"--{name.replace('_', '-')} {getattr(self, name)}: must be above 0")
        if self.augmented_views < 0 or self.weight_decay < 0:
            raise ValueError("--augmented-views and --weight-decay must not be negative")
        if self.tensorboard and importlib.util.find_spec("tensorboard") is None:
            raise ValueError('--tensorboard needs an extra: pip install -e ".[tensorboard]"')
        if self.input_size < 75:
            raise ValueError(f"--input-size {self.input_size}: Inception-v3 takes 75 pixels or more")
