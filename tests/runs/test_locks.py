"""Every lock, between real processes: a second start waits, shares, or is refused and told by whom."""

import errno
import fcntl
import os
import select
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tiny_imagenet_tf.__main__ import main
from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.runs import locks
from tiny_imagenet_tf.runs.locks import Shares, locked
from tiny_imagenet_tf.runs.run import Run

ROOT = Path(__file__).parents[2]


def start(code, *arguments, before=()):
    command = [*before, sys.executable, "-c", f"import sys, time\nfrom pathlib import Path\n{code}", *arguments]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    return subprocess.Popen(list(map(str, command)), env=environment, **pipes)


HOLD = """
from tiny_imagenet_tf.runs.locks import locked
with locked(Path(sys.argv[1]), "it", wait=True):
    print("held", flush=True)
    sys.stdin.read()  # until that is closed
    print("ends", flush=True)
"""


def test_a_lock_names_its_holder_and_is_refused(tmp_path):
    holder = start(HOLD, tmp_path / ".lock")
    assert holder.stdout.readline() == "held\n"
    expected = rf"^the run: in use by process {holder.pid} on \S+, since .* UTC"
    with pytest.raises(UserError, match=expected), locked(tmp_path / ".lock", "the run", wait=False):
        pass
    holder.kill()  # the lock ends with its process, however that ends
    holder.wait()
    with locked(tmp_path / ".lock", "the run", wait=False):
        assert f"process {os.getpid()} on" in (tmp_path / ".lock").read_text()


def test_a_lock_is_waited_for(tmp_path, capsys, monkeypatch):
    holder = start(HOLD, tmp_path / ".lock")
    assert holder.stdout.readline() == "held\n"
    asked = locks._holder

    def then_it_ends(file):
        told = asked(file)
        holder.stdin.close()
        return told

    monkeypatch.setattr(locks, "_holder", then_it_ends)
    with locked(tmp_path / ".lock", "the records", wait=True):
        assert select.select([holder.stdout], [], [], 0)[0], "the other has not ended"
        assert f"process {os.getpid()} on" in (tmp_path / ".lock").read_text()
    assert f"the records: in use by process {holder.pid} on" in capsys.readouterr().out


