"""Puts a report together: run directories in, one page and a file a figure out."""

from collections.abc import Sequence
from pathlib import Path

from tiny_imagenet_tf.published import MILANI_TSNE_CLASSES
from tiny_imagenet_tf.reports import data_sections, error_sections, page, run_sections, tsne_sections, written
from tiny_imagenet_tf.reports.subject import Subject
from tiny_imagenet_tf.runs import Run


def write(
    runs: Sequence[Run],
    out: Path,
    *,
    classes: tuple[str, ...] = MILANI_TSNE_CLASSES,
    results: Sequence[dict] = (),
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
        docs: a Markdown page whose figures and tables are then written, too; see :mod:`written`.

    Returns:
        The page's path.

    Raises:
        UnknownClass: a class is not in the set.
        FileNotFoundError: there is no such page in docs.
        ValueError: that page has no markers, or asks for what this report does not have.
    """
    first = Subject.open(runs[0], source, data_dir)
    subjects = [first, *(Subject(run, None) for run in runs[1:])]  # of these no image is shown
    sections = [
        run_sections.key_figures(subjects),
        run_sections.training(subjects),
        run_sections.ensembles(subjects),
        run_sections.compared(subjects),
        error_sections.errors(first),
        error_sections.gallery(first),
        tsne_sections.transfer_values(first, classes),
        tsne_sections.features(first),
        data_sections.data(first),
        run_sections.published_tables(list(results), network_sizes or {}),
    ]
    found = [section for section in sections if section]
    title = " · ".join(run_sections.distinct_titles(subjects))
    path = page.write(out, f"{title}: Tiny ImageNet", found)
    if docs:
        written.write(docs, found)
    return path
