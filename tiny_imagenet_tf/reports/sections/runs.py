"""Sections about whole runs: key figures, curves, the ensemble curve, and what a change of config did."""

from collections.abc import Sequence

from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.evaluation.metrics import p_in_words, top_k_accuracy
from tiny_imagenet_tf.reports import tables
from tiny_imagenet_tf.reports.analysis import comparison
from tiny_imagenet_tf.reports.analysis.calibration import calibration
from tiny_imagenet_tf.reports.analysis.intervals import of_accuracy
from tiny_imagenet_tf.reports.figures import curves
from tiny_imagenet_tf.reports.page import Drawing, Section
from tiny_imagenet_tf.reports.subject import Subject
from tiny_imagenet_tf.reports.table import NOTHING, Table
from tiny_imagenet_tf.runs.records import Record


def key_figures(subjects: list[Subject]) -> Section:
    """A column per run: accuracy with its interval, calibration, and what was used; no row that is empty in all."""
    columns = [_key_figures(subject) for subject in subjects]
    by_field = {field: [column[field] for column in columns] for field in columns[0]}
    rows = tuple((field, *cells) for field, cells in by_field.items() if set(cells) != {NOTHING})
    caption = (
        "Accuracy on validation images, with Wilson's score interval. Calibration error: the expected calibration "
        "error (ECE, 15 bins of equal width), the mean gap between the probability of the predicted class and how "
        "often it is right."
    )
    titles = distinct_titles(subjects)
    said = {}
    for subject, title in zip(subjects, titles, strict=True):
        partial = [f"partial: {subject.summary.partial}"] if subject.summary.partial else []
        said[title] = [*partial, *subject.summary.notes]
    table = Table("Runs", caption, ("", *titles), rows, tables.notes_of_runs(said))
    return Section("figures", "Key figures", "", (table,))


def _key_figures(subject: Subject) -> dict[str, str]:
    summary, environment = subject.summary, subject.run.environment
    val, answers = summary.validation, subject.predictions
    low, high = of_accuracy(val.top1, val.images)
    top5 = val.top5 or (top_k_accuracy(answers.probabilities, answers.labels, 5) if answers else None)
    return {
        "Top-1 accuracy": f"**{val.top1:.2%}**",
        "95% interval": f"{100 * low:.2f} to {high:.2%}",
        "Top-5 accuracy": f"{top5:.2%}" if top5 else NOTHING,
        "Calibration error": f"{calibration(answers.confidence, answers.right).error:.1%}" if answers else NOTHING,
        "Validation": f"{val.images:,} images, {val.shown}",
        "Training": NOTHING if summary.train.images is None else f"{summary.train.images:,} images",
        "Chosen": summary.selection or NOTHING,
        "Backbone": f"`{summary.backbone}`" if summary.backbone else NOTHING,
        "Its weights": f"`{summary.trunk}`" if summary.trunk else NOTHING,
        "Device": environment.get("device") or NOTHING,
        "Hours": f"{summary.hours:.2g}" if summary.hours else NOTHING,
        "Seed": str(environment.get("seed", NOTHING)),
        "Commit": f"`{environment['commit'][:7]}`" if environment.get("commit") else NOTHING,
    }


def published_tables(results: Sequence[Record], network_sizes: dict[str, int]) -> Section:
    """The papers' tables beside the recorded results."""
    blocks = tables.all_tables(results, network_sizes)
    return Section("papers", "The papers' tables", "From the records in results/, not only from this run.", blocks)


def training(subjects: list[Subject]) -> Section:
    """Accuracy against epochs, all runs in one figure."""
    rows = dict(zip(distinct_titles(subjects), (subject.run.metrics for subject in subjects), strict=True))
    rows = {title: metrics for title, metrics in rows.items() if metrics}
    if not rows:
        return Section("training", "Training", "The run stored no metrics.")
    caption = (
        "Minibatch training accuracy as a running average over the epoch (dashed) and accuracy on all validation "
        "images (solid), as in Milani's Figs. 5, 9 and 10."
    )
    return Section("training", "Training", "", (Drawing("curves", curves.training_curves(rows), caption),))


def ensembles(subjects: list[Subject]) -> Section | None:
    """Accuracy against the size of the ensemble, all in one figure; None where each run is one network."""
    named = zip(distinct_titles(subjects), (subject.summary.ensemble for subject in subjects), strict=True)
    found = {title: ensemble.accuracy_by_size for title, ensemble in named if ensemble}
    if not found:
        return None
    sentences = [
        f"{title}: {len(accuracies)} networks, the best alone first. The best ensemble gains "
        f"{100 * (max(accuracies) - accuracies[0]):.2f} points on it."
        for title, accuracies in found.items()
    ]
    caption = "Validation accuracy against the number of networks in the ensemble, best first, as in Milani's Fig. 6."
    drawing = Drawing("ensemble", curves.ensemble_curves(found), caption)
    return Section("ensemble", "Ensemble", " ".join(sentences), (drawing,))


def compared(subjects: list[Subject]) -> Section | None:
    """What differs between the first run and each other, and what that did; None for a single run."""
    if len(subjects) < 2:
        return None
    titles = distinct_titles(subjects)
    rows, notes = [], []
    for subject, title in zip(subjects[1:], titles[1:], strict=True):
        try:
            rows.append(_answers(subjects[0], subject, title))
        except UserError as error:
            notes.append(f"{title}: not compared, for {error}")
    tests = Table(
        "Answers, image by image",
        f"Against {titles[0]}, on the validation images that both have. McNemar's exact test looks at the images on "
        "which exactly one of the two is right; p is how often chance alone would split them this unevenly.",
        ("Run", "Images", titles[0], "This run", "Difference", "Only the first right", "Only this right", "p"),
        tuple(rows),
        tuple(notes),
    )
    configs = {
        title: subject.run.config
        for title, subject in zip(titles, subjects, strict=True)
        if "members" not in subject.run.config  # an ensemble's config is the list of its members
    }
    blocks = (_what_differs(configs), tests) if len(configs) > 1 else (tests,)
    return Section("comparison", "Comparison", "", blocks)


def _what_differs(configs: dict[str, dict]) -> Table:
    fields = comparison.differences(list(configs.values()))
    return Table(
        "What differs",
        "Config fields that are not the same in all runs.",
        ("Field", *configs),
        tuple((f"`{field}`", *values) for field, values in fields.items()),
    )


def distinct_titles(subjects: list[Subject]) -> list[str]:
    """The runs' titles; where two are equal, with so much of the run directory's path as is not."""
    titles, parts = [subject.title for subject in subjects], [subject.run.path.absolute().parts for subject in subjects]
    for length in range(1, max(map(len, parts)) + 1):
        named = [
            f"{title} ({'/'.join(part[-length:])})" if titles.count(title) > 1 else title
            for title, part in zip(titles, parts, strict=True)
        ]
        if len(set(named)) == len(named):
            break
    return named


def _answers(first: Subject, second: Subject, title: str) -> tuple[str, ...]:
    if first.predictions is None or second.predictions is None:
        raise UserError("one of the two stored no predictions")
    found = comparison.compare(first.predictions, second.predictions)
    a, b = found.accuracies
    p = p_in_words(found.p_value)
    percents = f"{a:.2%}", f"{b:.2%}", f"{100 * (b - a):+.2f} points"
    return (title, f"{found.images:,}", *percents, str(found.only_first), str(found.only_second), p)
