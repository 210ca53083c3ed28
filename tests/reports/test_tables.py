"""The papers' tables beside ours: every row, nothing of theirs in our columns, README up to date."""

import dataclasses
import json
from pathlib import Path

import pytest

from tiny_imagenet_tf import published
from tiny_imagenet_tf.reports import markers, tables
from tiny_imagenet_tf.reports.table import NOTHING, Table
from tiny_imagenet_tf.runs import records
from tiny_imagenet_tf.runs.records import Record
from tiny_imagenet_tf.runs.summary import Summary, Training, Validation

ROOT = Path(__file__).parents[2]


def record(key="milani/transfer_v3", *, title="Transfer Learning v3", train=100_000, epochs=20, screened=0, **more):
    defaults = {
        "trunk": "inception_v3_2015.weights.h5", "selection": "the last epoch", "hours": 0.9,
        "notes": ("one more thing.",), "train": Training(train, more.pop("views", None), screened=screened),
    }  # fmt: skip
    validation = more.pop("validation", Validation(5000, 0.74, 0.91, "ten"))
    summary = Summary(title, validation, published=key, epochs=epochs, **defaults | more)
    config = {"recipe": "transfer_v3"}
    return Record("v3", summary, [], config, {"device": "a CPU", "commit": "0123456789abcdef"})


def row(table, name):
    (found,) = [dict(zip(table.columns, cells, strict=True)) for cells in table.rows if cells[0].startswith(name)]
    return found


def test_without_runs_every_row_of_the_papers_is_not_run():
    first, second, configurations, nine = tables.all_tables([], {})
    assert [len(table.rows) for table in (first, second, configurations, nine)] == [4, 5, 9, 10]
    for table in (first, second, nine):
        start = table.columns.index("Here: val")
        for cells in table.rows:  # another group's row is not ours to run
            expected = tables.NOT_OURS if cells[0] == "Best from Kim" else tables.NOT_RUN
            assert cells[start:] == (expected,) + (NOTHING,) * 6
    assert all(cells[-1] == "not counted" for cells in configurations.rows)


def test_all_published_results_have_a_row():
    shown = {key for keys in (tables.MILANI_1, tables.MILANI_2, tables.LE_YANG_2) for key in keys}
    assert shown == set(published.RESULTS)


def test_the_papers_numbers_are_printed_as_error_and_accuracy():
    assert row(tables.all_tables([], {})[1], "TL Vanilla")["Paper: val"] == "25.25% (74.75%)"
    assert row(tables.all_tables([], {})[1], "TL v3")["Paper: test"] == "30.90% (69.10%)"
    assert row(tables.all_tables([], {})[3], "Model 9") == {
        "Le & Yang 2015": "Model 9",
        "Depth": "16",
        "Nonlinear": "ReLU",
        "Screen": "yes",
        "Paper: val": "40.50% (59.50%)",
        "Paper: test": NOTHING,
        **dict.fromkeys(tables.OURS, NOTHING),
        "Here: val": tables.NOT_RUN,
    }


def test_a_run_stands_beside_its_row_with_what_it_was_measured_on():
    table = tables.all_tables([record()], {})[1]
    assert row(table, "TL v3") == {
        "Milani 2017": "TL v3",
        "Paper: val": "23.30% (76.70%)",
        "Paper: test": "30.90% (69.10%)",
        "Here: val": "26.00% (74.00%)",
        "95% interval of accuracy": "72.8 to 75.2%",
        "Here: top-5 accuracy": "91.00%",
        "Data": "100,000 train, 5,000 val, ten-crop",
        "Hours": "0.9",
        "Record": "`v3`",
        "Commit": "`0123456`",
    }
    (note,) = table.notes
    assert note.startswith("`v3`: the last epoch; one more thing; the backbone's weights are those of Google's")
    assert note.endswith("not a reproduction of its number.")


def test_augmented_views_stand_beside_the_number_of_images():
    drawn = record(views="whole image; 2 augmented views of all images")
    shown = row(tables.all_tables([drawn], {})[1], "TL v3")["Data"]
    assert shown == "100,000 train (whole image; 2 augmented views of all images), 5,000 val, ten-crop"


def test_a_commit_with_changes_of_its_own_is_marked():
    changed = record()
    changed.environment["uncommitted_changes"] = True
    assert row(tables.all_tables([changed], {})[1], "TL v3")["Commit"] == "`0123456+`"


@pytest.mark.parametrize(
    ("changes", "label"),
    [
        ({"train": 25_000}, "25,000 of 100,000 train images"),
        ({"key": "milani/baseline", "epochs": 3}, "3 of 20 to 50 epochs"),
        ({"key": "milani/baseline_ensemble", "epochs": 3, "train": None}, "3 of 20 to 50 epochs"),
        ({"key": "milani/transfer_vanilla", "epochs": 4}, "4 of 10 epochs"),
        (
            {"key": "le_yang/model_9", "train": 90_000, "screened": 1544},
            "91,544 of 100,000 train images before screening",
        ),
        ({"key": "milani/regularized", "epochs": 3, "recipe_epochs": 30}, "3 of the recipe's 30 epochs"),
        ({"partial": "stopped after an hour"}, "stopped after an hour"),
    ],
)
def test_a_run_that_did_less_than_the_paper_is_labelled(changes, label):
    result = record(**changes)
    name = published.RESULTS[result.summary.published].name
    labelled = {cells[0] for table in tables.all_tables([result], {}) for cells in table.rows if "partial" in cells[0]}
    assert labelled == {f"{name} (**partial**: {label})"}


