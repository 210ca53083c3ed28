"""The four tables of the papers beside ours, and the results sections of README and docs, made of them.

A row of the papers with no run of ours says "not run"; the paper's number never stands in our column.
"""

from collections import Counter
from collections.abc import Sequence

from tiny_imagenet_tf import published
from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.reports.analysis.intervals import of_accuracy
from tiny_imagenet_tf.reports.table import NOTHING, Table, grid
from tiny_imagenet_tf.runs.records import Record
from tiny_imagenet_tf.runs.summary import ALL_MEMBERS, Summary

NOT_RUN = "not run"
NOT_OURS = "another group's, not ours to run"
STAND_IN_TRUNKS = {
    "inception_v3_2015.weights.h5": (
        "the backbone's weights are those of Google's Inception-v3 of December 2015, three of its 94 kernels learned "
        "again on Tiny ImageNet's train split, and mixed10 pools by average instead of maximum: not the paper's "
        "weights, so not a reproduction of its number"
    )
}
PAPER = ("Paper: val", "Paper: test")
OURS = ("Here: val", "95% interval of accuracy", "Here: top-5 accuracy", "Data", "Hours", "Record", "Commit")


ERRORS = "Top-1 error, accuracy in brackets. Test errors are the course server's: its labels are not public."
MILANI_1 = ("milani/baseline", "milani/baseline_ensemble", "milani/regularized", "milani/regularized_ensemble")
MILANI_2 = (
    "milani/kim_best",
    "milani/baseline_ensemble",
    "milani/transfer_vanilla",
    "milani/transfer_v2",
    "milani/transfer_v3",
)
SHORT = (
    "milani/transfer_v3",
    "milani/transfer_v2",
    "milani/transfer_vanilla",
    "milani/baseline",
    "milani/baseline_ensemble",
    "milani/regularized",
    "le_yang/model_6",
    "le_yang/model_9",
)
LE_YANG_2 = (*(f"le_yang/model_{i}" for i in range(1, 10)), "le_yang/ensemble_8_9")


def all_tables(results: Sequence[Record], network_sizes: dict[str, int]) -> tuple[Table, ...]:
    """The four tables, and a fifth where a run belongs to no row of the papers.

    Args:
        results: records as ``tiny_imagenet_tf.runs.records`` writes them.
        network_sizes: parameters of each network by name, counted from the built model.
    """
    tables = (
        _results_table("Milani, Table 1: networks of his own", MILANI_1, results),
        _results_table("Milani, Table 2: transfer learning", MILANI_2, results),
        le_yang_networks(network_sizes),
        _results_table("Le & Yang, Table 2: nine networks", LE_YANG_2, results, ("Depth", "Nonlinear", "Screen")),
    )
    others = [result for result in results if result.summary.published not in published.RESULTS]
    if not others:
        return tables
    epochs: dict[str, set[float | None]] = {}
    for result in others:
        epochs.setdefault(result.summary.title, set()).add(result.summary.epochs)
    rows = tuple((_labelled(_told_apart(result.summary, epochs), result), *_ours(result)) for result in others)
    caption = "Runs that repeat no row of the papers."
    return (*tables, Table("Other runs", caption, ("Run", *OURS), rows, _notes(others)))


def le_yang_networks(network_sizes: dict[str, int]) -> Table:
    """Le & Yang's Table 1 as far as it has numbers: depth and parameters, printed and counted."""
    printed = zip(
        published.LE_YANG_TABLE_1_DEPTH,
        published.LE_YANG_TABLE_1_PARAMETERS_MILLION,
        (network_sizes.get(f"le_yang_model_{i}") for i in range(1, 10)),
        strict=True,
    )
    rows = tuple(
        (f"Model {i}", str(depth), f"{millions:.2f}".removesuffix(".00") + " M", f"{ours:,}" if ours else "not counted")
        for i, (depth, millions, ours) in enumerate(printed, 1)
    )
    notes = (
        "Model 4 prints a second conv5-64 that would make 14.40 M; the text says that it is model 3 with a dropout "
        "layer more, and the printed count agrees.",
        "Model 5's count here includes its PReLU slopes. Model 9's 138 M is VGG-16 with 1,000 classes; its column as "
        "printed, with 200 classes and 7x7 maps, has 135.08 M.",
    )
    caption = "Parameters with biases; ours are counted from the built networks."
    columns = ("Network", "Depth", "Paper: parameters", "Here: parameters")
    return Table("Le & Yang, Table 1: configurations", caption, columns, rows, notes)


def section(asked: str, results: Sequence[Record], network_sizes: dict[str, int]) -> str:
    """Returns what stands between a page's ``results`` markers: all tables, or where it asks for ``short`` one."""
    if asked == "short":
        return short_table(results)
    if asked:
        raise UserError(f"results:begin {asked}: a page can ask for short, or for nothing, which is all tables")
    tables = "\n\n".join(table.markdown() for table in all_tables(results, network_sizes))
    return f"<!-- Written by recipes/record_result.py; edits here are overwritten. -->\n\n{tables}"


def short_table(results: Sequence[Record]) -> str:
    """Eight rows of five columns: what most readers come for."""
    rows = []
    for key in SHORT:
        row, runs = published.RESULTS[key], _runs_of(key, results)
        ours = (NOT_RUN, NOTHING, NOTHING)
        if runs:
            val, short = runs[0].summary.validation, "; ".join(runs[0].summary.shortfalls)
            did = short or f"complete{_augmented(runs[0].summary)}"
            ours = (f"{val.top1:.2%}", f"{val.images:,} of {published.VAL_IMAGES:,}", did)
        rows.append((f"{row.paper}: {row.name}", f"{row.val_accuracy:.2%}", *ours))
    return grid(("accuracy on val", "paper", "here", "val images here", "training here"), rows)


