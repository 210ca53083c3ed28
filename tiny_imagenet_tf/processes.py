"""Several processes, on one machine or on many, that train one network together; on the JAX backend.

Each of them holds the whole network, reads all images, and decodes and trains on its share of every batch; JAX sums
the gradients, so that a step is that of one process with the whole batch. The first one writes the run. The others
write theirs into temporary folders, and since every process comes to the same numbers, nothing else has to know how
many there are. When one dies, the others end too, and ``--resume`` goes on from the first one's checkpoint.
"""

import contextlib
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import keras
import numpy as np

from tiny_imagenet_tf import interrupts, progress
from tiny_imagenet_tf.errors import UserError

_joined = False


def join(seed: int) -> None:
    """Makes this process one of several, before anything is computed; a second call does nothing.

    Where the others are and which one this is follows from SLURM, Open MPI, Kubernetes or a TPU pod; or from
    ``KERAS_DISTRIBUTION_JOB_ADDRESSES`` (the first one's host:port), ``KERAS_DISTRIBUTION_NUM_PROCESSES`` and
    ``KERAS_DISTRIBUTION_PROCESS_ID``.

    Args:
        seed: of the run; without one Keras would draw it.

    Raises:
        UserError: Keras does not run on JAX, or there are no others to be found.
    """
    global _joined
    if _joined:
        return
    if keras.backend.backend() != "jax":
        raise UserError(f"--distributed: needs KERAS_BACKEND=jax, not {keras.backend.backend()}")
    keras.utils.set_random_seed(seed)
    try:
        keras.distribution.initialize()
    except (ValueError, RuntimeError) as error:
        raise UserError(
            f"--distributed: {error} Without SLURM, Open MPI, Kubernetes or a TPU pod, set "
            "KERAS_DISTRIBUTION_JOB_ADDRESSES=host:port of the first process, KERAS_DISTRIBUTION_NUM_PROCESSES and "
            "KERAS_DISTRIBUTION_PROCESS_ID"
        ) from error
    _joined = True
    _check_alike()
    interrupts.install()  # once more: JAX has taken SIGTERM for itself
    if not is_first():
        sys.stdout = open("/dev/null", "w")  # noqa: SIM115  # one screen is enough
        progress.silence()


def _check_alike() -> None:
    """Raises UserError where processes have not the same number of devices, of which each takes an equal share."""
    import jax

    devices = Counter(each.process_index for each in jax.devices())
    if len(set(devices.values())) > 1:
        counts = ", ".join(str(devices[number]) for number in sorted(devices))
        raise UserError(f"--distributed: the processes have {counts} devices; give all of them equally many")


def count() -> int:
    """How many processes train together; 1 where this one is alone."""
    if not _joined:
        return 1
    import jax

    return jax.process_count()


def number() -> int:
    """Which of them this is, from 0."""
    if not _joined:
        return 0
    import jax

    return jax.process_index()


def is_first() -> bool:
    """Whether this process writes the run."""
    return number() == 0


def wait(for_what: str) -> None:
    """Waits until all processes are here."""
    if count() > 1:
        from jax.experimental import multihost_utils

        multihost_utils.sync_global_devices(for_what)


def hear_of_interruptions() -> int | None:
    """Returns the signal that this process has received, or any other; called by all of them after the same step.

    A process that ended alone would leave the others waiting for its part of the next step.
    """
    if count() > 1:
        from jax.experimental import multihost_utils

        if number := int(multihost_utils.process_allgather(np.int32(interrupts.received() or 0)).max()):
            interrupts.receive(number)
    return interrupts.received()


def share(batch_size: int) -> slice:
    """Returns which rows of a batch are this process'; ``batch_size`` is a multiple of their number."""
    each = batch_size // count()
    return slice(number() * each, (number() + 1) * each)


def undivided() -> bool:
    """Whether this process alone, on one device, computes every step."""
    return count() == 1 and keras.distribution.distribution() is None


def in_shares(rows: int, compute: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Computes something of many rows, each process its share.

    Args:
        rows: how many.
        compute: from row numbers (n,) to their values (n, width); called in every process, without Keras' distribution.

    Returns:
        The values of all rows (rows, width), in every process.
    """
    each = -(-rows // count())
    mine = np.minimum(np.arange(number() * each, (number() + 1) * each), rows - 1)  # equal shares: the last row again
    together = keras.distribution.distribution()
    keras.distribution.set_distribution(None)
    try:
        found = compute(mine)
    finally:
        keras.distribution.set_distribution(together)
    if count() == 1:
        return found
    from jax.experimental import multihost_utils

    return np.asarray(multihost_utils.process_allgather(found)).reshape(-1, *found.shape[1:])[:rows]


@contextlib.contextmanager
def own_folder(copied: Path | None = None) -> Iterator[Path | None]:
    """Gives every process but the first a temporary folder in the place of the run's, and the first None.

    Args:
        copied: a folder of the first one's that they begin with; it goes on only when they have it.
    """
    with contextlib.ExitStack() as kept:
        folder = None
        if not is_first():
            folder = Path(kept.enter_context(tempfile.TemporaryDirectory(prefix="tiny_imagenet_tf-"))) / "run"
            if copied:
                hidden = shutil.ignore_patterns(".*")  # locks
                shutil.copytree(copied, folder, ignore=hidden)
        wait("copied")
        yield folder
