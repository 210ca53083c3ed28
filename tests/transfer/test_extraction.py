import dataclasses
import itertools
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from tiny_imagenet_tf.data import batches, splits, views
from tiny_imagenet_tf.data.batches import in_order
from tiny_imagenet_tf.data.views import MILANI_TRANSFER, DrawnView, View
from tiny_imagenet_tf.models import preprocess
from tiny_imagenet_tf.runs import transfer_values as store_room
from tiny_imagenet_tf.transfer import engine
from tiny_imagenet_tf.transfer.engine import Engine
from tiny_imagenet_tf.transfer.extraction import Extraction


@pytest.fixture
def extraction(small_trunk, tmp_path):
    return Extraction(Engine(small_trunk, "float32"), tmp_path / "values", dtype="float32")


@pytest.mark.parametrize("view", [views.WHOLE, View("top_left", mirrored=True), DrawnView(MILANI_TRANSFER, 0, 0)])
def test_values_are_those_of_the_trunk_in_the_order_of_the_split(extraction, train, small_trunk, view):
    (store,) = extraction.fill(train, (view,))
    images = np.concatenate(list(in_order(train, 24).as_numpy_iterator()))
    shown = views.show(images, view.table(24), 40, recolour=isinstance(view, DrawnView))
    expected = small_trunk.model.predict(np.asarray(shown) / 127.5 - 1, verbose=0)
    np.testing.assert_allclose(store.load(), expected, atol=1e-4 * np.abs(expected).max())


def test_rows_keep_their_views_over_batches_and_shards(extraction, train, small_trunk, monkeypatch):
    monkeypatch.setattr("tiny_imagenet_tf.transfer.extraction.batch_size", lambda: 3)
    monkeypatch.setattr(store_room.open_store, "__defaults__", (7,))
    view = DrawnView(MILANI_TRANSFER, 0, 0)
    (store,) = extraction.fill(train, (view,))
    assert len(store.shards) == 4
    images = np.concatenate(list(in_order(train, 24).as_numpy_iterator()))
    shown = views.show(images, view.table(24), 40, recolour=True)
    expected = small_trunk.model.predict(np.asarray(shown) / 127.5 - 1, verbose=0)
    np.testing.assert_allclose(store.load(), expected, atol=1e-4 * np.abs(expected).max())


def test_everything_that_changes_the_values_changes_the_store(small_trunk, train, tmp_path):
    plain = Extraction(Engine(small_trunk, "float32"), tmp_path)
    other_trunk = dataclasses.replace(small_trunk, description={**small_trunk.description, "weights_sha256": "0"})
    other_layer = dataclasses.replace(small_trunk, description={**small_trunk.description, "layer": "mixed8"})
    folders = [
        plain.store(train, views.WHOLE).folder,
        plain.store(train, View("top_left")).folder,
        plain.store(train, View(mirrored=True)).folder,
        plain.store(train, DrawnView(MILANI_TRANSFER, 0, 0)).folder,
        plain.store(train, DrawnView(MILANI_TRANSFER, 0, 1)).folder,
        plain.store(train.fraction(0.5), views.WHOLE).folder,
        Extraction(Engine(small_trunk, "bfloat16"), tmp_path).store(train, views.WHOLE).folder,
        Extraction(Engine(small_trunk, "float32", "tf1"), tmp_path).store(train, views.WHOLE).folder,
        Extraction(Engine(small_trunk, "float32"), tmp_path, "float32").store(train, views.WHOLE).folder,
        Extraction(Engine(other_trunk, "float32"), tmp_path).store(train, views.WHOLE).folder,
        Extraction(Engine(other_layer, "float32"), tmp_path).store(train, views.WHOLE).folder,
    ]
    for a, b in itertools.combinations(folders, 2):
        assert a != b


