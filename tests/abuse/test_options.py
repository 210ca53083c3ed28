"""Options that make no sense, or that would be ignored: refused before anything is read, made or downloaded."""

import dataclasses

import pytest

RECIPES = {
    "transfer_vanilla": {"learning_rate", "weight_decay", "batch_size", "epochs", "fraction", "holdout", "seed"},
    "transfer_v3": {"augmented_fraction", "dropout_keep", "label_smoothing", "input_size"},
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
MOST = SHARES | {"momentum": 1.0, "seed": 2**32, "input_size": 5000}
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
    ("transfer_vanilla", {"augmented_views": 2}, "--augmented-views 2 would be ignored"),
    ("transfer_vanilla", {"augmented_fraction": 0.5}, "--augmented-fraction 0.5 would be ignored"),
    ("transfer_v2", {"augmented_views": 1}, "--augmented-views 1 would be ignored"),
    ("transfer_v3", {"augmented_views": 0, "augmented_fraction": 0.5}, "--augmented-fraction 0.5 would be ignored"),
    ("transfer_vanilla", {"hidden_units": 99}, "--hidden-units 99 would be ignored"),
    ("transfer_vanilla", {"weight_decay": 0, "weight_decay_convention": "keras"}, "would be ignored"),
    ("inception_baseline", {"weight_decay": 0, "weight_decay_on": "last"}, "--weight-decay-on last would be ignored"),
    ("inception_baseline", {"weight_decay": 0, "weight_decay_convention": "keras"}, "would be ignored"),
    ("inception_baseline", {"cross_entropy": "sum"}, "--cross-entropy sum: a decoupled"),
    ("convnets", {"model": 6, "staged_epochs": 3}, "--staged-epochs 3 would be ignored"),
    ("convnets", {"model": 8, "staged": "never", "staged_epochs": 3}, "--staged-epochs 3 would be ignored"),
    ("convnets", {"model": 6, "weight_decay": 0, "weight_decay_convention": "keras"}, "would be ignored"),
    ("convnets", {"screen": True, "no_screen": True}, "choose one"),
    ("convnets", {"architecture": "conv3-8", "model": 1}, "leave out --model"),
    ("convnets", {"architecture": "conv3-8", "reading": "text"}, "leave out --model and --reading"),
    ("transfer_vanilla", {"precision": "int8", "engine": "tensorflow"}, "leave out --engine tensorflow"),
    ("transfer_v3", {"precision": "int8", "augmented_views": 0}, "need --engine tensorflow"),
    ("search_head", {"augment": True}, "--variant v3"),
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
