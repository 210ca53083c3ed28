"""The rule of Milani section 3.4, on accuracies made up, and an index that outlives any kill."""

import numpy as np
import pytest

from tiny_imagenet_tf.runs.snapshots import Snapshots

NAN = float("nan")


def offer_all(snapshots, accuracies):
    def save(path):
        path.write_text(f"{accuracy}")

    for step, accuracy in enumerate(accuracies, start=1):
        snapshots.offer(save, step=step, epoch=step / 10, accuracy=accuracy)


def files(folder):
    return sorted(file.name for file in folder.iterdir() if file.name != "index.json")


@pytest.fixture
def snapshots(tmp_path):
    return Snapshots(tmp_path, ["a", "b"], limit=3)


def test_only_an_improvement_is_saved(snapshots, tmp_path):
    offer_all(snapshots, [NAN, 0.0, 0.1, 0.1, NAN, 0.05, 0.2])
    assert [(entry.step, entry.accuracy) for entry in snapshots.entries] == [(2, 0.0), (3, 0.1), (7, 0.2)]
    assert snapshots.best.step == 7
    assert snapshots.path(snapshots.best).read_text() == "0.2"


def test_the_21st_takes_the_place_of_the_oldest(tmp_path):
    snapshots = Snapshots(tmp_path, ["a"])
    offer_all(snapshots, np.arange(20) / 100)
    assert [entry.step for entry in snapshots.entries] == list(range(1, 21))
    offer_all(snapshots, [0.5])  # step 1 again: its number does not matter here
    assert len(snapshots.entries) == 20
    assert [entry.accuracy for entry in snapshots.entries] == [*(np.arange(1, 20) / 100), 0.5]
    assert len(files(tmp_path)) == 20


def test_the_index_is_read_again(snapshots, tmp_path):
    offer_all(snapshots, [0.1, 0.2])
    again = Snapshots(tmp_path, ["a", "b"], limit=3)
    assert again.entries == snapshots.entries
    assert Snapshots(tmp_path).wnids == ("a", "b")
    offer_all(again, [0.2])
    assert again.entries == snapshots.entries, "a tie is not kept"
    with pytest.raises(ValueError, match="other classes"):
        Snapshots(tmp_path, ["b", "a"])


def test_a_copy_that_somebody_has_made_is_left_alone(snapshots, tmp_path):
    offer_all(snapshots, [0.1])
    (tmp_path / "step-0000001-good.keras").write_text("mine")
    offer_all(snapshots, [0.2, 0.3, 0.4])
    snapshots.go_back_to(2)
    assert (tmp_path / "step-0000001-good.keras").read_text() == "mine"
    assert len(files(tmp_path)) == 1 + len(snapshots.entries)


class Killed(BaseException):
    pass


@pytest.mark.parametrize("moment", ["saving", "renaming the network", "writing the index", "removing the oldest"])
def test_a_kill_at_any_moment_leaves_an_index_of_whole_files(snapshots, tmp_path, monkeypatch, moment):
    offer_all(snapshots, [0.1, 0.2, 0.3])

    def die(*_, **__):
        raise Killed

    def die_halfway(path):
        path.write_text("0.")
        raise Killed

    path = type(tmp_path)
    if moment == "renaming the network":
        monkeypatch.setattr(path, "replace", die)
    elif moment == "writing the index":
        monkeypatch.setattr("tiny_imagenet_tf.runs.snapshots.write_json", die)
    elif moment == "removing the oldest":
        monkeypatch.setattr(path, "unlink", die)
    with pytest.raises(Killed):
        save = die_halfway if moment == "saving" else lambda path: path.write_text("0.4")
        snapshots.offer(save, step=4, epoch=0.4, accuracy=0.4)
    monkeypatch.undo()

    again = Snapshots(tmp_path, ["a", "b"], limit=3)
    for entry in again.entries:
        assert again.path(entry).read_text() == str(entry.accuracy)
    assert len(again.entries) == 3

    # The run goes back to the step before and comes to the same improvement once more.
    again.go_back_to(3)
    assert files(tmp_path) == [entry.file for entry in again.entries]
    again.offer(lambda path: path.write_text("0.4"), step=4, epoch=0.4, accuracy=0.4)
    assert [entry.step for entry in again.entries] == [2, 3, 4]
    assert files(tmp_path) == [entry.file for entry in again.entries]


def test_a_limit_below_one_is_refused(tmp_path):
    with pytest.raises(ValueError, match="--snapshots 0"):
        Snapshots(tmp_path, ["a"], limit=0)
