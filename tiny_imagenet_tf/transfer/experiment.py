"""A transfer-learning run from images to the run directory (Milani section 4)."""

import dataclasses
import tempfile
import time
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from tiny_imagenet_tf import hardware
from tiny_imagenet_tf.data import pipelines, splits, synthetic, views
from tiny_imagenet_tf.data.splits import Split
from tiny_imagenet_tf.evaluation.metrics import combine, top_k_accuracy
from tiny_imagenet_tf.models.heads import transfer_head
from tiny_imagenet_tf.runs.run import Run
from tiny_imagenet_tf.runs.transfer_values import Store
from tiny_imagenet_tf.transfer import classifier, engine, pool, reporting
from tiny_imagenet_tf.transfer import trunk as trunks
from tiny_imagenet_tf.transfer.config import TransferConfig
from tiny_imagenet_tf.transfer.extraction import Extraction
from tiny_imagenet_tf.transfer.reporting import Experiment
from tiny_imagenet_tf.transfer.trunk import Trunk

DEMO_INPUT_SIZE = 107  # pixels; a third of the paper's, so that the demo is quick


@dataclasses.dataclass(frozen=True)
class Values:
    """The transfer values of a run.

    Attributes:
        stores: split name to its stores, one a view.
        training_views: for each training view its values (n, width) and the training rows (n,) that they are of;
            the whole images come first.
        crops: split name to one array (n, width) a test crop, for validation and test.
    """

    stores: dict[str, list[Store]]
    training_views: list[tuple[np.ndarray, np.ndarray]]
    crops: dict[str, list[np.ndarray]]


def run(experiment: Experiment, config: TransferConfig) -> Run:
    """Runs a recipe and returns its run directory.

    Args:
        experiment: the recipe's names.
        config: its options.

    Raises:
        ValueError: an option makes no sense.
        DatasetError, WeightsError, StoreError: an input cannot be used; the message names it.
    """
    config.check()
    if not config.demo:
        return _run(experiment, config)
    with tempfile.TemporaryDirectory(prefix="tiny_imagenet_tf-demo-") as folder:
        print("Demo: made-up images and a random trunk, to show every step. Its accuracy means nothing.\n")
        return _run(experiment, _demo(config, Path(folder)))


def _demo(config: TransferConfig, folder: Path) -> TransferConfig:
    return dataclasses.replace(
        config,
        source=synthetic.write(folder, seed=config.seed),
        data_dir=folder / "datasets",
        store=folder / "transfer_values",
        weights="random",
        input_size=DEMO_INPUT_SIZE,
    )


def _run(experiment: Experiment, config: TransferConfig) -> Run:
    hardware.set_seed(config.seed)
    precision = hardware.resolve_precision(config.precision)
    trunk = _build_trunk(config, engine.trunk_dtype(precision))
    data = splits.load_all(splits.prepare(config.source, config.data_dir), config.fraction)
    fit_rows, held_out = data["train"].hold_out_rows(config.holdout)
    run = Run.create(config.runs, experiment.recipe, config)
    run.write_environment(
        device=hardware.describe_device(),
        precision=precision,
        seed=config.seed,
        dataset={
            "digests": {name: split.digest for name, split in data.items()},
            "counts": {name: len(split) for name, split in data.items()},
        },
        weights=trunk.label,
        weights_sha256=trunk.description["weights_sha256"],
    )
    print(
        f"{len(data['train']):,} training, {len(data['validation']):,} validation images, "
        f"{len(data['train'].wnids)} classes; trunk {trunk.label} in {precision}"
    )
    extraction = Extraction(trunk, precision, config.resize, config.store.expanduser())
    values = _extract(config, data, extraction)
    extracted = time.perf_counter()
    head, rows = _train(config, run, data, values, trunk, fit_rows, held_out)

    validation = data["validation"]
    probabilities = _probabilities(head, values.crops["validation"])
    run.write_validation_predictions(validation.file_names, validation.labels, validation.wnids, probabilities)
    if "test" in data:
        answers = _probabilities(head, values.crops["test"]).argmax(axis=1)
        run.write_test_predictions(data["test"].file_names, answers, validation.wnids)
    _save(run, config, trunk, head)
    reporting.summarize(
        experiment,
        config,
        run,
        data=data,
        probabilities=probabilities,
        best=pool.best(rows),
        trained_rows=len(fit_rows),
        trunk=trunk,
        stores=values.stores,
        seconds=time.perf_counter() - extracted,
    )
    return run


def _build_trunk(config: TransferConfig, dtype: str) -> Trunk:
    return trunks.build(
        config.weights,
        kind=config.trunk,
        layer=config.layer,
        input_size=config.input_size,
        seed=config.seed,
        dtype=dtype,
    )


