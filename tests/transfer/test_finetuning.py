"""Fine-tuning: where a backbone is cut, what learns and what stays, and what is told of it."""

import dataclasses
import json
import shutil

import keras
import numpy as np
import pytest
from keras import layers

from tiny_imagenet_tf import hardware
from tiny_imagenet_tf.data import splits, synthetic
from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.evaluation.predict import Predictor
from tiny_imagenet_tf.experiments.options import Study
from tiny_imagenet_tf.models import backbones, network_files
from tiny_imagenet_tf.runs.files import write_json
from tiny_imagenet_tf.runs.run import Run
from tiny_imagenet_tf.transfer import experiment as transfer
from tiny_imagenet_tf.transfer import finetuning, openvino
from tiny_imagenet_tf.transfer.options import FinetuneOptions, inherited

STUDY = Study("finetune", "Fine-tuning")


def conv(x, width, name):
    x = layers.Conv2D(width, 3, strides=2, use_bias=False, name=name)(x)
    return layers.ReLU(name=f"{name}_relu")(layers.BatchNormalization(name=f"{name}_bn")(x))


@pytest.fixture(scope="module")
def branching(tmp_path_factory):
    """A backbone of three blocks, the second of which has two branches and a way past both."""
    keras.utils.set_random_seed(1)
    images = keras.Input((40, 40, 3), name="images")
    x = conv(images, 8, "first")
    both = layers.Concatenate(name="both")([conv(x, 4, "left"), conv(x, 4, "right")])
    x = layers.Add(name="joint")([both, layers.Conv2D(8, 3, strides=2, name="past")(x)])
    x = layers.Dropout(0.2, name="last_dropout")(conv(x, 12, "last"))  # a seed must fix what it drops
    x = layers.GlobalAveragePooling2D(name="avg_pool")(x)
    path = tmp_path_factory.mktemp("backbone") / "branching.keras"
    keras.Model(images, x).save(path)
    return str(path)


@pytest.fixture(scope="module")
def start(recipe, downloaded, branching, tmp_path_factory):
    """A finished run of transfer learning on it."""
    vanilla, folder = recipe("transfer_vanilla"), tmp_path_factory.mktemp("start")
    options = {"backbone": branching, "pixels": "-1..1", "data_dir": downloaded, "precision": "float32"}
    return vanilla.main(
        vanilla.Config(**options, runs=folder, store=folder / "store", batch_size=8, epochs=2, learning_rate=0.01)
    )


def of_start(start, downloaded, folder):
    return FinetuneOptions(
        **inherited(start.path),
        start=start.path,
        unfreeze="last",
        data_dir=downloaded,
        runs=folder / "runs",
        store=folder / "store",
        batch_size=8,
        epochs=2,
        learning_rate=0.01,
        precision="float32",
    )


@pytest.fixture
def options(start, downloaded, tmp_path):
    """Of a run that begins with it."""
    return of_start(start, downloaded, tmp_path)


@pytest.fixture(scope="module")
def finetuned(start, downloaded, tmp_path_factory):
    """The options of a run that has ended, and the run; its maps are stored."""
    options = of_start(start, downloaded, tmp_path_factory.mktemp("finetuned"))
    return options, finetuning.run(STUDY, options)


@pytest.fixture
def trunk(branching):
    return backbones.build(backbones.find(branching, "-1..1"))


def test_a_network_is_cut_where_it_is_a_single_path(trunk):
    names = finetuning.single_paths(trunk.model)
    single = "first first_bn first_relu joint last last_bn last_relu last_dropout avg_pool values"
    assert names == single.split()


@pytest.mark.parametrize(
    ("unfreeze", "cut"),
    [
        ("last", "joint"),
        ("joint", "first_relu"),
        ("left", "first_relu"),
        ("avg_pool", "last_dropout"),
        ("first", "images"),
        ("all", "images"),
    ],
)
def test_both_parts_are_the_whole(trunk, unfreeze, cut):
    place = [layer.name for layer in trunk.model.layers].index(cut)
    assert finetuning.place_of_cut(trunk, unfreeze) == place
    frozen, learning = finetuning.frozen_part(trunk, place), finetuning.learning_part(trunk, place)
    assert frozen.description["layer"] == f"layer {place}, its map" and frozen.description["weights_sha256"]
    images = np.random.default_rng(0).uniform(-1, 1, (3, 40, 40, 3)).astype(np.float32)
    rows = frozen.model.predict(images, verbose=0)
    assert rows.ndim == 2
    np.testing.assert_allclose(learning.predict(rows, verbose=0), trunk.model.predict(images, verbose=0), atol=1e-6)


