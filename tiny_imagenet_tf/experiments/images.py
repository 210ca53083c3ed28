"""The images of a run: what is trained on, what picks the best, what is reported."""

import dataclasses
import functools
from pathlib import Path

import numpy as np

from tiny_imagenet_tf import published
from tiny_imagenet_tf.data import splits, synthetic
from tiny_imagenet_tf.data.screening import screen
from tiny_imagenet_tf.data.splits import Split
from tiny_imagenet_tf.experiments.options import DataOptions
from tiny_imagenet_tf.runs.files import part_of, sweep, writing
from tiny_imagenet_tf.runs.locks import locked


@dataclasses.dataclass(frozen=True)
class Data:
    """The images of a run.

    Attributes:
        all_train: the training split.
        rows: of it, that are trained on.
        held_out: rows of it that pick the best measurement instead of val; often none.
        validation: official val, on which the figures are reported.
        test: official test, if there is any.
        screened: training images left out by their boxes.
    """

    all_train: Split
    rows: np.ndarray
    held_out: np.ndarray
    validation: Split
    test: Split | None = None
    screened: int = 0

    @functools.cached_property
    def train(self) -> Split:
        """What is trained on."""
        return self.all_train if len(self.rows) == len(self.all_train) else self.all_train.take(self.rows)

    @functools.cached_property
    def selection(self) -> Split:
        """What picks the best measurement."""
        return self.all_train.take(self.held_out) if len(self.held_out) else self.validation

    @functools.cached_property
    def named(self) -> dict[str, Split]:
        """The splits that there are, by name."""
        named = {"train": self.train, "validation": self.validation, "test": self.test}
        return {name: split for name, split in named.items() if split is not None}


def make_up(folder: Path, seed: int) -> tuple[Path, Path]:
    """Returns the synthetic images of a demo and the folder of their records; they are drawn once."""
    source = folder / "tiny-imagenet-200"
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder / ".lock", wait=True):
            sweep(folder)
            if not source.exists():
                part = part_of(folder / "drawn")
                synthetic.write(part, seed=seed).rename(source)
                part.rmdir()
    return source, folder / "datasets"


def load(options: DataOptions, *, screened: bool = False) -> Data:
    """Reads the images that the options ask for; prepares the dataset, or makes images up, where that is needed.

    Args:
        options: of the run.
        screened: leave out training images whose object a crop can lose (Le & Yang section 5.2.1); prints how many.

    Raises:
        UserError: ``holdout`` holds nothing out.
        DatasetError: there are no images to use.
    """
    source, data_dir = options.source, options.data_dir
    if options.demo:
        source, data_dir = make_up(options.demo_folder, options.seed)
        print(f"Demo: synthetic images, in {source}")
    found = splits.load_all(splits.prepare(source, data_dir), options.fraction)
    train = found["train"]
    rows, held_out = train.hold_out_rows(options.holdout)
    removed = 0
    if screened:
        lost, small = screen(train.boxes[rows])
        removed = int(lost.sum())
        print(
            f"screened: {removed:,} of {len(rows):,} images "
            f"(paper: {published.LE_YANG_SCREENED_IMAGES:,} of {published.TRAIN_IMAGES:,}); "
            f"{int(small.sum()):,} more with an object below 8x8 pixels "
            f"(paper: {published.LE_YANG_SMALL_OBJECT_IMAGES:,}) stay in"
        )
        rows = rows[~lost]
    return Data(train, rows, held_out, found["validation"], found.get("test"), removed)
