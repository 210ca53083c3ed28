import json

import numpy as np
import pytest

from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.runs.transfer_values import existing_store, open_store

VALUES = np.random.default_rng(0).random((7, 4)).astype("float16")


@pytest.fixture
def store(tmp_path):
    store = open_store(tmp_path, {"layer": "avg_pool"}, rows=7, shard_rows=3)
    for shard in store.shards:
        store.write(shard, VALUES[store.rows_of(shard)])
    return store


def test_what_was_written_is_read(store):
    assert [len(store.rows_of(shard)) for shard in store.shards] == [3, 3, 1]
    np.testing.assert_array_equal(store.load(), VALUES)
    assert store.load().dtype == np.float16
    assert store.key == {"layer": "avg_pool", "rows": 7, "shard_rows": 3}


def test_it_tells_how_long_the_extraction_took(store):
    for shard in store.shards:
        store.write(shard, VALUES[store.rows_of(shard)], seconds=1.5)
    assert store.seconds == 4.5


def test_a_partial_store_says_so(tmp_path):
    store = open_store(tmp_path, {"layer": "avg_pool"}, rows=7, shard_rows=3)
    store.write(1, VALUES[3:6])
    assert [store.is_written(shard) for shard in store.shards] == [False, True, False]
    with pytest.raises(UserError, match=r"shard-00000\.npy is missing"):
        store.load()


def test_a_damaged_shard_is_named(store):
    path = store.folder / "shard-00001.npy"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(UserError, match=r"shard-00001\.npy is damaged"):
        store.load()


def test_a_shard_without_its_checksum_is_not_written(store):
    (store.folder / "shard-00002.json").unlink()
    assert not store.is_written(2)


def test_another_key_is_another_folder(tmp_path):
    keys = [{"layer": layer, "dtype": dtype} for layer in ("mixed8", "avg_pool") for dtype in ("float16", "float32")]
    folders = [open_store(tmp_path, key, rows=7).folder for key in keys]
    folders += [open_store(tmp_path, keys[0], rows=8).folder, open_store(tmp_path, keys[0], 7, shard_rows=5).folder]
    assert len(set(folders)) == 6
    assert open_store(tmp_path, dict(reversed(keys[0].items())), rows=7).folder == folders[0]
    assert open_store(tmp_path, {"layer": "avg_pool"}, 7, 3).folder.name == "e468eeb6d8191d2978e2", "as ever"


def test_a_folder_that_holds_something_else_is_refused(store, tmp_path):
    (store.folder / "key.json").write_text(json.dumps({"layer": "mixed8"}))
    with pytest.raises(UserError, match="does not describe"):
        open_store(tmp_path, {"layer": "avg_pool"}, rows=7, shard_rows=3)


@pytest.mark.parametrize("values", [VALUES[:2], VALUES[:3, 0]])
def test_values_of_another_shape_are_refused(store, values):
    with pytest.raises(ValueError, match="takes 3 rows"):
        store.write(0, values)


def test_values_that_overflow_are_refused(store):
    with pytest.raises(ValueError, match="not finite in float16, which ends at 65,504: compute with --precision"):
        store.write(0, np.full((3, 4), np.inf, np.float16))


def test_a_full_disk_leaves_no_half_shard(tmp_path, monkeypatch):
    store = open_store(tmp_path, {"layer": "avg_pool"}, rows=3, shard_rows=3)

    def full(file, values):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(UserError, match=r"shard-00000\.npy cannot be written: No space left on device, for 4 bytes"):
        store.write(0, VALUES[:3])
    assert [path.name for path in store.folder.iterdir()] == ["key.json"]


def test_some_rows_are_read_in_the_order_asked_for(store):
    np.testing.assert_array_equal(store.read_rows(np.array([6, 0, 4, 4])), VALUES[[6, 0, 4, 4]].astype("float32"))
    (store.folder / "shard-00001.json").unlink()
    with pytest.raises(UserError, match="not on this machine"):
        store.read_rows(np.array([4]))
    assert existing_store(store.folder) == store and existing_store(store.folder / "nowhere") is None