def _runs_of(key: str, results: Sequence[Record]) -> list[Record]:
    """The runs of a row, the newest first, but those before that did less than the paper which did all of it."""
    found = [result for result in results if result.summary.published == key]
    newest_first = sorted(found, key=lambda each: each.environment.get("started") or "", reverse=True)
    return sorted(newest_first, key=lambda each: each.summary.shortfalls != ())


def _results_table(title: str, keys: tuple[str, ...], results: Sequence[Record], extra: tuple[str, ...] = ()) -> Table:
    rows, used = [], []
    for key in keys:
        row = published.RESULTS[key]
        paper = (*(_le_yang_columns(key) if extra else ()), _percent(row.val_accuracy), _percent(row.test_accuracy))
        runs = _runs_of(key, results)
        used += runs
        for result in runs:
            rows.append((_labelled(row.name, result), *paper, *_ours(result)))
        if not runs:
            ours = NOT_OURS if key == "milani/kim_best" else NOT_RUN
            rows.append((row.name, *paper, ours, *(NOTHING,) * (len(OURS) - 1)))
    return Table(title, ERRORS, (published.RESULTS[keys[0]].paper, *extra, *PAPER, *OURS), tuple(rows), _notes(used))


def _told_apart(summary: Summary, epochs: dict[str, set[float | None]]) -> str:
    """A run's title, with an ensemble's members, and the epochs where those of runs of the same title differ."""
    if summary.ensemble:
        return f"{summary.title}: {_members(summary)}"
    differ = summary.epochs is not None and len(epochs[summary.title]) > 1
    return f"{summary.title} ({summary.epochs:g} epochs)" if differ else summary.title


def _members(summary: Summary) -> str:
    joined = summary.ensemble
    used = len(joined.members) if summary.selection == ALL_MEMBERS else joined.best_size
    counts = Counter(name.rpartition("/")[0] or name for name, _ in joined.members[:used])
    return ", ".join(f"{count} snapshots of {run}" if count > 1 else run for run, count in counts.items())


def _labelled(name: str, result: Record) -> str:
    partial = "; ".join(result.summary.shortfalls)
    return f"{name} (**partial**: {partial})" if partial else name


def _le_yang_columns(key: str) -> tuple[str, ...]:
    """Depth, nonlinearity and screening as Table 2 prints them."""
    if not key.startswith("le_yang/model_"):
        return (NOTHING, NOTHING, "yes")
    row = int(key.removeprefix("le_yang/model_")) - 1
    screened = "yes" if published.LE_YANG_TABLE_2_SCREENED[row] else "no"
    return str(published.LE_YANG_TABLE_1_DEPTH[row]), published.LE_YANG_TABLE_2_NONLINEARITY[row], screened


def _ours(result: Record) -> tuple[str, ...]:
    summary, environment = result.summary, result.environment
    val = summary.validation
    low, high = of_accuracy(val.top1, val.images)
    top5 = NOTHING if val.top5 is None else f"{val.top5:.2%}"
    train = "" if summary.train.images is None else f"{summary.train.images:,} train{_augmented(summary)}"
    changed = "+" if environment.get("uncommitted_changes") else ""
    hours = NOTHING if summary.hours is None else f"{summary.hours:.2g}"
    return (
        _percent(val.top1),
        f"{100 * low:.1f} to {high:.1%}",
        top5,
        ", ".join(part for part in (train, f"{val.images:,} val", val.shown) if part),
        hours,
        f"`{result.name}`",
        f"`{environment['commit'][:7]}{changed}`" if environment.get("commit") else NOTHING,
    )


def _augmented(summary: Summary) -> str:
    """v3's views in brackets, which the paper, as we read it, draws anew in every epoch."""
    views = summary.train.views or ""
    return f" ({views})" if "augmented" in views else ""


def notes_of_runs(said: dict[str, list[str]]) -> tuple[str, ...]:
    """Returns a note per run; what all of several runs say stands first, once, and what some say alike is one note.

    Args:
        said: name of a run to what must be said of it.
    """
    first, *others = said.values() or [[]]
    common = [text for text in first if others and all(text in other for other in others)]
    notes = {"All": common} | {name: [text for text in texts if text not in common] for name, texts in said.items()}
    alike: dict[str, list[str]] = {}
    for name, texts in notes.items():
        alike.setdefault("; ".join(text.rstrip(".") for text in texts), []).append(name)
    return tuple(f"{', '.join(names)}: {text}." for text, names in alike.items() if text)


def _notes(results: Sequence[Record]) -> tuple[str, ...]:
    said = {}
    for result in results:
        summary = result.summary
        of_run = [summary.selection] if summary.selection else []
        stands_in = STAND_IN_TRUNKS.get(summary.trunk)
        of_run += [note for note in summary.notes if not (stands_in and summary.trunk in note)]  # which says less
        if summary.ensemble and summary.published in published.RESULTS:  # of others the row itself tells
            of_run.append(f"members: {_members(summary)}")
        if stands_in:
            of_run.append(stands_in)
        said[f"`{result.name}`"] = of_run
    return notes_of_runs(said)


def _percent(accuracy: float | None) -> str:
    return NOTHING if accuracy is None else f"{1 - accuracy:.2%} ({accuracy:.2%})"
