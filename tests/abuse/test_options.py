"""Options that make no sense, or that would be ignored: refused before anything is read, made or downloaded."""

import dataclasses
from pathlib import Path

import pytest

RECIPES = {
    "transfer_vanilla": {"learning_rate", "weight_decay", "batch_size", "epochs", "fraction", "holdout", "seed"},
    "transfer_v3": {
        "augmented_fraction",
        "dropout_keep",
        "label_smoothing",
        "input_size",
        "views_seed",
        "augmented_views",
    },
    "inception_baseline": {
        "learning_rate",
        "learning_rate_decay",
        "decay_every_epochs",
        "width_multiplier",
        "snapshots",
    },
    "convnets": {"momentum", "patience", "stop_after_cuts", "measure_every", "checkpoint_every", "snapshots"},
    "search_head": {"trials", "together", "epochs", "batch_size"},
}
NEVER = [float("nan"), float("inf"), float("-inf"), -1]
ABOVE_0 = {
    "learning_rate", "batch_size", "epochs", "fraction", "augmented_fraction", "dropout_keep", "input_size", "trials",
    "learning_rate_decay", "decay_every_epochs", "width_multiplier", "snapshots", "patience", "stop_after_cuts",
    "measure_every", "checkpoint_every", "together",
}  # fmt: skip
SHARES = {"fraction": 1.1, "holdout": 1.0, "dropout_keep": 1.1, "label_smoothing": 1.0, "augmented_fraction": 2.0}
MOST = SHARES | {"momentum": 1.0, "seed": 2**32, "views_seed": 2**32, "input_size": 5000}
NUMBERS = [
    (recipe, name, value)
    for recipe, names in RECIPES.items()
    for name in sorted(names)
    for value in [*NEVER, *([0] if name in ABOVE_0 else []), *([MOST[name]] if name in MOST else [])]
]


@pytest.mark.parametrize(("name", "option", "value"), NUMBERS)
def test_numbers(recipe, refusal, tmp_path, name, option, value):
    config = recipe(name).Config()
    paths = {"runs": tmp_path / "runs"} if hasattr(config, "runs") else {"study": tmp_path / "study"}
    with refusal(tmp_path, f"--{option.replace('_', '-')} {value}: must be"):
        dataclasses.replace(config, **paths, **{option: value}).check()


IGNORED = [
    ("transfer_vanilla", {"demo": True, "source": "."}, "--source . would be ignored: --demo"),
    ("transfer_vanilla", {"demo": True, "data_dir": "."}, "--data-dir . would be ignored: --demo"),
    ("transfer_vanilla", {"demo": True, "store": "."}, "--store . would be ignored: --demo"),
    ("inception_baseline", {"demo": True, "source": "."}, "--source . would be ignored: --demo"),
    ("transfer_vanilla", {"augmented_views": 3}, "--augmented-views 3 would be ignored"),
    ("transfer_vanilla", {"augmented_fraction": 0.5}, "--augmented-fraction 0.5 would be ignored"),
    ("transfer_v2", {"augmented_views": 1}, "--augmented-views 1 would be ignored"),
    ("transfer_v3", {"augmented_views": 0, "augmented_fraction": 0.5}, "--augmented-fraction 0.5 would be ignored"),
    ("transfer_vanilla", {"views_seed": 0}, "--views-seed 0 would be ignored"),
    ("transfer_v3", {"augmented_views": 0, "views_seed": 0}, "--views-seed 0 would be ignored"),
    ("transfer_vanilla", {"hidden_units": 99}, "--hidden-units 99 would be ignored"),
    ("transfer_vanilla", {"weight_decay": 0, "weight_decay_convention": "keras"}, "would be ignored"),
    ("inception_baseline", {"weight_decay": 0, "weight_decay_on": "last"}, "--weight-decay-on last would be ignored"),
    ("inception_baseline", {"weight_decay": 0, "weight_decay_convention": "keras"}, "would be ignored"),
    (
        "inception_baseline",
        {"weight_decay_convention": "decoupled", "cross_entropy": "mean"},
        "--cross-entropy mean would be ignored: a decoupled",
    ),
    ("convnets", {"model": 6, "staged_epochs": 3}, "--staged-epochs 3 would be ignored"),
    ("convnets", {"model": 8, "staged": "never", "staged_epochs": 3}, "--staged-epochs 3 would be ignored"),
    ("convnets", {"model": 6, "weight_decay": 0, "weight_decay_convention": "keras"}, "would be ignored"),
    ("convnets", {"screen": True, "no_screen": True}, "choose one"),
    ("convnets", {"architecture": "conv3-8", "model": 1}, "leave out --model"),
    ("convnets", {"architecture": "conv3-8", "reading": "text"}, "leave out --model and --reading"),
    ("transfer_vanilla", {"precision": "int8", "engine": "tensorflow"}, "leave out --engine tensorflow"),
    ("transfer_v3", {"precision": "int8", "augmented_views": 0}, "--augmented-views 0: not with OpenVINO"),
    ("search_head", {"augment": True}, "--variant v3"),
    ("search_head", {"folds": 5, "holdout": 0.2}, "--holdout 0.2 would be ignored"),
    ("transfer_vanilla", {"backbone": "resnet"}, "neither a .keras file nor one of"),
    ("transfer_vanilla", {"backbone": "resnet50", "pixels": "-1..1"}, "resnet50 takes caffe"),
    ("transfer_vanilla", {"backbone": "resnet50", "input_size": 20}, "takes 32 pixels or more"),
    ("transfer_vanilla", {"backbone": "mobilenet_v3_large", "layer": "mixed8"}, "has no such layer"),
    ("transfer_vanilla", {"store": Path("/etc/passwd")}, "--store /etc/passwd: a file, not a folder"),
    ("transfer_vanilla", {"store": Path("/etc/passwd/x")}, "--store /etc/passwd/x: /etc/passwd is a file"),
    ("transfer_vanilla", {"head": "mlp", "hidden_units": 10**12}, "must be from 1 to 65536"),
    ("search_head", {"study": Path("/etc/passwd")}, "--study /etc/passwd: a file, not a folder"),
    ("inception_modern", {"sizes": (8, 32, 64)}, "--sizes 8"),
    ("transfer_vanilla", {"learning_rate": 1e-60}, "float32, in which it is computed, has no such number"),
    ("transfer_vanilla", {"weight_decay": 1e39}, "float32, in which it is computed, has no such number"),
    ("inception_modern", {"teacher_share": 0.3}, "--teacher-share 0.3 would be ignored"),
]


