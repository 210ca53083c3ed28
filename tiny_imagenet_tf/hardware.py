"""What the machine offers: seed, precision, devices."""

import functools
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import keras
import tensorflow as tf

Precision = Literal["auto", "float32", "bfloat16", "float16"]


def set_seed(seed: int, devices: Sequence[str] = ()) -> None:
    """Seeds Python, NumPy and TensorFlow, and where no GPU does the work makes every op deterministic.

    On a CPU a run is then repeated bit for bit, at no cost. On a GPU deterministic ops are slow, and not asked for.

    Args:
        seed: of all three.
        devices: as :func:`strategy` takes them.
    """
    keras.utils.set_random_seed(seed)
    if not on_gpu(devices):
        tf.config.experimental.enable_op_determinism()


@functools.cache
def cpu_has_bfloat16() -> bool:
    """Whether this CPU multiplies bfloat16 in hardware (AVX512-BF16 or AMX; read from Linux)."""
    info = Path("/proc/cpuinfo")
    flags = info.read_text().split() if info.exists() else []
    return "avx512_bf16" in flags or "amx_bf16" in flags


def has_gpu() -> bool:
    """Whether TensorFlow sees a GPU."""
    return bool(tf.config.list_logical_devices("GPU"))


def on_gpu(devices: Sequence[str] = ()) -> bool:
    """Whether a GPU does the work.

    Args:
        devices: as :func:`strategy` takes them.
    """
    return any(name.startswith("GPU:") for name in devices) if devices else has_gpu()


def resolve_precision(precision: Precision, devices: Sequence[str] = ()) -> Literal["float32", "bfloat16", "float16"]:
    """Turns ``auto`` into what is fastest: float16 on a GPU, bfloat16 where the CPU has it, else float32.

    Args:
        precision: as asked for.
        devices: as :func:`strategy` takes them.

    Raises:
        ValueError: float16 was asked for without a GPU, where it is slower than float32.
    """
    if precision == "float16" and not on_gpu(devices):
        raise ValueError("--precision float16 needs a GPU; on this machine use bfloat16 or float32")
    if precision != "auto":
        return precision
    if on_gpu(devices):
        return "float16"
    return "bfloat16" if cpu_has_bfloat16() else "float32"


def training_policy(precision: Literal["float32", "bfloat16", "float16"]) -> str:
    """Returns the Keras dtype policy to train at a precision: variables, scores and loss stay in float32."""
    return "float32" if precision == "float32" else f"mixed_{precision}"


def strategy(devices: Sequence[str] = ()) -> tf.distribute.Strategy:
    """Returns how training is spread over devices; with several, each takes its share of every batch.

    Args:
        devices: such as ``GPU:0`` and ``GPU:1``; none means every GPU, or the CPU where there is no GPU.

    Raises:
        ValueError: there is no such device.
    """
    found = {device.name.removeprefix("/device:"): device.name for device in tf.config.list_logical_devices()}
    chosen = list(devices) or [name for name in found if name.startswith("GPU:")]
    for name in chosen:
        if name not in found:
            raise ValueError(f"--devices {name}: there are {', '.join(found)}")
    if len(chosen) > 1:
        return tf.distribute.MirroredStrategy([found[name] for name in chosen])
    if devices:
        return tf.distribute.OneDeviceStrategy(found[chosen[0]])
    return tf.distribute.get_strategy()


def describe_device(devices: Sequence[str] = ()) -> str:
    """Names what does the work, for ``environment.json``.

    Args:
        devices: as :func:`strategy` takes them.
    """
    if on_gpu(devices):
        gpus = {f"GPU:{number}": gpu for number, gpu in enumerate(tf.config.list_physical_devices("GPU"))}
        chosen = [gpus[name] for name in devices or gpus if name in gpus]
        names = [tf.config.experimental.get_device_details(gpu).get("device_name", "GPU") for gpu in chosen]
        return ", ".join(names)
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    name = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "CPU")
    return f"{name}, {os.cpu_count()} cores"
