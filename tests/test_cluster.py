"""Actors of a Ray cluster: one a GPU where it has any."""

import socket

import pytest

from tiny_imagenet_tf import cluster
from tiny_imagenet_tf.errors import UserError

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("most", "count"), [(8, 3), (2, 2)])
def test_each_gpu_of_all_machines_has_an_actor_of_its_own(most, count, monkeypatch):
    """Two raylets on loopback that say they have GPUs; --cores does not count there."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    ray = pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    class Where:
        def __init__(self, word):
            self.word = word

        def told(self):
            import os
            import sys

            import ray

            placed = ray.get_runtime_context()
            return self.word, placed.get_node_id(), os.environ["CUDA_VISIBLE_DEVICES"], "keras" in sys.modules

    machines = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "num_gpus": 2})
    try:
        machines.add_node(num_cpus=1, num_gpus=1)
        machines.wait_for_nodes()
        with cluster.actors(machines.address, 4, most, Where, "word") as found:
            told = ray.get([each.told.remote() for each in found])
    finally:
        ray.shutdown()
        machines.shutdown()
    assert len(told) == count == len({(node, gpu) for _, node, gpu, _ in told}), "none has another's GPU"
    assert all(word == "word" and not keras for word, *_, keras in told), "Keras must not look for GPUs before"


def test_an_address_where_nobody_answers_is_told_at_once():
    with socket.socket() as taken:  # bound, and listening to nobody
        taken.bind(("127.0.0.1", 0))
        address = f"ray://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(UserError, match=rf"--ray {address}: no cluster is there"):
            cluster._check_reachable(address)
    for without in ("auto", "local"):
        cluster._check_reachable(without)
