"""Unpacks a dataset archive into a folder that appears only when it is whole."""

import shutil
import tarfile
import tempfile
import zipfile
from pathlib import Path, PurePosixPath

from tqdm import tqdm

from tiny_imagenet_tf.data.official_layout import DatasetError


def unpack(archive: Path, folder: Path) -> Path:
    """Unpacks a zip or tar (plain, gz, bz2, xz) into ``folder``, which must not exist yet.

    The files go to a temporary folder beside ``folder`` and are renamed at the end, so a full disk or a
    killed run leaves nothing that looks whole.

    Args:
        archive: the file, which is only read.
        folder: where its members go.

    Returns:
        ``folder``.

    Raises:
        DatasetError: not an archive, damaged, a name twice, or a member that points outside the folder.
    """
    if folder.exists():
        raise FileExistsError(f"{folder} exists already; remove it to unpack {archive} again")
    folder.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        if zipfile.is_zipfile(archive):
            _unpack_zip(archive, part)
        elif tarfile.is_tarfile(archive):
            _unpack_tar(archive, part)
        else:
            raise DatasetError(f"{archive} is neither a zip nor a tar archive, or it is cut short; fetch it again")
        part.rename(folder)
    except (zipfile.BadZipFile, tarfile.TarError, EOFError) as error:
        raise DatasetError(f"{archive} is damaged ({error}); fetch it again") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return folder


def _check_names(archive: Path, names: list[str]) -> None:
    seen: set[str] = set()
    for name in names:
        path = PurePosixPath(name.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or ":" in path.parts[0]:
            raise DatasetError(
                f"{archive}: its member {name!r} would be written outside the folder; nothing was unpacked"
            )
        if name in seen:
            raise DatasetError(f"{archive}: its member {name!r} is a duplicate; nothing was unpacked")
        seen.add(name)


def _unpack_zip(archive: Path, part: Path) -> None:
    with zipfile.ZipFile(archive) as members:
        _check_names(archive, members.namelist())
        for name in tqdm(members.namelist(), desc=f"unpacking {archive.name}", unit=" files", mininterval=1):
            members.extract(name, part)


def _unpack_tar(archive: Path, part: Path) -> None:
    with tarfile.open(archive) as members:
        names = []
        for member in tqdm(members, desc=f"unpacking {archive.name}", unit=" files", mininterval=1):
            names.append(member.name)
            if not (member.isfile() or member.isdir()):
                raise DatasetError(f"{archive}: its member {member.name!r} is neither file nor folder")
            _check_names(archive, [member.name])
            members.extract(member, part, filter="data")
        _check_names(archive, names)