def test_a_lock_just_taken_names_its_holder_too(tmp_path):
    """Between taking a lock and writing who has it a moment passes, and whoever had it before is not named."""
    with locked(tmp_path / ".lock", wait=False):
        pass
    with (tmp_path / ".lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        threading.Timer(0.1, lambda: (file.write("process 7 on here"), file.flush())).start()
        with pytest.raises(UserError, match="in use by process 7 on here"), locked(tmp_path / ".lock", wait=False):
            pass


SHARE = """
from tiny_imagenet_tf.runs.locks import Shares
shares = Shares(Path(sys.argv[1]))
print([shares.take(part) for part in (0, 2)], flush=True)
time.sleep(60)
"""


def test_parts_of_a_work_are_shared(tmp_path):
    other = start(SHARE, tmp_path / ".lock")
    assert other.stdout.readline() == "[True, True]\n"
    shares = Shares(tmp_path / ".lock")
    assert [shares.take(part) for part in range(4)] == [False, True, False, True]
    other.kill()
    other.wait()
    assert shares.take(0) and shares.take(2, wait=True)
    shares.close()


def test_without_locks_each_process_does_everything_and_says_so_once(tmp_path, monkeypatch, capsys):
    def refused(*arguments):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("tiny_imagenet_tf.runs.locks.fcntl.lockf", refused)
    shares = Shares(tmp_path / ".lock")
    assert shares.take(0) and shares.take(1)
    assert capsys.readouterr().err.count(f"{tmp_path}: no locks on this file system") == 1


def test_a_lock_that_no_file_system_keeps_is_told(tmp_path, monkeypatch, capsys):
    def refused(*arguments):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("tiny_imagenet_tf.runs.locks._without_locks", set())
    monkeypatch.setattr("tiny_imagenet_tf.runs.locks.fcntl.flock", refused)
    for _ in range(2):
        with locked(tmp_path / ".lock", "a run", wait=False):
            pass
    assert capsys.readouterr().err.count("no locks on this file system; start one process alone") == 1


def test_a_file_of_somebody_elses_that_is_named_like_a_lock_keeps_its_words(tmp_path):
    for words in (b"of another program", b"\xff\xfe\x00"):
        (tmp_path / ".lock").write_bytes(words)
        with locked(tmp_path / ".lock", "it", wait=True):
            pass
        assert (tmp_path / ".lock").read_bytes() == words


def test_where_a_lock_cannot_be_made_it_is_told_what_to_do(tmp_path, monkeypatch):
    def refuse(self, *_, **__):
        raise PermissionError(errno.EACCES, "Permission denied", str(self))

    monkeypatch.setattr(Path, "open", refuse)
    for take in (lambda: Shares(tmp_path / ".taken"), lambda: locked(tmp_path / ".lock", "it", wait=True).__enter__()):
        with pytest.raises(UserError, match="cannot be written: Permission denied .* choose another folder"):
            take()


HOLD_A_RUN = """
from tiny_imagenet_tf.runs.run import Run
with Run(Path(sys.argv[1])).locked():
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_run_is_of_one_process_and_free_when_that_is_killed(tmp_path):
    holder = start(HOLD_A_RUN, tmp_path)
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(UserError, match=rf"in use by process {holder.pid} on \S+, since "), Run(tmp_path).locked():
        pass
    holder.kill()
    holder.wait()
    with Run(tmp_path).locked():
        pass


def test_a_second_resumption_by_the_command_is_refused_while_the_first_is_at_work(
    recipe, tiny_transfer, tmp_path, capsys
):
    vanilla = recipe("transfer_vanilla")
    options = {"store": tmp_path / "store", "runs": tmp_path / "runs", "batch_size": 8, "epochs": 1}
    run = vanilla.main(vanilla.Config(**tiny_transfer, **options, precision="float32"))
    before = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file() and path.name != ".lock"}
    holder = start(HOLD_A_RUN, run.path)
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(SystemExit) as ended:
        main(["transfer", "vanilla", "--resume", str(run.path), "--epochs", "2"])
    holder.kill()
    told = capsys.readouterr().err
    assert ended.value.code == 2 and f"process {holder.pid} on" in told and "Traceback" not in told
    after = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file() and path.name != ".lock"}
    assert after == before


DOWNLOAD = """
from tiny_imagenet_tf.data import splits

def slow(root):
    print("downloading", flush=True)
    sys.stdin.readline()
    made_from = splits.DOWNLOAD
    splits.Builder(data_dir=root, source=Path(sys.argv[2]), made_from=made_from).download_and_prepare()

splits._download = slow
sys.stdout.reconfigure(line_buffering=True)
print(splits.prepare(None, Path(sys.argv[1])).info.splits["train"].num_examples)
"""


@pytest.mark.slow
def test_of_two_downloads_to_one_place_the_second_waits_for_the_first(tree, tmp_path):
    starts = [start(DOWNLOAD, tmp_path / "data", tree) for _ in range(2)]
    began = [each.stdout.readline() for each in starts]  # one downloads, until it is told to end, and one waits
    for each in starts:
        each.stdin.close()
        each.stdin = None
    told = [first + each.communicate()[0] for first, each in zip(began, starts, strict=True)]
    assert [each.returncode for each in starts] == [0, 0]
    assert sum("downloading" in each for each in told) == 1
    assert all(each.splitlines()[-1] == "24" for each in told)
    (second,) = [each for each in told if "downloading" not in each]
    assert f"process {starts[1 - told.index(second)].pid} on" in second and "waiting until it has finished" in second


CREATE = """
import dataclasses, datetime
from types import SimpleNamespace
from tiny_imagenet_tf.runs import run as runs
now = datetime.datetime(2026, 1, 1)  # for all
runs.datetime = SimpleNamespace(datetime=SimpleNamespace(now=lambda zone: now), UTC=datetime.UTC)
print("ready", flush=True)
sys.stdin.readline()
run = runs.Run.create(Path(sys.argv[1]), "recipe", dataclasses.make_dataclass("Config", [])())
run.write_environment(seed=int(sys.argv[2]))
print(run.path.name)
"""


def test_twelve_starts_in_one_second_have_their_own_folders(tmp_path):
    starts = [start(CREATE, tmp_path, number) for number in range(12)]
    assert all(each.stdout.readline() == "ready\n" for each in starts)
    for each in starts:
        print(file=each.stdin, flush=True)
    names = [each.communicate()[0].strip() for each in starts]
    first = "recipe-20260101-000000"
    assert set(names) == {first, *(f"{first}-{number}" for number in range(2, 13))}
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)
    assert sorted(Run(tmp_path / name).environment["seed"] for name in names) == list(range(12))


WRITE = """
import os
import numpy as np
from tiny_imagenet_tf.runs.files import part_of
from tiny_imagenet_tf.runs.transfer_values import open_store
print(os.getpid(), part_of(Path("x")).name, flush=True)
store = open_store(Path(sys.argv[1]), {"view": "whole"}, 600, 20)
for _ in range(4):
    for shard in store.shards:
        store.write(shard, np.full((len(store.rows_of(shard)), 500), shard, np.float16), seconds=0.0)
"""


@pytest.mark.skipif(shutil.which("unshare") is None or os.getuid() != 0, reason="containers need root here")
def test_two_containers_on_one_volume_do_not_meet(tmp_path):
    inside = ("unshare", "--pid", "--fork", "--mount-proc")
    if subprocess.run([*inside, "true"], stderr=subprocess.DEVNULL).returncode:
        pytest.skip("no namespaces here")
    both = [start(WRITE, tmp_path, before=inside) for _ in range(2)]
    told = [each.communicate()[0].split() for each in both]
    assert [each.returncode for each in both] == [0, 0]
    assert told[0][0] == told[1][0] == "1" and told[0][1] != told[1][1], "both are process 1, with names of their own"
    from tiny_imagenet_tf.runs.transfer_values import open_store

    values = open_store(tmp_path, {"view": "whole"}, 600, 20).load()
    assert values.shape == (600, 500) and sorted(set(values[:, 0])) == list(range(30))
    assert not [path for path in tmp_path.rglob(".*") if path.name.count("-") >= 2]


DRAW = """
from tiny_imagenet_tf.experiments.images import make_up
print(make_up(Path(sys.argv[1]), 0)[0])
"""


@pytest.mark.slow
def test_two_demos_that_begin_together_draw_the_same_images(tmp_path):
    both = [start(DRAW, tmp_path / ".demo-0") for _ in range(2)]
    assert {each.communicate()[0].strip() for each in both} == {str(tmp_path / ".demo-0" / "tiny-imagenet-200")}
    assert len(list((tmp_path / ".demo-0").rglob("*.JPEG"))) == 260
    assert {path.name for path in (tmp_path / ".demo-0").iterdir()} == {"tiny-imagenet-200", ".lock"}


ASK = """
import optuna
from tiny_imagenet_tf.search.trials import Trials
trials = Trials(Path(sys.argv[1]), {"x": optuna.distributions.FloatDistribution(0, 1)}, "random", 0)
while asked := trials.ask(2, 12):
    for trial in asked:
        trials.tell(trial, trial.params["x"])
        print(trial.number)
trials.close()
"""


def test_two_processes_of_one_search_try_each_setting_once(tmp_path):
    both = [start(ASK, tmp_path) for _ in range(2)]
    numbers = [int(number) for each in both for number in each.communicate()[0].split()]
    assert sorted(numbers) == list(range(12))


def test_a_disk_that_is_full_keeps_no_lock_from_being_held(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(locks.os, "write", full)
    with locked(tmp_path / ".lock", "it", wait=False):
        other = start(HOLD.replace("wait=True", "wait=False"), tmp_path / ".lock")
        assert other.wait() and "held" not in other.stdout.read()
