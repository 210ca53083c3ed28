"""The report's page: sections of figures, tables and three things to play with, in one self-contained file."""

import dataclasses
import functools
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import jinja2
import markupsafe
from matplotlib.figure import Figure

from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.reports.figures import style
from tiny_imagenet_tf.reports.table import Table
from tiny_imagenet_tf.reports.thumbnails import Sprite, data_uri, png_to_webp
from tiny_imagenet_tf.runs.files import replacing, sweep

TEMPLATES = Path(__file__).parent / "templates"
GENERATOR = '<meta name="generator" content="tiny_imagenet_tf">'
"""By which a page of ``write`` is known."""


@dataclasses.dataclass(frozen=True)
class Drawing:
    """A figure in the page, also written to a file of its own.

    Attributes:
        name: the file's stem.
        figure: what is drawn.
        caption: what it shows and where the paper has it.
        kind: ``line`` for charts (SVG), ``picture`` for photographs (WebP in the page, PNG on disk).
        in_page: False where the page shows the same in a livelier way.
    """

    name: str
    figure: Figure
    caption: str
    kind: Literal["line", "picture"] = "line"
    in_page: bool = True

    @property
    def file_name(self) -> str:
        """With the suffix of its kind."""
        return f"{self.name}.{'svg' if self.kind == 'line' else 'png'}"

    @functools.cached_property
    def content(self) -> bytes:
        """The file."""
        return style.to_bytes(self.figure, "svg" if self.kind == "line" else "png")

    @property
    def uri(self) -> str:
        """What the page shows, as a ``data:`` address."""
        if self.kind == "line":
            return data_uri(self.content, "image/svg+xml")
        return data_uri(png_to_webp(self.content), "image/webp")


@dataclasses.dataclass(frozen=True)
class Scatter:
    """Points to hover over: each shows its image.

    Attributes:
        name: unique in the page.
        points: (x, y) in the unit square, y upwards.
        labels: a class index a point.
        classes: names.
        colours: one a class.
        files: a file name a point.
        sprite: a thumbnail per point, in order; None without images.
        caption: what it shows.
    """

    name: str
    points: Sequence[tuple[float, float]]
    labels: Sequence[int]
    classes: Sequence[str]
    colours: Sequence[str]
    files: Sequence[str]
    sprite: Sprite | None
    caption: str

    @property
    def data(self) -> dict:
        """What the page's script reads."""
        return {
            "points": [[round(float(x), 4), round(float(y), 4)] for x, y in self.points],
            "labels": [int(label) for label in self.labels],
            "classes": list(self.classes),
            "colours": list(self.colours),
            "files": list(self.files),
        }


@dataclasses.dataclass(frozen=True)
class ClassRow:
    """One class in the sortable table: errors as fractions; ``confusions`` are (name, share)."""

    label: int
    name: str
    wnid: str
    images: int
    error: float
    wrong_classes: int
    confusions: tuple[tuple[str, float], ...]
    top5_error: float


@dataclasses.dataclass(frozen=True)
class ClassTable:
    """All classes, sortable; thumbnails in the order of ``rows`` where there are images."""

    rows: tuple[ClassRow, ...]
    sprite: Sprite | None


@dataclasses.dataclass(frozen=True)
class Gallery:
    """Wrongly classified images, filtered by class.

    Attributes:
        files: a file name an image.
        truths: a label per image.
        guesses: a label per image.
        probabilities: of the guesses.
        classes: names by label.
        sprite: a thumbnail per image, in order; None without images.
        caption: what is shown, and what is left out.
    """

    files: Sequence[str]
    truths: Sequence[int]
    guesses: Sequence[int]
    probabilities: Sequence[float]
    classes: Sequence[str]
    sprite: Sprite | None
    caption: str

    @property
    def data(self) -> dict:
        """What the page's script reads."""
        rows = zip(self.files, self.truths, self.guesses, self.probabilities, strict=True)
        items = [[str(file), int(truth), int(guess), round(float(share), 3)] for file, truth, guess, share in rows]
        return {"items": items, "classes": list(self.classes)}


@dataclasses.dataclass(frozen=True)
class Section:
    """A part of the page.

    Attributes:
        anchor: its address in the page.
        title: its heading.
        text: a paragraph; what is missing and why, too.
        blocks: what it shows.
    """

    anchor: str
    title: str
    text: str = ""
    blocks: tuple[Drawing | Table | Scatter | ClassTable | Gallery, ...] = ()


def check_ours(option: str, folder: Path) -> None:
    """Raises UserError where ``write`` would put its pages in the place of somebody's; ``option`` names it."""
    page = folder / "index.html"
    ours = page.is_file() and GENERATOR in page.read_text(encoding="utf-8", errors="replace")
    if not ours and any((folder / name).exists() for name in ("index.html", "tables.md", "figures")):
        raise UserError(
            f"{option} {folder}: holds a page or figures that this command did not write; name another folder"
        )


def write(folder: Path, title: str, sections: Sequence[Section]) -> Path:
    """Writes ``index.html``, a file per figure below ``folder/figures``, and all tables as Markdown in ``tables.md``.

    Returns:
        The page's path.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "index.html").exists():  # so that what is written by half is known as ours
        with replacing(folder / "index.html") as file:
            file.write(f"<!doctype html><head>{GENERATOR}</head>This report is being written.\n".encode())
    (folder / "figures").mkdir(exist_ok=True)
    sweep(folder)
    sweep(folder / "figures")
    for block in (block for section in sections for block in section.blocks):
        if isinstance(block, Drawing):
            with replacing(folder / "figures" / block.file_name) as file:
                file.write(block.content)
    tables = [block for section in sections for block in section.blocks if isinstance(block, Table)]
    with replacing(folder / "tables.md") as file:
        file.write("\n\n".join([f"# {title}", *(table.markdown() for table in tables), ""]).encode())
    with replacing(folder / "index.html") as file:
        file.write(render(title, sections).encode())
    return folder / "index.html"


def render(title: str, sections: Sequence[Section]) -> str:
    """Returns the page as HTML that asks for no other file."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["light_markdown"] = light_markdown
    environment.filters["kind"] = lambda block: type(block).__name__
    return environment.get_template("report.html").render(
        title=title,
        generator=markupsafe.Markup(GENERATOR),
        sections=sections,
        style=markupsafe.Markup((TEMPLATES / "report.css").read_text(encoding="utf-8")),
        script=markupsafe.Markup((TEMPLATES / "report.js").read_text(encoding="utf-8")),
    )


def light_markdown(text: str) -> markupsafe.Markup:
    """Turns **bold** and `code` in a table's cell into HTML; everything else is escaped."""
    escaped = str(markupsafe.escape(text))
    bold = re.sub(r"\*\*(.+?)\*\*", r"<b>\1</b>", escaped)
    return markupsafe.Markup(re.sub(r"`(.+?)`", r"<code>\1</code>", bold))
