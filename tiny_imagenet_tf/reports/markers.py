"""The parts of a Markdown page that are written by a program: what stands between two markers.

    <!-- report:begin Runs; curves; ensemble -->
    <!-- report:end -->

A name (``report``, ``results``), and what is asked for: of a report, figures by the stem of their file and tables by
their title, in the report's order.
"""

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.reports.page import Drawing, Section
from tiny_imagenet_tf.reports.table import Table
from tiny_imagenet_tf.runs.files import read_text, replacing


def replaced(page: Path, name: str, make: Callable[[str], str], now: bytes | None = None) -> bytes:
    """Returns a page with another text between its two markers, and without them byte for byte what it was.

    Args:
        page: a Markdown file.
        name: of the markers.
        make: from what the first marker asks for to the text.
        now: what the page is to hold by now, where another of its parts was replaced before.

    Raises:
        UserError: there is no such page, or it has not the two markers once each.
    """
    if not page.is_file():
        raise UserError(f"{page}: no such page")
    read_text(page)  # in another encoding it is refused
    text, (begin, end) = (now or page.read_bytes()).decode(), (f"<!-- {name}:begin", f"<!-- {name}:end -->")
    found = re.search(f"{begin} ?(.*?) ?-->.*{end}", text, re.DOTALL)
    if not found or text.count(begin) != 1 or text.count(end) != 1:
        raise UserError(f"{page} needs {begin} ... --> and, below it, {end}, once each")
    first, rest = found.group(0).split("-->", 1)
    part = "\n\n".join(["", make(found.group(1)), end])
    part = part.replace("\n", "\r\n") if rest.startswith("\r\n") else part
    return (text[: found.start()] + first + "-->" + part + text[found.end() :]).encode()


def has(page: Path, name: str) -> bool:
    """Whether a page has markers of a name."""
    return f"<!-- {name}:begin" in read_text(page)


def replace(page: Path, name: str, make: Callable[[str], str]) -> None:
    """Writes what stands between a page's two markers; see ``replaced``."""
    new = replaced(page, name, make)
    with replacing(page) as file:
        file.write(new)


def write_report(page: Path, sections: Sequence[Section]) -> None:
    """Writes ``figures/<page>_<figure>`` beside the page, and the part between its ``report`` markers.

    Raises:
        UserError: the page has no markers, or asks for what the report does not have.
    """
    blocks = {_name(block): block for section in sections for block in section.blocks if _name(block)}

    def make(asked: str) -> str:
        wanted = [name.strip() for name in asked.split(";")]
        if missing := [name for name in wanted if name not in blocks]:
            raise UserError(f"{page} asks for {'; '.join(missing)}; the report has {'; '.join(blocks)}")
        return "\n\n".join(_markdown(page, block) for name, block in blocks.items() if name in wanted)

    replace(page, "report", make)


def _name(block: object) -> str | None:
    if isinstance(block, Drawing):
        return block.name
    return block.title if isinstance(block, Table) else None


def _markdown(page: Path, block: Drawing | Table) -> str:
    """The block as the page shows it; a figure's file is written."""
    if isinstance(block, Table):
        return block.markdown()
    name = f"{page.stem}_{block.file_name.replace('-', '_')}"
    (page.parent / "figures").mkdir(exist_ok=True)
    with replacing(page.parent / "figures" / name) as file:
        file.write(block.content)
    return f"![{block.caption}](figures/{name})\n\n*{block.caption}*"
