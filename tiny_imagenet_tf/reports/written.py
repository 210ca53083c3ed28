"""The part of docs/analysis.md that code writes: figures and tables of one run, between two markers."""

from collections.abc import Sequence
from pathlib import Path

from tiny_imagenet_tf.reports.page import Drawing, Section, Tabulated
from tiny_imagenet_tf.runs import replacing

BEGIN, END = "<!-- analysis:begin -->", "<!-- analysis:end -->"
FIGURES = ("curves", "class-errors", "worst-and-best", "confused-pairs", "tsne-transfer-values")
TABLES = ("Runs", "Errors, claim by claim", "Nearest neighbours", "Clusters, claim by claim")


def write(docs: Path, sections: Sequence[Section]) -> None:
    """Writes ``figures/report_*`` and what stands between the markers of ``analysis.md``.

    Args:
        docs: the folder of both.
        sections: of a report.

    Raises:
        ValueError: ``analysis.md`` has not the two markers once each.
    """
    page = docs / "analysis.md"
    text = page.read_text(encoding="utf-8")
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        raise ValueError(f"{page} needs {BEGIN} and, below it, {END}, once each")
    parts = []
    for block in (block for section in sections for block in section.blocks):
        if isinstance(block, Drawing) and block.name in FIGURES:
            name = f"report_{block.file_name.replace('-', '_')}"
            with replacing(docs / "figures" / name) as file:
                file.write(block.content)
            parts.append(f"![{block.caption}](figures/{name})\n\n*{block.caption}*")
        elif isinstance(block, Tabulated) and block.table.title in TABLES:
            parts.append(block.table.markdown())
    before, after = text[: text.index(BEGIN)], text[text.index(END) :]
    with replacing(page) as file:
        file.write("\n\n".join([before + BEGIN, *parts, after]).encode())
