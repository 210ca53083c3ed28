"""A whole report from run directories, and reports of runs that stored less."""

import dataclasses
import shutil
from types import SimpleNamespace

import numpy as np
import pytest

from tiny_imagenet_tf.data import splits
from tiny_imagenet_tf.data.views import LE_YANG, MILANI, MILANI_TEN_CROP, MILANI_TRANSFER
from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.experiments.images import make_up
from tiny_imagenet_tf.published import MILANI_TSNE_CLASSES
from tiny_imagenet_tf.reports import page, report
from tiny_imagenet_tf.reports.analysis.class_names import UnknownClass
from tiny_imagenet_tf.reports.analysis.predictions import Predictions
from tiny_imagenet_tf.reports.sections import activations, errors, images, runs
from tiny_imagenet_tf.reports.subject import Subject
from tiny_imagenet_tf.reports.table import Table
from tiny_imagenet_tf.runs.files import write_json
from tiny_imagenet_tf.runs.run import Run, demo_folder
from tiny_imagenet_tf.runs.summary import Summary, Training, Validation

IMAGE = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)


@pytest.fixture(scope="module")
def subject(made_up):
    return Subject.open(made_up.first)


@pytest.fixture
def bare(made_up, tmp_path):
    """The first run without predictions, metrics, features and data."""
    for name in ("config.json", "environment.json", "summary.json"):
        shutil.copy(made_up.first.path / name, tmp_path / name)
    return Run(tmp_path)


def tables(section):
    return [block for block in section.blocks if isinstance(block, Table)]


def test_the_report_has_all_figures_and_one_small_page(report_folder):
    assert sorted(path.name for path in (report_folder / "figures").iterdir()) == [
        "augmented.png", "class-errors.svg", "confused-pairs.svg", "curves.svg", "ensemble.svg", "misclassified.png",
        "reliability.svg", "rescaling.png", "samples.png", "ten-crops.png", "tsne-features.png",
        "tsne-transfer-values.png", "worst-and-best.svg",
    ]  # fmt: skip
    text = (report_folder / "index.html").read_text(encoding="utf-8")
    assert len(text) < 3e6
    assert "Made up &lt;for a test&gt;." in text


def test_the_tables_are_written_as_markdown_too(report_folder):
    text = (report_folder / "tables.md").read_text(encoding="utf-8")
    assert text.startswith("# Made up 1 · Made up 2: Tiny ImageNet\n\n### Runs\n\n")
    assert "| Top-1 accuracy | **75.00%** | **66.67%** |" in text and "### Nearest neighbours" in text


def test_other_val_images_of_the_same_names_are_not_shown_as_the_runs(bare):
    write_json(bare.path / "environment.json", bare.environment | {"dataset": {"digests": {"validation": "another"}}})
    found = Subject.open(bare)
    assert found.images is None and "not those that the run was measured on" in found.without_images
    digest = splits.load(splits.prepare(*bare.images), "validation").digest
    write_json(bare.path / "environment.json", bare.environment | {"dataset": {"digests": {"validation": digest}}})
    assert Subject.open(bare).images is not None


def test_classes_that_would_be_ignored_are_refused(subject):
    without = dataclasses.replace(subject, images=None)
    assert activations.transfer_values(without, MILANI_TSNE_CLASSES).blocks == ()
    with pytest.raises(UserError, match="--classes plunger: would be ignored. Which row is which image is not known"):
        activations.transfer_values(without, ("plunger",))


def test_key_figures_have_a_column_a_run(made_up, subject):
    (table,) = tables(runs.key_figures([subject, Subject(made_up.second, None)]))
    assert table.columns == ("", "Made up 1", "Made up 2")
    assert table.rows[0] == ("Top-1 accuracy", "**75.00%**", "**66.67%**")


def test_the_comparison_names_the_field_that_differs(made_up, subject):
    configs, tests = tables(runs.compared([subject, Subject(made_up.second, None)]))
    assert configs.rows == (("`recipe`", "made_up_1", "made_up_2"), ("`learning_rate`", "0.001", "0.002"))
    # Of 48 images every 4th or every 3rd is wrong; every 12th is wrong in both.
    assert tests.rows[0][:7] == ("Made up 2", "48", "75.00%", "66.67%", "-8.33 points", "12", "8")


def test_an_ensemble_is_compared_by_its_answers_alone(made_up, subject, bare):
    write_json(bare.path / "config.json", {"recipe": "ensemble", "members": []})
    shutil.copy(made_up.second.path / "predictions-validation.npz", bare.path)
    (tests,) = tables(runs.compared([subject, Subject(bare, None)]))
    assert tests.title == "Answers, image by image" and tests.rows[0][1:4] == ("48", "75.00%", "66.67%")


def test_one_run_is_not_compared(subject):
    assert runs.compared([subject]) is None


