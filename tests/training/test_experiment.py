"""Which images a run trains on, picks with and reports on; and that it goes on with the same ones only."""

import dataclasses
from pathlib import Path

import pytest

from tiny_imagenet_tf.data import splits, synthetic
from tiny_imagenet_tf.data.training_batches import LE_YANG, NONE
from tiny_imagenet_tf.training import experiment
from tiny_imagenet_tf.training.config import TrainingConfig


@pytest.fixture
def config(builder, tmp_path):
    tree = next(Path(builder.data_path).parents[4].glob("tiny-imagenet-200"))
    data_dir = Path(builder.data_path).parents[3]
    return TrainingConfig(source=tree, data_dir=data_dir, runs=tmp_path, precision="float32", batch_size=4)


def test_val_picks_the_snapshots_unless_some_of_train_is_held_out(config):
    data = experiment.begin("recipe", config, NONE).data
    assert data.selection is data.validation and not data.held_out
    assert (len(data.train), len(data.validation), len(data.test)) == (24, 12, 5)

    data = experiment.begin("recipe", dataclasses.replace(config, holdout=1 / 3), NONE).data
    assert data.held_out
    assert (len(data.train), len(data.selection), len(data.validation)) == (16, 8, 12)
    assert not set(data.train.file_names) & set(data.selection.file_names)
    for split, images in ((data.train, 4), (data.selection, 2)):
        assert [list(split.labels).count(label) for label in range(4)] == [images] * 4


def test_a_fraction_is_of_train_and_val_alike(config):
    data = experiment.begin("recipe", dataclasses.replace(config, fraction=0.5), NONE).data
    assert (len(data.train), len(data.validation)) == (12, 8)  # of 3 val images a class, 1.5 round to 2


def test_screening_prints_its_counts_beside_the_papers(config, tree, tmp_path, capsys):
    boxes = tree / "train" / "n99990002" / "n99990002_boxes.txt"
    corner, small, *others = boxes.read_text().splitlines()
    corner, small = corner.split()[0] + "\t0\t0\t8\t8", small.split()[0] + "\t20\t20\t27\t27"
    boxes.write_text("\n".join([corner, small, *others]))
    config = dataclasses.replace(config, source=tree, data_dir=tmp_path / "prepared")
    begun = experiment.begin("recipe", config, LE_YANG, screened=True)
    assert begun.data.screened == 1 and len(begun.data.train) == 23
    assert corner.split()[0] not in begun.data.train.file_names
    printed = capsys.readouterr().out
    assert "screened: 1 of 24 images (paper: 1,535 of 100,000); 1 more" in printed and "(paper: 1,891)" in printed


def test_a_run_goes_on_with_the_images_it_was_begun_with_only(config, tmp_path, capsys):
    begun = experiment.begin("recipe", config, NONE)
    assert f"--resume {begun.run.path}" in capsys.readouterr().out
    again = experiment.begin("recipe", dataclasses.replace(config, resume=begun.run.path, epochs=9), NONE)
    assert again.run == begun.run and begun.run.config["epochs"] == 9
    assert len(begun.run.environment["resumed"]) == 1

    other = synthetic.write(tmp_path / "other", synthetic.Sizes(classes=4, train=6, validation=3, test=5), seed=1)
    changed = dataclasses.replace(config, resume=begun.run.path, source=other, data_dir=tmp_path / "other")
    with pytest.raises(ValueError, match="not those the run was begun with"):
        experiment.begin("recipe", changed, NONE)


def test_a_dataset_without_val_is_refused(tree, config, tmp_path):
    for file in (tree / "val" / "images").iterdir():
        file.unlink()
    with pytest.raises(ValueError, match="no validation images"):
        experiment.begin("recipe", dataclasses.replace(config, source=tree, data_dir=tmp_path / "prepared"), NONE)


def test_the_environment_says_what_and_how(config, builder):
    environment = experiment.begin("recipe", config, NONE).run.environment
    assert environment["dataset"]["digests"]["train"] == splits.load(builder, "train").digest
    assert environment["dataset"]["counts"] == {"train": 24, "validation": 12, "test": 5}
    assert (environment["precision"], environment["seed"], environment["replicas"]) == ("float32", 0, 1)
