"""Which images a run trains on, picks with and reports on; and that it goes on with the same ones only."""

import contextlib
import dataclasses
import random
import re
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tiny_run

from tiny_imagenet_tf.data import splits, synthetic
from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.evaluation.predict import Predictor
from tiny_imagenet_tf.experiments import experiment
from tiny_imagenet_tf.experiments.clock import Clock
from tiny_imagenet_tf.experiments.options import RunOptions, Study
from tiny_imagenet_tf.models import preprocess
from tiny_imagenet_tf.runs.files import write_json
from tiny_imagenet_tf.runs.run import Run
from tiny_imagenet_tf.runs.snapshots import Snapshots
from tiny_imagenet_tf.runs.summary import Summary, Training, Validation

STUDY = Study("recipe", "Baseline", "milani/baseline")


@dataclasses.dataclass(frozen=True)
class Small(RunOptions):
    """A recipe whose own batches fit the synthetic images."""

    batch_size: int = 4


def begin(config, study=STUDY, **more):
    """What a recipe gets; nothing is trained."""
    with experiment.begin(study, config, **more) as begun:
        return begun


@pytest.fixture
def config(builder, tmp_path):
    tree = next(Path(builder.data_path).parents[4].glob("tiny-imagenet-200"))
    data_dir = Path(builder.data_path).parents[3]
    return Small(source=tree, data_dir=data_dir, runs=tmp_path, precision="float32")


def test_val_picks_the_snapshots_unless_some_of_train_is_held_out(config):
    data = begin(config).data
    assert data.selection is data.validation and not len(data.held_out)
    assert (len(data.train), len(data.validation), len(data.test)) == (24, 12, 5)

    data = begin(dataclasses.replace(config, holdout=1 / 3)).data
    assert len(data.held_out) == 8
    assert (len(data.train), len(data.selection), len(data.validation)) == (16, 8, 12)
    assert not set(data.train.file_names) & set(data.selection.file_names)
    for split, images in ((data.train, 4), (data.selection, 2)):
        assert [list(split.labels).count(label) for label in range(4)] == [images] * 4


def test_images_that_had_to_be_prepared_first_change_no_number_of_a_run(tree, tmp_path):
    """To prepare images draws random numbers, to find them does not."""
    config, drawn = Small(source=tree, data_dir=tmp_path / "data", runs=tmp_path / "runs", precision="float32"), []
    for _ in ("prepared", "found"):
        with experiment.begin(STUDY, config):
            drawn.append((random.random(), np.random.random(), keras.random.normal((3,)).numpy().tolist()))
    assert drawn[0] == drawn[1]
    with experiment.begin(STUDY, dataclasses.replace(config, seed=1)) as begun:
        assert random.random() != drawn[0][0] and begun.steps.seed == 1


def test_what_the_options_say_of_snapshots_and_trackers_is_kept_to(config, monkeypatch):
    @contextlib.contextmanager
    def tracked(*_):
        yield ["its callback"]

    monkeypatch.setattr(experiment, "tracked", tracked)
    begun = begin(dataclasses.replace(config, snapshots=2))
    assert begun.snapshots.limit == 2
    kept = begun.keeping(None, None, measure_every=2, checkpoint_every=1)
    assert kept.trackers == ["its callback"] and (kept.measure_every, kept.checkpoint_every) == (2, 1)


def test_the_five_most_probable_count_for_top_5(config):
    split = SimpleNamespace(labels=np.arange(8))
    data = SimpleNamespace(validation=split, selection=split, held_out=())
    begun = dataclasses.replace(begin(config), data=data)
    found = begun.measure(lambda _: np.tile(np.arange(8.0, 0, -1) / 36, (8, 1)))
    assert (found["val_accuracy"], found["val_top5"]) == (1 / 8, 5 / 8)


def test_a_holdout_without_an_image_is_refused(config):
    with pytest.raises(ValueError, match="--holdout 0.05: too small, no image of any class is held out"):
        begin(dataclasses.replace(config, holdout=0.05))


