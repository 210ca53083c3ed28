"""Puts a report together: run directories in, one page and a file per figure out."""

import sys
from collections.abc import Sequence
from pathlib import Path

from tiny_imagenet_tf.published import MILANI_TSNE_CLASSES
from tiny_imagenet_tf.reports import markers, page
from tiny_imagenet_tf.reports.sections import activations, errors, images
from tiny_imagenet_tf.reports.sections import runs as whole_runs
from tiny_imagenet_tf.reports.subject import Subject
from tiny_imagenet_tf.runs.records import Record
from tiny_imagenet_tf.runs.run import Run


def write(
    runs: Sequence[Run],
    out: Path,
    *,
    classes: tuple[str, ...] = MILANI_TSNE_CLASSES,
    results: Sequence[Record] = (),
    network_sizes: dict[str, int] | None = None,
    source: Path | None = None,
    data_dir: Path | None = None,
    docs: Path | None = None,
) -> Path:
    """Writes the report of one or several runs.

    Curves, ensembles, key figures and the comparison show all runs; errors, gallery and t-SNE show the first.

    Args:
        runs: finished runs, at least one.
        out: receives ``index.html`` and ``figures/``.
        classes: names or wnids whose transfer values are laid out.
        results: records for the papers' tables.
        network_sizes: parameters by network name, for Le & Yang's Table 1.
        source: where the images are; default: where the first run had them.
        data_dir: of prepared datasets; default: the first run's.
        docs: a Markdown page whose figures and tables are then written, too; see ``markers``.

    Returns:
        The page's path.

    Raises:
        UnknownClass: a class is not in the set.
        UserError: that page is not there, has no markers, or asks for what this report does not have.
    """
    first = Subject.open(runs[0], source, data_dir)
    if first.without_images:
        print(f"{first.run.path}: {first.without_images} The page shows none.", file=sys.stderr)
    subjects = [first, *(Subject(run, None) for run in runs[1:])]  # of these no image is shown
    sections = [
        whole_runs.key_figures(subjects),
        whole_runs.training(subjects),
        whole_runs.ensembles(subjects),
        whole_runs.compared(subjects),
        errors.errors(first),
        errors.gallery(first),
        activations.transfer_values(first, classes),
        activations.features(first),
        images.data(first),
        whole_runs.published_tables(results, network_sizes or {}),
    ]
    found = [section for section in sections if section]
    title = " · ".join(whole_runs.distinct_titles(subjects))
    path = page.write(out, f"{title}: Tiny ImageNet", found)
    if docs:
        markers.write_report(docs, found)
    return path
