import contextlib
import errno
import importlib
import io
import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import tensorflow_datasets as tfds
from tensorflow_datasets.core.download.extractor import ExtractError

from tiny_imagenet_tf.data import official_layout, splits, synthetic
from tiny_imagenet_tf.data.official_layout import DatasetError
from tiny_imagenet_tf.data.tiny_imagenet import tiny_imagenet_dataset_builder
from tiny_imagenet_tf.data.tiny_imagenet.tiny_imagenet_dataset_builder import fingerprint


def test_a_split_holds_the_files_as_they_are(tree, tmp_path):
    layout = official_layout.read(tree)
    builder = splits.prepare(tree, tmp_path / "data")
    for name, examples in layout.examples.items():
        split = splits.load(builder, name)
        assert split.file_names.tolist() == [each.path.name for each in examples]
        assert split.labels.tolist() == [each.label for each in examples]
        assert split.boxes.tolist() == [list(each.box) for each in examples]
        assert split.jpegs.numpy().tolist() == [each.path.read_bytes() for each in examples]
        assert split.wnids == layout.wnids
        assert split.words == layout.words
        assert split.digest == layout.digests[name]


def test_what_was_found_is_kept(builder):
    assert builder.info.metadata["grayscale"] == {"train": 4, "validation": 1, "test": 0}
    assert builder.info.features["label"].int2str(1) == "n99990001"


def test_spread_rows_stay_what_they_were(train):
    """By their digest a stored int8 network is found, and with it all of its transfer values."""
    assert train.spread_rows(10).tolist() == [0, 2, 5, 7, 10, 12, 15, 17, 20, 23]
    assert train.spread_rows(24).tolist() == train.spread_rows(10**12).tolist() == list(range(24))


def test_take_and_fraction(train):
    rows = train.fraction_rows(0.5)
    assert rows.tolist() == [0, 1, 2, 6, 7, 8, 12, 13, 14, 18, 19, 20]
    half = train.fraction(0.5)
    assert half.file_names.tolist() == train.file_names[rows].tolist()
    assert half.jpegs.numpy().tolist() == train.jpegs.numpy()[rows].tolist()
    assert half.digest != train.digest
    assert train.fraction(1) is train
    assert train.take(rows[::-1]).digest != half.digest


@pytest.mark.parametrize("fraction", [0, -0.5, 1.5])
def test_a_fraction_that_is_none_is_refused(train, fraction):
    with pytest.raises(ValueError, match="--fraction"):
        train.fraction(fraction)


def test_a_second_prepare_reuses_the_records_and_a_changed_source_does_not(tree, tmp_path):
    first = splits.prepare(tree, tmp_path / "data")
    assert splits.prepare(tree, tmp_path / "data").data_path == first.data_path
    (tree / "test/images/test_0.JPEG").unlink()
    assert splits.prepare(tree, tmp_path / "data").data_path != first.data_path


def test_a_broken_source_leaves_nothing_behind(tree, tmp_path):
    before = sorted(tree.rglob("*"))
    (tree / "test/images/test_0.JPEG").write_bytes(b"")
    with pytest.raises(DatasetError, match=r"test_0\.JPEG"):
        splits.prepare(tree, tmp_path / "data")
    assert [path for path in (tmp_path / "data").rglob("*") if path.is_file() and path.suffix != ".lock"] == []
    assert sorted(tree.rglob("*")) == before


def test_a_missing_source_is_named(tmp_path):
    with pytest.raises(DatasetError, match=r"nowhere\.zip: no such file"):
        splits.prepare(tmp_path / "nowhere.zip", tmp_path)


@pytest.mark.parametrize("when", ["at once", "midway"])
def test_without_network_the_error_says_what_helps(tmp_path, monkeypatch, when):
    def refuse(*_, **__):
        raise OSError("Name or service not known\nlong traceback")

    if when == "at once":
        monkeypatch.setattr(urllib.request, "urlopen", refuse)
    else:
        monkeypatch.setattr(urllib.request, "urlopen", lambda *_, **__: io.BytesIO())
        monkeypatch.setattr(tfds.download.DownloadManager, "download_and_extract", refuse)
    with pytest.raises(DatasetError) as caught:
        splits.prepare(None, tmp_path / "data")
    message = str(caught.value)
    for part in ("cs231n.stanford.edu", "Name or service not known", "--source PATH", "--weights PATH", "--demo"):
        assert part in message
    assert len(message.splitlines()) <= 7 and "traceback" not in message
    assert [path for path in (tmp_path / "data").rglob("*") if path.is_file() and path.suffix != ".lock"] == []


