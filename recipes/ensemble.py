"""Ensembles of any runs or snapshots (Milani section 3.4; Le & Yang sections 4.3.1 and 5.3.5).

Each network gives its softmax probabilities, and an ensemble sums them (Eq. 2). The networks are joined one by one,
the best on val first; the size of the highest val accuracy is marked (Fig. 6), and that ensemble predicts test. Both
the order and the size are chosen on the images that the accuracy is reported on, as in the papers. With --all nothing
is chosen: every member is in.

Paper: Baseline from 48.5% to 52.2% val accuracy with 9 of 20 snapshots, Regularized from 46.1% to 46.8%; Le &
Yang's models 8 and 9 together 61.23%, all their models 54%. Time: each network passes once over val and test, half
a minute for 10,000 images.

    python recipes/ensemble.py runs/inception_baseline-20260101-120000
    python recipes/ensemble.py runs/convnets-20260101-120000 runs/convnets-20260102-120000 --snapshots best
"""

import dataclasses
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tyro

from tiny_imagenet_tf import published
from tiny_imagenet_tf.choices import Crops, Which
from tiny_imagenet_tf.cli import command
from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.evaluation.options import NetworkOptions
from tiny_imagenet_tf.runs.places import check_folder, check_once
from tiny_imagenet_tf.runs.run import Run
from tiny_imagenet_tf.runs.summary import ALL_MEMBERS, Ensemble, Summary

if TYPE_CHECKING:
    from tiny_imagenet_tf.evaluation.ensembles import Joined
    from tiny_imagenet_tf.evaluation.members import Member


@dataclasses.dataclass(frozen=True)
class Config(NetworkOptions):
    """What to join."""

    members: tyro.conf.Positional[tuple[Path, ...]]
    """Run directories, .keras files. A run without networks joins by its stored val predictions."""
    snapshots: Which = "all"
    """Which of a run's snapshots to join."""
    all: bool = False
    """Join all members, not only the best few (Le & Yang section 5.3.5)."""
    crops: Crops | None = None
    """How each image is shown at test time; mirror adds its mirror image. Default: as the transfer run did, otherwise
    as the network's paper did: whole for networks of whole images, center for those of crops."""
    fraction: float = 1.0
    """Share of each class's val images to use, and of the test images."""
    runs: Path = Path("runs")
    """Where run directories are made."""


def main(config: Config) -> Run:
    from tiny_imagenet_tf.data import splits  # TensorFlow is loaded when the recipe runs
    from tiny_imagenet_tf.evaluation import ensembles
    from tiny_imagenet_tf.evaluation.members import images_of
    from tiny_imagenet_tf.evaluation.metrics import validation_of
    from tiny_imagenet_tf.evaluation.recording import record

    members = _members(config)
    source, data_dir = images_of(members, config.source, config.data_dir)
    config = dataclasses.replace(config, source=source, data_dir=data_dir)  # where a report finds the images
    builder = splits.prepare(source, data_dir)
    validation = splits.load(builder, "validation").fraction(config.fraction)
    for member in members:
        member.check(validation, config.crops)  # before any is computed
    probabilities = [member.probabilities(validation, config.crops, stored=True) for member in members]
    ensembles.check_different([member.name for member in members], probabilities)
    joined = ensembles.join_best_first(probabilities, validation.labels)
    print(table(members, joined, len(members) if config.all else joined.best_size))

    numbers = joined.order if config.all else joined.best_members
    chosen = [members[number] for number in numbers]
    answers = [(validation, np.mean([probabilities[number] for number in numbers], axis=0))]
    if "test" in builder.info.splits and all(member.path is not None for member in chosen):
        test = splits.load(builder, "test").fraction(config.fraction)
        answers.append((test, np.mean([member.probabilities(test, config.crops) for member in chosen], axis=0)))
    rows, runs = [member.published for member in chosen], [member.run for member in chosen]
    key = ensembles.published_key(rows, runs, best_only=config.snapshots == "all" and not config.all)
    key = None if config.crops else key  # with others than the paper's it is another experiment
    alone = tuple((members[number].name, joined.accuracies[number]) for number in joined.order)
    summary = Summary(
        title=published.RESULTS[key].name if key else f"Ensemble of {len(numbers)}",
        published=key,
        validation=validation_of(answers[0][1], validation.labels, config.crops),
        notes=tuple(splits.shortfalls([split for split, _ in answers])),
        selection=ALL_MEMBERS if config.all else "order and number of the members on val",
        ensemble=Ensemble(joined.accuracy_by_size, len(numbers), alone),
        **(_training(chosen) if all(member.run for member in chosen) else {}),
    )
    facts = {"demo": True} if any(member.run and member.run.of_synthetic_images for member in chosen) else {}
    run = record(config.runs, "ensemble", config, answers, summary, **facts)
    print(f"Written to {run.path}; next:\n  tiny-imagenet report {shlex.quote(str(run.path))}")
    return run


def _members(config: Config) -> "list[Member]":
    """Finds the networks to join.

    Raises:
        UserError: what is wrong with an option or a file, told before images are prepared.
    """
    from tiny_imagenet_tf.data import splits
    from tiny_imagenet_tf.evaluation.members import find

    check_folder("--runs", config.runs)
    splits.check_fraction(config.fraction)
    if not config.members:
        raise UserError("no run directory or .keras file was given")
    check_once(config.members)
    members = find(config.members, config.snapshots, config.pixels, config.labels)
    for member in members:
        if member.run is None:
            member.network()
    return members


def _training(members: "list[Member]") -> dict[str, Any]:
    """What a table must know of the members' training: of one run, or what each of several has less than its recipe."""
    runs = {member.run.path: member.run.summary if member.run.ended else None for member in members}
    if len(runs) == 1 and (summary := next(iter(runs.values()))):
        return {name: getattr(summary, name) for name in ("train", "epochs", "recipe_epochs", "partial")}
    short = [f"{each.title}: {', '.join(each.shortfalls)}" for each in runs.values() if each and each.shortfalls]
    short += [f"{path.name}: has not ended" for path, summary in runs.items() if summary is None]
    return {"partial": "; ".join(short) or None}


def table(members: "list[Member]", joined: "Joined", chosen: int) -> str:
    """Fig. 6 in letters: a line per member, with the accuracy of the ensemble up to it; the chosen size is marked."""
    lines = ["size  alone    together  member"]
    for size, (number, accuracy) in enumerate(zip(joined.order, joined.accuracy_by_size, strict=True), start=1):
        mark = "*" if size == chosen else " "
        lines.append(f"{size:4}  {joined.accuracies[number]:7.2%}  {accuracy:7.2%}{mark}  {members[number].name}")
    return "\n".join(lines)


if __name__ == "__main__":
    command(Config, main, __doc__)
