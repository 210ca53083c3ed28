"""Files and locks, with real processes."""

import errno
import fcntl
import os
import select
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.runs import files
from tiny_imagenet_tf.runs.files import Shares, check_folder, locked, part_of, replacing, save_whole, sweep

ROOT = Path(__file__).parents[2]


def python(code, *arguments):
    """Another process, which prints a line when it is ready."""
    command = [sys.executable, "-c", f"import sys, time\nfrom pathlib import Path\n{code}", *map(str, arguments)]
    environment, pipes = os.environ | {"PYTHONPATH": ROOT}, {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    return subprocess.Popen(command, text=True, cwd=ROOT, env=environment, **pipes)


HOLD = """
from tiny_imagenet_tf.runs.files import locked
with locked(Path(sys.argv[1]), "it", wait=True):
    print("held", flush=True)
    sys.stdin.read()  # until that is closed
    print("ends", flush=True)
"""


def test_a_lock_names_its_holder_and_is_refused(tmp_path):
    holder = python(HOLD, tmp_path / ".lock")
    assert holder.stdout.readline() == "held\n"
    expected = rf"^the run: in use by process {holder.pid} on \S+, since .* UTC"
    with pytest.raises(UserError, match=expected), locked(tmp_path / ".lock", "the run", wait=False):
        pass
    holder.kill()  # the lock ends with its process, however that ends
    holder.wait()
    with locked(tmp_path / ".lock", "the run", wait=False):
        assert f"process {os.getpid()} on" in (tmp_path / ".lock").read_text()


def test_a_lock_is_waited_for(tmp_path, capsys, monkeypatch):
    holder = python(HOLD, tmp_path / ".lock")
    assert holder.stdout.readline() == "held\n"
    asked = files._holder

    def then_it_ends(file):
        told = asked(file)
        holder.stdin.close()
        return told

    monkeypatch.setattr(files, "_holder", then_it_ends)
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
from tiny_imagenet_tf.runs.files import Shares
shares = Shares(Path(sys.argv[1]))
print([shares.take(part) for part in (0, 2)], flush=True)
time.sleep(60)
"""


def test_parts_of_a_work_are_shared(tmp_path):
    other = python(SHARE, tmp_path / ".lock")
    assert other.stdout.readline() == "[True, True]\n"
    shares = Shares(tmp_path / ".lock")
    assert [shares.take(part) for part in range(4)] == [False, True, False, True]
    other.kill()
    other.wait()
    assert shares.take(0) and shares.take(2, wait=True)
    shares.close()


def test_what_a_dead_process_left_is_swept_and_nothing_else(tmp_path):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    mine, machine = part_of(tmp_path / "values.npy"), files._machine()
    left = [tmp_path / f".values.{machine}-{ended.pid}-abcdef.npy", tmp_path / f".folder.{machine}-{ended.pid}-abcdef"]
    others = [mine, tmp_path / f".values.0123456789-{ended.pid}-abcdef.npy", tmp_path / "values.npy", tmp_path / ".x"]
    left[1].mkdir()
    (left[1] / "file").touch()
    for path in (left[0], *others):
        path.touch()
    sweep(tmp_path, tmp_path / "folder")
    assert left[0].exists() and not left[1].exists(), "what was to become something else is not asked for"
    sweep(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted(others)


def test_what_a_link_points_to_is_written_and_the_link_stays(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "page.md").write_text("old")
    link = tmp_path / "link.md"
    link.symlink_to("there/page.md")
    with replacing(link) as file:
        file.write(b"new")
    assert link.is_symlink() and (tmp_path / "there" / "page.md").read_text() == "new"


def test_a_link_to_a_file_of_a_run_or_to_nowhere_is_refused(tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    for name in ("config.json", "environment.json", "metrics.jsonl"):
        (run / name).touch()
    (tmp_path / "out.txt").symlink_to("run/metrics.jsonl")
    with pytest.raises(UserError, match="out.txt: is a file of the run in"):
        files.check_output("--output", tmp_path / "out.txt")
    (tmp_path / "lost.txt").symlink_to("gone/there.txt")
    with pytest.raises(UserError, match="lost.txt: must be a file in an existing folder"):
        files.check_output("--output", tmp_path / "lost.txt")


def test_a_name_that_is_too_long_is_told_in_time(tmp_path):
    with pytest.raises(UserError, match="--csv .* bytes too long"):
        files.check_output("--csv", tmp_path / f"{'a' * 240}.csv")


def test_two_processes_have_names_of_their_own(tmp_path):
    code = "from tiny_imagenet_tf.runs.files import part_of\nprint(part_of(Path('x.keras')))"
    names = {python(code).communicate()[0] for _ in range(3)} | {str(part_of(Path("x.keras"))) for _ in range(3)}
    assert len(names) == 6 and all(name.strip().endswith(".keras") for name in names)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EDQUOT, errno.EFBIG])
@pytest.mark.parametrize("how", ["replacing", "save_whole"])
def test_a_disk_that_refuses_is_named_and_the_old_file_stays(tmp_path, number, how):
    path = tmp_path / "x.keras"
    path.write_text("old")

    def fail(part):
        part.write_text("half")
        raise OSError(number, os.strerror(number), str(part))

    with pytest.raises(UserError, match=rf"{path} cannot be written: {os.strerror(number)}.*bytes are free there"):
        if how == "save_whole":
            save_whole(fail, path)
        else:
            with replacing(path) as file:
                file.write(b"half")
                raise OSError(number, os.strerror(number))
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_where_nothing_may_be_written_is_told_before_the_work(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != tmp_path)
    with pytest.raises(UserError, match=f"--runs .*: there is no permission to write in {tmp_path}"):
        check_folder("--runs", tmp_path / "new/runs")
    check_folder("--store", tmp_path / "new/store", written=False)


def test_other_errors_stay_what_they_are(tmp_path):
    with pytest.raises(KeyError), replacing(tmp_path / "x") as file:
        file.write(b"half")
        raise KeyError
    with pytest.raises(OSError, match="Input/output"), replacing(tmp_path / "x"):
        raise OSError(errno.EIO, os.strerror(errno.EIO))
    assert list(tmp_path.iterdir()) == []


def test_what_somebody_elses_process_writes_is_left_alone(tmp_path, monkeypatch):
    """Under hidepid there is no /proc/PID of theirs."""
    theirs = files.part_of(tmp_path / "a.npz")
    theirs.write_bytes(b"half")

    def killed(process, number):
        raise PermissionError

    monkeypatch.setattr(files.os, "kill", killed)
    files.sweep(tmp_path)
    assert theirs.exists()
    monkeypatch.undo()
    dead = theirs.with_name(theirs.name.replace(f"-{os.getpid()}-", "-99999999-"))
    theirs.rename(dead)
    files.sweep(tmp_path)
    assert not dead.exists()


def test_only_ordinary_files_are_written_and_they_keep_their_mode(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UserError, match="--output .*pipe: already exists, and is not an ordinary file"):
        files.check_output("--output", tmp_path / "pipe")
    (tmp_path / "mine").touch()
    (tmp_path / "mine").chmod(0o604)
    with files.replacing(tmp_path / "mine") as file:
        file.write(b"new")
    assert stat.S_IMODE((tmp_path / "mine").stat().st_mode) == 0o604


def test_a_project_with_a_list_of_classes_is_no_dataset(tmp_path):
    (tmp_path / "wnids.txt").touch()
    (tmp_path / "train").mkdir()
    files.check_apart("--runs", tmp_path / "runs")
    (tmp_path / "train" / "n01443537").mkdir()
    with pytest.raises(UserError, match="lies within the dataset"):
        files.check_apart("--runs", tmp_path / "runs")


def test_without_locks_each_process_does_everything_and_says_so_once(tmp_path, monkeypatch, capsys):
    def refused(*arguments):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("tiny_imagenet_tf.runs.files.fcntl.lockf", refused)
    shares = Shares(tmp_path / ".lock")
    assert shares.take(0) and shares.take(1)
    assert capsys.readouterr().err.count(f"{tmp_path}: no locks on this file system") == 1


def test_a_lock_that_no_file_system_keeps_is_told(tmp_path, monkeypatch, capsys):
    def refused(*arguments):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("tiny_imagenet_tf.runs.files._without_locks", set())
    monkeypatch.setattr("tiny_imagenet_tf.runs.files.fcntl.flock", refused)
    for _ in range(2):
        with files.locked(tmp_path / ".lock", "a run", wait=False):
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


def test_what_gets_a_name_is_on_the_disk_before_and_its_name_after(tmp_path, monkeypatch):
    events, replace = [], Path.replace
    monkeypatch.setattr(os, "fsync", lambda descriptor: events.append("synced"))
    monkeypatch.setattr(Path, "replace", lambda old, new: (events.append("named"), replace(old, new))[1])
    with replacing(tmp_path / "x") as file:
        file.write(b"1")
    assert events == ["synced", "named", "synced"]
    files.settle(tmp_path)
    assert events[3:] == ["synced"]