def test_a_missing_split_is_named(tree, tmp_path):
    for file in (tree / "test/images").iterdir():
        file.unlink()
    builder = splits.prepare(tree, tmp_path / "data")
    with pytest.raises(DatasetError, match="no test images"):
        splits.load(builder, "test")


def test_a_tree_of_the_same_shape_with_other_images_is_told(builder, monkeypatch):
    train = splits.load(builder, "train")
    monkeypatch.setattr(splits, "classes", lambda: train.wnids)
    monkeypatch.setitem(official_layout.OFFICIAL_COUNTS, "train", len(train))
    assert splits.shortfalls([train]) == ["classes or images that are not the official ones"]
    monkeypatch.setitem(official_layout.OFFICIAL_DIGESTS, "train", train.digest)
    assert splits.shortfalls([train]) == [] and splits.may_be_official(train)


def test_all_splits_and_what_they_lack(builder, tree, tmp_path):
    data = splits.load_all(builder, fraction=0.5)
    assert {name: len(split) for name, split in data.items()} == {"train": 12, "validation": 8, "test": 2}
    assert splits.shortfalls(data.values())[0] == "12 of the official 100,000 train images"
    assert not any("train" in note for note in splits.shortfalls(data.values(), screened=100_000 - 12))
    assert splits.shortfalls(data.values())[-1] == "classes or images that are not the official ones"
    for file in (tree / "val/images").iterdir():
        file.unlink()
    with pytest.raises(DatasetError, match="no validation images"):
        splits.load_all(splits.prepare(tree, tmp_path / "data"))


