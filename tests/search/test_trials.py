"""Trials in a file that several processes share; one of them is killed."""

import errno
import subprocess
import sys
from pathlib import Path

import numpy as np
import optuna
import pytest

from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.search.trials import Trials

SPACE = {"x": optuna.distributions.FloatDistribution(0, 1)}
DYING = """
import os, signal, sys
from pathlib import Path
import optuna
from tiny_imagenet_tf.search.trials import Trials
trials = Trials(Path(sys.argv[1]), {"x": optuna.distributions.FloatDistribution(0, 1)}, "random", 0)
print(sorted(trial.params["x"] for trial in trials.ask(2, 5)), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_no_more_trials_than_asked_for_and_a_search_goes_on(tmp_path, sampler):
    first = Trials(tmp_path, SPACE, sampler, 0)
    asked = first.ask(3, 5)
    other = Trials(tmp_path, SPACE, sampler, 0)  # beside the first, which is at work
    more = other.ask(3, 5)
    assert len(asked) == 3 and len(more) == 2 and not first.ask(3, 5)
    assert len({trial.params["x"] for trial in asked + more}) == 5
    for trial in asked:
        first.tell(trial, 0.5)
    other.tell(more[0], None)
    other.tell(more[1], 0.7)
    first.close()
    other.close()
    again = Trials(tmp_path, SPACE, sampler, 0)
    assert not again.ask(3, 5) and len(again.ask(3, 6)) == 1
    assert [trial.state.name for trial in again.all()][:5].count("PRUNED") == 1
    again.close()
    assert not list(tmp_path.glob("worker-*"))


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_processes_that_begin_together_do_not_draw_the_same(tmp_path, sampler):
    both = [Trials(tmp_path, SPACE, sampler, 0) for _ in range(2)]
    drawn = [trial.params["x"] for trials in both for trial in trials.ask(3, 12)]
    assert len(set(drawn)) == 6
    for trials in both:
        trials.close()


@pytest.mark.parametrize("sampler", ["random", "tpe"])
@pytest.mark.parametrize("together", [1, 3])
def test_searches_of_different_seeds_draw_different_settings(tmp_path, sampler, together):
    drawn = []
    for seed in (0, together):  # which added to the trials so far would be the first one's, a round later
        trials = Trials(tmp_path / str(seed), SPACE, sampler, seed)
        for _ in range(6 // together):
            for trial in trials.ask(together, 6):
                drawn.append(trial.params["x"])
                trials.tell(trial, 0.5)
        trials.close()
    assert len(set(drawn)) == 12


def test_the_trials_of_a_killed_process_are_tried_again(tmp_path):
    dead = subprocess.run([sys.executable, "-c", DYING, tmp_path], capture_output=True, text=True)
    assert dead.returncode == -9, dead.stderr
    trials = Trials(tmp_path, SPACE, "random", 1)
    asked = trials.ask(5, 5)
    assert len(asked) == 5
    assert str(sorted(trial.params["x"] for trial in asked[:2])) == dead.stdout.strip()
    trials.close()


def test_one_process_searches_where_the_file_system_has_no_locks(tmp_path, monkeypatch, capsys):
    subprocess.run([sys.executable, "-c", DYING, tmp_path], capture_output=True)

    def refused(*arguments):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("tiny_imagenet_tf.runs.locks._without_locks", set())
    monkeypatch.setattr("tiny_imagenet_tf.runs.locks.fcntl.flock", refused)
    trials = Trials(tmp_path, SPACE, "random", 1)
    assert len(trials.ask(5, 5)) == 5, "those of the dead process, too"
    trials.close()
    assert capsys.readouterr().err.count("no locks on this file system; start one process alone") == 1


def test_what_a_dead_process_holds_is_taken_from_it_in_a_relative_folder_too(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Trials(Path("study"), SPACE, "random", 0).close()
    Path("study/journal.log.lock").touch()  # Optuna's, between two lines of the journal
    monkeypatch.setattr(optuna.storages.journal.JournalFileOpenLock.__init__, "__defaults__", (3,))  # not 30 seconds
    trials = Trials(Path("study"), SPACE, "random", 0)
    assert len(trials.ask(1, 1)) == 1
    trials.close()


def test_a_line_that_was_torn_costs_its_own_trial_alone(tmp_path):
    first = Trials(tmp_path, SPACE, "random", 0)
    one, other = first.ask(2, 4)
    first.tell(one, 0.5)
    first.tell(other, 0.7)
    first.close()
    journal = tmp_path / "journal.log"
    journal.write_bytes(journal.read_bytes()[:-15])  # of the second's end
    again = Trials(tmp_path, SPACE, "random", 0)
    assert [trial.value for trial in again.finished()] == [0.5]
    asked = again.ask(4, 4)
    assert len(asked) == 3 and asked[0].params == other.params
    again.tell(asked[0], 0.7)
    again.close()
    third = Trials(tmp_path, SPACE, "random", 0)
    assert sorted(trial.value for trial in third.finished()) == [0.5, 0.7]
    third.close()


@pytest.mark.parametrize("line", ["no JSON", "[1, 2]", '{"op_code": 99}'])
def test_a_journal_of_other_lines_is_named_and_no_lock_stays(tmp_path, line):
    Trials(tmp_path, SPACE, "random", 0).close()
    with (tmp_path / "journal.log").open("a") as journal:
        journal.write(f"{line}\n")
    with pytest.raises(UserError, match=r"journal.log is damaged .*put back a whole copy"):
        Trials(tmp_path, SPACE, "random", 0)
    assert not list(tmp_path.glob("worker-*"))


def test_the_sampler_draws_where_trials_did_well(tmp_path):
    trials = Trials(tmp_path, SPACE, "tpe", 0)
    for trial in trials.ask(12, 40):
        trials.tell(trial, trial.params["x"])
    assert np.mean([trial.params["x"] for trial in trials.ask(10, 40)]) > 0.6
    assert trials._study.direction.name == "MAXIMIZE"
    trials.close()