def test_what_cannot_be_cut(trunk):
    with pytest.raises(UserError, match=r"--unfreeze mixed9: no such layer; give all, or a layer such as .*joint"):
        finetuning.place_of_cut(trunk, "mixed9")


@pytest.mark.parametrize("stored", [True, False])
def test_every_layer_may_learn(options, builder, stored, monkeypatch):
    monkeypatch.setattr(openvino, "_is_faster", lambda precision: True)  # it would be taken, were there anything frozen
    changes = {"unfreeze": "all"} | ({} if stored else {"augment": True, "augmented_views": 0})
    run = finetuning.run(STUDY, dataclasses.replace(options, **changes))
    saved = network_files.load(run.classifier).get_layer("classifier").get_layer("network")
    first = [layer for layer in saved._flatten_layers() if layer.name == "first"]
    began = keras.models.load_model(options.backbone).get_layer("first")
    assert not np.array_equal(first[0].get_weights()[0], began.get_weights()[0])
    answers = Predictor.load(run.classifier).probabilities(splits.load(builder, "validation"))
    np.testing.assert_allclose(answers, run.read_validation_predictions()["probabilities"], atol=2e-3)


def test_with_no_frozen_part_there_is_nothing_for_openvino(options):
    pytest.importorskip("nncf")
    with pytest.raises(UserError, match="--unfreeze all: nothing stays frozen; leave out"):
        finetuning.run(STUDY, dataclasses.replace(options, unfreeze="all", precision="int8"))


def test_the_last_block_learns_and_all_else_stays(finetuned, start, builder):
    options, run = finetuned
    validation = splits.load(builder, "validation")
    trunk = backbones.build(backbones.find(options.backbone, "-1..1"))
    place = finetuning.place_of_cut(trunk, "last")
    frozen, learns = finetuning.frozen_part(trunk, place), finetuning.learning_part(trunk, place)
    saved = network_files.load(run.classifier).get_layer("classifier").get_layer("network").get_layer("trunk")
    for one, other in zip(frozen.model.weights, saved.weights, strict=True):
        np.testing.assert_array_equal(one, other)
    learning = network_files.load(run.snapshots().paths[-1])
    first = finetuning.joined(learns, start)
    changed = {
        weight.path.split("/")[-2] + "/" + weight.name: not np.array_equal(weight, other)
        for weight, other in zip(learning.weights, first.weights, strict=True)
    }
    assert changed["last/kernel"] and changed["logits/kernel"]
    kept = [name for name in changed if name.startswith("last_bn/")]
    assert len(kept) == 4 and not any(changed[name] for name in kept), "batch normalization stays as it was"
    stored = run.read_validation_predictions()["probabilities"]
    np.testing.assert_allclose(Predictor.load(run.classifier).probabilities(validation), stored, atol=2e-3)
    (told,) = [note for note in run.summary.notes if "before" in note]
    top1 = start.summary.validation.top1
    assert f"{start.path.name} before: {top1:.2%}" in told and "p = " in told


@pytest.mark.parametrize("precision", ["bfloat16", "int8"])
def test_the_last_block_learns_in_the_precision_that_is_asked_for(options, monkeypatch, capsys, precision):
    if precision == "int8":  # of what is frozen alone
        pytest.importorskip("nncf")
        monkeypatch.setattr(hardware, "cpu_has_bfloat16", lambda: True)
    run = finetuning.run(STUDY, dataclasses.replace(options, precision=precision, epochs=1))
    assert "weights (bfloat16) from last on" in capsys.readouterr().out
    trained = network_files.load(run.snapshots().paths[-1])
    (block,) = [layer for layer in trained._flatten_layers() if layer.name == "last"]
    assert (block.compute_dtype, block.variable_dtype) == ("bfloat16", "float32")
    assert run.environment["precision"] == precision


