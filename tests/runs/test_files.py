"""Files that are whole or not there, with real processes."""

import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.runs import files
from tiny_imagenet_tf.runs.files import part_of, replacing, save_whole, sweep

ROOT = Path(__file__).parents[2]


def python(code, *arguments):
    """Another process, which prints a line when it is ready."""
    command = [sys.executable, "-c", f"import sys, time\nfrom pathlib import Path\n{code}", *map(str, arguments)]
    environment, pipes = os.environ | {"PYTHONPATH": ROOT}, {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    return subprocess.Popen(command, text=True, cwd=ROOT, env=environment, **pipes)


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


def test_a_file_keeps_its_mode(tmp_path):
    (tmp_path / "mine").touch()
    (tmp_path / "mine").chmod(0o604)
    with files.replacing(tmp_path / "mine") as file:
        file.write(b"new")
    assert stat.S_IMODE((tmp_path / "mine").stat().st_mode) == 0o604


def test_what_gets_a_name_is_on_the_disk_before_and_its_name_after(tmp_path, monkeypatch):
    events, replace = [], Path.replace
    monkeypatch.setattr(os, "fsync", lambda descriptor: events.append("synced"))
    monkeypatch.setattr(Path, "replace", lambda old, new: (events.append("named"), replace(old, new))[1])
    with replacing(tmp_path / "x") as file:
        file.write(b"1")
    assert events == ["synced", "named", "synced"]
    files.settle(tmp_path)
    assert events[3:] == ["synced"]
