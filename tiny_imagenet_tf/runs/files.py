"""Files that are whole or not there, read with errors that name them."""

import contextlib
import dataclasses
import errno
import functools
import glob
import hashlib
import json
import os
import secrets
import shutil
import socket
import stat
import tokenize
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from tiny_imagenet_tf.errors import UserError

_UNREADABLE = (  # of NumPy and zipfile, for damaged or strange archives
    ValueError, EOFError, TypeError, KeyError, NotImplementedError, RuntimeError, MemoryError, SyntaxError,
    tokenize.TokenError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip
_REMEDY = "put back a whole copy, or make it anew"
REFUSED = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EPERM, errno.EROFS)


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


def target(path: Path) -> Path:
    """What a link points to, which is what gets written; another path as it is."""
    return path.resolve() if path.is_symlink() else path


@contextlib.contextmanager
def _whole(path: Path, size: Callable[[], int] = lambda: 0) -> Iterator[Path]:
    """Yields a temporary path; whole, it takes the mode and the place of ``path``; on an error it is removed."""
    path = target(path)
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


@contextlib.contextmanager
def new_folder(path: Path, option: str = "") -> Iterator[Path]:
    """Yields a folder that gets its name when all is in it; if that fails, it is gone, with parents made for it.

    Args:
        path: of the folder.
        option: that names it, for the message.

    Raises:
        UserError: it cannot be made, or another process has made it meanwhile.
    """
    part, made = part_of(path), [each for each in path.parents if not each.exists()]
    try:
        with writing(part):
            part.mkdir(parents=True)
        yield part
        settle(part)
        try:
            part.rename(path)
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                raise
            raise UserError(f"{option} {path}: another process has made it meanwhile".strip()) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
        for parent in made:
            with contextlib.suppress(OSError):  # something is in it
                parent.rmdir()


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
        if error.errno not in REFUSED:
            raise
        needed = f", for {size():,} bytes" if size() else ""
        free = room(path.parent)[1]
        raise UserError(
            f"{path} cannot be written: {error.strerror}{needed} ({free:,} bytes are free there). Make room or choose "
            "another folder, and run the same command again: what was finished is kept"
        ) from error


def room(path: Path) -> tuple[Path, int]:
    """Returns the folder that is there, of a path or the nearest above it, and how many bytes are free in it."""
    folder = nearest(path)
    return folder, shutil.disk_usage(folder).free


def nearest(path: Path) -> Path:
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


@functools.cache
def _machine() -> str:
    """A word for this host, since its start, and for this container: only in it a process' number says who it is."""
    known = [socket.gethostname()]
    for path in ("/proc/sys/kernel/random/boot_id", "/proc/self/ns/pid"):
        with contextlib.suppress(OSError):
            known.append(os.readlink(path) if path.endswith("pid") else Path(path).read_text())
    return hashlib.sha256("".join(known).encode()).hexdigest()[:10]
