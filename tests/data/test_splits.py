import io
import urllib.request

import pytest
import tensorflow_datasets as tfds

from tiny_imagenet_tf.data import official_layout, splits
from tiny_imagenet_tf.data.official_layout import DatasetError


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


def test_all_splits_and_what_they_lack(builder, tree, tmp_path):
    data = splits.load_all(builder, fraction=0.5)
    assert {name: len(split) for name, split in data.items()} == {"train": 12, "validation": 8, "test": 2}
    assert splits.shortfalls(data)[0] == "12 of the official 100,000 train images"
    assert not any("train" in note for note in splits.shortfalls(data, screened=100_000 - 12))
    for file in (tree / "val/images").iterdir():
        file.unlink()
    with pytest.raises(DatasetError, match="no validation images"):
        splits.load_all(splits.prepare(tree, tmp_path / "data"))