@pytest.mark.parametrize(("holdout", "picking"), [(0, 0.25), (1 / 3, 1)])
def test_held_out_images_pick_and_val_is_reported(config, holdout, picking):
    """A network that knows the answers, but for val's classes other than the first."""

    def predict(split):
        known = split.labels * (0 if split.name == "validation" else 1)
        return np.eye(4)[known] * 0.97 + 0.01  # 0.98 for the answer, 0.01 for each other class

    begun = begin(dataclasses.replace(config, holdout=holdout))
    measured = begun.measure(predict)
    assert measured["val_accuracy"] == 0.25
    assert measured["selection_accuracy"] == picking
    assert measured["val_loss"] == pytest.approx(-(np.log(0.98) + 3 * np.log(0.01)) / 4)
    assert measured["val_top5"] == 1


@pytest.mark.parametrize(
    ("options", "title", "key", "note"),
    [
        ({}, "Baseline", "milani/baseline", "24 of the official 100,000 train images"),
        ({"classes": "others"}, "Baseline", None, "24 of the official 100,000 train images"),
        ({"batch_size": 3}, "Baseline with --batch-size 3", None, "24 of the official 100,000 train images"),
        ({"demo": True}, "Baseline", None, "synthetic images: this says nothing about real ones"),
    ],
)
def test_only_the_recipes_own_experiment_stands_in_the_papers_row(config, monkeypatch, options, title, key, note):
    options = dict(options)
    if "demo" in options:  # on the images at hand
        source = config.source
        monkeypatch.setattr(experiment.images, "make_up", lambda folder, seed: (source, folder / "datasets"))
        config = dataclasses.replace(config, source=None, data_dir=None)
    if not options.pop("classes", None):
        monkeypatch.setattr(splits, "may_be_official", lambda split: True)
    begun = begin(dataclasses.replace(config, **options))
    network = preprocess.deployed(preprocess.classifier(tiny_run.network(4)))
    begun.snapshots.offer(network.save, step=6, epoch=1, accuracy=0.5)
    begun.run.write_metrics([{"epoch": 1, "step": 6, "accuracy": 0.25}])
    best = Predictor.of(network)
    begun.report(Clock(6, step=6), best.probabilities, crops="whole", train=Training(views="whole image"))
    summary = begun.run.summary
    assert (summary.title, summary.published, summary.notes[0]) == (title, key, note)
    assert (summary.epochs, summary.best_epoch, summary.recipe_epochs, summary.train.accuracy) == (1, 1, 30, 0.25)


def test_a_screened_run_is_no_partial_one_and_its_hours_are_the_clocks(config, monkeypatch, capsys):
    monkeypatch.setattr(Clock, "seconds", 7200.0)
    monkeypatch.setattr(splits, "may_be_official", lambda split: True)
    monkeypatch.setitem(splits.official_layout.OFFICIAL_COUNTS, "train", 27)
    begun = begin(config, Study("recipe", "TL v3", "milani/transfer_v3"))
    begun = dataclasses.replace(begun, data=dataclasses.replace(begun.data, screened=3))
    begun.snapshots.offer(tiny_run.network(4).save, step=6, epoch=1, accuracy=0.5)
    begun.run.write_metrics([{"epoch": 1, "step": 6, "accuracy": 0.25}])
    predict = lambda split: np.eye(4)[split.labels % 4]  # noqa: E731
    summary = begun.report(Clock(6, step=6), predict, crops="whole", train=Training())
    assert (summary.hours, summary.train.screened) == (2, 3) and not any("train" in note for note in summary.notes)
    assert re.search(r"^Milani 2017 +10,000 +76\.70% +69\.10%$", capsys.readouterr().out, re.MULTILINE)


def test_what_is_handed_in_are_the_test_images_with_their_answers(config):
    begun = begin(config)
    begun.snapshots.offer(tiny_run.network(4).save, step=6, epoch=1, accuracy=0.5)
    begun.run.write_metrics([{"epoch": 1, "step": 6, "accuracy": 0.25}])

    def predict(split):  # the first image is of class 0, the next of class 1, ...
        return np.eye(4)[np.arange(len(split)) % 4]

    begun.report(Clock(6, step=6), predict, crops="whole", train=Training(views="whole image"))
    test = begun.data.test
    expected = [f"{name} {test.wnids[number % 4]}" for number, name in enumerate(test.file_names)]
    assert (begun.run.path / "predictions-test.txt").read_text().splitlines() == expected