@pytest.mark.parametrize(("name", "options", "message"), IGNORED)
def test_options_that_would_be_ignored(recipe, refusal, tmp_path, monkeypatch, name, options, message):
    monkeypatch.chdir(tmp_path)
    with refusal(tmp_path, message):
        dataclasses.replace(recipe(name).Config(), **options).check()


PATHS = [
    ("source", "nowhere", "no such file or folder"),
    ("weights", "nowhere.h5", "no such file"),
    ("runs", "file", "a file, not a folder"),
    ("data_dir", "file", "a file, not a folder"),
]


@pytest.mark.parametrize(("option", "name", "message"), PATHS)
def test_paths_are_looked_at_before_anything_is_made_or_downloaded(
    recipe, refusal, tmp_path, monkeypatch, option, name, message
):
    (tmp_path / "file").touch()
    monkeypatch.setattr(
        "tiny_imagenet_tf.models.backbones.build", lambda *_, **__: pytest.fail("weights were asked for")
    )
    module, value = recipe("transfer_vanilla"), tmp_path / name
    options = {"runs": tmp_path / "runs", option: str(value) if option == "weights" else value}
    with refusal(tmp_path, f"--{option.replace('_', '-')} {value}: {message}"):
        module.main(module.Config(**options))


@pytest.mark.parametrize("url", ["gs://bucket/tfds", "s3://bucket/tfds", "gs:/bucket/tfds", "http://host/tfds"])
def test_a_data_directory_elsewhere_is_refused(refusal, bad_tree, tmp_path, monkeypatch, url):
    from tiny_imagenet_tf.data import splits

    monkeypatch.chdir(tmp_path)
    with refusal(tmp_path, url, "must be a folder of this machine"):
        splits.prepare(bad_tree, url)


def test_weights_beside_a_file_that_has_its_own_are_refused(recipe, refusal, tmp_path, tiny_backbone):
    options = {"backbone": tiny_backbone, "pixels": "-1..1", "weights": "random"}
    with refusal(tmp_path, "--weights random would be ignored"):
        dataclasses.replace(recipe("transfer_vanilla").Config(), **options).check()


@pytest.mark.parametrize("option", ["runs", "store", "data_dir"])
@pytest.mark.parametrize("inner", ["", "below/it"])
def test_nothing_is_written_into_the_dataset(recipe, refusal, bad_tree, tmp_path, option, inner):
    with refusal(tmp_path, "lies within the dataset"):
        dataclasses.replace(recipe("transfer_vanilla").Config(), source=bad_tree, **{option: bad_tree / inner}).check()
