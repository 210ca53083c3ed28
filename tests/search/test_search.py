"""A whole search on synthetic images, stopped and gone on with."""

import dataclasses
import json
import os
import signal
import threading
import time
from pathlib import Path

import keras
import numpy as np
import pytest

from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.search import search
from tiny_imagenet_tf.search.heads import Heads
from tiny_imagenet_tf.search.options import SearchOptions
from tiny_imagenet_tf.search.trials import Trials
from tiny_imagenet_tf.transfer.engine import Engine
from tiny_imagenet_tf.transfer.pool import ValueBatches


@pytest.fixture(scope="module")
def options(tiny_transfer, tmp_path_factory):
    folder = tmp_path_factory.mktemp("search")
    return SearchOptions(
        **tiny_transfer,
        precision="float32",
        store=folder / "values",
        study=folder / "study",
        trials=4,
        together=3,
        holdout=0.4,
        epochs=2,
        batch_size=4,
        label_smoothings=(0.0, 0.2),
    )


def test_a_search_goes_on_and_stores_every_trial(options, capsys):
    search.run(options)
    shown = " ".join(capsys.readouterr().out.replace("\\\n", "").split())
    assert "tiny-imagenet transfer vanilla --data-dir=" in shown
    assert "--epochs 2 --batch-size 4 --weight-decay-convention l2_loss --dropout-keep 1 --learning-rate" in shown
    stored = json.loads(search.run(dataclasses.replace(options, trials=6)).read_text())
    assert [trial["number"] for trial in stored["trials"]] == list(range(6))
    for trial in stored["trials"]:
        assert 1e-4 <= trial["learning_rate"] <= 1e-2 and 0 <= trial["label_smoothing"] <= 0.2
        assert trial["dropout_keep"] == 1 and len(trial["accuracy_by_epoch"]) <= 2
        assert trial["state"] == "pruned" or trial["accuracy"] == max(trial["accuracy_by_epoch"])
    assert stored["judged_on"].endswith("held-out training images") and stored["variant"] == "vanilla"
    assert not list(options.study.glob("worker-*"))


def test_a_backbone_may_be_named_by_another_path_and_a_weight_decay_be_none(options, tmp_path, capsys):
    images = keras.Input((32, 32, 3))
    path = tmp_path / "small.keras"
    keras.Model(images, keras.layers.GlobalAveragePooling2D()(images)).save(path)
    (tmp_path / "linked").symlink_to(tmp_path)
    more = {"weights": "imagenet", "layer": None, "input_size": None, "pixels": "-1..1", "study": tmp_path / "study"}
    more |= {"trials": 1, "weight_decays": (0.0, 0.0), "weight_decay_convention": "keras"}
    search.run(dataclasses.replace(options, backbone=str(path), **more))
    told = capsys.readouterr().out
    assert "\n1 trial, 0 of them" in told and "--weight-decay 0" in told and "convention" not in told
    search.run(dataclasses.replace(options, backbone=str(tmp_path / "linked" / "small.keras"), **more))
    other = keras.Model(images, keras.layers.GlobalMaxPooling2D()(images))
    other.save(tmp_path / "other.keras")
    with pytest.raises(UserError, match="a search with another backbone; choose another --study, or remove this one"):
        search.run(dataclasses.replace(options, backbone=str(tmp_path / "other.keras"), **more))


def test_trials_that_a_process_has_left_are_not_told_as_under_way(options, tmp_path, capsys):
    search.run(dataclasses.replace(options, study=tmp_path, trials=2))
    left = Trials(tmp_path, search._space(options), "random", 0)
    assert len(left.ask(3, 5)) == 3
    left.close()  # as the system does where a process dies
    search.run(dataclasses.replace(options, study=tmp_path, trials=2))
    told = capsys.readouterr().out
    assert "3 more were left unfinished by a process that has ended" in told and "under way" not in told


def test_no_head_is_trained_on_what_judges_it(options, tmp_path, monkeypatch):
    seen, judged = set(), set()
    watch(monkeypatch, lambda rows: seen.update(rows), lambda rows, _: judged.update(rows))
    search.run(dataclasses.replace(options, study=tmp_path / "study", trials=1, batch_size=2))
    assert len(seen) == 16 and len(judged) == 8 and not seen & judged  # of 24, two of six in each class


@pytest.mark.parametrize("variant", ["v2", pytest.param("v3", marks=pytest.mark.slow)])
def test_folds_judge_every_image_once(options, tmp_path, monkeypatch, variant):
    judged = []
    watch(monkeypatch, lambda _: None, lambda rows, found: judged.append((rows, found)))
    more = {"variant": variant, "folds": 3, "holdout": 0.1, "study": tmp_path / "study", "trials": 1, "epochs": 1}
    more |= {"augmented_views": 1} if variant == "v3" else {}
    stored = json.loads(search.run(dataclasses.replace(options, **more)).read_text())
    assert len(judged) == 3 and len(set.union(*(set(rows) for rows, _ in judged))) == sum(len(r) for r, _ in judged)
    assert sum(len(rows) for rows, _ in judged) == 24
    (trial,) = stored["trials"]
    assert trial["accuracy"] == pytest.approx(np.mean([found for _, found in judged]))
    assert (stored["judged_on"], stored["train_images"]) == ("3 folds", 16)  # of 24
    assert trial["dropout_keep"] == (0.8 if variant == "v2" else 1)