def test_class_table_and_gallery_say_what_the_predictions_say(made_up, subject):
    section = errors.errors(subject)
    assert section.text.endswith("a class has 6 images on average, so one image is about 16.7 points.")
    (rows,) = [block.rows for block in section.blocks if isinstance(block, page.ClassTable)]
    assert sum(row.error * row.images for row in rows) == pytest.approx(12)
    assert all(row.confusions[0][0] == subject.names.short[(row.label + 1) % 8] for row in rows if row.error)
    # The classes 0 and 4 are always wrong; of equal probabilities the first five classes count as guessed, too.
    assert {row.label: row.top5_error for row in rows} == {label: float(label == 4) for label in range(8)}
    shown = errors.gallery(subject).blocks[-1]
    assert list(shown.files) == list(made_up.validation.file_names[::4])
    assert shown.sprite.count == 12


def test_the_gallery_leaves_out_images_that_the_dataset_does_not_have(subject):
    answers = subject.predictions
    renamed = answers.file_names.copy()
    renamed[4] = "val_99.JPEG"  # wrong, and unknown
    other = Subject(subject.run, subject.images)
    other.__dict__["predictions"] = dataclasses.replace(answers, file_names=renamed)
    shown = errors.gallery(other).blocks[-1]
    assert list(shown.files) == [name for name in renamed[::4] if name != "val_99.JPEG"]
    assert shown.sprite.count == 11


def test_the_gain_of_an_ensemble_is_on_its_best_network(made_up, subject, bare):
    told = "3 networks, the best alone first. The best ensemble gains 10.00 points on it."
    assert runs.ensembles([subject]).text == f"Made up 1: {told}"
    both = runs.ensembles([subject, Subject(made_up.second, None)])
    assert both.text == f"Made up 1: {told} Made up 2: {told}"
    bare.write_summary(dataclasses.replace(bare.summary, ensemble=None))
    assert runs.ensembles([Subject(bare, None)]) is None


def test_a_large_gallery_is_cut_to_the_most_confident_of_each_class():
    probabilities = np.array([[0.1, 0.9], [0.2, 0.8], [0.3, 0.7], [0.6, 0.4]])
    answers = Predictions(np.array(list("abcd")), np.array([0, 0, 0, 1]), np.array(["n1", "n2"]), probabilities)
    assert errors.most_confident(answers, np.arange(4), 4).tolist() == [0, 1, 2, 3]
    assert errors.most_confident(answers, np.arange(4), 2).tolist() == [0, 3]


def test_transfer_values_are_those_of_the_classes_asked_for(made_up, subject, monkeypatch):
    seen = []
    monkeypatch.setattr(activations.embedding, "tsne", lambda values: seen.append(values) or np.zeros((len(values), 2)))
    wnids = made_up.train.wnids[5], made_up.train.wnids[2]
    points = activations.transfer_values(subject, wnids).blocks[0]
    rows = np.concatenate([np.flatnonzero(made_up.train.labels == label) for label in (5, 2)])
    assert (seen[0] == made_up.values[rows].astype(np.float32)).all()
    assert list(points.files) == list(made_up.train.file_names[rows])
    assert list(points.labels) == [0] * 12 + [1] * 12
    assert points.classes == [subject.names.short[5], subject.names.short[2]]


@pytest.mark.parametrize("names", [["tabby", "Egyptian cat", "ox"], ["a", "b", "c", "d", "e", "f", "g", "plunger"]])
def test_no_two_of_eight_classes_share_a_colour(names):
    colours = activations.colours_of(names)
    assert len(set(colours)) == len(names)
    assert all(activations.COLOURS_BY_NAME.get(*pair) == pair[1] for pair in zip(names, colours, strict=True))


def test_an_unknown_class_is_an_error(subject):
    with pytest.raises(UnknownClass, match="no such bird"):
        activations.transfer_values(subject, ("no such bird",))


def test_transfer_values_of_other_images_are_not_shown(made_up, subject):
    other = dataclasses.replace(made_up.train, digest="other")
    images = type("Other", (), {"train": other})()
    section = activations.transfer_values(Subject(subject.run, images), MILANI_TSNE_CLASSES)
    assert (section.blocks, section.text) == (
        (),
        "The stored transfer values are not those of the images that were opened.",
    )


def test_features_of_val_belong_to_their_files(made_up, subject, quick_tsne):
    points = activations.features(subject).blocks[0]
    assert list(points.files) == list(made_up.validation.file_names)
    assert list(points.labels) == made_up.validation.labels.tolist()


@pytest.mark.parametrize(
    ("count", "why"), [(4, "Fewer than five images make no map."), (96, "All images have the same activations, which")]
)
def test_activations_without_a_map_say_why(made_up, tmp_path, count, why):
    run = Run(shutil.copytree(made_up.first.path, tmp_path / "run"))
    few = made_up.validation.take(np.arange(min(count, len(made_up.validation))))
    run.write_features(few, np.ones((len(few), 16)))
    section = activations.features(Subject(run, None))
    assert section.text.startswith(why) and not section.blocks


