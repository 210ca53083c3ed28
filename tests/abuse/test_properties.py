"""What holds for every input of a kind: hypothesis looks for one that breaks it."""

import dataclasses
import io
import math
import shutil
import tarfile
import tempfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tiny_imagenet_tf.data import archives, official_layout
from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.runs.files import read_arrays, read_json, read_lines

pytestmark = pytest.mark.filterwarnings("ignore:Duplicate name")

# The same inputs in every run; a fixture is made once for all of a test's.
some = settings(
    max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
many = settings(some, max_examples=60)


@pytest.fixture(scope="module")
def tree(whole_tree, tmp_path_factory):
    return Path(shutil.copytree(whole_tree, tmp_path_factory.mktemp("properties") / whole_tree.name))


def told(call, *arguments):
    """What a call returns, or the error for users that it raises; every other error fails the test."""
    try:
        return call(*arguments)
    except UserError as error:
        return error


NUMBERS = st.integers(-3, 70)


@pytest.mark.parametrize(
    ("file", "name"),
    [("train/n99990000/n99990000_boxes.txt", "n99990000_1.JPEG"), ("val/val_annotations.txt", "val_1.JPEG")],
)
@some
@given(box=st.tuples(NUMBERS, NUMBERS, NUMBERS, NUMBERS))
@example(box=(0, 0, 63, 63))
@example(box=(5, 5, 5, 5))
@example(box=(0, 0, 64, 63))
def test_a_box_is_read_as_it_stands_or_refused(tree, file, name, box):
    path = tree / file
    before = path.read_text()
    lines = before.splitlines()
    lines[1] = "\t".join([*lines[1].split("\t")[:-4], *map(str, box)])
    path.write_text("\n".join(lines))
    try:
        found = told(official_layout.read, tree)
    finally:
        path.write_text(before)
    x0, y0, x1, y1 = box
    if 0 <= x0 <= x1 < 64 and 0 <= y0 <= y1 < 64:
        examples = found.examples["train"] + found.examples["validation"]
        assert [each.box for each in examples if each.path.name == name] == [box]
    else:
        assert path.name in str(found) and "line 2" in str(found)


WORDS = st.sampled_from(
    ["val_0.JPEG", "val_1.JPEG", "val_9.JPEG", "n99990000", "n99990009", "0", "5", "-1", "", "x", "²"]
)
LINE = st.lists(WORDS, max_size=8).map("\t".join)
TEXTS = st.one_of(st.binary(max_size=200), st.lists(LINE, max_size=8).map(lambda lines: "\n".join(lines).encode()))


@pytest.mark.parametrize("file", ["wnids.txt", "words.txt", "val/val_annotations.txt"])
@some
@given(data=TEXTS)
def test_any_text_is_read_or_refused_with_its_name(tree, file, data):
    path = tree / file
    before = path.read_bytes()
    path.write_bytes(data)
    try:
        found = told(official_layout.read, tree)
        assert path.read_bytes() == data
    finally:
        path.write_bytes(before)
    if isinstance(found, UserError):
        # A class that is missing from wnids.txt, or an image without a line, is told by its own file.
        assert any(word in str(found) for word in (path.name, "val_", "train/", "n9999000"))


NUMERIC = [
    ("transfer_v3", "learning_rate"),
    ("transfer_v3", "label_smoothing"),
    ("transfer_v3", "dropout_keep"),
    ("transfer_v3", "augmented_fraction"),
    ("inception_baseline", "weight_decay"),
    ("inception_baseline", "width_multiplier"),
    ("inception_baseline", "holdout"),
    ("convnets", "momentum"),
    ("search_head", "epochs"),
]


@pytest.mark.parametrize(("name", "option"), NUMERIC)
@many
@given(value=st.one_of(st.floats(), st.integers()))
def test_any_number_makes_sense_or_is_refused_with_its_option(recipe, name, option, value):
    found = told(dataclasses.replace(recipe(name).Config(), **{option: value}).check)
    if isinstance(found, UserError):
        assert str(found).startswith(f"--{option.replace('_', '-')} {value}")
    else:
        assert math.isfinite(value) and value >= 0


def packed(kind, members):
    """An archive in memory; names as they are given."""
    out = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in members:
                info = zipfile.ZipInfo("x")
                info.filename, info.compress_type = name, zipfile.ZIP_DEFLATED
                archive.writestr(info, data)
    else:
        with tarfile.open(fileobj=out, mode=f"w:{kind}") as archive:
            for name, data in members:
                info = tarfile.TarInfo(name)
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def unpacked(data, kind):
    """The files that an archive's bytes become, or the error; fails where anything lands outside the folder."""
    with tempfile.TemporaryDirectory() as name:
        archive, folder = Path(name) / f"archive.{kind}", Path(name) / "around" / "folder"
        folder.mkdir(parents=True)
        archive.write_bytes(data)
        found = told(archives.unpack, archive, folder)
        files = {path for path in Path(name).rglob("*") if path.is_file()} - {archive}
        assert all(folder in path.parents for path in files)
        assert archive.read_bytes() == data
        if isinstance(found, UserError):
            assert str(archive) in str(found)
            return found
        return {str(path.relative_to(folder)): path.read_bytes() for path in files}


PIECES = st.sampled_from(["..", ".", "", "a", "b.txt", "C:", "\\", "é", "e\u0301", "A", " ", "~", "-", "\u202e", "CON"])
NAMES = st.lists(PIECES, min_size=1, max_size=5).map("/".join)


@pytest.mark.parametrize("kind", ["zip", "gz"])
@many
@given(names=st.lists(NAMES, min_size=1, max_size=4))
@example(names=["a", "a/a/a"])  # a file that would be a folder, too
def test_no_member_lands_outside_or_on_another(kind, names):
    try:
        data = packed(kind, [(name, str(number).encode()) for number, name in enumerate(names)])
    except (ValueError, IndexError):  # a name that the writer itself refuses
        return
    found = unpacked(data, kind)
    if not isinstance(found, UserError):
        files = [name for name in names if not (kind == "zip" and name.endswith("/"))]
        assert len(found) == len(files)


MEMBERS = [(f"tiny/{number}.txt", bytes(range(256)) * number) for number in range(1, 5)]
CHANGES = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 255)), min_size=1, max_size=3)


@pytest.mark.parametrize("kind", ["zip", "gz", "bz2", "xz"])
@many
@given(changes=CHANGES, keep=st.one_of(st.just(1.0), st.floats(0, 1)))
def test_a_damaged_archive_is_refused_or_gives_the_same_files(kind, changes, keep):
    data = bytearray(packed(kind, MEMBERS))
    for place, change in changes:
        data[int(place * len(data))] ^= change
    data = bytes(data[: math.ceil(keep * len(data))])
    found = unpacked(data, kind)
    if isinstance(found, UserError):
        return
    if kind == "zip":  # whose names have no checksum
        assert found and set(found.values()) <= {content for _, content in MEMBERS}
    else:
        assert found == dict(MEMBERS)


@many
@given(data=st.binary(max_size=300))
@example(data=b"[" * 100_000)
def test_any_bytes_are_read_or_refused_with_the_files_name(tmp_path, data):
    path = tmp_path / "file"
    path.write_bytes(data)
    for read in (read_json, read_lines, read_arrays):
        found = told(read, path)
        assert not isinstance(found, UserError) or str(path) in str(found)
