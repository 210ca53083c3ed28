"""The actors of a Ray cluster (extra ``[cluster]``): processes on many machines that share one job."""

import contextlib
import os
import re
import signal
import socket
import threading
from collections.abc import Iterator
from typing import Any

from tiny_imagenet_tf.errors import UserError

SHARED = "--store, --data-dir, --source and files of weights must be on a file system that all its machines share"
_RESTARTS = 10  # of an actor, and tries of each call: machines of a cluster come and go


@contextlib.contextmanager
def actors(address: str, cores: int, most: int, kind: type, *arguments: Any) -> Iterator[list[Any]]:
    """Starts as many actors as a cluster has room for: one a GPU, or one a group of cores where there is none.

    Ray restarts one that dies, and calls it again with what it was doing.

    Args:
        address: ``auto`` for the cluster of this machine, ``local`` for a new one, or where it is.
        cores: CPU cores of an actor where there is no GPU; an actor never spans machines.
        most: the actors that there is work for.
        kind: the actors' class.
        *arguments: of its constructor.

    Raises:
        UserError: there is no such cluster, no room in it, or an actor ended with one.
    """
    import keras
    import ray

    _check_reachable(address)
    before = signal.getsignal(signal.SIGTERM)
    try:
        # Actors see the environment in which their machine's Ray was started, which may name another backend.
        same = {"env_vars": {"KERAS_BACKEND": keras.backend.backend()}}
        ray.init(address, logging_level="error", configure_logging=True, log_to_driver=False, runtime_env=same)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise UserError(f"--ray {address}: {error}") from error
    try:
        _give_back(before)
        machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        gpus = sum(int(each.get("GPU", 0)) for each in machines)
        needs = {"num_gpus": 1} if gpus else {"num_cpus": cores}
        room = gpus or sum(int(each.get("CPU", 0)) // cores for each in machines)
        if not room:
            most_cores = max(int(each.get("CPU", 0)) for each in machines)
            raise UserError(f"--cores {cores}: no machine of the cluster has so many; the largest has {most_cores}")
        free = int(ray.available_resources().get("GPU" if gpus else "CPU", 0)) // (1 if gpus else cores)
        room = max(1, min(room, free))  # the first waits where others have all
        actor = ray.remote(max_restarts=_RESTARTS, max_task_retries=_RESTARTS, **needs)(_in_place(kind))
        place = (os.getcwd(), None if gpus else cores)
        yield [actor.remote(*place, *arguments) for _ in range(min(room, most))]
    except ray.exceptions.RayError as error:
        message = re.sub(r"\x1b\[[0-9;]*m", "", str(error))
        if found := re.findall(r"(?:tiny_imagenet_tf[\w.]*Error|OSError|FileNotFoundError): (.*)", message):
            raise UserError(f"--ray: an actor ended: {found[-1]}") from error
        if isinstance(error, ray.exceptions.RayActorError):
            raise UserError(
                f"--ray: an actor died {_RESTARTS + 1} times, perhaps for want of memory; what is done is kept, and "
                f"the same command goes on: {message.strip().splitlines()[0]}"
            ) from error
        raise
    finally:
        ray.shutdown()
        _give_back(before)


def _check_reachable(address: str) -> None:
    """Raises UserError where nobody answers at a host and port; Ray would try for minutes."""
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if host and port.isdecimal():
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
        except (OSError, OverflowError) as error:
            raise UserError(f"--ray {address}: no cluster is there ({error})") from error


def _give_back(handler: Any) -> None:
    """Gives SIGTERM, which Ray takes in the main thread, back to who had it."""
    if handler is not None and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, handler)


def _in_place(kind: type) -> type:
    """A class whose objects work in a folder, since relative paths mean the same everywhere, and on their cores."""

    def begin(self: Any, folder: str, cores: int | None, *arguments: Any) -> None:
        os.chdir(folder)
        if cores:  # Ray counts cores, but binds no process to them
            from tiny_imagenet_tf import hardware  # only now Keras is loaded

            hardware.keep_to(cores)
        kind.__init__(self, *arguments)

    return type(kind.__name__, (kind,), {"__init__": begin})
