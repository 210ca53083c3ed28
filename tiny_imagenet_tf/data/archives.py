"""Unpacks a dataset archive."""

import bz2
import errno
import gzip
import lzma
import shutil
import tarfile
import unicodedata
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

from tiny_imagenet_tf import progress
from tiny_imagenet_tf.data.official_layout import DatasetError
from tiny_imagenet_tf.runs.files import writing

MOST_BYTES = 4 * 2**30  # unpacked; the official dataset has 0.5 GB with the blocks of its files
MOST_FILES = 1_000_000
_COMPRESSED = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ": lzma.open}
_DAMAGED = (
    zipfile.BadZipFile, tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile, UnicodeDecodeError,
)  # fmt: skip

Member = tuple[str, int, zipfile.ZipInfo | tarfile.TarInfo]


def unpack(archive: Path, folder: Path) -> None:
    """Unpacks a zip or tar (plain, gz, bz2, xz); after an error the folder holds a part, and is the caller's to remove.

    Everything is looked at before anything is written: names, sizes, and the checksums of a compressed tar, which
    ``tarfile`` itself never reads.

    Args:
        archive: the file, which is only read.
        folder: where its members go.

    Raises:
        DatasetError: not an archive, damaged, encrypted, too large, a name twice, or a member that points outside the
            folder or is no file; nothing was written.
        UserError: there is no room.
    """
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as opened:
                files = [info for info in opened.infolist() if not _is_folder(info)]
                found = [(info.filename, info.file_size, info) for info in files]
                _check_zip(archive, [info for *_, info in found])
                _extract(archive, found, folder, opened.open)
        elif tarfile.is_tarfile(archive):
            _read_to_the_end(archive)
            with tarfile.open(archive) as opened:
                members = [member for member in opened if not member.isdir()]
                _check_end(archive, opened)
                strange = [member.name for member in members if not member.isfile()]
                if strange:
                    raise DatasetError(f"{archive}: its member {strange[0]!r} is neither file nor folder")
                found = [(member.name, member.size, member) for member in members]
                _extract(archive, found, folder, opened.extractfile)
        else:
            raise DatasetError(f"{archive} is neither a zip nor a tar archive, or it is cut short; fetch it again")
    except _DAMAGED as error:
        raise DatasetError(f"{archive} is damaged ({error}); fetch it again") from error
    except OSError as error:
        if error.errno not in (None, errno.EINVAL, errno.ENAMETOOLONG):  # of the disk, not of bz2 or a member's name
            raise
        raise DatasetError(f"{archive} is damaged ({error}); fetch it again") from error
    except (NotImplementedError, RuntimeError) as error:  # a method or version that zipfile does not know
        raise DatasetError(
            f"{archive} cannot be unpacked here ({error}); pack it anew, with the usual method"
        ) from error


def _is_folder(info: zipfile.ZipInfo) -> bool:
    return info.filename.endswith("/") or (info.filename.endswith("\\") and not info.file_size)  # of Windows


def _check_end(archive: Path, opened: tarfile.TarFile) -> None:
    """A tar ends with blocks of zeros; ``tarfile`` takes a header that it cannot read for the end, too."""
    opened.fileobj.seek(opened.offset)
    end = opened.fileobj.read(tarfile.BLOCKSIZE)
    if len(end) < tarfile.BLOCKSIZE or any(end):
        raise DatasetError(
            f"{archive} is damaged or cut short: no end of archive at byte {opened.offset:,}; fetch it again"
        )


def _check_zip(archive: Path, members: list[zipfile.ZipInfo]) -> None:
    if members and all(info.filename.endswith(".npy") for info in members):
        raise DatasetError(f"{archive} holds NumPy's arrays, not the dataset's files")
    for info in members:
        if info.flag_bits & 1:
            raise DatasetError(f"{archive} is encrypted ({info.filename}); unpack it and point to the folder")


def _read_to_the_end(archive: Path) -> None:
    with archive.open("rb") as file:
        start = file.read(6)
    for magic, open_compressed in _COMPRESSED.items():
        if start.startswith(magic):
            with open_compressed(archive) as stream:
                read = 0
                while piece := stream.read(2**20):
                    read += len(piece)
                    _check_size(archive, read)


def _check_size(archive: Path, size: int) -> None:
    if size > MOST_BYTES:
        raise DatasetError(f"{archive} holds more than {MOST_BYTES:,} bytes; Tiny ImageNet has a tenth of that")


def _extract(archive: Path, members: list[Member], folder: Path, open_member: Callable[[Any], Any]) -> None:
    """Writes the members once all of them may be."""
    places = dict(_places(archive, [name for name, *_ in members]))
    _check_size(archive, sum(size for _, size, _ in members))
    for name, _, member in progress.bar("unpacking", len(members), unit="files", over=members):
        target = folder / places[name]
        with writing(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            with open_member(member) as source, target.open("wb") as file:
                shutil.copyfileobj(source, file, 2**20)


def _places(archive: Path, names: list[str]) -> list[tuple[str, str]]:
    """Where each member goes, as a relative path."""
    if len(names) > MOST_FILES:
        raise DatasetError(f"{archive} holds {len(names):,} files; Tiny ImageNet has 120,000")
    taken: dict[str, str] = {}
    folders: set[str] = set()
    places = []
    for name in names:
        path = PurePosixPath(name.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or "\0" in name or not path.parts or ":" in path.parts[0]:
            raise DatasetError(f"{archive}: its member {name!r} would be written outside the folder")
        normal = unicodedata.normalize("NFC", str(path)).casefold()
        if normal in taken:
            raise DatasetError(f"{archive}: its member {name!r} is a duplicate of {taken[normal]!r}")
        taken[normal] = name
        folders.update(map(str, PurePosixPath(normal).parents))
        places.append((name, str(path)))
    for both in taken.keys() & folders:
        raise DatasetError(f"{archive}: its member {taken[both]!r} is both a file and a folder")
    return places
