"""A page gets what it asks for, keeps its own words, and is refused where it cannot be served."""

import re
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from tiny_imagenet_tf.reports import markers
from tiny_imagenet_tf.reports.page import Drawing, Section
from tiny_imagenet_tf.reports.table import Table

BEGIN, END = "<!-- report:begin Runs; class-errors; Errors, one by one -->", "<!-- report:end -->"
SECTIONS = [
    Section(
        "x",
        "X",
        "",
        (
            Drawing("class-errors", Figure(), "Errors."),
            Drawing("samples", Figure(), "Not asked for.", "picture"),
            Table("Errors, one by one", "", ("a",), (("1",),)),
        ),
    ),
    Section("y", "Y", "", (Table("Runs", "", ("b",), (("2",),)),)),
]


@pytest.fixture
def page(tmp_path):
    path = tmp_path / "scratch.md"
    path.write_text(f"Before.\n\n{BEGIN}\nold\n{END}\n\nAfter.\n")
    return path


def test_the_page_gets_what_it_asks_for_and_keeps_its_words(page):
    for _ in range(2):
        markers.write_report(page, SECTIONS)
        assert page.read_text() == (
            f"Before.\n\n{BEGIN}\n\n![Errors.](figures/scratch_class_errors.svg)\n\n*Errors.*\n\n"
            f"### Errors, one by one\n\n| a |\n| --- |\n| 1 |\n\n### Runs\n\n| b |\n| --- |\n| 2 |\n\n{END}\n\nAfter.\n"
        )
    assert [path.name for path in (page.parent / "figures").iterdir()] == ["scratch_class_errors.svg"]


@pytest.mark.parametrize("text", ["Nothing.", f"{END}\n{BEGIN}", f"{BEGIN}{END}{BEGIN}{END}", f"{BEGIN}{BEGIN}{END}"])
def test_a_page_without_its_markers_is_refused_and_kept(page, text):
    page.write_text(text)
    with pytest.raises(ValueError, match=r"needs <!-- report:begin \.\.\. -->"):
        markers.write_report(page, SECTIONS)
    assert page.read_text() == text


def test_a_page_that_asks_for_more_than_there_is_is_refused_and_kept(page):
    before = page.read_text()
    with pytest.raises(ValueError, match="asks for Runs; the report has class-errors; samples; Errors, one by one"):
        markers.write_report(page, SECTIONS[:1])
    assert page.read_text() == before
    assert not (page.parent / "figures").exists()


@pytest.mark.parametrize("page", sorted((Path(__file__).parents[2] / "docs").glob("*.md")), ids=lambda page: page.stem)
def test_the_figures_of_every_page_are_there(page):
    shown = re.findall(r"\]\((figures/[^)]+)\)", page.read_text(encoding="utf-8"))
    assert all((page.parent / name).is_file() for name in shown)


def test_the_rest_of_a_page_stays_byte_for_byte(tmp_path):
    page = tmp_path / "page.md"
    page.write_bytes(b"\xef\xbb\xbfBefore.\r\n<!-- x:begin -->\nold\n<!-- x:end -->\nAfter.\n")
    markers.replace(page, "x", lambda asked: "new")
    assert page.read_bytes() == (b"\xef\xbb\xbfBefore.\r\n<!-- x:begin -->\n\nnew\n\n<!-- x:end -->\nAfter.\n")
    page.write_bytes(b"<!-- x:begin -->\r\nold\r\n<!-- x:end -->\r\n")
    markers.replace(page, "x", lambda asked: "a\nb")
    assert page.read_bytes() == b"<!-- x:begin -->\r\n\r\na\r\nb\r\n\r\n<!-- x:end -->\r\n"


def test_two_parts_of_one_page_are_replaced_one_after_the_other(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("<!-- x:begin -->\n<!-- x:end -->\n<!-- y:begin -->\n<!-- y:end -->\n")
    first = markers.replaced(page, "x", lambda asked: "1")
    both = markers.replaced(page, "y", lambda asked: "2", first)
    assert both == b"<!-- x:begin -->\n\n1\n\n<!-- x:end -->\n<!-- y:begin -->\n\n2\n\n<!-- y:end -->\n"
