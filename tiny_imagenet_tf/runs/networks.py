"""What a ``.keras`` file tells without Keras: its classes, which Keras leaves alone, and a digest of its layers."""

import dataclasses
import hashlib
import json
import re
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.runs.files import read_object

FILE = "classes.json"
SUFFIXES = (".keras", ".h5", ".hdf5")
"""Of files that hold a network, or its weights."""
_OTHER_SUFFIXES = (*SUFFIXES[1:], ".onnx", ".tflite", ".pt", ".pth", ".safetensors")


def of_another_kind(path: Path) -> bool:
    """Whether a path is a network's or its weights', but none of a ``.keras`` file."""
    return path.suffix in _OTHER_SUFFIXES or (path / "saved_model.pb").exists()


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
    return words.get(wnid, "").split(",")[0].strip() or wnid


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
    except (zipfile.BadZipFile, NotImplementedError, ValueError):  # whoever loads the network tells of it
        return None
    try:
        with archive:
            if FILE not in archive.namelist():
                return None
            found = read_object(path, archive.read(FILE).decode())
        wnids, names = (tuple(map(printable, found[field.name])) for field in dataclasses.fields(Classes))
    except (OSError, KeyError, TypeError, ValueError, RuntimeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise UserError(f"{path} is damaged: its classes cannot be read ({error})") from error
    if len(wnids) != len(names):
        raise UserError(f"{path} is damaged: {len(wnids)} classes with {len(names)} names")
    return Classes(wnids, names)


def printable(name: Any) -> str:
    """Returns a name without what a terminal would obey, or no file takes."""
    return UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", str(name))


UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_OF_A_SESSION = ("shared_object_id", "compile_config", "build_config", "trainable", "module")
"""Of a config: what changes when a network is loaded and saved again, and not what it computes."""


def config_digest(path: Path) -> str:
    """Returns the sha256 over the layers of a network and how they are wired, whatever it was compiled with.

    Args:
        path: a ``.keras`` file that Keras can load.
    """
    with zipfile.ZipFile(path) as archive:
        config = json.loads(archive.read("config.json"))["config"]
    return hashlib.sha256(json.dumps(_lasting(config), sort_keys=True).encode()).hexdigest()


def _lasting(config: Any) -> Any:
    if isinstance(config, dict):
        return {name: _lasting(value) for name, value in config.items() if name not in _OF_A_SESSION}
    return [_lasting(each) for each in config] if isinstance(config, list) else config


def in_files(*words: str) -> bool:
    """Whether all these values of ``backbone`` or ``weights`` name files, which are compared by digest, not by path."""
    return all(Path(word).suffix in SUFFIXES for word in words)
