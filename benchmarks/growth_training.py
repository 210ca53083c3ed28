"""How training grows with processes: one network trained on JAX by one process and by two, on a core each.

The two see the same batches as the one, half of each, and add up their gradients every step. A rate is that of the
steps alone, as a run prints it, in the epochs after the first, which compiles: what is measured at an epoch's end is
not the same in both.

    python benchmarks/growth_training.py
"""

import dataclasses
import os
import re
import socket
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from statistics import harmonic_mean

from tiny_imagenet_tf.cli import command  # isort: skip  # first: it quiets TensorFlow's log
from measured import Measurement, compare, keep_to_core

from tiny_imagenet_tf.data import synthetic
from tiny_imagenet_tf.errors import UserError

EPOCHS = 3


@dataclasses.dataclass(frozen=True)
class Config:
    """What to train."""

    batch_size: int = 100
    """Images a step, of all processes together."""
    steps: int = 4
    """Steps an epoch, of which the first is not counted."""
    width_multiplier: float = 1.0
    """Factor on the width of every convolution of the compact Inception."""
    turns: int = 2
    """Turns of each; the medians are compared."""
    output: Path | None = None
    """Where to write the figures."""


def measure(config: Config) -> Measurement:
    """Prints images a second, and the ratio of two processes to one."""
    if config.steps < 2:
        raise UserError(f"--steps {config.steps}: must be at least 2, since the first of an epoch is not counted")
    if config.batch_size * config.steps % 10:
        raise UserError(f"--batch-size {config.batch_size}: with --steps, images of ten equal classes")
    shown = f"the compact Inception on JAX, batches of {config.batch_size}, a core a process"
    with tempfile.TemporaryDirectory() as folder:
        sizes = synthetic.Sizes(train=config.batch_size * config.steps // 10, validation=1, test=1)
        source = synthetic.write(Path(folder), sizes)
        counts = {"one process": 1, "two processes": 2}
        rates_of = {name: partial(trained, config, source, count) for name, count in counts.items()}
        found = compare("growth_training", shown, "images", rates_of, config.turns)
    found.write(config.output, backend="jax")
    return found


def trained(config: Config, source: Path, count: int) -> float:
    """Returns how many images a second so many processes train on."""
    runs = Path(tempfile.mkdtemp(dir=source.parent))
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{found.getsockname()[1]}"
    words = [sys.executable, "-m", "tiny_imagenet_tf", "train", "baseline", "--precision", "float32"]
    words += ["--source", source, "--data-dir", source.parent / "data", "--runs", runs, "--epochs", EPOCHS]
    words += ["--batch-size", config.batch_size, "--width-multiplier", config.width_multiplier]
    together = {
        "KERAS_BACKEND": "jax",
        "JAX_PLATFORMS": "cpu",
        "KERAS_DISTRIBUTION_JOB_ADDRESSES": address,
        "KERAS_DISTRIBUTION_NUM_PROCESSES": str(count),
    }
    processes = [
        subprocess.Popen(
            [*map(str, words), *["--distributed"] * (count > 1)],
            env=os.environ | together | {"KERAS_DISTRIBUTION_PROCESS_ID": str(number)},
            preexec_fn=partial(keep_to_core, number),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for number in range(count)
    ]
    said = [each.communicate()[0] for each in processes]
    _, *rates = re.findall(r"at (\S+) images/s", said[0]) or [""]
    if any(each.returncode for each in processes) or len(rates) != EPOCHS - 1:
        raise RuntimeError("\n".join(said))
    return harmonic_mean([float(rate.replace(",", "")) for rate in rates])


if __name__ == "__main__":
    command(Config, measure, __doc__)