def test_what_is_stored_is_not_extracted_again(extraction, train, monkeypatch):
    (store,) = extraction.fill(train, (views.WHOLE,))
    before = (store.folder / "shard-00000.npy").stat().st_mtime_ns
    monkeypatch.setattr(Engine, "extractor", None)
    extraction.fill(train, (views.WHOLE,))
    assert (store.folder / "shard-00000.npy").stat().st_mtime_ns == before


FILL = """
import os, sys, time
from pathlib import Path
from tiny_imagenet_tf.data import splits, views
from tiny_imagenet_tf.models import backbones
from tiny_imagenet_tf.runs import transfer_values as store
from tiny_imagenet_tf.transfer.engine import Engine
from tiny_imagenet_tf.transfer.extraction import Extraction
store.SHARD_ROWS = 2
store.open_store.__defaults__ = (2,)
write = store.Store.write
def slowly(self, shard, values, seconds):
    write(self, shard, values)  # without the seconds, which no two runs share
    print("shard", shard, flush=True)
    sys.stdin.readline() if sys.argv[3] == "told" else time.sleep(float(sys.argv[3]))
store.Store.write = slowly
other = os.fork() if "two" in sys.argv else None
data = splits.load(splits.prepare(None, Path(sys.argv[1])), "train")
built = backbones.build(backbones.find(sys.argv[4], "-1..1"))
Extraction(Engine(built, "float32"), Path(sys.argv[2])).fill(data, (views.View(), views.View("top_right")))
if other:
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(other, 0)[1]))
"""


@pytest.fixture(scope="module")
def undisturbed(downloaded, tiny_backbone, tmp_path_factory):
    """The program that fills a store, and the files that it leaves where nobody disturbs it."""
    command, folder = [sys.executable, "-c", FILL, str(downloaded)], tmp_path_factory.mktemp("undisturbed")
    subprocess.run([*command, str(folder), "0", tiny_backbone], check=True, stdout=subprocess.PIPE)
    return command, contents(folder)


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow  # tests/kills does it, too
def test_killed_at_a_shard_and_resumed_it_is_identical(undisturbed, tmp_path, tiny_backbone):
    command, expected = undisturbed
    words, pipe = [str(tmp_path / "killed"), "told", tiny_backbone], subprocess.PIPE
    victim = subprocess.Popen([*command, *words], stdin=pipe, stdout=pipe, text=True)
    written = 7  # of 24 shards
    for number in range(written):
        assert victim.stdout.readline().startswith("shard")
        if number < written - 1:
            print(file=victim.stdin, flush=True)
    victim.send_signal(signal.SIGKILL)
    victim.wait()
    assert len(list((tmp_path / "killed").rglob("shard-*.json"))) == written
    done = subprocess.run(
        [*command, str(tmp_path / "killed"), "0", tiny_backbone], check=True, stdout=subprocess.PIPE, text=True
    )
    assert done.stdout.count("shard") == 24 - written
    assert contents(tmp_path / "killed") == expected


HOLD = """
import fcntl, sys
file = open(sys.argv[1], "a+b")
fcntl.lockf(file, fcntl.LOCK_EX, 1, 0)
print("held", flush=True)
sys.stdin.read()
"""


