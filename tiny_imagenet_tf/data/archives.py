"""Unpacks a dataset archive."""

import tarfile
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from tqdm import tqdm

from tiny_imagenet_tf.data.official_layout import DatasetError


def unpack(archive: Path, folder: Path) -> None:
    """Unpacks a zip or tar (plain, gz, bz2, xz); after an error the folder holds a part, and is the caller's to remove.

    Args:
        archive: the file, which is only read.
        folder: where its members go.

    Raises:
        DatasetError: not an archive, damaged, a name twice, or a member that points outside the folder.
    """
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as members:
                for name in _checked(archive, members.namelist()):
                    members.extract(name, folder)
        elif tarfile.is_tarfile(archive):
            with tarfile.open(archive) as members:
                for member in _checked(archive, members):
                    members.extract(member, folder, filter="data")
        else:
            raise DatasetError(f"{archive} is neither a zip nor a tar archive, or it is cut short; fetch it again")
    except (zipfile.BadZipFile, tarfile.TarError, EOFError) as error:
        raise DatasetError(f"{archive} is damaged ({error}); fetch it again") from error


def _checked(archive: Path, members: Iterable[str | tarfile.TarInfo]) -> Iterator[Any]:
    """The members behind a progress bar, up to the first that must not be written."""
    seen: set[str] = set()
    for member in tqdm(members, desc=f"unpacking {archive.name}", unit=" files", mininterval=1):
        name = member if isinstance(member, str) else member.name
        path = PurePosixPath(name.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or ":" in str(path).split("/")[0]:
            raise DatasetError(f"{archive}: its member {name!r} would be written outside the folder")
        if name in seen:
            raise DatasetError(f"{archive}: its member {name!r} is a duplicate")
        if not (isinstance(member, str) or member.isfile() or member.isdir()):
            raise DatasetError(f"{archive}: its member {name!r} is neither file nor folder")
        seen.add(name)
        yield member
