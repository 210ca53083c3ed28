"""The actors of a Ray cluster (extra ``[cluster]``): processes of many machines that share a work."""

import contextlib
import importlib.util
from collections.abc import Iterator
from typing import Any

from tiny_imagenet_tf.errors import UserError


def require() -> None:
    """Raises UserError where Ray is not installed."""
    if importlib.util.find_spec("ray") is None:
        raise UserError('--ray: Ray is not installed; pip install "tiny_imagenet_tf[cluster]"')


@contextlib.contextmanager
def actors(address: str, cores: int, most: int, kind: type, *arguments: Any) -> Iterator[list[Any]]:
    """Starts as many actors as a cluster has room for: one a GPU, or one a group of cores where there is none.

    Ray starts one that dies anew, and calls it again with what it was at.

    Args:
        address: ``auto`` for the cluster of this machine, ``local`` for a new one, or where it is.
        cores: of an actor, without GPUs.
        most: actors that there is work for.
        kind: class of the actors.
        *arguments: that it is made with.

    Raises:
        UserError: there is no such cluster.
    """
    import ray

    try:
        ray.init(address, logging_level="error", configure_logging=True, log_to_driver=False)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise UserError(f"--ray {address}: {error}") from error
    try:
        there = ray.cluster_resources()
        gpus = int(there.get("GPU", 0))
        needs = {"num_gpus": 1} if gpus else {"num_cpus": min(cores, there["CPU"])}
        actor = ray.remote(max_restarts=-1, max_task_retries=-1, **needs)(kind)
        count = min(gpus or max(1, int(there["CPU"]) // cores), most)
        yield [actor.remote(*arguments) for _ in range(count)]
    finally:
        ray.shutdown()
