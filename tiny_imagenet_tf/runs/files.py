"""Files that are whole or not there, read with errors that name them; and locks that say who holds them."""

import contextlib
import dataclasses
import datetime
import errno
import fcntl
import functools
import glob
import hashlib
import json
import os
import secrets
import shutil
import socket
import stat
import sys
import time
import tokenize
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, BinaryIO, TextIO

import numpy as np

from tiny_imagenet_tf.errors import UserError

_held: set[Path] = set()
_without_locks: set[int] = set()
_UNREADABLE = (  # of NumPy and zipfile, for damaged or strange archives
    ValueError, EOFError, TypeError, KeyError, NotImplementedError, RuntimeError, MemoryError, SyntaxError,
    tokenize.TokenError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip
_DATASET = ("train/n[0-9]*", "val/n[0-9]*", "val/images", "val/val_annotations.txt")  # beside wnids.txt
_REMEDY = "put back a whole copy, or make it anew"
_HOLDER = "process"  # a lock's file begins with it
_REFUSED = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EPERM, errno.EROFS)


def part_of(path: Path) -> Path:
    """Returns a name beside a path that no other process takes, not even one of another container or host."""
    return path.with_name(f".{path.stem}.{_machine()}-{os.getpid()}-{secrets.token_hex(3)}{path.suffix}")


def sweep(folder: Path, of: Path | None = None) -> None:
    """Removes what processes of this machine that are dead have left half-written in a folder.

    Args:
        folder: where to look; one that is read-only is left as it is.
        of: the file or folder that it was to become; None for any.
    """
    for path in folder.glob(f".{glob.escape(of.stem) if of else '*'}.{_machine()}-*-*"):
        process = path.name.split(f".{_machine()}-")[1].split("-")[0]
        if process.isdecimal() and not _lives(int(process)):
            with contextlib.suppress(OSError):
                shutil.rmtree(path) if path.is_dir() else path.unlink()


def _lives(process: int) -> bool:
    try:
        with contextlib.suppress(PermissionError, OverflowError):  # somebody else's
            os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def _target(path: Path) -> Path:
    """What a link points to, which is what gets written; another path as it is."""
    return path.resolve() if path.is_symlink() else path


@contextlib.contextmanager
def _whole(path: Path, size: Callable[[], int] = lambda: 0) -> Iterator[Path]:
    """Yields the name of a file that takes another's place once it is whole, and its mode; on an error it is gone."""
    path = _target(path)
    part = part_of(path)
    try:
        with writing(path, size):
            yield part
            with part.open("rb") as file:
                os.fsync(file.fileno())
            with contextlib.suppress(OSError):  # there was none
                part.chmod(stat.S_IMODE(path.stat().st_mode))
            part.replace(path)
        with contextlib.suppress(OSError):  # some file systems cannot
            descriptor = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Opens a binary file that takes its name, and an older file's place, once it is whole; on an error it is gone.

    Raises:
        UserError: the disk is full or read-only, or there is no permission.
    """
    size = 0
    with _whole(path, lambda: size) as part, part.open("wb") as file:
        try:
            yield file
        finally:
            size = file.tell()


def save_whole(save: Callable[[Path], None], path: Path) -> None:
    """Lets ``save`` write a file, by whatever library, to a name with the same ending, and gives it its own when whole.

    Raises:
        UserError: the disk is full or read-only, or there is no permission.
    """
    with _whole(path) as part:
        save(part)


def settle(folder: Path) -> None:
    """Brings all files of a folder to the disk, before it gets its name."""
    for file in folder.rglob("*"):
        if file.is_file():
            with file.open("rb") as opened:
                os.fsync(opened.fileno())


@contextlib.contextmanager
def writing(path: Path, size: Callable[[], int] = lambda: 0) -> Iterator[None]:
    """Says what a user can cure where a file or folder cannot be written; other errors stay what they are.

    Args:
        path: of what is written within.
        size: in bytes, as far as it is known.

    Raises:
        UserError: the disk is full or read-only, or there is no permission.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _REFUSED:
            raise
        needed = f", for {size():,} bytes" if size() else ""
        free = room(path.parent)[1]
        raise UserError(
            f"{path} cannot be written: {error.strerror}{needed} ({free:,} bytes are free there). Make room or choose "
            "another folder, and run the same command again: what was finished is kept"
        ) from error