def test_it_goes_on_bit_for_bit(finetuned, tmp_path):
    options, whole = finetuned
    short = finetuning.run(STUDY, dataclasses.replace(options, runs=tmp_path / "short", epochs=1))
    longer = finetuning.run(STUDY, dataclasses.replace(options, runs=tmp_path / "short", resume=short.path))
    one, other = (np.load(run.checkpoint) for run in (whole, longer))
    assert all(np.array_equal(one[name], other[name]) for name in one.files if name != "position")
    assert longer.environment["source_sha256"] == Run(options.start).snapshots().best_sha256


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"start": None}, "--start: name a finished run"),
        ({"backbone": "xception"}, "the --start run has"),
        ({"weight_decay": 0.5}, "--weight-decay 0.5: the --start run has"),
        ({"learning_rate": -1}, "--learning-rate -1: must be"),
    ],
)
def test_what_makes_no_sense_is_refused(options, changes, message):
    with pytest.raises(UserError, match=message):
        dataclasses.replace(options, **changes).check()


def test_maps_that_do_not_fit_are_told_before_they_are_made(options, monkeypatch):
    monkeypatch.setattr("tiny_imagenet_tf.hardware.free_memory", lambda: 1000)
    with pytest.raises(
        UserError, match="give a smaller --fraction, or --unfreeze a later layer, which needs smaller maps"
    ):
        finetuning.run(STUDY, options)
    assert not list(options.runs.iterdir()) and not options.store.exists()


def test_maps_that_are_stored_need_no_room(finetuned, tmp_path, monkeypatch, capsys):
    options = dataclasses.replace(finetuned[0], runs=tmp_path, epochs=1)
    monkeypatch.setattr("tiny_imagenet_tf.transfer.finetuning.room", lambda folder: (folder, 0))
    finetuning.run(STUDY, options)
    assert not capsys.readouterr().err
    with pytest.raises(UserError, match="the maps will take [0-9,]+ bytes, but 0 are free"):
        finetuning.run(STUDY, dataclasses.replace(options, augment=True, augmented_views=1))


def test_what_changed_is_counted():
    before, labels, found = np.array([0, 1, 0, 0]), np.array([0, 0, 1, 1]), np.eye(2)[[1, 0, 1, 1]]
    told = "a run before: 25.00%; gained 3, lost 1 images, McNemar's exact test p = 0.62"
    assert finetuning.compared("a run", before, labels, found) == told


def test_new_views_every_epoch_store_no_training_maps(options, monkeypatch):
    """And its network is compiled under the policy of what learns, by which Keras scales losses; on one device."""
    policies, compiled = [], transfer.compile_for_training

    def compile_and_tell(model, *args, **options):
        policies.append(model.dtype_policy.name)
        compiled(model, *args, **options)

    monkeypatch.setattr(transfer, "compile_for_training", compile_and_tell)
    monkeypatch.setattr("tiny_imagenet_tf.hardware.place", lambda devices: pytest.fail("it trains on one"))
    changes = {"augment": True, "augmented_views": 0, "precision": "bfloat16"}
    run = finetuning.run(STUDY, dataclasses.replace(options, **changes))
    assert policies == ["mixed_bfloat16"]
    assert not run.summary.transfer_values["train"]
    assert run.summary.train.views == "new augmented view each epoch"


def test_what_the_head_has_learned_is_not_held_out(options):
    with pytest.raises(UserError, match="--holdout 0.5: the --start run was trained on some of these images"):
        dataclasses.replace(options, holdout=0.5).check()


