"""What is found at a path, and what is refused."""

import dataclasses
import json

import keras
import numpy as np
import pytest

from tiny_imagenet_tf.data import splits
from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.evaluation import members
from tiny_imagenet_tf.runs.run import Run
from tiny_imagenet_tf.runs.summary import StoredView, Summary, Validation


@pytest.fixture
def validation(builder):
    return splits.load(builder, "validation")


def save_network(path, seed, classes=4):
    keras.utils.set_random_seed(seed)
    x = images = keras.Input((64, 64, 3))
    x = keras.layers.GlobalAveragePooling2D()(x)
    keras.Model(images, keras.layers.Dense(classes, name="logits")(x)).save(path)


@pytest.fixture
def run(tmp_path, validation):
    """A run with two snapshots."""
    folder = tmp_path / "run" / "snapshots"
    folder.mkdir(parents=True)
    entries = [{"file": f"step-{step}.keras", "step": step, "epoch": 1, "accuracy": step / 10} for step in (1, 2)]
    for entry in entries:
        save_network(folder / entry["file"], entry["step"])
    (folder / "index.json").write_text(json.dumps({"wnids": validation.wnids, "snapshots": entries}))
    return Run(tmp_path / "run")


def test_a_run_gives_its_snapshots_or_the_best(run):
    assert [member.name for member in members.find([run.path])] == ["run/step-1.keras", "run/step-2.keras"]
    assert [member.name for member in members.find([run.path, run.path], "best")] == ["run/step-2.keras"] * 2


def test_a_snapshot_that_is_gone_is_named(run, validation):
    (run.path / "snapshots" / "step-1.keras").unlink()
    assert [member.name for member in members.find([run.path], "best")] == ["run/step-2.keras"]
    with pytest.raises(UserError, match=r"step-1.keras is missing, although index.json lists it; put it back$"):
        members.find([run.path])
    run.write_validation_predictions(validation, np.full((len(validation), 4), 0.25))
    with pytest.raises(UserError, match=r"move snapshots/ away, and its val predictions stand for it"):
        members.find([run.path])
    (run.path / "snapshots").rename(run.path / "away")
    assert [member.name for member in members.find([run.path])] == ["run/predictions"]


def test_a_snapshot_by_itself_still_knows_its_run(run, validation):
    (member,) = members.find([run.path / "snapshots" / "step-1.keras"])
    assert member.published is None, "the run has not ended"
    run.write_summary(Summary("Baseline", Validation(12, 0.5), published="milani/baseline"))
    assert member.published == "milani/baseline"
    probabilities = member.probabilities(validation)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    assert not np.allclose(probabilities, members.find([run.path])[1].probabilities(validation))


def test_another_order_of_the_classes_is_refused(run, validation):
    index = run.path / "snapshots" / "index.json"
    stored = json.loads(index.read_text())
    index.write_text(json.dumps(stored | {"wnids": stored["wnids"][::-1]}))
    with pytest.raises(ValueError, match="order"):
        members.find([run.path], "best")[0].probabilities(validation)


def test_a_network_of_other_classes_is_refused(tmp_path, validation):
    save_network(tmp_path / "model.keras", 0, classes=5)
    with pytest.raises(ValueError, match="has 5 scores, but there are 4 classes"):
        members.find([tmp_path / "model.keras"], pixels="-1..1")[0].probabilities(validation)


def test_a_run_that_kept_predictions_only_joins_with_them(tmp_path, validation):
    run = Run(tmp_path)
    expected = np.full((len(validation), 4), 0.25)
    run.write_validation_predictions(validation, expected)
    (member,) = members.find([run.path])
    np.testing.assert_array_equal(member.probabilities(validation), expected)
    with pytest.raises(ValueError, match="only predictions for its own val images"):
        member.probabilities(validation.take(np.arange(3)))
    with pytest.raises(ValueError, match="no network is stored, only predictions"):
        member.probabilities(validation, "ten")


def test_a_file_that_is_no_network_is_named(tmp_path, validation):
    (tmp_path / "model.keras").write_bytes(b"half a network")
    with pytest.raises(ValueError, match=r"model\.keras cannot be loaded"):
        members.find([tmp_path / "model.keras"])[0].probabilities(validation)


def test_a_path_with_nothing_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="neither"):
        members.find([tmp_path])


