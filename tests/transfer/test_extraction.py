import itertools
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tiny_imagenet_tf.data import splits, views
from tiny_imagenet_tf.data.views import AugmentedView, View
from tiny_imagenet_tf.runs import transfer_values as store_room
from tiny_imagenet_tf.transfer.extraction import Extraction


@pytest.fixture
def extraction(small_trunk, tmp_path):
    return Extraction(small_trunk, "float32", "half_pixel", tmp_path / "values", dtype="float32")


def test_values_are_those_of_the_trunk_in_the_order_of_the_split(extraction, train, small_trunk):
    from tiny_imagenet_tf.data import pipelines

    (store,) = extraction.fill(train, (views.WHOLE,))
    batches = pipelines.network_inputs(train, views.WHOLE, size=75, resize="half_pixel", batch_size=24)
    expected = small_trunk.model.predict(batches, verbose=0)
    np.testing.assert_allclose(store.load(), expected, atol=1e-7, rtol=1e-4)


def test_a_mirrored_view_is_the_view_of_the_mirrored_image(extraction, train):
    import tensorflow as tf

    from tiny_imagenet_tf.data import image_ops

    (mirrored,) = extraction.fill(train.take(np.arange(1)), (View("top_left", mirrored=True),))
    by_hand = image_ops.decode(train.jpegs[0])[:56, :56][:, ::-1]
    inputs = image_ops.scale(image_ops.resize(by_hand, 75))
    expected = extraction.trunk.model(tf.expand_dims(inputs, 0), training=False)
    np.testing.assert_allclose(mirrored.load(), expected, atol=1e-7, rtol=1e-4)


def test_everything_that_changes_the_values_changes_the_store(small_trunk, train, tmp_path):
    import dataclasses

    plain = Extraction(small_trunk, "float32", "half_pixel", tmp_path)
    other_trunk = dataclasses.replace(small_trunk, description={**small_trunk.description, "weights_sha256": "0"})
    other_layer = dataclasses.replace(small_trunk, description={**small_trunk.description, "layer": "mixed8"})
    folders = [
        plain.store(train, views.WHOLE).folder,
        plain.store(train, View("top_left")).folder,
        plain.store(train, View(mirrored=True)).folder,
        plain.store(train, AugmentedView(0, 0)).folder,
        plain.store(train, AugmentedView(0, 1)).folder,
        plain.store(train.fraction(0.5), views.WHOLE).folder,
        Extraction(small_trunk, "bfloat16", "half_pixel", tmp_path).store(train, views.WHOLE).folder,
        Extraction(small_trunk, "float32", "tf1", tmp_path).store(train, views.WHOLE).folder,
        Extraction(small_trunk, "float32", "half_pixel", tmp_path, "float32").store(train, views.WHOLE).folder,
        Extraction(other_trunk, "float32", "half_pixel", tmp_path).store(train, views.WHOLE).folder,
        Extraction(other_layer, "float32", "half_pixel", tmp_path).store(train, views.WHOLE).folder,
    ]
    for a, b in itertools.combinations(folders, 2):
        assert a != b


def test_what_is_stored_is_not_extracted_again(extraction, train, monkeypatch):
    (store,) = extraction.fill(train, (views.WHOLE,))
    before = (store.folder / "shard-00000.npy").stat().st_mtime_ns
    monkeypatch.setattr(extraction, "_extract", None)
    extraction.fill(train, (views.WHOLE,))
    assert extraction._extract is None
    assert (store.folder / "shard-00000.npy").stat().st_mtime_ns == before


FILL = """
import sys, time
from pathlib import Path
from tiny_imagenet_tf.data import splits, views
from tiny_imagenet_tf.transfer import store, trunk
from tiny_imagenet_tf.transfer.extraction import Extraction
store.SHARD_ROWS = 2
store.open_store.__defaults__ = (2,)
write = store.Store.write
def slowly(self, shard, values, seconds):
    write(self, shard, values)  # without the seconds, which no two runs share
    print("shard", shard, flush=True)
    time.sleep(float(sys.argv[3]))
store.Store.write = slowly
data = splits.load(splits.prepare(None, Path(sys.argv[1])), "train")
built = trunk.build("random", input_size=75, seed=3)
Extraction(built, "float32", "half_pixel", Path(sys.argv[2])).fill(data, (views.View(), views.View("top_right")))
"""


def test_killed_at_a_random_shard_and_resumed_it_is_identical(builder, tmp_path):
    root = Path(builder.data_path).parents[1]
    command = [sys.executable, "-c", FILL, str(root)]
    subprocess.run([*command, str(tmp_path / "whole"), "0"], check=True, capture_output=True)

    victim = subprocess.Popen(
        [*command, str(tmp_path / "killed"), "0.2"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    last = time.time_ns() % 20  # any of the 24 shards but the last few
    for line in victim.stdout:
        if line.startswith("shard") and (last := last - 1) < 0:
            victim.send_signal(signal.SIGKILL)
            break
    victim.wait()
    written = len(list((tmp_path / "killed").rglob("shard-*.json")))
    assert 0 < written < 24
    done = subprocess.run([*command, str(tmp_path / "killed"), "0"], check=True, capture_output=True, text=True)
    assert done.stdout.count("shard") == 24 - written

    def contents(folder):
        return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")


def test_the_shard_size_is_moderate():
    assert 1000 <= store_room.SHARD_ROWS <= 5000  # 4 to 20 MB; a minute or so of a slow CPU's work


def test_the_prepared_data_can_be_reopened(builder):
    root = Path(builder.data_path).parents[1]
    assert len(splits.load(splits.prepare(None, root), "train")) == 24