def test_a_fraction_is_of_train_and_val_alike(config):
    data = begin(dataclasses.replace(config, fraction=0.5)).data
    assert (len(data.train), len(data.validation)) == (12, 8)  # of 3 val images a class, 1.5 round to 2


def test_screening_prints_its_counts_beside_the_papers(config, tree, tmp_path, capsys):
    boxes = tree / "train" / "n99990002" / "n99990002_boxes.txt"
    corner, small, *others = boxes.read_text().splitlines()
    corner, small = corner.split()[0] + "\t0\t0\t8\t8", small.split()[0] + "\t20\t20\t27\t27"
    boxes.write_text("\n".join([corner, small, *others]))
    config = dataclasses.replace(config, source=tree, data_dir=tmp_path / "prepared")
    begun = begin(config, screened=True)
    assert begun.data.screened == 1 and len(begun.data.train) == 23
    assert corner.split()[0] not in begun.data.train.file_names
    printed = capsys.readouterr().out
    assert "screened: 1 of 24 images (paper: 1,535 of 100,000); 1 more" in printed and "(paper: 1,891)" in printed


def test_a_run_goes_on_with_the_images_it_was_begun_with_only(config, tmp_path, capsys):
    begun = begin(config)
    assert str(begun.run.path) in capsys.readouterr().out
    again = begin(dataclasses.replace(config, resume=begun.run.path, epochs=9, tensorboard=True))
    assert again.run == begun.run and begun.run.config["epochs"] == config.epochs, "it has not gone on yet"
    for each in (again.part("shallow"), again):  # in stages
        each.taken_up()
        assert begun.run.config["epochs"] == 9 and len(begun.run.environment["resumed"]) == 1
        assert begun.run.config["tensorboard"] and begun.run.config["source"] == str(config.source)
    begun.run.write_summary(Summary("ended", Validation(12, 0.5)))
    begun.run.checkpoint.write_bytes(b"is looked at later")
    longer = begin(dataclasses.replace(config, resume=begun.run.path, epochs=10))
    assert longer.part("shallow").taken_up is None
    assert begun.run.config["epochs"] == 9, "until its last network goes on, too"

    other = synthetic.write(tmp_path / "other", synthetic.Sizes(classes=4, train=6, validation=3, test=5), seed=1)
    changed = dataclasses.replace(config, resume=begun.run.path, source=other, data_dir=tmp_path / "other")
    with pytest.raises(ValueError, match="not those the run was started with; give the same --source"):
        begin(changed)


@pytest.mark.parametrize(("split", "named"), [("val", "validation"), ("test", "test")])
def test_a_run_does_not_go_on_with_other_images(config, tree, tmp_path, split, named, capsys):
    begun = begin(config)
    first, second = (tree / split / "images" / f"{split}_{number}.JPEG" for number in (0, 1))
    first.write_bytes(second.read_bytes())
    with pytest.raises(ValueError, match=f"the {named} images are not those"):
        begin(dataclasses.replace(config, resume=begun.run.path, source=tree, data_dir=tmp_path / "prepared"))
    assert "To resume this run" not in capsys.readouterr().err


def test_a_run_goes_on_from_the_network_that_it_began_with_only(config, tmp_path):
    source = Run(tmp_path / "source")
    (source.path / "snapshots").mkdir(parents=True)
    kept = Snapshots(source.path / "snapshots", ["n00000001"])
    kept.offer(lambda path: path.write_bytes(b"one"), step=1, epoch=1, accuracy=0.5)
    run = begin(config, source=source).run
    again = dataclasses.replace(config, resume=run.path)
    begin(again, source=source)
    begun = run.environment
    assert begun.pop("source_sha256") == kept.best_sha256
    write_json(run.path / "environment.json", begun)  # an early run's; since its resumption it is known
    begin(again, source=source).taken_up()
    kept.offer(lambda path: path.write_bytes(b"better"), step=2, epoch=2, accuracy=0.6)
    with pytest.raises(UserError, match="--resume .*: the run that it started or learned from has another best"):
        begin(again, source=source)


def test_a_run_keeps_its_figures_until_all_that_it_goes_on_from_was_read(config):
    run = begin(config).run
    run.write_summary(Summary("shorter", Validation(12, 0.5)))
    run.checkpoint.write_bytes(b"damaged")
    begin(dataclasses.replace(config, resume=run.path))
    assert run.ended, "a checkpoint that cannot be read must not cost them"
    for name in ("predictions-test.txt", "features-validation.npz"):
        (run.path / name).write_text("of the shorter run")
    run.reopen()
    assert not run.ended and not any(run.path.glob("*-test.txt")) and not any(run.path.glob("features*"))