def watch(monkeypatch, trained, judged):
    """Calls ``trained`` with the values that heads learn from, ``judged`` with those that judge them, and what came."""
    dataset, accuracies = ValueBatches.dataset, Heads.accuracies

    def learned(self, *steps):
        trained([row.tobytes() for values, _ in dataset(self, *steps) for row in values.numpy()])
        return dataset(self, *steps)

    def judging(self, values, labels):
        found = accuracies(self, values, labels)
        judged([row.tobytes() for row in values.astype(np.float32)], found)
        return found

    monkeypatch.setattr(ValueBatches, "dataset", learned)
    monkeypatch.setattr(Heads, "accuracies", judging)


def test_the_views_of_a_search_are_what_it_is_known_by(options, tmp_path):
    """Early ones did not store which seed drew them: it was the search's."""
    v3 = dataclasses.replace(options, variant="v3", augmented_views=1, study=tmp_path, trials=1, epochs=1)
    search.run(v3)
    stored = json.loads((tmp_path / "options.json").read_text())
    for lacking in ((), ("views_seed",), ("views_seed", "seed")):
        early = {name: value for name, value in stored.items() if name not in lacking}
        (tmp_path / "options.json").write_text(json.dumps(early))
        search.run(v3)
        search.run(dataclasses.replace(v3, views_seed=0))
        if "seed" in early:
            with pytest.raises(UserError, match="a search with --views-seed 0, not 1; choose another --study"):
                search.run(dataclasses.replace(v3, views_seed=1))


def test_another_searchs_folder_is_refused(options, monkeypatch):
    search.run(options)
    for changes, message in (
        ({"epochs": 3}, "--epochs 2, not 3"),
        ({"seed": 1}, "--seed 0, not 1"),
        ({"fraction": 0.9, "holdout": 0.4}, "--fraction 1.0, not 0.9"),
    ):
        with pytest.raises(UserError, match=f"a search with {message}; choose another --study"):
            search.run(dataclasses.replace(options, **changes))
    stored = json.loads((options.study / "options.json").read_text())
    (options.study / "options.json").write_text(json.dumps(stored | {"train_sha256": "0"}))
    with pytest.raises(UserError, match="a search with other training images; choose another --study"):
        search.run(options)
    early = stored | {"augmented_views": 3}  # of when three were stored, if any
    (options.study / "options.json").write_text(json.dumps(early))
    search.run(options)
    int8 = {"quantized_sha256": "1"}
    monkeypatch.setattr(Engine, "digests", property(lambda engine: engine.trunk.digests | int8))
    search.run(options)  # by an actor, say, which knows more than who began the search
    int8["quantized_sha256"] = "2"
    with pytest.raises(UserError, match="a search with another int8 network, of another kind of CPU or version of NNC"):
        search.run(options)
    monkeypatch.undo()
    with pytest.raises(UserError, match="a search with --variant vanilla, not v3"):
        search.run(dataclasses.replace(options, variant="v3"))
    (options.study / "options.json").write_text(json.dumps(stored))


def test_the_precision_that_values_have_is_the_searchs(options, tmp_path, monkeypatch):
    """Of a machine with bfloat16 and one without, trials are not compared."""
    changes = {"study": tmp_path / "study", "trials": 1, "precision": "auto"}
    monkeypatch.setattr("tiny_imagenet_tf.hardware.cpu_has_bfloat16", lambda: False)
    search.run(dataclasses.replace(options, **changes))
    monkeypatch.setattr("tiny_imagenet_tf.hardware.cpu_has_bfloat16", lambda: True)
    with pytest.raises(UserError, match="a search with --precision float32, not bfloat16"):
        search.run(dataclasses.replace(options, **changes))


def test_what_spans_orders_of_magnitude_is_drawn_by_its_logarithm():
    space = search._space(SearchOptions(dropout_keeps=(0.5, 1.0)))
    assert {name: drawn.log for name, drawn in space.items()} == {
        "learning_rate": True,
        "learning_rate_decay_per_epoch": False,
        "weight_decay": True,
        "dropout_keep": False,
    }


