"""Extraction by many processes: started by hand, and by the actors of a Ray cluster."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from tiny_imagenet_tf.transfer import extracting
from tiny_imagenet_tf.transfer.options import ExtractOptions


@pytest.fixture
def options(tiny_transfer, tmp_path):
    return ExtractOptions(**tiny_transfer, precision="float32", store=tmp_path / "values", crops="ten")


def values_in(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("shard-*.npy")}


def test_everything_that_a_run_reads_is_stored(options, capsys, monkeypatch, recipe):
    extracting.run(options)
    assert "194 images and views are stored" in capsys.readouterr().out  # 24 + 10 of 12 val and 5 test images
    before = values_in(options.store)
    given = {name: value for name, value in vars(options).items() if name not in ("ray", "cores")}
    v2 = recipe("transfer_v2")
    monkeypatch.setattr("tiny_imagenet_tf.transfer.extraction.Extraction._extract", None)  # there is nothing to make
    v2.main(v2.Config(**given | {"runs": options.store.parent, "epochs": 1, "batch_size": 4}))
    assert values_in(options.store) == before


def test_what_is_done_is_not_done_again(options, monkeypatch):
    extracting.run(options)
    assert extracting.Work.of(options).missing() == [[], [], []]
    monkeypatch.setattr("tiny_imagenet_tf.transfer.extraction.Extraction._extract", None)
    extracting.run(options)


SLOWLY = """
import sys, time
from tiny_imagenet_tf.runs.transfer_values import Store
from tiny_imagenet_tf.__main__ import main
write = Store.write
def told(self, shard, values, seconds):
    write(self, shard, values)
    print("made", self.folder.name, shard, flush=True)
    time.sleep(0.2)
Store.write = told
main(sys.argv[1:])
"""


def command(options):
    """A process started by hand, which tells what it has made: 21 stores of a shard each."""
    words = ["extract", "--data-dir", options.data_dir, "--backbone", options.backbone, "--pixels=-1..1"]
    words += ["--precision", "float32", "--crops", "ten", "--store", options.store]
    return [sys.executable, "-c", SLOWLY, *map(str, words)]


@pytest.fixture(scope="module")
def expected(tiny_transfer, tmp_path_factory):
    """What one process leaves."""
    given = ExtractOptions(**tiny_transfer, store=tmp_path_factory.mktemp("one"), crops="ten")
    subprocess.run(command(given), check=True, stdout=subprocess.PIPE)
    found = values_in(given.store)
    assert len(found) == 21
    return found


@pytest.mark.slow
def test_four_by_hand_of_which_one_is_killed_do_each_shard_once(options, expected):
    pipes = {"stdout": subprocess.PIPE, "text": True}
    four = [subprocess.Popen(command(options), **pipes) for _ in range(4)]
    while len(values_in(options.store)) < 4:
        assert all(each.poll() is None for each in four)
        time.sleep(0.02)
    four[0].send_signal(signal.SIGKILL)
    made = [line for each in four for line in each.communicate()[0].splitlines() if line.startswith("made")]
    assert [each.returncode for each in four[1:]] == [0, 0, 0]
    assert len(made) == len(set(made))
    assert values_in(options.store) == expected


@pytest.mark.slow
def test_actors_on_two_machines_of_which_one_is_killed_leave_the_same(options, expected, actors_of):
    """Two raylets on loopback; Ray starts an actor anew that was killed, and gives it its shard again."""
    ray = pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    killed, written = [], {}

    def kill_one():
        while len(values_in(options.store)) < 3:
            time.sleep(0.01)
        killed.append(next(actors_of("_Actor")))
        os.kill(killed[0], signal.SIGKILL)
        written.update({path: path.stat().st_mtime_ns for path in options.store.rglob("shard-*.npy")})

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    try:
        cluster.add_node(num_cpus=1)
        cluster.wait_for_nodes()
        killer = threading.Thread(target=kill_one, daemon=True)
        killer.start()
        extracting.run(ExtractOptions(**vars(options) | {"ray": cluster.address, "cores": 1}))
        killer.join(1)
    finally:
        ray.shutdown()
        cluster.shutdown()
    assert killed and values_in(options.store) == expected
    assert len(written) >= 3 and {path: path.stat().st_mtime_ns for path in written} == written, "made twice"