@pytest.fixture
def transfer_run(tmp_path, validation):
    """A run of transfer learning as it ends: a network of uint8 images, tested with ten crops."""
    run = Run(tmp_path / "transfer")
    run.path.mkdir()
    keras.utils.set_random_seed(0)
    images = keras.Input((64, 64, 3), dtype="uint8")
    x = keras.layers.Rescaling(1 / 127.5, offset=-1, dtype="float32", name="scale")(images)
    x = keras.layers.Resizing(75, 75, interpolation="bilinear", name="resize")(x)
    x = keras.layers.AveragePooling2D(25)(x)
    keras.Model(images, keras.layers.Dense(4)(keras.layers.Flatten()(x))).save(run.path / "best.keras")
    predicted = np.full((len(validation), 4), 0.25)
    run.write_validation_predictions(validation, predicted)
    run.write_summary(Summary("v3", Validation(12, 0.5, crops="ten")))
    return run


def test_a_run_of_transfer_learning_is_tested_as_it_was(transfer_run, validation):
    (member,) = members.find([transfer_run.path])
    (by_file,) = members.find([transfer_run.path / "best.keras"])
    assert member == by_file
    ten, whole = member.probabilities(validation, "ten"), member.probabilities(validation, "whole")
    np.testing.assert_array_equal(member.probabilities(validation), ten)
    assert not np.allclose(ten, whole)


def test_what_a_run_has_predicted_need_not_be_predicted_again(transfer_run, validation, monkeypatch):
    class Asked:
        classes = 4

        def views(self, crops):
            return crops

        def probabilities(self, split, crops, title, columns):
            return np.full((len(split), 4), {"ten": 0.1, "whole": 0.2}[crops])

    monkeypatch.setattr(members.Member, "network", lambda member: Asked())
    (member,) = members.find([transfer_run.path])
    few = validation.take(np.arange(3))
    for split, how, stored, expected in (
        (validation, None, True, 0.25), (validation, "ten", True, 0.25), (validation, "whole", True, 0.2),
        (few, None, True, 0.1), (validation, None, False, 0.1),
    ):  # fmt: skip
        np.testing.assert_array_equal(
            member.probabilities(split, how, stored=stored), np.full((len(split), 4), expected)
        )


def test_heads_without_their_transfer_values_are_no_ensemble(transfer_run, run, validation, tmp_path):
    (run.path / "snapshots").rename(transfer_run.path / "snapshots")
    stored = {"validation": (StoredView(str(tmp_path / "gone"), 12, {}),)}
    transfer_run.write_summary(dataclasses.replace(transfer_run.summary, transfer_values=stored))
    with pytest.raises(UserError, match="its snapshots need transfer values that are missing; give --snapshots best"):
        members.find([transfer_run.path])
    assert len(members.find([transfer_run.path], "best")) == 1


def test_that_a_runs_images_are_gone_is_said(tmp_path, capsys):
    @dataclasses.dataclass
    class Asked:
        source: str = "moved/tiny-imagenet-200"

    run = Run.create(tmp_path, "convnets", Asked())
    assert members.images_of([members.Member("a", None, run)], None, None) == (None, None)
    assert "moved/tiny-imagenet-200 is not there; taking the official" in capsys.readouterr().err


def test_a_run_before_its_first_measurement_has_no_network(tmp_path, validation):
    (tmp_path / "snapshots").mkdir()
    (tmp_path / "snapshots" / "index.json").write_text(json.dumps({"wnids": validation.wnids, "snapshots": []}))
    with pytest.raises(ValueError, match="no snapshot yet"):
        members.find([tmp_path])


def foreign(path, validation, *, wnids=None, softmax=False):
    """A network of 0..255 whose scores tell the labels of the synthetic val images by their first pixels."""
    images = keras.Input((64, 64, 3))
    order = wnids or validation.wnids
    kernel = np.random.default_rng(1).normal(size=(3, len(validation.wnids))).astype("float32")
    columns = [list(validation.wnids).index(wnid) if wnid in validation.wnids else None for wnid in order]
    kernel = np.stack([np.full(3, -1) if each is None else kernel[:, each] for each in columns], axis=1)
    x = keras.layers.GlobalAveragePooling2D()(images)
    dense = keras.layers.Dense(len(order), activation="softmax" if softmax else None, use_bias=False)
    model = keras.Model(images, dense(x))
    dense.set_weights([kernel / 100])
    model.save(path)
    return path


@pytest.fixture
def truth(tmp_path, validation):
    """What such a network answers where it is asked as it should be."""
    (member,) = members.find([foreign(tmp_path / "truth.keras", validation)], pixels="0..255")
    return member.probabilities(validation)


def test_the_pixel_range_of_somebodys_network_is_asked_for(tmp_path, validation, truth):
    path = foreign(tmp_path / "model.keras", validation)
    with pytest.raises(ValueError, match="which pixel range does it expect"):
        members.find([path])[0].probabilities(validation)
    other = members.find([path], pixels="-1..1")[0].probabilities(validation)
    assert not np.allclose(other, truth, atol=0.01)