def test_a_run_that_never_began_says_what_to_do(config):
    run = begin(config).run
    (run.path / "environment.json").unlink()
    with pytest.raises(
        UserError, match="its environment.json is missing; the run stopped before training began, so remove"
    ):
        begin(dataclasses.replace(config, resume=run.path))
    run.write_metrics([{"epoch": 1}])
    with pytest.raises(UserError, match="its environment.json is missing; restore it"):
        begin(dataclasses.replace(config, resume=run.path))


def test_another_int8_network_is_another_backbone(config):
    run = begin(config, backbone={"weights_sha256": "1", "quantized_sha256": "1"}).run
    again = dataclasses.replace(config, resume=run.path)
    begin(again, backbone={"weights_sha256": "1"})
    with pytest.raises(UserError, match="trained on another backbone \\(quantized_sha256 1, here 2\\); int8 "):
        begin(again, backbone={"weights_sha256": "1", "quantized_sha256": "2"})


def test_a_run_without_its_checkpoint_is_left_as_it_is(config):
    run = begin(config).run
    run.write_summary(Summary("ended", Validation(12, 0.5)))
    before = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
    with pytest.raises(
        UserError, match="checkpoint.npz is missing; restore it, or start a new run. This one was left unchanged"
    ):
        begin(dataclasses.replace(config, resume=run.path, epochs=config.epochs + 1))
    assert before == {path: path.read_bytes() for path in before}


def test_a_run_goes_on_by_its_own_recipe_and_on_a_gpu_if_it_was_begun_in_float16(config):
    other = Study("inception_regularized", "R")
    run = begin(config, other).run
    run.write_summary(Summary("ended", Validation(12, 0.5)))
    again = dataclasses.replace(config, resume=run.path)
    with pytest.raises(ValueError, match="a run of recipes/inception_regularized.py"):
        begin(again)
    write_json(run.path / "environment.json", run.environment | {"precision": "float16"})
    with pytest.raises(ValueError, match="begun in float16, and resuming it needs a GPU"):
        begin(again, other)
    assert "resumed" not in run.environment and (run.path / "summary.json").exists(), "the run is left as it was"


def test_a_dataset_without_val_is_refused(tree, config, tmp_path):
    for file in (tree / "val" / "images").iterdir():
        file.unlink()
    with pytest.raises(ValueError, match="no validation images"):
        begin(dataclasses.replace(config, source=tree, data_dir=tmp_path / "prepared"))


def test_the_environment_says_what_and_how(config, builder):
    environment = begin(config).run.environment
    assert environment["dataset"]["digests"]["train"] == splits.load(builder, "train").digest
    assert environment["dataset"]["counts"] == {"train": 24, "validation": 12, "test": 5}
    assert (environment["precision"], environment["seed"], environment["replicas"]) == ("float32", 0, 1)


def test_a_batch_larger_than_the_set_leaves_no_directory(config, tmp_path):
    with pytest.raises(ValueError, match="--batch-size 25: must be from 1 to the 24 training images"):
        begin(dataclasses.replace(config, batch_size=25))
    assert not list(tmp_path.glob("recipe-*"))


def test_a_run_that_fails_at_once_leaves_none_and_one_with_a_checkpoint_stays(config, capsys):
    with pytest.raises(KeyError), experiment.begin(STUDY, config):
        raise KeyError
    assert not list(config.runs.iterdir())
    with pytest.raises(KeyError), experiment.begin(STUDY, config) as begun:
        begun.run.checkpoint.touch()
        raise KeyError
    assert begun.run.path.exists() and f"--resume {begun.run.path}" in capsys.readouterr().err


def test_one_process_at_a_time(config):
    with experiment.begin(STUDY, config) as begun:
        with pytest.raises(UserError, match=r"in use by process \d+ on "):
            begin(dataclasses.replace(config, resume=begun.run.path))
        assert not begun.run.environment.get("resumed")
    assert begin(dataclasses.replace(config, resume=begun.run.path)).run == begun.run
