"""The images of a run that trains from scratch: what is trained on, what picks the snapshots, what is reported."""

import dataclasses
import tempfile
from pathlib import Path

from tiny_imagenet_tf import published
from tiny_imagenet_tf.data import splits, synthetic
from tiny_imagenet_tf.data.screening import screen
from tiny_imagenet_tf.data.splits import Split
from tiny_imagenet_tf.experiments.options import TrainingConfig


@dataclasses.dataclass(frozen=True)
class Data:
    """The images of a run.

    Attributes:
        train: trained on.
        validation: official val, on which the figures are reported.
        selection: picks the snapshots: official val, or the part of train that is held out.
        test: official test, if there is any.
        screened: training images left out by their boxes.
    """

    train: Split
    validation: Split
    selection: Split
    test: Split | None
    screened: int = 0

    @property
    def held_out(self) -> bool:
        """Whether training images pick the snapshots."""
        return self.selection is not self.validation

    @property
    def named(self) -> dict[str, Split]:
        """The splits that there are, by name."""
        named = {"train": self.train, "validation": self.validation, "test": self.test}
        return {name: split for name, split in named.items() if split is not None}

    @property
    def description(self) -> dict[str, dict]:
        """Digest and number of images of each split, for ``environment.json``."""
        return {
            "digests": {name: split.digest for name, split in self.named.items()},
            "counts": {name: len(split) for name, split in self.named.items()},
        }

    @property
    def shortfalls(self) -> list[str]:
        """A note for each split that has not as many images as the official one."""
        return splits.shortfalls(self.named, self.screened)


def load(config: TrainingConfig, *, screened: bool) -> Data:
    """Reads the images that a config asks for; prepares the dataset, or makes images up, where that is needed.

    Args:
        config: the recipe's options.
        screened: leave out training images whose object a crop can lose (Le & Yang section 5.2.1); prints how many.

    Raises:
        ValueError: ``holdout`` holds nothing out.
        DatasetError: there are no images to use.
    """
    with tempfile.TemporaryDirectory(prefix="tiny_imagenet_tf-demo-") as folder:
        source, data_dir = config.source, config.data_dir
        if config.demo:
            print("Demo: made-up images, to show every step. Its accuracy means nothing.\n")
            source, data_dir = synthetic.write(Path(folder), seed=config.seed), Path(folder) / "datasets"
        found = splits.load_all(splits.prepare(source, data_dir), config.fraction)
    train = found["train"]
    selection = found["validation"]
    if config.holdout:
        kept, held_out = train.hold_out_rows(config.holdout)
        selection, train = train.take(held_out), train.take(kept)
    removed = 0
    if screened:
        screening = screen(train.boxes)
        removed = int(screening.removed.sum())
        print(
            f"screened: {removed:,} of {len(train):,} images "
            f"(paper: {published.LE_YANG_SCREENED_IMAGES:,} of {published.TRAIN_IMAGES:,}); "
            f"{int(screening.small.sum()):,} more with an object below 8x8 pixels "
            f"(paper: {published.LE_YANG_SMALL_OBJECT_IMAGES:,}) stay in"
        )
        train = screening.apply(train)
    return Data(train, found["validation"], selection, found.get("test"), removed)
