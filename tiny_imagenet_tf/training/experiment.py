"""A run from images to figures: what the recipes that train from scratch share."""

import dataclasses
import tempfile
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from tiny_imagenet_tf import hardware, published
from tiny_imagenet_tf.data import splits, synthetic
from tiny_imagenet_tf.data.screening import screen
from tiny_imagenet_tf.data.splits import Split
from tiny_imagenet_tf.data.training_batches import Augmentation, TrainingBatches
from tiny_imagenet_tf.evaluation import crops
from tiny_imagenet_tf.evaluation.scores import combine, top_k_accuracy
from tiny_imagenet_tf.runs import Run, describe_environment, replacing, write_json
from tiny_imagenet_tf.training import fitting
from tiny_imagenet_tf.training.callbacks import TensorBoard
from tiny_imagenet_tf.training.clock import Clock
from tiny_imagenet_tf.training.config import TrainingConfig
from tiny_imagenet_tf.training.snapshots import Snapshots


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


@dataclasses.dataclass(frozen=True)
class Experiment:
    """A run under way.

    Attributes:
        config: its options.
        run: its directory.
        data: its images.
        augmentation: how the training images are shown.
        strategy: build and compile the network under its scope.
    """

    config: TrainingConfig
    run: Run
    data: Data
    augmentation: Augmentation
    strategy: tf.distribute.Strategy

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.data.train.wnids)

    @property
    def snapshots(self) -> Snapshots:
        """The run's snapshots."""
        return Snapshots(self.run.path / "snapshots", self.data.train.wnids, self.config.snapshots)

    @property
    def batches(self) -> TrainingBatches:
        """The training images, epoch by epoch."""
        config = self.config
        return TrainingBatches(self.data.train, self.augmentation, config.batch_size, config.seed, config.cache)

    def part(self, name: str) -> "Experiment":
        """Returns the same experiment with a directory inside the run's, for a network that comes before."""
        run = Run(self.run.path / name)
        (run.path / "snapshots").mkdir(parents=True, exist_ok=True)
        return dataclasses.replace(self, run=run)

    def fit(
        self,
        model: keras.Model,
        *,
        epochs: int | None = None,
        callbacks: Sequence[keras.callbacks.Callback] = (),
    ) -> Clock:
        """Fits a compiled network; see :func:`fitting.fit`.

        Args:
            model: compiled under the strategy's scope.
            epochs: in all; None for the config's.
            callbacks: more of them.
        """
        view = crops.test_views(model, crops.default_crops(model))[0]

        def measure() -> dict[str, float]:
            scores = crops.scores(model, self.data.validation, view)
            accuracy = top_k_accuracy(scores, self.data.validation.labels)
            truth = keras.ops.one_hot(self.data.validation.labels, self.classes)
            picking = accuracy
            if self.data.held_out:
                picking = top_k_accuracy(crops.scores(model, self.data.selection, view), self.data.selection.labels)
            return {
                "val_loss": float(model.loss(truth, keras.ops.convert_to_tensor(scores))),
                "val_accuracy": accuracy,
                "selection_accuracy": picking,
            }

        def all_callbacks(clock: Clock) -> list[keras.callbacks.Callback]:
            return [*callbacks, *([TensorBoard(self.run, clock)] if self.config.tensorboard else [])]

        return fitting.fit(
            model,
            self.batches,
            self.run,
            self.snapshots,
            epochs=epochs or self.config.epochs,
            measure=measure,
            measure_every=self.config.measure_every,
            checkpoint_every=self.config.checkpoint_every,
            callbacks=all_callbacks,
        )

    def report(self, clock: Clock, *, title: str, published_key: str | None, notes: Sequence[str] = ()) -> keras.Model:
        """Predicts val and test with the best snapshot and writes the summary, beside the paper's figure.

        Args:
            clock: from :meth:`fit`.
            title: what a table calls the run.
            published_key: of the paper's row in :data:`published.RESULTS`; None if the paper has no such network.
            notes: what must be said of the figures.

        Returns:
            The best snapshot.
        """
        data, best = self.data, self.snapshots.best
        model = keras.saving.load_model(self.snapshots.path(best), compile=False)
        how = crops.default_crops(model)
        view = crops.test_views(model, how)[0]
        probabilities = combine([crops.scores(model, data.validation, view)])
        top1, top5 = (top_k_accuracy(probabilities, data.validation.labels, k) for k in (1, 5))
        self.run.write_validation_predictions(
            data.validation.file_names, data.validation.labels, data.validation.wnids, probabilities
        )
        if data.test is not None:
            answers = crops.scores(model, data.test, view).argmax(axis=1)
            self.run.write_test_predictions(data.test.file_names, answers, data.test.wnids)
        self.run.write_summary(
            {
                "published": None if self.config.demo else published_key,
                "title": title,
                "validation": {
                    "images": len(data.validation), "top1": top1, "top5": top5, "crops": crops.NAMES[how],
                },
                "train": {
                    "images": len(data.train),
                    "screened": data.screened,
                    "views": self.augmentation.description,
                    "accuracy": next(row["accuracy"] for row in self.run.metrics if row["step"] == best.step),
                },
                "selection": f"best of the measurements on {'held-out training images' if data.held_out else 'val'}",
                "best_epoch": best.epoch,
                "epochs": clock.epochs,
                "recipe_epochs": type(self.config)().epochs,
                "snapshots": len(self.snapshots.entries),
                "trunk": None,
                "hours": clock.seconds / 3600,
                "notes": [*splits.shortfalls(_named(data), data.screened), *notes],
            }
        )  # fmt: skip
        print(
            f"\n{title}: {top1:.2%} of {len(data.validation):,} val images (top-5 {top5:.2%}), {crops.NAMES[how]}, "
            f"best of epoch {best.epoch:g}"
        )
        if published_key:
            paper = published.RESULTS[published_key]
            print(f"{paper.paper} prints {paper.val_accuracy:.2%}")
        print(self.run.path)
        return model

    def store_features(self, model: keras.Model) -> None:
        """Writes what the last hidden layer makes of the val images, for Le & Yang's Fig. 1."""
        validation = self.data.validation
        view = crops.test_views(model, crops.default_crops(model))[0]
        with replacing(self.run.path / "features-validation.npz") as file:
            np.savez_compressed(
                file,
                features=crops.features(model, validation, view),
                labels=validation.labels,
                file_names=validation.file_names.astype(np.str_),
                wnids=np.asarray(validation.wnids),
            )


