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
        body = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
        notes = "\n".join(f"- {note}" for note in self.notes)
        return "\n\n".join(part for part in (f"### {self.title}", self.caption, body, notes) if part)