def room(path: Path) -> tuple[Path, int]:
    """Returns the folder that is there, of a path or the nearest above it, and how many bytes are free in it."""
    folder = _nearest(path)
    return folder, shutil.disk_usage(folder).free


def check_output(option: str, path: Path | None, inputs: Sequence[Path] = ()) -> None:
    """Raises UserError where a file that an option names could not be written, or is one of a command's inputs.

    What a dead process has left of an earlier try is removed.

    Args:
        option: for the message.
        path: of the file; None where none was named.
        inputs: files and folders that the command reads.
    """
    if path is None:
        return
    check_apart(option, path)
    place = _target(path).absolute()
    folder = place.parent
    if place.is_dir() or not folder.is_dir():
        raise UserError(f"{option} {path}: must be a file in an existing folder")
    if path.exists() and not path.is_file():
        raise UserError(f"{option} {path}: already exists, and is not an ordinary file; name another one")
    if not os.access(folder, os.W_OK):
        raise UserError(f"{option} {path}: there is no permission to write in {folder}")
    if (over := len(os.fsencode(part_of(place).name)) - os.pathconf(folder, "PC_NAME_MAX")) > 0:
        raise UserError(f"{option} {path}: its name is {over} bytes too long; choose a shorter one")
    sweep(folder, place)
    run = folder
    while run.name in ("snapshots", "shallow"):
        run = run.parent
    if path.exists() and all((run / name).exists() for name in ("config.json", "environment.json")):
        raise UserError(f"{option} {path}: is a file of the run in {run}; name another one")
    for each in inputs:
        if path.exists() and path.resolve().is_relative_to(Path(os.path.expanduser(each)).resolve()):
            raise UserError(f"{option} {path}: is there already, and this command reads it; name another file")


def check_folder(option: str, path: Path, *, written: bool = True) -> None:
    """Raises UserError where a folder that an option names could not be made, or lies within a dataset.

    Args:
        option: for the message.
        path: of the folder; nothing is on disk yet.
        written: whether something will be in any case, or it may be complete, and read-only.
    """
    check_apart(option, path)
    place = path.expanduser().absolute()
    if place.is_symlink() and not place.exists():
        raise UserError(f"{option} {path}: a link to {place.readlink()}, which is not there")
    if not (there := _nearest(place)).is_dir():
        raise UserError(f"{option} {path}: {'' if there == place else f'{there} is '}a file, not a folder")
    if written and not os.access(there, os.W_OK | os.X_OK):
        raise UserError(f"{option} {path}: there is no permission to write in {there}")


def check_apart(option: str, path: Path) -> None:
    """Raises UserError where a file or folder lies within a dataset in the official layout, where nothing is written.

    Args:
        option: for the message.
        path: of the file or folder.
    """
    place = path.expanduser()
    for each in (place.absolute(), *place.absolute().parents, place.resolve(), *place.resolve().parents):
        if (each / "wnids.txt").is_file() and any(any(each.glob(of)) for of in _DATASET):
            raise UserError(
                f"{option} {path}: lies within the dataset, {each}, which is never written to; name a place outside it"
            )


def check_once(paths: Sequence[Path]) -> None:
    """Raises UserError where two of some paths are one file or folder."""
    places = [path.expanduser().resolve() for path in paths]
    if twice := [path for path, place in zip(paths, places, strict=True) if places.count(place) > 1]:
        raise UserError(f"{twice[0]}: was named twice")