BOTH = """
import os, sys
from pathlib import Path
from tiny_imagenet_tf.data import splits
child = os.fork()  # so that both begin in the same moment
print("found", splits.prepare(Path(sys.argv[1]), Path(sys.argv[2])).data_path, flush=True)
if child:
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_two_first_starts_on_one_directory_make_one_dataset(tree, tmp_path):
    command = [sys.executable, "-c", BOTH, str(tree), str(tmp_path / "data")]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    first, second = [line for line in done.stdout.splitlines() if line.startswith("found ")]
    assert first == second
    assert len(list((tmp_path / "data").rglob("dataset_info.json"))) == 1


def test_records_that_come_while_one_looks_for_them_are_whole(tree, tmp_path, monkeypatch):
    looked, made = splits.Builder, []

    def meanwhile(**options):
        found = looked(**options)  # another process gives them their name just after this has read that there are none
        monkeypatch.setattr(splits, "Builder", looked)
        made.append(splits.prepare(tree, tmp_path / "data"))
        return found

    monkeypatch.setattr(splits, "Builder", meanwhile)
    assert len(splits.load(splits.prepare(tree, tmp_path / "data"), "train")) == 24 and made


def test_a_preparation_that_fails_leaves_what_another_has_finished(tree, tmp_path, monkeypatch):
    prepare = splits.Builder.download_and_prepare

    def meanwhile(self):
        monkeypatch.setattr(splits.Builder, "download_and_prepare", prepare)
        splits.prepare(tree, tmp_path / "data")  # another, from its beginning to its end
        raise KeyboardInterrupt

    monkeypatch.setattr(splits.Builder, "download_and_prepare", meanwhile)
    with pytest.raises(KeyboardInterrupt):
        splits.prepare(tree, tmp_path / "data")
    assert len(splits.load(splits.prepare(tree, tmp_path / "data"), "train")) == 24
    assert len(list((tmp_path / "data").rglob("dataset_info.json"))) == 1


def test_records_of_a_folder_do_not_pass_for_the_download(tree, tmp_path, monkeypatch):
    for name in ("one", "two"):  # through TFDS, with one data_dir
        source = tree if name == "one" else synthetic.write(tmp_path / "b", synthetic.Sizes(3, 10, 2, 5), seed=1)
        found = tfds.builder("tiny_imagenet", data_dir=tmp_path / "data", source=source)
        found.download_and_prepare()
        assert found.info.splits["train"].num_examples == (24 if name == "one" else 30)
    assert splits.prepare(tree, tmp_path / "data").info.splits["train"].num_examples == 24  # the recipes find it
    monkeypatch.setattr(urllib.request, "urlopen", lambda *_, **__: (_ for _ in ()).throw(OSError("no network")))
    with pytest.raises(DatasetError, match="could not be downloaded"):
        splits.prepare(None, tmp_path / "data")
    splits.Builder(data_dir=tmp_path / "data", source=tree, made_from="x").download_and_prepare()
    with pytest.raises(DatasetError, match="was made from a folder"):
        splits.prepare(None, tmp_path / "data")


def test_what_is_wrong_after_a_download_is_not_called_a_failed_download(tmp_path, monkeypatch):
    monkeypatch.setattr(urllib.request, "urlopen", lambda *_, **__: io.BytesIO())

    def broken(builder, **_):
        raise DatasetError("2 faults found:\n  a.JPEG: cut\n  b.JPEG: cut")

    monkeypatch.setattr(splits.Builder, "download_and_prepare", broken)
    with pytest.raises(DatasetError, match=r"^2 faults found:\n  a.JPEG: cut\n  b.JPEG: cut$"):
        splits.prepare(None, tmp_path / "data")
    assert [path.name for path in (tmp_path / "data").iterdir()] == [".tiny_imagenet.lock"]


@pytest.mark.parametrize("damage", ["flipped", "cut", "gone", "label", "info"])
def test_damaged_records_are_named(tree, tmp_path, damage):
    builder = splits.prepare(tree, tmp_path / "data")
    splits.verify(builder)
    (record,) = builder.data_path.glob("*train*")
    data = record.read_bytes()
    if damage == "flipped":
        record.write_bytes(data[:500] + bytes([data[500] ^ 0xFF]) + data[501:])
    elif damage == "cut":
        record.write_bytes(data[: len(data) // 2])
    elif damage == "gone":
        record.unlink()
    elif damage == "label":  # another image in its place, with a good checksum
        path = builder.data_path / "metadata.json"
        path.write_text(path.read_text().replace(builder.info.metadata["digests"]["train"], "0" * 64))
    else:
        (builder.data_path / "dataset_info.json").write_text("{")
    with pytest.raises(DatasetError, match="delete that folder and run again"):
        splits.verify(splits.prepare(tree, tmp_path / "data"))


def test_records_that_are_withheld_or_somebody_elses_are_not_called_damaged(tree, tmp_path, monkeypatch):
    builder = splits.prepare(tree, tmp_path / "data")

    def withheld(*_, **__):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    with monkeypatch.context() as patched:
        patched.setattr(splits, "untuned", withheld)
        with pytest.raises(DatasetError, match=r"cannot be read \(.*Permission denied\)$"):
            splits.load(builder, "train")
    (builder.data_path / "metadata.json").write_text("{}")
    with pytest.raises(DatasetError, match=r"damaged \(no digests\); delete that folder and run again"):
        splits.prepare(tree, tmp_path / "data")  # in a folder that is this package's by its name
    shutil.copytree(builder.data_path.parent, tmp_path / "shared/tiny_imagenet")
    with pytest.raises(DatasetError, match="were not prepared by this package; choose another --data-dir"):
        splits.existing_download(tmp_path / "shared")


def test_loaded_again_the_builder_is_not_registered_twice():
    importlib.reload(sys.modules[splits.Builder.__module__])


def test_a_name_of_any_bytes_is_part_of_the_fingerprint(tree):
    before = fingerprint(tree)
    (tree / os.fsdecode(b"caf\xe9.txt")).write_text("x")
    assert fingerprint(tree) != before


@pytest.mark.skipif(os.getuid() != 0, reason="a disk of its own needs root here")
def test_a_full_disk_is_told_with_the_room_that_is_needed_and_nothing_is_left(tree, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32k", "tmpfs", disk], stderr=subprocess.DEVNULL).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        with pytest.raises(splits.DatasetError, match=r"No space left on device. About [\d,]+ bytes are needed"):
            splits.prepare(tree, disk)
        assert [path for path in disk.rglob("*") if path.is_file() and path.suffix != ".lock"] == []
        subprocess.run(["mount", "-o", "remount,size=10m", disk], check=True)
        assert splits.prepare(tree, disk).info.splits["train"].num_examples == 24, "it goes on after room is made"
    finally:
        subprocess.run(["umount", disk], check=True)


@pytest.mark.parametrize("stopped", [False, True])
def test_a_download_has_its_place_when_it_is_whole_and_leaves_nothing_when_it_is_stopped(
    tree, tmp_path, monkeypatch, stopped
):
    def extracted(manager, url):
        assert url == splits.URL and manager.download_dir == tmp_path / "downloads"
        unpacked = Path(manager._extract_dir) / "ZIP.archive"
        assert unpacked.is_relative_to(tmp_path) and not unpacked.is_relative_to(tmp_path / "downloads")
        return shutil.copytree(tree, unpacked)

    def write(builder, split, examples):
        raise KeyboardInterrupt

    wnids = sorted((tree / "wnids.txt").read_text().split())
    monkeypatch.setattr(tiny_imagenet_dataset_builder, "classes", lambda: dict.fromkeys(wnids))
    monkeypatch.setattr(urllib.request, "urlopen", lambda *_, **__: io.BytesIO())
    monkeypatch.setattr(tfds.download.DownloadManager, "download_and_extract", extracted)
    if stopped:
        monkeypatch.setattr(splits.Builder, "_generate_examples", write)
        with pytest.raises(KeyboardInterrupt):
            splits.prepare(None, tmp_path)
        assert not list(tmp_path.rglob("*tfrecord*")) and not list(tmp_path.glob(".*-*"))
    else:  # from an archive that is there already, without network
        monkeypatch.setattr(urllib.request, "urlopen", lambda *_, **__: (_ for _ in ()).throw(OSError("no network")))
        where = tmp_path / "downloads" / "tiny_imagenet"  # as TFDS does
        for name, age in (("old.zip.tmp.1", 90_000), ("new.zip.tmp.2", 60)):
            (where / name).mkdir(parents=True)
            os.utime(where / name, (time.time() - age,) * 2)
        with (where / "cs231n.stanford.edu_tiny-imagenet-200.zip").open("wb") as archive:
            archive.truncate(splits.Builder.url_infos[splits.URL].size)
        found = splits.prepare(None, tmp_path)
        assert found.data_path == tmp_path / "tiny_imagenet/1.0.0" and found.info.splits["train"].num_examples == 24
        assert found.info.metadata["source"] == "the official archive"
        splits.verify(splits.existing_download(tmp_path))
        assert not list(tmp_path.rglob("ZIP.archive"))
        assert [path.name for path in where.glob("*.tmp.*")] == ["new.zip.tmp.2"]


@pytest.mark.parametrize(("code", "asks"), [(405, False), (404, True)])
def test_a_server_that_answers_no_questions_may_give_the_archive(monkeypatch, code, asks):
    def refuse(request, timeout):
        raise urllib.error.HTTPError(request.full_url, code, "no", None, None)

    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    with pytest.raises(urllib.error.HTTPError) if asks else contextlib.nullcontext():
        splits._check_reachable()


def test_a_disk_that_is_full_while_an_archive_is_unpacked_is_told(tmp_path, monkeypatch):
    def full(manager, url):
        raise ExtractError("Error while extracting") from OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(urllib.request, "urlopen", lambda *_, **__: io.BytesIO())
    monkeypatch.setattr(tfds.download.DownloadManager, "download_and_extract", full)
    with pytest.raises(DatasetError, match=r"No space left on device\. About 992,\d+,\d+ bytes are needed"):
        splits.prepare(None, tmp_path)
    assert not list(tmp_path.glob(".*-*"))
