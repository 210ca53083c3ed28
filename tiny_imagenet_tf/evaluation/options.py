"""The options of commands that take saved networks."""

import dataclasses
from pathlib import Path
from typing import ClassVar

from tiny_imagenet_tf.choices import Pixels


@dataclasses.dataclass(frozen=True, kw_only=True)
class NetworkOptions:
    """How a network from elsewhere reads images, and which images it is shown."""

    COMPUTES: ClassVar[bool] = True
    GROUP: ClassVar[str] = "network_and_images"

    pixels: Pixels | None = None
    """Pixels that a model from elsewhere expects, where it does not scale them itself: -1..1 (write --pixels=-1..1),
    0..1, 0..255, or caffe. A run's model knows its own."""
    labels: str | None = None
    """Order of the classes, for a model that does not store them: sorted (the default), imagenet1k, or a file with one
    wnid per line, such as the dataset's wnids.txt."""
    source: Path | None = None
    """A tiny-imagenet-200 folder, zip or tar. Default: the run's own images, or else the official archive, which is
    downloaded."""
    data_dir: Path | None = None
    """Where prepared datasets are kept. Default: the run's, or else TFDS's own, $TFDS_DATA_DIR or
    ~/tensorflow_datasets."""
