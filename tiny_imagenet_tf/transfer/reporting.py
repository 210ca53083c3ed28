"""What a transfer-learning run says of itself: its summary, its caveats, and the paper's figure beside it."""

import dataclasses

import numpy as np

from tiny_imagenet_tf import published
from tiny_imagenet_tf.data.splits import Split, shortfalls
from tiny_imagenet_tf.evaluation.metrics import top_k_accuracy
from tiny_imagenet_tf.runs.run import Run
from tiny_imagenet_tf.runs.transfer_values import Store
from tiny_imagenet_tf.transfer.config import TransferConfig
from tiny_imagenet_tf.transfer.trunk import Trunk


@dataclasses.dataclass(frozen=True)
class Experiment:
    """The names of an experiment.

    Attributes:
        recipe: the recipe's, of the run directory too.
        title: what a table calls it.
        published: key of the paper's row in :data:`published.RESULTS`.
    """

    recipe: str
    title: str
    published: str


def summarize(
    experiment: Experiment,
    config: TransferConfig,
    run: Run,
    *,
    data: dict[str, Split],
    probabilities: np.ndarray,
    best: dict,
    trained_rows: int,
    trunk: Trunk,
    stores: dict[str, list[Store]],
    seconds: float,
) -> None:
    """Writes ``summary.json`` and prints the run beside the paper's row.

    Args:
        experiment: its names.
        config: its options.
        run: its directory.
        data: its splits.
        probabilities: (n, classes) for the validation images.
        best: the row of the best epoch.
        trained_rows: number of training images.
        trunk: what made the values.
        stores: split name to its stores.
        seconds: since the transfer values were there.
    """
    validation = data["validation"]
    extraction = [store.seconds for each in stores.values() for store in each]
    untold = extraction.count(None)
    extraction_seconds = sum(each for each in extraction if each is not None)
    run.write_summary(
        {
            "published": None if config.demo or config.departures else experiment.published,
            "title": f"{experiment.title} with {config.departures}" if config.departures else experiment.title,
            "validation": {
                "images": len(validation),
                "top1": top_k_accuracy(probabilities, validation.labels),
                "top5": top_k_accuracy(probabilities, validation.labels, 5),
                "crops": "ten-crop" if config.crops == "ten" else "whole image",
            },
            "train": {
                "images": trained_rows,
                "views": _training_views(config, len(data["train"])),
                "accuracy": best["accuracy"],
            },
            "selection": f"best epoch on {'held-out training images' if config.holdout else 'val'}",
            "best_epoch": best["epoch"],
            "recipe_epochs": type(config)().epochs,
            "trunk": trunk.label,
            "hours": (extraction_seconds + seconds) / 3600,
            "seconds": {"extraction": extraction_seconds, "head": seconds},
            "notes": notes(config, trunk, data)
            + ([f"the hours leave out the extraction of {untold} stored views"] if untold else []),
            **_partial(config),
            "transfer_values": {
                name: [{"folder": store.folder, "rows": store.rows, "view": _view(store)} for store in each]
                for name, each in stores.items()
            },
        }
    )
    _compare(experiment, run)


def notes(config: TransferConfig, trunk: Trunk, data: dict[str, Split]) -> list[str]:
    """Returns what keeps a run from being a reproduction of the paper's figure."""
    found = []
    if config.demo:
        found.append("demo on made-up images: the accuracy means nothing")
    if trunk.label == "random":
        found.append("the trunk's weights are random")
    elif trunk.label != "imagenet":
        found.append(f"the trunk's weights are {trunk.label}, not Keras' imagenet")
    return found if config.demo else found + shortfalls(data)


def _training_views(config: TransferConfig, images: int) -> str:
    if not config.augment:
        return "whole image"
    if not config.augmented_views:
        return "new augmented view each epoch"
    covered = "all" if config.augmented_fraction == 1 else f"{round(config.augmented_fraction * images):,}"
    return f"whole image; {config.augmented_views} augmented views of {covered} images"


def _partial(config: TransferConfig) -> dict[str, str]:
    """What a table must say of a run that did less than its recipe."""
    if config.augment and config.augmented_views and config.augmented_fraction < 1:
        return {"partial": f"augmented views of {config.augmented_fraction:.0%} of the images"}
    return {}


def _view(store: Store) -> dict:
    """The part of a store's key that tells one view from another."""
    of_view = ("view", "window", "mirrored", "seed", "number")
    return {name: value for name, value in store.key.items() if name in of_view}


def _compare(experiment: Experiment, run: Run) -> None:
    summary, paper = run.summary, published.RESULTS[experiment.published]
    top1, top5 = summary["validation"]["top1"], summary["validation"]["top5"]
    print(f"\n{'':38}{'val error':>10}{'val accuracy':>14}{'val top-5':>11}{'test error':>12}")
    print(f"{'this run, ' + summary['title']:38}{1 - top1:>10.2%}{top1:>14.2%}{top5:>11.2%}{'unlabeled':>12}")
    print(
        f"{paper.paper + ', ' + paper.name:38}{paper.val_error_percent / 100:>10.2%}{paper.val_accuracy:>14.2%}"
        f"{'':>11}{paper.test_error_percent / 100:>12.1%}"
    )
    for note in summary["notes"]:
        print(f"  note: {note}")
    print(f"\nWritten to {run.path}: best.keras, metrics.jsonl, summary.json, predictions of val and test")
