"""A table as text."""

import dataclasses

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
        lines = [self.columns, ("---",) + ("---:",) * (len(self.columns) - 1), *self.rows]
        body = "\n".join(f"| {' | '.join(map(_inline, cells))} |" for cells in lines)
        notes = "\n".join(f"- {_inline(note)}" for note in self.notes)
        return "\n\n".join(part for part in (f"### {self.title}", self.caption, body, notes) if part)


def _inline(text: str) -> str:
    """Text, some of it a run's own, that can end neither its cell nor the part of a page that it stands in."""
    return " ".join(text.split()).replace("|", "\\|").replace("<!--", "&lt;!--")
