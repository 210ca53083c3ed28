"""A run from images to figures: what the recipes that train from scratch share."""

import dataclasses
from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from tiny_imagenet_tf import hardware, published
from tiny_imagenet_tf.data.batches import Augmentation, TrainingBatches
from tiny_imagenet_tf.evaluation import predict
from tiny_imagenet_tf.evaluation.metrics import combine, top_k_accuracy
from tiny_imagenet_tf.experiments import data as images
from tiny_imagenet_tf.experiments import fitting
from tiny_imagenet_tf.experiments.callbacks import TensorBoard
from tiny_imagenet_tf.experiments.clock import Clock
from tiny_imagenet_tf.experiments.data import Data
from tiny_imagenet_tf.experiments.options import TrainingConfig
from tiny_imagenet_tf.runs.run import Run, describe_environment, replacing, write_json
from tiny_imagenet_tf.runs.snapshots import Snapshots


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
        view = predict.test_views(model, predict.default_crops(model))[0]

        def measure() -> dict[str, float]:
            scores = predict.scores(model, self.data.validation, view)
            accuracy = top_k_accuracy(scores, self.data.validation.labels)
            truth = keras.ops.one_hot(self.data.validation.labels, self.classes)
            picking = accuracy
            if self.data.held_out:
                picking = top_k_accuracy(predict.scores(model, self.data.selection, view), self.data.selection.labels)
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

    def report(self, clock: Clock, *, title: str, published_key: str, notes: Sequence[str] = ()) -> keras.Model:
        """Predicts val and test with the best snapshot and writes the summary, beside the paper's figure.

        Args:
            clock: from :meth:`fit`.
            title: what a table calls the run. Options that make it another experiment than the recipe's are added.
            published_key: of the paper's row in :data:`published.RESULTS`, for the recipe's own experiment.
            notes: what must be said of the figures.

        Returns:
            The best snapshot.
        """
        if self.config.departures:
            title, published_key = f"{title} with {self.config.departures}", None
        data, best = self.data, self.snapshots.best
        model = keras.saving.load_model(self.snapshots.path(best), compile=False)
        how = predict.default_crops(model)
        view = predict.test_views(model, how)[0]
        probabilities = combine([predict.scores(model, data.validation, view)])
        top1, top5 = (top_k_accuracy(probabilities, data.validation.labels, k) for k in (1, 5))
        self.run.write_validation_predictions(
            data.validation.file_names, data.validation.labels, data.validation.wnids, probabilities
        )
        if data.test is not None:
            answers = predict.scores(model, data.test, view).argmax(axis=1)
            self.run.write_test_predictions(data.test.file_names, answers, data.test.wnids)
        demo = ["demo on made-up images: the accuracy means nothing"]
        caveats = demo if self.config.demo else data.shortfalls
        self.run.write_summary(
            {
                "published": None if self.config.demo else published_key,
                "title": title,
                "validation": {
                    "images": len(data.validation), "top1": top1, "top5": top5, "crops": predict.NAMES[how],
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
                "notes": [*caveats, *notes],
            }
        )  # fmt: skip
        print(
            f"\n{title}: {top1:.2%} of {len(data.validation):,} val images (top-5 {top5:.2%}), {predict.NAMES[how]}, "
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
        view = predict.test_views(model, predict.default_crops(model))[0]
        with replacing(self.run.path / "features-validation.npz") as file:
            np.savez_compressed(
                file,
                features=predict.features(model, validation, view),
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
    if config.resume:
        _check_resumable(Run(config.resume), recipe, config)
    hardware.set_seed(config.seed, config.devices)
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
    data = images.load(config, screened=screened)
    devices = {"device": hardware.describe_device(config.devices), "replicas": strategy.num_replicas_in_sync}
    if config.resume:
        run = Run(config.resume)
        _note_resumption(run, config, data, devices)
    else:
        run = Run.create(config.runs, recipe, config)
        run.write_environment(**devices, precision=precision, seed=config.seed, dataset=data.description)
    print(
        f"{len(data.train):,} training, {len(data.validation):,} validation images, {len(data.train.wnids)} classes; "
        f"{precision} on {strategy.num_replicas_in_sync} device(s)\nThis run can be resumed: --resume {run.path}"
    )
    return Experiment(config, run, data, augmentation, strategy)


def _check_resumable(run: Run, recipe: str, config: TrainingConfig) -> None:
    if run.config["recipe"] != recipe:
        raise ValueError(f"--resume {run.path}: a run of recipes/{run.config['recipe']}.py; go on with that")
    if run.environment["precision"] == "float16" and not hardware.on_gpu(config.devices):
        raise ValueError(f"--resume {run.path}: begun in float16, which goes on on a GPU only")


def _note_resumption(run: Run, config: TrainingConfig, data: Data, devices: dict) -> None:
    """Adds the machine at hand and a changed length to what is stored, if the images are the same."""
    environment = run.environment
    digests = data.description["digests"]
    for name in ("train", "validation"):  # val decides on snapshots and plateaus
        if environment["dataset"]["digests"][name] != digests[name]:
            raise ValueError(f"--resume {run.path}: the {name} images are not those the run was begun with")
    (run.path / "summary.json").unlink(missing_ok=True)  # of a shorter run: until the end there are no figures
    resumed = [*environment.get("resumed", []), describe_environment() | devices]
    write_json(run.path / "environment.json", environment | {"resumed": resumed})
    write_json(run.path / "config.json", run.config | {"epochs": config.epochs})