def begin(recipe: str, config: TrainingConfig, augmentation: Augmentation, *, screened: bool = False) -> Experiment:
    """Reads the images and makes the run directory, or goes back to the one to resume.

    Args:
        recipe: its name.
        config: its options.
        augmentation: how the training images are shown.
        screened: leave out training images whose object a crop can lose (Le & Yang section 5.2.1).

    Raises:
        ValueError: an option makes no sense, or the images are not those the run was begun with.
        DatasetError: there are no images to use.
    """
    config.check()
    hardware.set_seed(config.seed)
    strategy = hardware.strategy(config.devices)
    if config.batch_size % strategy.num_replicas_in_sync:
        raise ValueError(
            f"--batch-size {config.batch_size}: the {strategy.num_replicas_in_sync} devices must get equal shares; "
            "choose another, or fewer --devices"
        )
    # A run that goes on keeps the arithmetic that it was begun with.
    wanted = Run(config.resume).environment["precision"] if config.resume else config.precision
    precision = hardware.resolve_precision(wanted, config.devices)
    keras.config.set_dtype_policy(hardware.training_policy(precision))
    data = _load(config, screened)
    devices = {"device": hardware.describe_device(config.devices), "replicas": strategy.num_replicas_in_sync}
    if config.resume:
        run = Run(config.resume)
        _note_resumption(run, config, data, devices)
    else:
        run = Run.create(config.runs, recipe, config)
        run.write_environment(
            **devices,
            precision=precision,
            seed=config.seed,
            dataset={"digests": _digests(data), "counts": {name: len(split) for name, split in _named(data).items()}},
        )
    print(
        f"{len(data.train):,} training, {len(data.validation):,} validation images, {len(data.train.wnids)} classes; "
        f"{precision} on {strategy.num_replicas_in_sync} device(s)\nThis run can be resumed: --resume {run.path}"
    )
    return Experiment(config, run, data, augmentation, strategy)


def _load(config: TrainingConfig, screened: bool) -> Data:
    with tempfile.TemporaryDirectory(prefix="tiny_imagenet_tf-demo-") as folder:
        source, data_dir = config.source, config.data_dir
        if config.demo:
            print("Demo: made-up images, to show every step. Its accuracy means nothing.\n")
            source, data_dir = synthetic.write(Path(folder), seed=config.seed), Path(folder) / "datasets"
        found = splits.load_all(splits.prepare(source, data_dir), config.fraction)
    train = found["train"]
    selection = found["validation"]
    if config.holdout:
        kept = train.fraction_rows(1 - config.holdout)
        selection, train = train.take(np.setdiff1d(np.arange(len(train)), kept)), train.take(kept)
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


def _named(data: Data) -> dict[str, Split]:
    named = {"train": data.train, "validation": data.validation, "test": data.test}
    return {name: split for name, split in named.items() if split is not None}


def _digests(data: Data) -> dict[str, str]:
    return {name: split.digest for name, split in _named(data).items()}


def _note_resumption(run: Run, config: TrainingConfig, data: Data, devices: dict) -> None:
    """Adds the machine at hand and a changed length to what is stored, if the images are the same."""
    environment = run.environment
    digests = _digests(data)
    for name in ("train", "validation"):  # val decides on snapshots and plateaus
        if environment["dataset"]["digests"][name] != digests[name]:
            raise ValueError(f"--resume {run.path}: the {name} images are not those the run was begun with")
    resumed = [*environment.get("resumed", []), describe_environment() | devices]
    write_json(run.path / "environment.json", environment | {"resumed": resumed})
    write_json(run.path / "config.json", run.config | {"epochs": config.epochs})