@pytest.mark.parametrize("drawn", [MILANI, LE_YANG, MILANI_TRANSFER], ids=lambda each: each.description)
def test_augmented_examples_are_the_runs_own_views(drawn):
    drawing = images.augmented(IMAGE, drawn, seed=1)
    assert drawn.description in drawing.caption
    whole, *shown = [axes.images[0].get_array() for axes in drawing.figure.axes]
    assert (whole == IMAGE).all() and len(shown) == 11
    assert {image.shape[0] for image in shown} == {drawn.size}
    assert len({image.tobytes() for image in shown}) > 1


@pytest.mark.parametrize(
    ("drawn", "crops", "trunk", "expected"),
    [
        (None, "whole", None, {"samples", "ten-crops"}),
        (LE_YANG, "center", None, {"samples", "ten-crops", "augmented"}),
        (MILANI_TRANSFER, "ten", "random", {"samples", "ten-crops", "augmented", "rescaling"}),
    ],
)
def test_a_report_shows_what_the_run_showed(made_up, subject, bare, drawn, crops, trunk, expected):
    train = Training(96, drawn=None if drawn is None else dataclasses.asdict(drawn))
    bare.write_summary(Summary("A run", Validation(48, 0.5, crops=crops), train=train, trunk=trunk))
    shown = images.data(Subject(bare, subject.images)).blocks
    assert {block.name for block in shown} == expected


def test_ten_crops_are_five_windows_and_their_mirror_images():
    drawing = images.ten_crops(IMAGE, MILANI_TEN_CROP)
    shown = [axes.images[0].get_array() for axes in drawing.figure.axes]
    assert len(shown) == 10
    assert (shown[0] == IMAGE).all() and (shown[4] == IMAGE[8:, 8:]).all()
    assert all((mirrored == plain[:, ::-1]).all() for plain, mirrored in zip(shown[:5], shown[5:], strict=True))


def test_screened_boxes_are_drawn_on_their_images(made_up):
    boxes = np.tile([20, 20, 40, 40], (len(made_up.train), 1))
    boxes[7] = 60, 60, 63, 63  # outside of the upper left crop
    drawing = images.screened(dataclasses.replace(made_up.train, boxes=boxes))
    assert drawing.caption.startswith("1 of the 1 training images")
    (box,) = drawing.figure.axes[0].patches
    assert (box.get_xy(), box.get_width(), box.get_height()) == ((59.5, 59.5), 4, 4)
    assert images.screened(made_up.train) is None


def test_a_run_that_stored_nothing_more_still_has_a_report(bare, tmp_path):
    subject = Subject(bare, None, "Images could not be opened: gone.")
    sections = {
        "training": runs.training([subject]),
        "errors": errors.errors(subject),
        "transfer-values": activations.transfer_values(subject, MILANI_TSNE_CLASSES),
        "images": images.data(subject),
    }
    assert {anchor: section.blocks for anchor, section in sections.items()} == dict.fromkeys(sections, ())
    assert all(section.text for section in sections.values())
    assert "gone" in sections["images"].text and "gone" in sections["transfer-values"].text
    assert errors.gallery(subject) is None and activations.features(subject) is None


def test_a_report_without_images_is_written_and_says_so(made_up, tmp_path, capsys):
    run = shutil.copytree(made_up.second.path, tmp_path / "run")
    path = report.write([Run(run)], tmp_path / "report", source=tmp_path / "nowhere")
    text = path.read_text(encoding="utf-8")
    assert "Images could not be opened" in text and "Images could not be opened" in capsys.readouterr().err
    assert 'id="gallery-data"' in text and "class-errors" in {p.stem for p in (tmp_path / "report/figures").iterdir()}


def test_images_of_other_classes_are_not_shown_and_a_demos_are(made_up, bare):
    shutil.copy(made_up.first.path / "predictions-validation.npz", bare.path)
    assert Subject.open(bare).images is not None
    answers = bare.read_validation_predictions()
    others = SimpleNamespace(**answers | {"wnids": [wnid.replace("9999", "8888") for wnid in answers["wnids"]]})
    bare.write_validation_predictions(others, answers["probabilities"])
    assert "other classes" in Subject.open(bare).without_images
    source, datasets = make_up(demo_folder(bare.path.parent, 7), 7)
    splits.prepare(source, datasets)
    write_json(bare.path / "config.json", {"recipe": "x", "demo": True, "seed": 7, "source": None, "data_dir": None})
    (bare.path / "predictions-validation.npz").unlink()
    assert len(Subject.open(bare).images.train) == 200


def test_a_page_of_docs_that_asks_for_too_much_does_not_cost_the_report(made_up, tmp_path):
    run = shutil.copytree(made_up.second.path, tmp_path / "run")
    docs = tmp_path / "page.md"
    docs.write_text("<!-- report:begin tsne-transfer-values -->\n<!-- report:end -->\n")
    with pytest.raises(ValueError, match="asks for tsne-transfer-values"):
        report.write([Run(run)], tmp_path / "report", source=tmp_path / "nowhere", docs=docs)
    assert (tmp_path / "report" / "index.html").exists()


def test_cells_are_escaped_before_they_are_marked_up():
    assert page.light_markdown("**a** `b` <c>") == "<b>a</b> <code>b</code> &lt;c&gt;"
