"""A table as text."""

import dataclasses
import re
from collections.abc import Sequence

NOTHING = "–"  # noqa: RUF001 (a dash in a cell)


@dataclasses.dataclass(frozen=True)
class Table:
    """A table as text.

    Attributes:
        title: with the paper's own number of it.
        caption: what the cells hold.
        columns: headings.
        rows: cells, as many as there are columns.
        notes: what must be said of single rows.
    """

    title: str
    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()

    def markdown(self) -> str:
        """The table in GitHub's Markdown, with its title, caption and notes."""
        notes = "\n".join(f"- {inline(note)}" for note in self.notes)
        parts = (f"### {inline(self.title)}", inline(self.caption), grid(self.columns, self.rows), notes)
        return "\n\n".join(part for part in parts if part)


def grid(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Returns a table in GitHub's Markdown; columns of numbers, but for the first, stand on the right.

    Args:
        columns: headings.
        rows: cells, as many as there are columns.
    """
    rest = ([row[number] for row in rows] for number in range(1, len(columns)))
    rules = ("---", *("---:" if _are_numbers(cells) else "---" for cells in rest))
    return "\n".join(f"| {' | '.join(map(inline, cells))} |" for cells in (columns, rules, *rows))


def _are_numbers(cells: Sequence[str]) -> bool:
    """Whether a column holds numbers, some with a unit, which stand on the right."""
    filled = [cell for cell in cells if cell not in ("", NOTHING, "not run")]
    return bool(filled) and all(cell[0] in "+-<0123456789" and len(cell.split()) <= 2 for cell in filled)


def inline(text: str) -> str:
    """Returns text, some of it a run's own, so that it can end neither its cell nor its part of a page."""
    return re.sub(r"<(?=[a-zA-Z/!?])", "&lt;", " ".join(text.split()).replace("|", "\\|"))