def test_what_another_process_is_at_work_on_is_waited_for_at_the_end_alone(extraction, train, monkeypatch):
    monkeypatch.setattr(store_room.open_store, "__defaults__", (12,))
    shown = (views.WHOLE, View("top_right"))
    first, second = (extraction.store(train, view) for view in shown)
    command = [sys.executable, "-c", HOLD, str(first.folder / ".lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "held\n"
        filling = threading.Thread(target=extraction.fill_all, args=([(train, shown[:1]), (train, shown[1:])],))
        filling.start()
        while not all(store.is_written(shard) for store, shard in ((first, 1), (second, 0), (second, 1))):
            assert filling.is_alive()
            time.sleep(0.02)
        assert not first.is_written(0) and filling.is_alive()
        other.stdin.close()  # it has died over its shard
    filling.join()
    assert first.is_written(0)


def test_a_gpus_extraction_is_traced_once_for_all_crops(small_trunk, train, tmp_path, monkeypatch):
    monkeypatch.setattr(engine, "freezes", lambda: False)
    monkeypatch.setattr(store_room.open_store, "__defaults__", (7,))
    for module in ("engine", "extraction"):
        monkeypatch.setattr(f"tiny_imagenet_tf.transfer.{module}.batch_size", lambda: 5)
    traces, made = [], preprocess.behind_views

    def counted(*given):
        model = made(*given)
        show = model.call  # what both backends trace
        model.call = lambda inputs, **more: (traces.append(inputs), show(inputs, **more))[1]
        return model

    monkeypatch.setattr(preprocess, "behind_views", counted)
    Extraction(Engine(small_trunk, "float32"), tmp_path).fill(train, views.MILANI_TEN_CROP)
    assert len(traces) == 1
    images, table = traces[0]
    assert (images.dtype, images.shape, table.shape) == ("uint8", (5, 64, 64, 3), (5, 7))


@pytest.mark.parametrize("devices", [1, 3])
def test_one_pipeline_a_split_keeps_all_devices_busy(small_trunk, train, tmp_path, monkeypatch, devices):
    """Each has its next batch before the values of the one before it are fetched, and a thread of its own writes."""
    monkeypatch.setattr("tiny_imagenet_tf.hardware.extraction_devices", lambda: ["GPU"] * devices)
    monkeypatch.setattr(store_room.open_store, "__defaults__", (7,))
    monkeypatch.setattr("tiny_imagenet_tf.transfer.extraction.batch_size", lambda: 5)
    happened, pipelines = [], []

    class Underway:
        def __init__(self, images):
            self.images, self.number = images, sum(each[0] == "begun" for each in happened)
            happened.append(("begun", self.number))

        def __array__(self, *given, **more):
            happened.append(("fetched", self.number))
            return np.zeros((len(self.images), 3), np.float32)

    monkeypatch.setattr(Engine, "extractor", lambda self, view: lambda images, table: Underway(images))
    of_rows = batches.of_rows
    monkeypatch.setattr(batches, "of_rows", lambda *given: (pipelines.append(given), of_rows(*given))[1])
    writers, write = [], store_room.Store.write

    def told(*given, **more):
        writers.append(threading.current_thread())
        write(*given, **more)

    monkeypatch.setattr(store_room.Store, "write", told)
    Extraction(Engine(small_trunk, "float32"), tmp_path).fill(train, views.MILANI_TEN_CROP[:2])
    total = 2 * 3 * 2 + 2 * 1  # two views; of three shards of 7 rows two batches each, of one of 3 rows one
    assert len(pipelines) == 1 and len(writers) == 8 and threading.main_thread() not in writers
    fetched = [at for at, each in enumerate(happened) if each[0] == "fetched"]
    begun = [at for at, each in enumerate(happened) if each[0] == "begun"]
    assert [happened[at][1] for at in fetched] == list(range(total)) and len(begun) == total
    assert all(after < before for after, before in zip(begun[devices:], fetched[:-devices], strict=True))


def test_the_prepared_data_can_be_reopened(downloaded):
    root = downloaded
    assert len(splits.load(splits.prepare(None, root), "train")) == 24


def test_two_processes_share_the_work_and_no_shard_is_made_twice(undisturbed, tmp_path, tiny_backbone):
    command, expected = undisturbed
    two = [*command, str(tmp_path), "0.05", tiny_backbone, "two"]
    done = subprocess.run(two, check=True, stdout=subprocess.PIPE, text=True)
    assert done.stdout.count("shard") == 24
    found = contents(tmp_path)
    values = {name for name in expected if name.suffix == ".npy"}
    assert len(values) == 24 and {name: found[name] for name in values} == {name: expected[name] for name in values}
