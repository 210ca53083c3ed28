"""The page in headless Chromium: nothing fails, everything shows, and what can be clicked works."""

import importlib.util
from pathlib import Path

import pytest

_spec = importlib.util.spec_from_file_location("report_browser", Path(__file__).with_name("browser.py"))
driver = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(driver)

pytestmark = pytest.mark.skipif(not driver.CHROMIUM, reason="chromium is not installed")
COLUMN = (
    "return [...document.querySelectorAll('#classes tbody tr')].map((row) => row.cells[arguments[0]].dataset.value)"
)
SHOWN = "return [...document.querySelectorAll('#gallery-items figcaption')].map((each) => each.firstChild.textContent)"


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    with driver.browser(tmp_path_factory.mktemp("chromium")) as chromium:
        yield chromium


@pytest.fixture
def page(chromium, report_folder):
    chromium.open(report_folder / "index.html")
    return chromium


def select(page, name, text):
    page.run(
        "const select = document.getElementById(arguments[0]);"
        "select.value = [...select.options].find((option) => option.text === arguments[1]).value;"
        "select.dispatchEvent(new Event('change'))",
        name,
        text,
    )


def test_the_console_stays_empty_and_nothing_is_fetched(page):
    assert page.console() == []
    fetched = page.run("return performance.getEntriesByType('resource').map((each) => each.name)")
    assert [name for name in fetched if not name.startswith("data:")] == []


def test_the_console_test_can_fail(page):
    page.run("console.error('seen')")
    assert ["seen" in message for message in page.console()] == [True]


def test_every_figure_is_decoded_and_has_a_size(page):
    sizes = page.run(
        "return Promise.all([...document.images].map((image) => image.decode().then(() => "
        "[image.naturalWidth, image.clientWidth, image.clientHeight])))"
    )
    assert len(sizes) >= 10
    assert all(min(size) > 40 for size in sizes)


def test_every_thumbnail_shows_a_cell_of_a_picture_that_loads(page):
    cells = page.run(
        "return [...document.querySelectorAll('#classes .cell, #gallery-items .cell')].map((cell) => {"
        "const style = getComputedStyle(cell);"
        "return [cell.offsetWidth, cell.offsetHeight, style.backgroundImage.slice(0, 27), style.backgroundPosition]})"
    )
    assert len(cells) == 8 + 12
    assert all(width == height >= 48 for width, height, *_ in cells)
    assert {image for *_, image, _ in cells} == {'url("data:image/webp;base64'}
    assert len({place for *_, place in cells[:8]}) == 8
    loaded = page.run(
        "const cells = [...document.querySelectorAll('.cell')];"
        "const found = new Set(cells.map((cell) => getComputedStyle(cell).backgroundImage));"
        "return Promise.all([...found].map((each) => { const image = new Image(); image.src = each.slice(5, -2);"
        "return image.decode().then(() => image.naturalWidth) }))"
    )
    assert len(loaded) == 4 and all(loaded)


def test_headings_sort_numbers_and_words_both_ways(page):
    assert page.run(COLUMN, 4) == sorted(page.run(COLUMN, 4), key=float, reverse=True)
    page.click("#classes th:nth-child(5) button")
    assert page.run(COLUMN, 4) == sorted(page.run(COLUMN, 4), key=float)
    page.click("#classes th:nth-child(2) button")
    names = page.run(COLUMN, 1)
    assert names == sorted(names) and len(set(names)) == 8
    page.click("#classes th:nth-child(2) button")
    assert page.run(COLUMN, 1) == names[::-1]


def test_the_gallery_is_filtered_by_true_and_by_predicted_class(page, made_up):
    # Every fourth of eight classes in turn is wrong: class 0 taken for 1, class 4 for 5, six images each.
    names = [made_up.train.words[wnid] for wnid in made_up.train.wnids]
    assert sorted(page.run(SHOWN)) == sorted([names[0], names[4]] * 6)
    select(page, "gallery-truth", names[4])
    assert page.run(SHOWN) == [names[4]] * 6
    assert page.run("return document.getElementById('gallery-count').textContent") == "6 images"
    select(page, "gallery-guess", names[1])
    assert page.run(SHOWN) == []
    select(page, "gallery-truth", "all")
    assert page.run(SHOWN) == [names[0]] * 6


def test_a_class_in_the_table_leads_to_its_images(page):
    page.click("#classes tbody tr:first-child a")
    name = page.run("return document.querySelector('#classes tbody a').textContent")
    assert set(page.run(SHOWN)) == {name}


def test_pointing_at_a_dot_shows_its_image_and_the_legend_hides_it(page, made_up):
    place = page.run(
        "const figure = document.querySelector('[data-scatter=transfer-values-points]');"
        "const canvas = figure.querySelector('canvas'); canvas.scrollIntoView({block: 'center'});"
        "const { points, labels, classes, files } = JSON.parse(figure.querySelector('script').textContent);"
        "const box = canvas.getBoundingClientRect(), [x, y] = points[0];"
        "return [box.left + 14 + x * (box.width - 28), box.bottom - 14 - y * (box.height - 28), classes[labels[0]]]"
    )
    tip = (
        "const tip = document.querySelector('[data-scatter=transfer-values-points] .tip');"
        "return [tip.hidden, tip.querySelector('b').textContent, tip.querySelector('small').textContent,"
        "tip.querySelector('.cell').offsetWidth]"
    )
    page.point(*place[:2])
    hidden, name, file, width = page.run(tip)
    assert (hidden, name, width) == (False, place[2], 96)
    assert file in made_up.train.file_names
    page.point(5, 5)
    assert page.run(tip)[0] is True
    page.click("[data-scatter=transfer-values-points] .legend button")
    page.run("document.querySelector('[data-scatter=transfer-values-points] canvas').scrollIntoView({block: 'center'})")
    page.point(*place[:2])
    assert page.run(tip)[1] != place[2] or page.run(tip)[0] is True


def test_on_a_phone_nothing_sticks_out(page):
    page.be_a_phone(390)
    assert page.run("return [innerWidth, document.scrollingElement.scrollWidth]") == [390, 390]