def test_a_layer_may_have_a_name_that_keras_numbers(options, monkeypatch):
    """Built a second time, Inception-v3 has conv2d_94 where it had conv2d."""
    built, made = finetuning.trunk_of, []

    def renamed(*given):
        trunk, number = built(*given), len(made)
        model = keras.models.clone_model(
            trunk.model,
            clone_function=lambda each: type(each).from_config(each.get_config() | {"name": f"{each.name}_{number}"}),
        )
        model.set_weights(trunk.model.get_weights())
        made.append(model)
        return dataclasses.replace(trunk, model=model)

    monkeypatch.setattr(finetuning, "trunk_of", renamed)
    assert finetuning.run(STUDY, dataclasses.replace(options, unfreeze="last_0", epochs=1)).summary.epochs == 1
    assert len(made) > 1


@pytest.mark.parametrize("random", [True, False])
def test_a_random_backbone_is_that_of_the_start(options, start, tmp_path, random):
    began = Run(shutil.copytree(start.path, tmp_path / "start"))
    (began.path / "config.json").write_text(json.dumps(began.config | {"weights": "random" if random else "imagenet"}))
    changed = dataclasses.replace(options, start=began.path, **inherited(began.path), seed=3)
    if random:
        with pytest.raises(UserError, match="--seed 3: the --start run's random backbone has seed 0"):
            changed.check()
    else:
        changed.check()


def test_a_head_is_not_put_on_another_backbone(options, start, tmp_path):
    other = tmp_path / "other.keras"
    network = keras.models.load_model(options.backbone)
    network.set_weights([weight + 0.1 for weight in network.get_weights()])
    network.save(other)
    began = Run(shutil.copytree(start.path, tmp_path / "start"))
    config = began.config | {"backbone": str(other)}
    (began.path / "config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match="--start .*: its head was trained on another backbone "):
        finetuning.run(STUDY, dataclasses.replace(options, start=began.path, backbone=str(other)))


def test_what_learns_does_so_in_bfloat16_where_a_gpu_has_it(monkeypatch, options):
    monkeypatch.setattr(hardware, "_gpus", lambda: (("GPU:0", "NVIDIA H100", 9.0),))
    assert hardware.resolve_precision("auto", frozen=True) == "float16"
    for asked in ("auto", "int8"):
        assert finetuning.learning_precision(dataclasses.replace(options, precision=asked)) == "bfloat16"


def test_a_run_that_goes_on_learns_in_what_it_was_begun_in(monkeypatch, options, tmp_path):
    begun = Run(tmp_path / "begun")
    begun.path.mkdir()
    begun.write_environment(precision="int8", learns_in="bfloat16")
    again = dataclasses.replace(options, precision="auto", resume=begun.path)
    monkeypatch.setattr(hardware, "cpu_has_bfloat16", lambda: False)
    assert finetuning.learning_precision(again) == "bfloat16"
    begun.write_environment(precision="float16", learns_in="float16")
    with pytest.raises(UserError, match="what learns was begun in float16, and resuming it needs a GPU"):
        finetuning.learning_precision(again)


def test_the_command_line_takes_what_is_the_starts_from_it(start):
    found = FinetuneOptions.starting_point(["--start", str(start.path), "--epochs", "5"])
    assert found.start == start.path and found.backbone.endswith("branching.keras") and found.pixels == "-1..1"
    assert found.departures == ""


def test_the_images_are_the_starts_those_held_out_as_well(start, tmp_path):
    shutil.copytree(start.path, tmp_path / "start")
    images = {"source": str(tmp_path), "data_dir": str(tmp_path), "fraction": 0.5, "holdout": 0.25}
    write_json(tmp_path / "start/config.json", start.config | images)
    found = FinetuneOptions.starting_point(["--start", str(tmp_path / "start")])
    assert {name: str(getattr(found, name)) for name in images} == {name: str(value) for name, value in images.items()}
    found.check()
    with pytest.raises(UserError, match="was trained on some of these images"):
        dataclasses.replace(found, fraction=1.0).check()


def test_a_start_of_other_classes_is_refused_before_anything_is_made(options, tmp_path):
    tree = synthetic.write(tmp_path / "others", synthetic.Sizes(classes=3, train=6, validation=3, test=5))
    others = dataclasses.replace(options, source=tree, data_dir=tmp_path / "data")
    with pytest.raises(UserError, match="its classes are not the 3 classes of the images"):
        finetuning.run(STUDY, others)
    assert not (tmp_path / "runs").exists()
