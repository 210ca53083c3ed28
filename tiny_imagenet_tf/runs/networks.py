"""The classes of a saved network, in the file itself: a member of the .keras archive that Keras leaves alone."""

import dataclasses
import json
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.runs.files import read_object

FILE = "classes.json"


@dataclasses.dataclass(frozen=True)
class Classes:
    """What a network's scores stand for.

    Attributes:
        wnids: in the order of the scores.
        names: human-readable, in the same order.
    """

    wnids: tuple[str, ...]
    names: tuple[str, ...]

    @classmethod
    def of(cls, wnids: Sequence[str], words: Mapping[str, str]) -> "Classes":
        """Returns classes with the first of their names."""
        return cls(tuple(wnids), tuple(first_name(wnid, words) for wnid in wnids))


def first_name(wnid: str, words: Mapping[str, str]) -> str:
    """Returns the first of a class's names, separated by commas; of one without any its wnid."""
    return words.get(wnid, wnid).split(",")[0].strip()


def save(write: Callable[[Path], None], path: Path, classes: Classes) -> None:
    """Lets ``write`` save a network, and puts its classes into the file."""
    write(path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(zipfile.ZipInfo(FILE), json.dumps(dataclasses.asdict(classes), ensure_ascii=False))


def classes_of(path: Path) -> Classes | None:
    """Returns the classes that a ``.keras`` file holds, if it holds them.

    Raises:
        UserError: they are damaged.
    """
    try:
        archive = zipfile.ZipFile(path)
    except zipfile.BadZipFile:  # whoever loads the network tells of it
        return None
    try:
        with archive:
            if FILE not in archive.namelist():
                return None
            found = read_object(path, archive.read(FILE).decode())
        wnids, names = (tuple(map(str, found[field.name])) for field in dataclasses.fields(Classes))
    except (KeyError, TypeError, ValueError, RuntimeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise UserError(f"{path} is damaged: its classes cannot be read ({error})") from error
    if len(wnids) != len(names):
        raise UserError(f"{path} is damaged: {len(wnids)} classes with {len(names)} names")
    return Classes(wnids, names)
