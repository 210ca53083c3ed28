"""Where a command may write: refused before any work where it could not, or where it would harm what is there."""

import os
from collections.abc import Sequence
from pathlib import Path

from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.runs.files import nearest, part_of, sweep, target
from tiny_imagenet_tf.runs.run import SHALLOW

_DATASET = ("train/n[0-9]*", "val/n[0-9]*", "val/images", "val/val_annotations.txt")  # beside wnids.txt


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
    place = target(path).absolute()
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
    while run.name in ("snapshots", SHALLOW):
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
    if not (there := nearest(place)).is_dir():
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
