"""A transfer-learning run from images to the run directory (Milani section 4)."""

import dataclasses
import tempfile
import time
from pathlib import Path

import keras
import numpy as np

from tiny_imagenet_tf import hardware, published
from tiny_imagenet_tf.data import official_layout, pipelines, splits, synthetic, views
from tiny_imagenet_tf.data.splits import Split
from tiny_imagenet_tf.evaluation import scores
from tiny_imagenet_tf.models.heads import transfer_head
from tiny_imagenet_tf.runs import Run
from tiny_imagenet_tf.transfer import classifier, engine, fitting
from tiny_imagenet_tf.transfer import trunk as trunks
from tiny_imagenet_tf.transfer.config import TransferConfig
from tiny_imagenet_tf.transfer.extraction import Extraction

DEMO_INPUT_SIZE = 107  # pixels; a third of the paper's, so that the demo is quick


@dataclasses.dataclass(frozen=True)
class Experiment:
    """What a recipe adds to its config.

    Attributes:
        recipe: its name, of the run directory too.
        title: what a table calls it.
        published: key of the paper's row in :data:`published.RESULTS`.
    """

    recipe: str
    title: str
    published: str


def run(experiment: Experiment, config: TransferConfig) -> Run:
    """Runs the recipe and returns its run directory."""
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
    started = time.perf_counter()
    hardware.set_seed(config.seed)
    precision = hardware.resolve_precision(config.precision)
    trunk = trunks.build(
        config.weights,
        kind=config.trunk,
        layer=config.layer,
        input_size=config.input_size,
        seed=config.seed,
        dtype=engine.trunk_dtype(precision),
    )
    data = {name: split.fraction(config.fraction) for name, split in _load(config).items()}
    train, validation = data["train"], data["validation"]
    extraction = Extraction(trunk, precision, config.resize, config.store.expanduser())
    print(
        f"{len(train):,} training, {len(validation):,} validation images, {len(train.wnids)} classes; "
        f"trunk {trunk.label} in {precision}"
    )

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

    # 1. Transfer values of all images, through the frozen trunk.
    crops = views.TEN_CROP if config.crops == "ten" else (views.WHOLE,)
    stores = {name: extraction.fill(split, crops) for name, split in data.items() if name != "train"}
    stores["train"] = extraction.fill(train, (views.WHOLE,))
    fit_rows, holdout_rows = _hold_out(train, config.holdout)
    pool_views = [(stores["train"][0].load(), np.arange(len(train)))]
    if config.augment and config.augmented_views:
        rows = train.fraction_rows(config.augmented_fraction)
        augmented = [views.AugmentedView(config.seed, number) for number in range(config.augmented_views)]
        for store in extraction.fill(train.take(rows), augmented):
            stores["train"].append(store)
            pool_views.append((store.load(), rows))
    extracted = time.perf_counter()

    # 2. The head on them.
    width = pool_views[0][0].shape[1]
    hardware.set_seed(config.seed)
    head = transfer_head(
        width,
        len(train.wnids),
        hidden=(config.hidden_units,) if config.head == "mlp" else (),
        dropout_rate=1 - config.dropout_keep,
        weight_decay=config.keras_weight_decay,
    )
    crop_values = [store.load() for store in stores["validation"]]
    holdout_values = pool_views[0][0][holdout_rows]

    def measure() -> dict[str, float]:
        probabilities = _probabilities(head, crop_values)
        top1 = scores.top_k_accuracy(probabilities, validation.labels)
        picking = top1
        if len(holdout_rows):
            picking = scores.top_k_accuracy(_probabilities(head, [holdout_values]), train.labels[holdout_rows])
        truth = np.maximum(probabilities[np.arange(len(validation)), validation.labels], 1e-12)
        return {
            "val_loss": float(-np.log(truth).mean()),
            "val_accuracy": top1,
            "val_top5": scores.top_k_accuracy(probabilities, validation.labels, 5),
            "selection_accuracy": picking,
        }

    on_the_fly = config.augment and config.augmented_views == 0
    if on_the_fly:
        model = keras.Sequential([trunk.model, head])
        batches = _augmented_batches(train.take(fit_rows), config)
    else:
        pool = fitting.ValuePool.from_views(pool_views, train.labels).only(fit_rows)
        model = head
        batches = pool.batches(batch_size=config.batch_size, classes=len(train.wnids), seed=config.seed)
    fitting.compile_for_training(
        model,
        learning_rate=config.learning_rate,
        decay_per_epoch=config.learning_rate_decay_per_epoch,
        steps_per_epoch=-(-len(fit_rows) // config.batch_size),
        label_smoothing=config.label_smoothing,
        steps_per_execution=1 if on_the_fly else fitting.STEPS_PER_EXECUTION,
    )
    rows = fitting.fit(
        model,
        batches,
        epochs=config.epochs,
        measure=measure,
        callbacks=_callbacks(config, run),
        verbose=1 if on_the_fly else 0,
    )
    run.write_metrics(rows)
    trained = time.perf_counter()

    # 3. Predictions, the model, and the figures.
    best = max(rows, key=lambda row: row["selection_accuracy"])
    probabilities = _probabilities(head, crop_values)
    run.write_validation_predictions(validation.file_names, validation.labels, validation.wnids, probabilities)
    if "test" in data:
        test = _probabilities(head, [store.load() for store in stores["test"]])
        run.write_test_predictions(data["test"].file_names, test.argmax(axis=1), train.wnids)
    _save(run, config, trunk, head)
    run.write_summary(
        {
            "published": None if config.demo else experiment.published,
            "title": experiment.title,
            "validation": {
                "images": len(validation),
                "top1": scores.top_k_accuracy(probabilities, validation.labels),
                "top5": scores.top_k_accuracy(probabilities, validation.labels, 5),
                "crops": "ten-crop" if config.crops == "ten" else "whole image",
            },
            "train": {
                "images": len(fit_rows),
                "views": _describe_training_views(config, len(train)),
                "accuracy": best["accuracy"],
            },
            "selection": "best epoch on held-out training images" if len(holdout_rows) else "best epoch on validation",
            "best_epoch": best["epoch"],
            "trunk": trunk.label,
            "hours": (time.perf_counter() - started) / 3600,
            "seconds": {"extraction": extracted - started, "head": trained - extracted},
            "notes": _notes(config, trunk, data),
            "transfer_values": {
                name: [{"folder": store.folder, "rows": store.rows, "view": store.key} for store in each]
                for name, each in stores.items()
            },
        }
    )
    _compare(experiment, run)
    return run


def _load(config: TransferConfig) -> dict[str, Split]:
    builder = splits.prepare(config.source, config.data_dir)
    found = {name: splits.load(builder, name) for name in official_layout.SPLITS if name in builder.info.splits}
    if "validation" not in found:
        raise official_layout.DatasetError("the dataset has no validation images to measure accuracy on")
    return found


def _hold_out(train: Split, share: float) -> tuple[np.ndarray, np.ndarray]:
    """Rows to train on and rows that pick the epoch: the last ``share`` of each class."""
    rows = np.arange(len(train))
    if not share:
        return rows, rows[:0]
    kept = train.fraction_rows(1 - share)
    return kept, np.setdiff1d(rows, kept)


def _probabilities(head: keras.Model, crop_values: list[np.ndarray]) -> np.ndarray:
    return scores.combine(head.predict(values.astype(np.float32), batch_size=1000, verbose=0) for values in crop_values)


def _augmented_batches(train: Split, config: TransferConfig):
    def of_epoch(epoch: int):
        order = np.random.default_rng([config.seed, epoch]).permutation(len(train))
        return pipelines.labelled_trunk_inputs(
            train.take(order),
            views.AugmentedView(config.seed, epoch),
            size=config.input_size,
            resize=config.resize,
            batch_size=config.batch_size,
        )

    return of_epoch


def _callbacks(config: TransferConfig, run: Run) -> list[keras.callbacks.Callback]:
    if not config.tensorboard:
        return []
    return [keras.callbacks.TensorBoard(run.path / "tensorboard", write_graph=False)]


def _save(run: Run, config: TransferConfig, trunk: trunks.Trunk, head: keras.Model) -> None:
    """Saves the classifier on raw images, in float32 whatever computed the values."""
    if trunk.model.layers[1].compute_dtype != "float32":
        trunk = trunks.build(
            config.weights, kind=config.trunk, layer=config.layer, input_size=config.input_size, seed=config.seed
        )
    part = run.path / ".best.keras"
    classifier.join(trunk, head, resize=config.resize).save(part)
    part.rename(run.path / "best.keras")


def _describe_training_views(config: TransferConfig, images: int) -> str:
    if not config.augment:
        return "whole image"
    if not config.augmented_views:
        return "new augmented view each epoch"
    covered = "all" if config.augmented_fraction == 1 else f"{round(config.augmented_fraction * images):,}"
    return f"whole image; {config.augmented_views} augmented views of {covered} images"


def _notes(config: TransferConfig, trunk: trunks.Trunk, data: dict[str, Split]) -> list[str]:
    """What keeps this run from being a reproduction of the paper's figure."""
    notes = []
    if config.demo:
        notes.append("demo on made-up images: the accuracy means nothing")
    if trunk.label == "random":
        notes.append("the trunk's weights are random")
    elif trunk.label != "imagenet":
        notes.append(f"the trunk's weights are {trunk.label}, not Keras' imagenet")
    for name, split in data.items():
        if not config.demo and len(split) != official_layout.OFFICIAL_COUNTS[name]:
            notes.append(f"{len(split):,} of the {official_layout.OFFICIAL_COUNTS[name]:,} {name} images")
    return notes


def _compare(experiment: Experiment, run: Run) -> None:
    """Prints this run beside the paper's row."""
    summary, paper = run.summary, published.RESULTS[experiment.published]
    top1, top5 = summary["validation"]["top1"], summary["validation"]["top5"]
    print(f"\n{'':28}{'val error':>10}{'val accuracy':>14}{'val top-5':>11}{'test error':>12}")
    print(f"{'this run, ' + experiment.title:28.28}{1 - top1:>10.2%}{top1:>14.2%}{top5:>11.2%}{'unlabeled':>12}")
    print(
        f"{paper.paper + ', ' + paper.name:28.28}{paper.val_error_percent:>9.2f}%{paper.val_accuracy:>14.2%}"
        f"{'':>11}{paper.test_error_percent:>11.1f}%"
    )
    for note in summary["notes"]:
        print(f"  note: {note}")
    print(f"\nWritten to {run.path}: best.keras, metrics.jsonl, summary.json, predictions of val and test")
