"""Inputs that are wrong: what each must end with."""

import contextlib
import os
import shutil
from pathlib import Path

import pytest

from tiny_imagenet_tf.data import synthetic
from tiny_imagenet_tf.errors import UserError


@pytest.fixture(scope="session")
def whole_tree(tmp_path_factory):
    """A good tree, to be copied: 3 classes, 9 training, 6 val and 3 test images."""
    return synthetic.write(tmp_path_factory.mktemp("abuse"), synthetic.Sizes(classes=3, train=3, validation=2, test=3))


@pytest.fixture
def bad_tree(whole_tree, tmp_path):
    """A copy of the good tree, to be spoiled."""
    return Path(shutil.copytree(whole_tree, tmp_path / "source" / whole_tree.name))


def state(folder):
    """Names and bytes of all files of a folder; locks, which stay, left out."""
    found = {}
    for name, _, files in os.walk(folder):
        for file in files:
            path = Path(name) / file
            if path.suffix != ".lock" and path.name != ".lock":
                found[str(path.relative_to(folder))] = path.read_bytes() if path.is_file() else b"not a file"
    return found


@pytest.fixture(name="state")
def _state():
    """The function ``state``."""
    return state


@pytest.fixture
def refusal():
    """A context in which code ends with an error for users that holds some words, and leaves a folder as it was."""
    return _refusal


@contextlib.contextmanager
def _refusal(folder, *words):
    before = state(folder)
    with pytest.raises(UserError) as caught:
        yield caught
    message = str(caught.value)
    assert [word for word in words if word not in message] == [], message
    assert state(folder) == before, "something was written, changed or removed"