def test_a_whole_run_is_not_labelled_nor_one_without_screened_images_or_a_known_number():
    assert record().summary.shortfalls == ()
    assert record("le_yang/model_9", train=98_456, screened=1544).summary.shortfalls == ()
    ensemble = record("milani/baseline_ensemble", train=None)
    assert ensemble.summary.shortfalls == ()
    assert row(tables.all_tables([ensemble], {})[0], "Baseline ens.")["Data"] == "5,000 val, ten-crop"


def test_two_runs_of_one_row_both_stand():
    table = tables.all_tables([record(), record()], {})[1]
    assert [cells[0] for cells in table.rows].count("TL v3") == 2


def test_a_run_of_no_row_goes_into_a_table_of_its_own():
    others = tables.all_tables([record(None, title="Something else")], {})[4]
    assert others.title == "Other runs"
    assert others.rows[0][:2] == ("Something else", "26.00% (74.00%)")
    short = record(None, title="Something else", epochs=3, recipe_epochs=30)
    label = "Something else (**partial**: 3 of the recipe's 30 epochs)"
    assert tables.all_tables([short], {})[4].rows[0][0] == label


def test_counts_of_the_networks_stand_beside_the_printed_ones():
    sizes = {"le_yang_model_1": 1_969_544}
    assert tables.le_yang_networks(sizes).rows[0] == ("Model 1", "5", "1.97 M", "1,969,544")
    assert tables.le_yang_networks(sizes).rows[4] == ("Model 5", "8", "14.20 M", "not counted")
    assert tables.le_yang_networks(sizes).rows[8] == ("Model 9", "16", "138 M", "not counted")


def test_what_did_all_of_it_stands_before_what_did_less():
    quarter, whole = record(train=25_000), record(validation=Validation(5000, 0.75, 0.91, "ten"))
    found = tables.section("short", [quarter, whole], {})
    assert "| Milani 2017: TL v3 | 76.70% | 75.00% | 5,000 of 10,000 | complete |" in found
    stored = "whole image; 2 augmented views of all images"  # where the paper draws new ones
    assert f"| complete ({stored}) |" in tables.section("short", [record(views=stored)], {})
    names = [cells[0] for cells in tables.all_tables([quarter, whole], {})[1].rows]
    assert names.index("TL v3") < names.index("TL v3 (**partial**: 25,000 of 100,000 train images)")


def test_of_several_that_did_all_of_it_the_newest_stands_first():
    runs = []
    for started, top1 in (("2026-11-02", 0.74), ("2026-11-03", 0.72), ("2026-11-01", 0.76)):
        each = record(validation=Validation(5000, top1, 0.91, "ten"))
        runs.append(dataclasses.replace(each, environment=each.environment | {"started": started}))
    assert "| 76.70% | 72.00% |" in tables.section("short", runs, {})


def test_the_short_table_has_eight_rows_and_says_what_is_missing():
    lines = tables.section("short", [record(partial="half of it")], {}).splitlines()
    assert len(lines) == 2 + 8 and all(line.count("|") == 6 for line in lines)
    assert lines[2] == "| Milani 2017: TL v3 | 76.70% | 74.00% | 5,000 of 10,000 | half of it |"
    assert lines[3].endswith("| not run | – | – |")  # noqa: RUF001


def test_what_a_run_says_can_end_no_part_of_a_page():
    told = record(partial="x | y <!-- results:end -->", title="<!-- results:end -->")
    short = tables.section("short", [told], {})
    assert "<!--" not in short and "x \\| y" in short
    assert "<!--" not in Table("<!-- a -->", "<!-- b | c -->", ("<!-- d -->",), (), ("<!-- e -->",)).markdown()


def test_what_all_runs_say_is_said_once():
    assert tables.notes_of_runs({}) == ()
    assert tables.notes_of_runs({"A": ["one.", "two"], "B": []}) == ("A: one; two.",)
    said = {"A": ["half of val", "slow"], "B": ["half of val"], "C": ["fast", "half of val"]}
    assert tables.notes_of_runs(said) == ("All: half of val.", "A: slow.", "C: fast.")
    said |= {"D": ["half of val", "slow"]}
    assert tables.notes_of_runs(said) == ("All: half of val.", "A, D: slow.", "C: fast.")


def test_markdown_of_a_table():
    table = Table("Title", "What it is.", ("a", "b"), (("1", "2"),), ("a note",))
    assert table.markdown() == "### Title\n\nWhat it is.\n\n| a | b |\n| --- | ---: |\n| 1 | 2 |\n\n- a note"


@pytest.mark.parametrize("page", ["README.md", "docs/results.md"])
def test_the_pages_show_what_results_hold(page, tmp_path):
    copy, sizes = tmp_path / "page.md", json.loads((ROOT / "docs" / "networks.json").read_text())
    written = (ROOT / page).read_text(encoding="utf-8")
    copy.write_text(written, encoding="utf-8")
    found = records.read(ROOT / "results")
    markers.replace(copy, "results", lambda asked: tables.section(asked, found, sizes))
    assert copy.read_text(encoding="utf-8") == written, "run python recipes/record_result.py"


def test_the_analysis_quotes_the_runs_that_tell_l2_from_ten_crops():
    stored = records.read(ROOT / "results") + records.read(ROOT / "results" / "l2")
    found = {
        (record.config["recipe"], record.config.get("weight_decay")): record.summary.validation.top1
        for record in stored
        if record.environment.get("precision") != "int8"  # another run of the same
    }
    text = (ROOT / "docs" / "analysis.md").read_text(encoding="utf-8")
    for row, recipe in (("vanilla: whole image", "transfer_vanilla"), ("v2: ten-crop and dropout", "transfer_v2")):
        strong, weak = (100 * found[recipe, l2] for l2 in (0.0116, 0.0002))
        assert f"| {row} | {strong:.2f}% | {weak:.2f}% |" in text
