"""Downloads or imports Tiny ImageNet, verifies every file, and prints what was found.

The recipes do this by themselves when they need to. Run it first to see that the data is whole, or to have it on a
machine that will be without a network later (transfer learning needs its backbone's weights there, too: --weights).

    python recipes/prepare_data.py                                    # from the CS231n server, 248 MB
    python recipes/prepare_data.py --source tiny-imagenet-200.zip     # from disk: folder, zip or tar
    python recipes/prepare_data.py --verify                           # are the records still what was prepared?

Time: a minute or two beyond the download.
"""

import dataclasses
import time
from pathlib import Path

import numpy as np

from tiny_imagenet_tf.cli import command

MISSING_SHOWN = 10


@dataclasses.dataclass(frozen=True)
class Config:
    """Where the data comes from and goes to."""

    source: Path | None = None
    """A tiny-imagenet-200 folder, zip or tar. Without it the official archive is downloaded."""
    data_dir: Path | None = None
    """Where prepared datasets are kept. Default: TFDS's own, $TFDS_DATA_DIR or ~/tensorflow_datasets."""
    verify: bool = False
    """Compare records that were prepared before with the digests stored then."""


def main(config: Config) -> None:
    """Prepares the dataset and prints its counts."""
    from tiny_imagenet_tf.data import official_layout, splits  # TensorFlow is loaded when the recipe runs

    started = time.time()
    builder = splits.prepare(config.source, config.data_dir)
    new = (Path(builder.data_path) / "dataset_info.json").stat().st_mtime >= started
    if config.verify:
        splits.verify(builder)
    found = builder.info.metadata
    label = builder.info.features["label"]
    print(f"\n{builder.data_path}\n{label.num_classes} classes, from {label.names[0]} to {label.names[-1]}\n")
    print(f"{'split':12}{'images':>9}{'official':>10}{'grayscale':>11}{'boxes':>9}{'per class':>12}")
    for name in official_layout.SPLITS:
        if name not in builder.info.splits:
            print(f"{name:12}{0:>9,}{official_layout.OFFICIAL_COUNTS[name]:>10,}")
            continue
        split = splits.load(builder, name)
        boxes = int((split.boxes[:, 0] >= 0).sum())
        print(
            f"{name:12}{len(split):>9,}{official_layout.OFFICIAL_COUNTS[name]:>10,}{found['grayscale'][name]:>11,}"
            f"{boxes:>9,}{_per_class(split.labels, len(split.wnids)):>12}"
        )
    missing = found["missing"]
    if new:
        print("\nEvery file was verified.")
    elif config.verify:
        print("\nThe records were verified: they are what was prepared.")
    else:
        print(
            "\nAlready prepared, and every file was verified then; --verify checks that the records have not changed."
        )
    print(f"Annotated but not on disk: {len(missing):,}")
    for file in missing[:MISSING_SHOWN]:
        print(f"  {file}")
    if len(missing) > MISSING_SHOWN:
        print(f"  and {len(missing) - MISSING_SHOWN:,} more")


def _per_class(labels: np.ndarray, classes: int) -> str:
    if (labels < 0).any():
        return "unlabeled"
    counts = np.bincount(labels, minlength=classes)
    least, most = counts.min(), counts.max()
    return f"{least}" if least == most else f"{least} to {most}"


if __name__ == "__main__":
    command(Config, main, __doc__)
