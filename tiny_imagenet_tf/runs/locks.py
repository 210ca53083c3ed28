"""Locks that say who holds them, and that end with their process."""

import contextlib
import datetime
import errno
import fcntl
import os
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TextIO

from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.runs.files import writing

_held: set[Path] = set()
_without_locks: set[int] = set()
_HOLDER = "process"  # a lock's file begins with it


@contextlib.contextmanager
def locked(path: Path, what: str = "", *, wait: bool) -> Iterator[None]:
    """Holds a lock, which ends with the process however that ends. Its file tells who holds it, and stays, empty.

    Args:
        path: of the lock's file.
        what: is locked, for the message; without it nothing is said of waiting.
        wait: until it is free; otherwise a lock that another process holds is an error.

    Raises:
        UserError: another process holds it.
    """
    if wait and path in _held:  # by this very process, which cannot wait for itself
        yield
        return
    with writing(path):
        opened = path.open("a+", encoding="utf-8", errors="replace")
    with opened as file:
        if try_lock(file) is False:
            if not wait:
                raise UserError(f"{what}: in use by {_holder(file)}; wait until it has finished, or stop it")
            if what:
                print(f"{what}: in use by {_holder(file)}; waiting until it has finished")
            fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        ours = file.read(len(_HOLDER)) in ("", _HOLDER)  # others may have a file of that name, too
        if ours:
            now = f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M} UTC"
            with contextlib.suppress(OSError):  # a full disk: the lock holds all the same
                os.ftruncate(file.fileno(), 0)
                os.write(file.fileno(), f"{_HOLDER} {os.getpid()} on {socket.gethostname()}, since {now}".encode())
        _held.add(path)
        try:
            yield
        finally:
            _held.discard(path)
            with contextlib.suppress(OSError):
                if ours:
                    file.truncate(0)  # or whoever takes it next would for a moment be taken for this process


def try_lock(file: IO) -> bool | None:
    """Whether a file is now locked by this process; None where the file system has no locks, which is told.

    Args:
        file: open for writing, as NFS demands; closing it gives the lock back.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # names of one's own must do
        _tell_of_no_locks(Path(file.name).parent)
        return None
    return True


def _holder(file: TextIO) -> str:
    """Returns who holds a lock; one who has it since this moment writes so a moment later."""
    for _ in range(20):
        file.seek(0)
        if holder := file.read().strip():
            return holder
        time.sleep(0.05)
    return "another process"


class Shares:
    """Parts of one job that several processes share: each part is done by one of them.

    Args:
        path: of a file whose byte n is locked by the process that does part n.
    """

    def __init__(self, path: Path):
        with writing(path):
            self._file = path.open("a+b")

    def take(self, part: int, *, wait: bool = False) -> bool:
        """Whether a part is now this process's own; one of another process may be waited for."""
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB), 1, part)
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EAGAIN):
                return False
            _tell_of_no_locks(Path(self._file.name).parent)
        return True

    def give_back(self, part: int) -> None:
        """Lets others have a part."""
        with contextlib.suppress(OSError):
            fcntl.lockf(self._file, fcntl.LOCK_UN, 1, part)

    def close(self) -> None:
        """Gives all parts back."""
        self._file.close()


def _tell_of_no_locks(folder: Path) -> None:
    """Says, once a file system, that nothing keeps processes apart, nor lets them share work."""
    if (device := folder.stat().st_dev) not in _without_locks:
        _without_locks.add(device)
        advice = "start one process alone: several would do the same work, and two that resume one run would spoil it"
        print(f"{folder}: no locks on this file system; {advice}", file=sys.stderr)