def _extract(config: TransferConfig, data: dict[str, Split], extraction: Extraction) -> Values:
    """Passes every image through the frozen trunk, once a view, or takes what is stored."""
    train = data["train"]
    shown = views.TEN_CROP if config.crops == "ten" else (views.WHOLE,)
    stores = {name: extraction.fill(split, shown) for name, split in data.items() if name != "train"}
    stores["train"] = extraction.fill(train, (views.WHOLE,))
    rows_of = [np.arange(len(train))]
    if config.augment and config.augmented_views:
        rows = train.fraction_rows(config.augmented_fraction)
        augmented = [views.AugmentedView(config.seed, number) for number in range(config.augmented_views)]
        stores["train"] += extraction.fill(train.take(rows), augmented)
        rows_of += [rows] * len(augmented)
    training_views = [(store.load(), rows) for store, rows in zip(stores["train"], rows_of, strict=True)]
    crops = {name: [store.load() for store in each] for name, each in stores.items() if name != "train"}
    return Values(stores, training_views, crops)


def _train(
    config: TransferConfig,
    run: Run,
    data: dict[str, Split],
    values: Values,
    trunk: Trunk,
    fit_rows: np.ndarray,
    held_out: np.ndarray,
) -> tuple[keras.Model, list[dict]]:
    """Trains the head on some rows of train; returns it at its best epoch, and a row an epoch."""
    train, validation = data["train"], data["validation"]
    classes = len(train.wnids)
    whole, _ = values.training_views[0]
    hardware.set_seed(config.seed)
    head = transfer_head(
        whole.shape[1],
        classes,
        hidden=(config.hidden_units,) if config.head == "mlp" else (),
        dropout_rate=1 - config.dropout_keep,
        weight_decay=config.keras_weight_decay,
    )

    def measure() -> dict[str, float]:
        probabilities = _probabilities(head, values.crops["validation"])
        of_truth = probabilities[np.arange(len(validation)), validation.labels]
        accuracy = top_k_accuracy(probabilities, validation.labels)
        picking = accuracy
        if len(held_out):
            picking = top_k_accuracy(_probabilities(head, [whole[held_out]]), train.labels[held_out])
        return {
            "val_loss": float(-np.log(np.maximum(of_truth, 1e-12)).mean()),
            "val_accuracy": accuracy,
            "val_top5": top_k_accuracy(probabilities, validation.labels, 5),
            "selection_accuracy": picking,
        }

    on_the_fly = config.augment and config.augmented_views == 0
    if on_the_fly:
        model = keras.Sequential([trunk.model, head])
        batches = _fresh_views(train.take(fit_rows), config)
    else:
        model = head
        values_pool = pool.ValuePool.from_views(values.training_views, train.labels).only(fit_rows)
        batches = values_pool.batches(batch_size=config.batch_size, classes=classes, seed=config.seed)
    pool.compile_for_training(
        model,
        learning_rate=config.learning_rate,
        decay_per_epoch=config.learning_rate_decay_per_epoch,
        steps_per_epoch=-(-len(fit_rows) // config.batch_size),
        label_smoothing=config.label_smoothing,
        steps_per_execution=1 if on_the_fly else pool.STEPS_PER_EXECUTION,
    )
    rows = pool.fit(
        model,
        batches,
        epochs=config.epochs,
        measure=measure,
        on_rows=_row_writer(config, run),
        verbose=1 if on_the_fly else 0,
    )
    return head, rows


def _probabilities(head: keras.Model, crops: list[np.ndarray]) -> np.ndarray:
    return combine(head.predict(values.astype(np.float32), batch_size=1000, verbose=0) for values in crops)


def _fresh_views(train: Split, config: TransferConfig):
    """Batches through the trunk with new random views every epoch, as the paper drew them."""

    def of_epoch(epoch: int) -> tf.data.Dataset:
        order = np.random.default_rng([config.seed, epoch]).permutation(len(train))
        return pipelines.labelled_network_inputs(
            train.take(order),
            views.AugmentedView(config.seed, epoch),
            size=config.input_size,
            resize=config.resize,
            batch_size=config.batch_size,
        )

    return of_epoch


def _row_writer(config: TransferConfig, run: Run):
    """Stores the rows after each epoch, for TensorBoard too if wanted."""
    if not config.tensorboard:
        return run.write_metrics
    writer = tf.summary.create_file_writer(str(run.path / "tensorboard"))

    def write(rows: list[dict]) -> None:
        run.write_metrics(rows)
        with writer.as_default(step=rows[-1]["epoch"]):
            for name, value in rows[-1].items():
                tf.summary.scalar(name, value)
        writer.flush()

    return write


def _save(run: Run, config: TransferConfig, trunk: Trunk, head: keras.Model) -> None:
    """Saves the classifier on raw images, in float32 whatever computed the values."""
    if trunk.model.layers[1].compute_dtype != "float32":
        trunk = _build_trunk(config, "float32")
    part = run.path / ".best.keras"
    classifier.join(trunk, head, resize=config.resize).save(part)
    part.rename(run.path / "best.keras")
