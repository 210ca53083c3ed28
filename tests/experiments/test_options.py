"""The command line of a run that begins, is a demo, or goes on."""

import dataclasses
import json
import sys
from pathlib import Path

import pytest

from tiny_imagenet_tf.cli import command
from tiny_imagenet_tf.experiments.options import PART, POSITIVE, RunOptions, check_unchanged, option, read, rule_of
from tiny_imagenet_tf.runs.run import Run
from tiny_imagenet_tf.training.options import ConvnetOptions, InceptionOptions, ModernOptions, ScratchOptions
from tiny_imagenet_tf.transfer.options import FinetuneOptions, TransferOptions


@dataclasses.dataclass(frozen=True)
class Config(ScratchOptions):
    learning_rate: float = option(0.1, POSITIVE)
    label_smoothing: float = option(0.1, PART)


def chosen(monkeypatch, *arguments) -> Config:
    """The config that a command line makes."""
    configs = []
    monkeypatch.setattr(sys, "argv", ["recipe.py", *map(str, arguments)])
    command(Config, lambda config: (config.check(), configs.append(config)), "A recipe.")
    return configs[0]


@pytest.fixture
def begun(tmp_path) -> tuple[Path, Config]:
    (tmp_path / "tree").mkdir()
    config = Config(
        source=tmp_path / "tree", runs=tmp_path, epochs=7, batch_size=50, learning_rate=0.3, devices=("CPU:0",)
    )
    return Run.create(tmp_path, "recipe", config).path, config


def test_a_run_that_begins_has_the_defaults(monkeypatch):
    assert chosen(monkeypatch) == Config()
    assert chosen(monkeypatch, "--epochs", 3, "--learning-rate", 0.2) == Config(epochs=3, learning_rate=0.2)


def test_a_run_that_goes_on_has_what_it_was_begun_with(monkeypatch, begun):
    path, config = begun
    assert read(Config, path) == config
    assert chosen(monkeypatch, "--resume", path) == dataclasses.replace(config, resume=path)


def test_it_is_found_at_home(monkeypatch, begun):
    path, config = begun
    monkeypatch.setenv("HOME", str(path.parent))
    for words in (["--resume", f"~/{path.name}"], [f"--resume=~/{path.name}"]):  # the shell leaves the second alone
        assert chosen(monkeypatch, *words) == dataclasses.replace(config, resume=path)


def test_it_may_be_longer_and_find_its_images_elsewhere(monkeypatch, begun):
    path, config = begun
    resumed = chosen(monkeypatch, "--resume", path, "--epochs", 9, "--source", path)
    assert resumed == dataclasses.replace(config, resume=path, epochs=9, source=path)


@pytest.mark.parametrize("value", [100, 0.2])  # the recipe's default, too, is another than the run's
def test_nothing_else_may_change(monkeypatch, capsys, begun, value):
    option = "--batch-size" if value == 100 else "--learning-rate"
    with pytest.raises(SystemExit) as ended:
        chosen(monkeypatch, "--resume", begun[0], option, value)
    assert ended.value.code == 2
    assert f"{option} {value}: this run was started with" in capsys.readouterr().err


def test_a_default_that_was_another_is_not_taken_for_a_choice(tmp_path):
    """A run that was begun when recipes stored three views goes on, though it has none."""
    begun = Run.create(tmp_path, "transfer_vanilla", TransferOptions(augmented_views=3))
    goes_on = TransferOptions.starting_point(["--resume", str(begun.path)])
    goes_on.check()
    with pytest.raises(ValueError, match="--augmented-views 4"):
        dataclasses.replace(goes_on, augmented_views=4).check()


def test_paths_of_a_run_are_those_of_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("net.keras").touch()
    run = Run.create(Path("runs"), "transfer_vanilla", TransferOptions(backbone="net.keras", store=Path("values")))
    assert run.config["backbone"] == str(tmp_path / "net.keras")
    assert (run.config["store"], run.config["runs"]) == (str(tmp_path / "values"), str(tmp_path / "runs"))
    assert (run.config["weights"], run.config["source"]) == ("imagenet", None)
    Path("imagenet").touch()  # no file of weights, whatever it is
    usual = Run.create(Path("runs"), "transfer_vanilla", TransferOptions()).config
    assert usual["weights"] == "imagenet" and usual["store"].startswith("~"), "another user's home is another one"


@pytest.mark.parametrize(("words", "small"), [(["--demo"], True), (["--demo", "--no-demo"], False)])
def test_the_last_word_on_a_demo_counts(words, small):
    assert TransferOptions.starting_point(words).demo == small


def test_it_cannot_become_shorter_than_it_is(monkeypatch, capsys, begun):
    Run(begun[0]).write_metrics([{"epoch": epoch, "step": epoch} for epoch in (1, 2, 3)])
    assert chosen(monkeypatch, "--resume", begun[0], "--epochs", 3).epochs == 3
    with pytest.raises(SystemExit):
        chosen(monkeypatch, "--resume", begun[0], "--epochs", 2)
    assert "--epochs 2: this run has already trained 3 epochs" in capsys.readouterr().err


def test_a_demo_is_small_unless_told_otherwise(monkeypatch):
    demo = chosen(monkeypatch, "--demo", "--epochs", 4)
    assert demo.demo and demo.epochs == 4 and demo.batch_size == 20
    assert demo.learning_rate == Config().learning_rate