@pytest.mark.parametrize("name", ["resize", "preprocess"])
def test_the_names_of_layers_make_no_model_this_packages(tmp_path, validation, name):
    """Early saved models had a layer ``resize``, today's have ``preprocess`` and ``classifier``."""
    expected = members.find([foreign(tmp_path / "model.keras", validation)], pixels="0..255")[0].probabilities(
        validation
    )
    model = keras.models.load_model(tmp_path / "model.keras")
    images = keras.Input((64, 64, 3))
    inner = keras.Sequential([keras.Input((64, 64, 3)), *model.layers[1:]], name="classifier")
    before = keras.layers.Rescaling(1.0, name="resize")
    if name == "preprocess":
        before = keras.Sequential([keras.Input((64, 64, 3)), keras.layers.Rescaling(1.0)], name="preprocess")
    keras.Model(images, inner(before(images))).save(tmp_path / "named.keras")
    (member,) = members.find([tmp_path / "named.keras"], pixels="0..255")
    np.testing.assert_allclose(member.probabilities(validation), expected, atol=1e-6)


def test_a_file_beside_snapshots_is_not_one_of_them(tmp_path, validation):
    (tmp_path / "index.json").write_text('{"wnids": [], "snapshots": []}')
    path = foreign(tmp_path / "step-0000001.keras", validation)
    (member,) = members.find([path], pixels="0..255")
    assert member.run is None
    (tmp_path / "index.json").write_text("{}")  # of a web page, say
    (member,) = members.find([foreign(tmp_path / "mine.keras", validation)], pixels="0..255")
    assert member.run is None


def test_networks_of_other_outputs_are_refused(tmp_path):
    images = keras.Input((64, 64, 3))
    x = keras.layers.Flatten()(images)
    keras.Model(images, [keras.layers.Dense(4)(x), keras.layers.Dense(4)(x)]).save(tmp_path / "two.keras")
    keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(4)]).save(tmp_path / "unbuilt.keras")
    for name, message in (("two", "not one square RGB image"), ("unbuilt", "a model without an input; build it")):
        with pytest.raises(UserError, match=message):
            members.find([tmp_path / f"{name}.keras"], pixels="0..1")[0].network()


def test_probabilities_are_not_softmaxed_again(tmp_path, validation, truth):
    path = foreign(tmp_path / "model.keras", validation, softmax=True)
    np.testing.assert_allclose(members.find([path], pixels="0..255")[0].probabilities(validation), truth, atol=1e-5)


def test_scores_in_another_order_are_put_in_order(tmp_path, validation, truth):
    order = validation.wnids[2:] + validation.wnids[:2]
    (tmp_path / "wnids.txt").write_text("\n".join(order))
    path = foreign(tmp_path / "model.keras", validation, wnids=order)
    (member,) = members.find([path], pixels="0..255", labels=str(tmp_path / "wnids.txt"))
    np.testing.assert_allclose(member.probabilities(validation), truth, atol=1e-6)


def test_more_classes_are_cut_to_the_datasets_and_sum_to_one(tmp_path, validation, truth):
    order = ("n00000001", *validation.wnids[::-1], "n00000002")
    (tmp_path / "more.txt").write_text("\n".join(order))
    path = foreign(tmp_path / "model.keras", validation, wnids=order)
    with pytest.raises(ValueError, match="has 6 scores, but there are 4 classes; give their order with --labels"):
        members.find([path], pixels="0..255")[0].probabilities(validation)
    (member,) = members.find([path], pixels="0..255", labels=str(tmp_path / "more.txt"))
    np.testing.assert_allclose(member.probabilities(validation), truth, atol=1e-6)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("n99990000\n", "3 of the dataset's classes are missing"),
        ("n99990000\n" * 2, "1 wnids are listed twice"),
        ("0 n99990000\n1 n99990001\n", "'0' is not a wnid such as n01443537"),
        ("\n", "no wnid in it"),
        (None, "neither sorted, imagenet1k, nor a file"),
    ],
)
def test_an_order_that_is_none_is_refused(tmp_path, validation, text, message):
    if text:
        (tmp_path / "wnids.txt").write_text(text)
    path = foreign(tmp_path / "model.keras", validation)
    with pytest.raises(ValueError, match=message):
        members.find([path], pixels="0..255", labels=str(tmp_path / "wnids.txt"))[0].probabilities(validation)


def test_a_runs_network_knows_its_own(run):
    with pytest.raises(ValueError, match="would be ignored: run/step-1.keras knows its own"):
        members.find([run.path], pixels="0..1")