def _nearest(path: Path) -> Path:
    """What is there, of a path and those above it."""
    return next(each for each in (path, *path.parents) if each.exists())


def write_json(path: Path, value: Any) -> None:
    """Writes JSON, indented, whole or not at all. Paths become strings and dataclasses objects.

    Raises:
        ValueError: a number is NaN or infinite, for which JSON has no word.
    """
    text = json.dumps(value, indent=2, default=plain, allow_nan=False)
    with replacing(path) as file:
        file.write((text + "\n").encode())


def read_text(path: Path) -> str:
    """Returns a text file in UTF-8, with or without a byte order mark, its line ends as they are.

    Raises:
        UserError: it is in another encoding; the message names the line.
    """
    data = path.read_bytes()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        kind = "UTF-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else f"not UTF-8: byte {data[error.start]:#04x}"
        line = data[: error.start].count(b"\n") + 1
        raise UserError(f"{path}, line {line}: the file is {kind}; save it as UTF-8") from error


def read_lines(path: Path) -> list[str]:
    """Returns the lines of a text file; see ``read_text``."""
    return read_text(path).splitlines()


def read_json(path: Path, text: str | None = None) -> Any:
    """Returns what a JSON file, or a line of it, holds.

    Raises:
        UserError: it is damaged or not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8") if text is None else text, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:  # of Unicode, too
        raise UserError(f"{path} is damaged, or not JSON ({error}); {_REMEDY}") from error


def _no_number(word: str) -> None:
    raise ValueError(f"{word} is no number")


def sha256(path: Path) -> str:
    """Returns the sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_object(path: Path, text: str | None = None) -> dict[str, Any]:
    """Returns the object that a JSON file, or a line of it, holds.

    Raises:
        UserError: it is damaged, not JSON, or no object.
    """
    found = read_json(path, text)
    if not isinstance(found, dict):
        raise UserError(f"{path} is damaged: it holds {type(found).__name__}, not named values")
    return found


def read_arrays(path: Path, wanted: Callable[[str], bool] = lambda name: True) -> dict[str, np.ndarray]:
    """Returns the arrays of an ``.npz`` file whose names are wanted; nothing is unpickled.

    Raises:
        UserError: it is damaged or of another kind.
    """
    with _reading(path, "a file of arrays"), np.load(path, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays if wanted(name)}


def read_array(path: Path) -> np.ndarray:
    """Returns the array of an ``.npy`` file; nothing is unpickled.

    Raises:
        UserError: it is damaged or of another kind.
    """
    with _reading(path, "a .npy array"):
        found = np.load(path, allow_pickle=False)
        if not isinstance(found, np.ndarray):
            found.close()
            raise ValueError("several arrays")
        return found


@contextlib.contextmanager
def _reading(path: Path, kind: str) -> Iterator[None]:
    """Says which file NumPy could not read."""
    try:
        yield
    except FileNotFoundError:
        raise
    except (OSError, *_UNREADABLE) as error:
        raise UserError(f"{path} is damaged, or not {kind} ({type(error).__name__}); {_REMEDY}") from error


def plain(value: Any) -> Any:
    """Returns what JSON takes for a value of a dataclass, a path, or NumPy."""
    if dataclasses.is_dataclass(value):
        return dataclasses.asdict(value)
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{value!r} does not go into JSON")


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
            file.truncate(0)
            now = f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M} UTC"
            file.write(f"{_HOLDER} {os.getpid()} on {socket.gethostname()}, since {now}")
            file.flush()
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


@functools.cache
def _machine() -> str:
    """A word for this host, since its start, and for this container: only in it a process' number says who it is."""
    known = [socket.gethostname()]
    for path in ("/proc/sys/kernel/random/boot_id", "/proc/self/ns/pid"):
        with contextlib.suppress(OSError):
            known.append(os.readlink(path) if path.endswith("pid") else Path(path).read_text())
    return hashlib.sha256("".join(known).encode()).hexdigest()[:10]