def test_what_is_no_run_and_what_is_of_another_recipe_is_said(tmp_path, begun):
    with pytest.raises(ValueError, match="not a run directory"):
        read(Config, tmp_path / "nowhere")
    stored = json.loads((begun[0] / "config.json").read_text())
    (begun[0] / "config.json").write_text(json.dumps(stored | {"momentum": 0.9}))
    with pytest.raises(ValueError, match="momentum"):
        read(Config, begun[0])


ALWAYS = {"data_dir", "epochs", "resume", "runs", "source", "tensorboard", "track"}
SAME_EXPERIMENT = {*ALWAYS, "demo", "fraction", "holdout", "precision", "seed", "snapshots"}
STORED = {"weights", "store", "augmented_fraction", "augmented_views", "engine", "views_seed"}
MACHINE = {"cache", "devices", "distributed"}
TOLD = {"checkpoint_every", "measure_every"}


@pytest.mark.parametrize(
    ("kind", "resumable", "same"),
    [
        (TransferOptions, {*ALWAYS, "backbone", "weights", "store"}, {*SAME_EXPERIMENT, *STORED}),
        (
            FinetuneOptions,
            {*ALWAYS, "backbone", "weights", "store", "start"},
            {*SAME_EXPERIMENT, *STORED, "start", "checkpoint_every"},
        ),
        (InceptionOptions, {*ALWAYS, *MACHINE}, {*SAME_EXPERIMENT, *MACHINE, *TOLD}),
        (
            ConvnetOptions,
            {*ALWAYS, *MACHINE, "stop_after_cuts"},
            {*SAME_EXPERIMENT, *MACHINE, *TOLD, "model", "staged_epochs", "stop_after_cuts"},
        ),
        (
            ModernOptions,
            {*ALWAYS - {"epochs"}, *MACHINE, "stop_after", "teacher"},
            {*SAME_EXPERIMENT, *MACHINE, *TOLD, "stop_after", "batch_norm_momentum"},
        ),
    ],
)
def test_what_a_resumed_run_may_change_and_what_makes_another_experiment(kind, resumable, same):
    rules = {field.name: rule_of(kind, field.name) for field in dataclasses.fields(kind)}
    assert {name for name, rule in rules.items() if rule.resumable} == resumable
    assert {name for name, rule in rules.items() if not rule.departs} == same


def test_every_option_that_must_not_change_is_checked():
    config = Config()
    for field in dataclasses.fields(Config):
        changed = dataclasses.replace(config, **{field.name: "another"})
        if field.name in (
            "resume",
            "epochs",
            "source",
            "data_dir",
            "cache",
            "devices",
            "runs",
            "tensorboard",
            "track",
            "distributed",
        ):
            check_unchanged(config, changed)
        else:
            with pytest.raises(ValueError, match=f"--{field.name.replace('_', '-')} another"):
                check_unchanged(config, changed)


@dataclasses.dataclass(frozen=True)
class Switched(Config):
    augment: bool = False
    momentum: float | None = None
    sizes: tuple[int, ...] = (64,)


def test_what_makes_it_another_experiment_is_said_as_on_the_command_line():
    same = Switched(epochs=1, fraction=0.5, holdout=0.1, seed=3, devices=("GPU:0",), precision="float32")
    assert Switched().departures == same.departures == ""
    other = dataclasses.replace(same, learning_rate=0.3, batch_size=50, augment=True, momentum=0.5, sizes=(32, 48))
    assert other.departures == "--batch-size 50 --learning-rate 0.3 --augment --momentum 0.5 --sizes 32 48"


def test_tensorboard_is_asked_for_in_time(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    Config().check()
    with pytest.raises(ValueError, match="--tensorboard"):
        Config(tensorboard=True).check()


@dataclasses.dataclass(frozen=True)
class Longer(Config):
    """A recipe of one's own: a default of its own, and an option without a rule."""

    learning_rate: float = 0.5
    warmup_epochs: float = 1.0


def test_an_overridden_option_keeps_its_rule_and_one_without_must_not_be_negative():
    assert rule_of(Longer, "learning_rate") == POSITIVE
    for name, value in (("learning_rate", 0.0), ("warmup_epochs", -3.0), ("warmup_epochs", float("nan"))):
        with pytest.raises(ValueError, match=f"--{name.replace('_', '-')} {value}: must be"):
            dataclasses.replace(Longer(), **{name: value}).check()


@pytest.mark.parametrize("kind", [RunOptions, InceptionOptions, ConvnetOptions, TransferOptions])
def test_every_option_of_a_recipe_has_a_rule(kind):
    for field in dataclasses.fields(kind):
        known = [vars(each).get("__dataclass_fields__", {}).get(field.name) for each in kind.__mro__]
        assert any("rule" in each.metadata for each in known if each is not None), field.name


def test_a_demo_takes_its_own_values_and_calls_none_of_them_a_departure():
    assert Config.DEMO and dataclasses.replace(Config(), demo=True, **Config.DEMO).departures == ""


def test_a_path_that_cannot_be_used_is_named_before_anything_is_made(tmp_path):
    with pytest.raises(ValueError, match="--source .*nowhere: no such file or folder"):
        dataclasses.replace(Config(), source=tmp_path / "nowhere").check()
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="--runs .*file: a file, not a folder"):
        dataclasses.replace(Config(), runs=tmp_path / "file").check()