def test_folds_are_even_and_disjoint(options, builder):
    data = search.images.load(options)
    folds = search._folds(dataclasses.replace(options, folds=3), data)
    judged = sorted(row for _, judges in folds for row in judges)
    assert judged == list(range(len(data.all_train)))
    for rows, judges in folds:
        assert not set(rows) & set(judges) and len(rows) + len(judges) == len(data.all_train)
        counts = [sum(data.all_train.labels[judges] == label) for label in range(4)]
        assert max(counts) - min(counts) <= 1


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"folds": 1}, "--folds 1"),
        ({"holdout": 0.0}, "--holdout 0.0: must be above 0"),
        ({"learning_rates": (1e-2, 1e-4)}, "--learning-rates"),
        ({"dropout_keeps": (0.5, 1.5)}, "--dropout-keeps"),
        ({"dropout_keeps": (1e-20, 1e-20)}, "--dropout-keeps 1e-20: must be above 0"),
        ({"augment": True}, "--variant v3"),
        (
            {"dropout_keeps": (0.0, 0.0)},
            "--dropout-keeps 0.0 0.0: give the lowest value, then the highest, both above 0",
        ),
        (
            {"learning_rates": (0.0, 0.0)},
            "--learning-rates 0.0 0.0: give the lowest value, then the highest, both above 0",
        ),
        ({"learning_rates": (1e-50, 1e-3)}, "--learning-rates 1e-50: float32, in which it is computed, has no such"),
        ({"learning_rate_decays": (0.1, 1e39)}, r"--learning-rate-decays 1e\+39: float32"),
        ({"views_seed": 3}, "--views-seed 3 would be ignored: without --variant v3 there are no augmented views"),
    ],
)
def test_a_search_that_cannot_be(options, wrong, message):
    with pytest.raises(UserError, match=message):
        dataclasses.replace(options, **wrong).check()


def test_a_pruned_trial_is_told_and_never_the_best(options, tmp_path, monkeypatch, capsys):
    import optuna

    monkeypatch.setattr(optuna.Trial, "should_prune", lambda trial: trial.number != 1)
    more = {"study": tmp_path / "study", "trials": 3}
    stored = json.loads(search.run(dataclasses.replace(options, **more)).read_text())
    found = [(trial["state"], trial["accuracy"] is None) for trial in stored["trials"]]
    assert found == [("pruned", True), ("complete", False), ("pruned", True)]
    said = capsys.readouterr().out
    assert (
        "3 trials, 2 of them pruned" in said and f"--learning-rate {stored['trials'][1]['learning_rate']:.4g}" in said
    )


@pytest.mark.parametrize(
    ("wrong", "message"), [({"folds": 25}, "there are 24"), ({"batch_size": 1000}, "--batch-size")]
)
def test_what_the_images_do_not_allow_is_told_before_there_is_a_study(options, tmp_path, wrong, message):
    wrong |= {"study": tmp_path / "study", "holdout": 0.1 if "folds" in wrong else 0.4}
    with pytest.raises(UserError, match=message):
        search.run(dataclasses.replace(options, **wrong))
    assert not (tmp_path / "study").exists()


def test_a_search_that_was_killed_at_its_beginning_goes_on(options, tmp_path):
    study = tmp_path / "study"
    study.mkdir()
    for name in ("asking.lock", ".options.host-1-abc.json"):  # before its options, or its journal, are there
        (study / name).touch()
    dataclasses.replace(options, study=study).check()
    (study / "notes.txt").touch()
    with pytest.raises(UserError, match="holds other files"):
        dataclasses.replace(options, study=study).check()


@pytest.mark.slow
def test_actors_on_two_machines_of_which_one_is_killed_try_every_setting(options, tmp_path, monkeypatch, actors_of):
    """Two raylets on loopback; the trials of a killed actor are taken up again, and Ray starts it anew."""
    ray = pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    monkeypatch.chdir(tmp_path)  # relative paths are of this folder in the actors, too
    options = dataclasses.replace(options, study=Path("study"), trials=24, together=2, sampler="random")
    search.run(dataclasses.replace(options, trials=2))  # one alone begins it
    killed = []

    def kill_one():
        while not (searching := list(actors_of("_Searcher"))) or len(list(options.study.glob("worker-*.lock"))) < 3:
            time.sleep(0.01)
        killed.append(searching[0])
        os.kill(searching[0], signal.SIGKILL)

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    try:
        cluster.add_node(num_cpus=1)
        cluster.wait_for_nodes()
        with pytest.raises(UserError, match="--cores 9: no machine of the cluster has so many; the largest has 1"):
            search.run(dataclasses.replace(options, ray=cluster.address, cores=9))
        threading.Thread(target=kill_one, daemon=True).start()
        stored = json.loads(search.run(dataclasses.replace(options, ray=cluster.address, cores=1)).read_text())
    finally:
        ray.shutdown()
        cluster.shutdown()
    assert killed
    states = [trial["state"] for trial in stored["trials"]]
    assert len(states) == 24 and set(states) <= {"complete", "pruned"}
    settings = {(trial["learning_rate"], trial["weight_decay"]) for trial in stored["trials"]}
    assert len(settings) == 24
