"""The part of a page in docs/ that a report writes: what its first marker asks for, between that and the second.

    <!-- report:begin Runs; curves; ensemble -->
    <!-- report:end -->

A figure is asked for by the stem of its file, a table by its title; they come in the report's order.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from tiny_imagenet_tf.reports.page import Drawing, Section, Tabulated
from tiny_imagenet_tf.runs.run import replacing

_BEGIN, _END = "<!-- report:begin ", "<!-- report:end -->"
_PART = re.compile(f"({_BEGIN}(.+?) -->).*({_END})", re.DOTALL)


def write(page: Path, sections: Sequence[Section]) -> None:
    """Writes ``figures/<page>_<figure>`` beside the page, and the part between its markers.

    Args:
        page: a Markdown file.
        sections: of a report.

    Raises:
        FileNotFoundError: there is no such page.
        ValueError: the page has not the two markers once each, or asks for what the report does not have.
    """
    text = page.read_text(encoding="utf-8")
    found = _PART.search(text)
    if not found or text.count(_BEGIN) != 1 or text.count(_END) != 1:
        raise ValueError(f"{page} needs {_BEGIN}NAME; NAME --> and, below it, {_END}, once each")
    begin, names, end = found.groups()
    blocks = {_name(block): block for section in sections for block in section.blocks if _name(block)}
    wanted = [name.strip() for name in names.split(";")]
    if missing := [name for name in wanted if name not in blocks]:
        raise ValueError(f"{page} asks for {'; '.join(missing)}; the report has {'; '.join(blocks)}")
    parts = [_markdown(page, block) for name, block in blocks.items() if name in wanted]
    with replacing(page) as file:
        file.write((text[: found.start()] + "\n\n".join([begin, *parts, end]) + text[found.end() :]).encode())


def _name(block) -> str | None:
    if isinstance(block, Drawing):
        return block.name
    return block.table.title if isinstance(block, Tabulated) else None


def _markdown(page: Path, block: Drawing | Tabulated) -> str:
    """The block as the page shows it; a figure's file is written."""
    if isinstance(block, Tabulated):
        return block.table.markdown()
    name = f"{page.stem}_{block.file_name.replace('-', '_')}"
    (page.parent / "figures").mkdir(exist_ok=True)
    with replacing(page.parent / "figures" / name) as file:
        file.write(block.content)
    return f"![{block.caption}](figures/{name})\n\n*{block.caption}*"
