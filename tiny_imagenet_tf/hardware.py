"""What the machine offers: seed, precision, devices."""

import contextlib
import dataclasses
import os
import platform
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import keras
import psutil
import tensorflow as tf

from tiny_imagenet_tf.choices import Arithmetic, FrozenPrecision
from tiny_imagenet_tf.errors import UserError

_CPU_INFO = Path("/proc/cpuinfo")
_CPU_FLAGS = frozenset(_CPU_INFO.read_text().split() if _CPU_INFO.exists() else ())
_VNNI, _BFLOAT16 = {"avx512_vnni", "avx_vnni", "amx_int8"}, {"avx512_bf16", "amx_bf16"}
_TENSORFLOW = keras.backend.backend() == "tensorflow"
if not _TENSORFLOW:  # it reads the images; the memory of a GPU is for the backend that computes
    try:
        tf.config.set_visible_devices([], "GPU")
    except RuntimeError:
        if tf.config.get_visible_devices("GPU"):
            print(
                "TensorFlow has begun to work and keeps the GPU's memory: import tiny_imagenet_tf.hardware before it",
                file=sys.stderr,
            )


def set_seed(seed: int, devices: Sequence[str] = ()) -> None:
    """Seeds Python, NumPy and TensorFlow, and where no GPU does the work makes every op deterministic.

    On a CPU a run is then repeated bit for bit, at no cost. On a GPU deterministic ops are slow, and not asked for.

    Args:
        seed: used for all three generators.
        devices: as ``place`` takes them.
    """
    keras.utils.set_random_seed(seed)
    if _TENSORFLOW and not on_gpu(devices):
        tf.config.experimental.enable_op_determinism()


def cpu_has_bfloat16() -> bool:
    """Whether this CPU multiplies bfloat16 in hardware (AVX512-BF16 or AMX; read from Linux)."""
    return not _CPU_FLAGS.isdisjoint(_BFLOAT16)


def cpu_saturates_int8() -> bool:
    """Whether this CPU sums products of bytes in 16 bits, which are too few: x86 without VNNI (read from Linux)."""
    x86 = platform.machine().lower() in ("x86_64", "amd64")
    return x86 and _CPU_FLAGS.isdisjoint(_VNNI)


def gpus_have_bfloat16(devices: Sequence[str] = ()) -> bool:
    """Whether every GPU that computes has bfloat16 (compute capability 8.0: Ampere and later), or is a TPU."""
    return on_gpu(devices) and min(_capabilities(devices), default=0) >= 8


def _capabilities(devices: Sequence[str]) -> list[int]:
    """The compute capabilities of the GPUs in use: those named, else TensorFlow's first, else all."""
    gpus, named = _gpus(), _named(devices)
    if not (named or devices) and _TENSORFLOW:
        gpus = gpus[:1]
    return [capability for label, _, capability in gpus if not named or label in named]


def has_gpu() -> bool:
    """Whether the backend that computes sees a GPU, or on JAX a TPU, which does the work in the same way."""
    return bool(_gpus())


def extraction_devices() -> list[Any]:
    """Returns what extracts where a GPU does, or JAX: each of this machine's GPUs, TPUs, or without any the CPU."""
    if _TENSORFLOW:
        names = [device.name for device in tf.config.list_logical_devices("GPU")]
        return names or ["CPU:0"]
    import jax

    return jax.local_devices()


def on_gpu(devices: Sequence[str] = ()) -> bool:
    """Whether a GPU does the work; ``devices`` are as ``place`` takes them."""
    return any(not name.startswith("CPU") for name in named) if (named := _named(devices)) else has_gpu()


def _named(devices: Sequence[str]) -> list[str]:
    """The devices that are named one by one, as they are called here."""
    names = [name.upper() for name in devices]
    return [] if names == ["ALL"] else names


def resolve_precision(precision: FrozenPrecision, devices: Sequence[str] = (), *, frozen: bool = False) -> Arithmetic:
    """Turns ``auto`` into what is fastest: on a GPU or CPU that has bfloat16 that, on other GPUs float16, else float32.

    GPUs before Volta (compute capability 7.0) are slow in float16. On several of TensorFlow's devices Keras' loss
    scaling sees the gradients of the first one alone: where they overflow on another, the weights are lost.

    Args:
        precision: as asked for.
        devices: as ``place`` takes them.
        frozen: for a network that does not learn: float16 on a GPU, whose digits are finer and need no scaling of the
            loss there. A TPU has none.

    Raises:
        UserError: float16 was asked for without a GPU, where it is slower than float32, or to train on several of
            TensorFlow's devices.
    """
    if precision == "float16" and not on_gpu(devices):
        raise UserError("--precision float16 needs a GPU; a CPU takes bfloat16 or float32")
    several = (len(_named(devices)) or len(_gpus() if devices else ())) > 1
    lossy = _TENSORFLOW and several and not frozen
    if precision == "float16" and lossy:
        raise UserError(
            "--precision float16: TensorFlow trains in it on one device alone; choose one with --devices, float32, or "
            "KERAS_BACKEND=jax"
        )
    if precision != "auto":
        return precision
    if not on_gpu(devices):
        return "bfloat16" if cpu_has_bfloat16() else "float32"
    half = frozen and not any(label.startswith("TPU:") for label, *_ in _gpus())
    if gpus_have_bfloat16(devices) and not half:
        return "bfloat16"
    old = any(0 < capability < 7 for capability in _capabilities(devices))  # 0 is one that does not tell
    return "float32" if old or lossy else "float16"


def products_of_float32() -> str:
    """What float32 is multiplied in by the GPUs that extract: tf32 from Ampere on, where any is; a TPU's bfloat16.

    Switched off by NVIDIA_TF32_OVERRIDE=0, on TensorFlow by its own switch, on JAX by its default precision.
    """
    labels, capabilities = [label for label, *_ in _gpus()], _capabilities(["all"])
    if _TENSORFLOW:
        exact = not tf.config.experimental.tensor_float_32_execution_enabled()
    else:
        import jax

        exact = jax.config.jax_default_matmul_precision in ("highest", "float32")
    if exact or not labels:
        return "float32"
    if any(label.startswith("TPU:") for label in labels):
        return "bfloat16"
    overridden = os.environ.get("NVIDIA_TF32_OVERRIDE") == "0"
    return "tf32" if max(capabilities, default=0) >= 8 and not overridden else "float32"


def training_policy(precision: Arithmetic) -> str:
    """Returns the Keras dtype policy to train at a precision: variables, scores and loss stay in float32."""
    return "float32" if precision == "float32" else f"mixed_{precision}"


def jit_compile(replicas: int = 1) -> bool | str:
    """Returns Keras' ``jit_compile`` for a network on so many devices: XLA where it is no loss.

    On JAX always, since nothing else compiles there. On TensorFlow it is slower on a CPU, and crashes with loss
    scaling on several GPUs (keras issue 21366).
    """
    return "auto" if not _TENSORFLOW or (has_gpu() and replicas == 1) else False


def share_gpus() -> None:
    """Leaves the memory of GPUs to the processes of a cluster that compute on them; before JAX has looked for any."""
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # JAX
    if _TENSORFLOW:
        for gpu in tf.config.list_physical_devices("GPU"):
            tf.config.experimental.set_memory_growth(gpu, True)


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Returns a function of tensors as one program of XLA, four to six times as fast for views on a CPU.

    A network around it need not be compiled. On JAX the whole step is, and the function stays as it is.
    """
    return tf.function(function, jit_compile=True) if _TENSORFLOW else function


@contextlib.contextmanager
def policy(name: str) -> Iterator[None]:
    """Builds networks under a Keras dtype policy, such as ``training_policy`` returns."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


@dataclasses.dataclass(frozen=True)
class Placement:
    """Where training takes place.

    Attributes:
        replicas: devices that share a batch.
        scope: build and compile the network in it.
    """

    replicas: int
    scope: Callable[[], contextlib.AbstractContextManager]


ALONE = Placement(1, contextlib.nullcontext)
"""The backend's own choice of one device."""


def place(devices: Sequence[str] = ()) -> Placement:
    """Returns how training is spread over devices; with several, each takes its share of every batch.

    Args:
        devices: such as ``GPU:0`` and ``GPU:1``, or ``all``; the CPU where there is no GPU. None named means every one
            on JAX, where a batch is spread by Keras' ``DataParallel``, and on TensorFlow one: with more XLA stays off,
            and batch normalization adds three sums over them a layer.

    Raises:
        UserError: there is no such device.
    """
    if _TENSORFLOW:
        names = {device.name.removeprefix("/device:"): device.name for device in tf.config.list_logical_devices()}
        gpus = [name for name in names if name.startswith("GPU:")]
        chosen = _named(devices) or (gpus if devices else gpus[:1])
    else:
        names = {name.upper().replace("CUDA", "GPU"): name for name in keras.distribution.list_devices()}
        chosen = _named(devices) or list(names)
    for name in chosen:
        if name not in names:
            raise UserError(f"--devices {name}: no such device; choose from {', '.join(names)}")
        if chosen.count(name) > 1:
            raise UserError(f"--devices {name}: was named twice")
    if not _TENSORFLOW:
        if len(chosen) > 1:
            named = [names[name] for name in chosen]
            parallel = keras.distribution.DataParallel(devices=named, auto_shard_dataset=False)  # batches are shares
            keras.distribution.set_distribution(parallel)
        elif _named(devices):
            import jax

            (chosen_one,) = (each for each in jax.devices() if f"{each.platform}:{each.id}" == names[chosen[0]])
            jax.config.update("jax_default_device", chosen_one)
        return Placement(len(chosen), contextlib.nullcontext)
    strategy = tf.distribute.get_strategy()
    if len(chosen) > 1:
        strategy = tf.distribute.MirroredStrategy([names[name] for name in chosen])
    elif chosen not in ([], ["GPU:0"]):  # where TensorFlow computes anyway, and Keras takes XLA under no strategy
        strategy = tf.distribute.OneDeviceStrategy(names[chosen[0]])
    return Placement(strategy.num_replicas_in_sync, strategy.scope)


@contextlib.contextmanager
def placement_given_back() -> Iterator[None]:
    """Takes back at its end what ``place`` has told JAX, for another recipe in the same process."""
    if _TENSORFLOW:
        yield
        return
    import jax

    distribution, device = keras.distribution.distribution(), jax.config.jax_default_device
    try:
        yield
    finally:
        keras.distribution.set_distribution(distribution)
        jax.config.update("jax_default_device", device)


def gpu_without_cuda() -> bool:
    """Whether the machine has an NVIDIA GPU that the backend does not see, and that is not hidden on purpose."""
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1")
    return not hidden and not has_gpu() and any(Path("/dev").glob("nvidia[0-9]*"))


def _older_cuda(devices: Sequence[str]) -> str:
    """The version of CUDA that TensorFlow was built for, where a GPU that computes is newer (Blackwell needs 12.8)."""
    version = tf.sysconfig.get_build_info().get("cuda_version", "") if _TENSORFLOW and on_gpu(devices) else ""
    older = bool(version) and tuple(map(int, version.split(".")[:2])) < (12, 8)
    return version if older and max(_capabilities(devices), default=0) >= 10 else ""


def headline(precision: Arithmetic | None, devices: Sequence[str] = ()) -> str:
    """Returns what does the work and how, for the first line of a run, and what keeps a GPU from it."""
    line = describe_device(devices) + (f": {precision}" if precision else "")
    if cuda := _older_cuda(devices):
        line += f"\nTensorFlow was built for CUDA {cuda}, before this GPU: if it fails, take KERAS_BACKEND=jax"
    wanted = '"tiny_imagenet_tf[gpu]"' if _TENSORFLOW else '"tiny_imagenet_tf[gpu-jax]"'
    if gpu_without_cuda():
        return f"{line}\nThere is an NVIDIA GPU, but no CUDA that works: pip install {wanted}"
    return line if has_gpu() else f"{line}\nCPU only; for an NVIDIA GPU: pip install {wanted}"


def jit_predict() -> bool:
    """Returns Keras' ``jit_compile`` for a network that is not compiled, whose weights may be on any device.

    TensorFlow's XLA reads variables of its own device alone, and compiles longer than a set of images takes.
    """
    return not _TENSORFLOW


def describe_device(devices: Sequence[str] = (), *, alone: bool = False) -> str:
    """Names what does the work, for ``environment.json``.

    Args:
        devices: as ``place`` takes them.
        alone: the first of them does it all.
    """
    if on_gpu(devices):
        gpus = {label: name for label, name, _ in _gpus()}
        names = [gpus[name] for name in _named(devices) or gpus if name in gpus]
        return ", ".join(names[:1] if alone or (_TENSORFLOW and not devices) else names) or ", ".join(devices)
    lines = _CPU_INFO.read_text().splitlines() if _CPU_INFO.exists() else []
    name = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "CPU")
    return f"{name}, {os.cpu_count()} cores{_cpu_kind()}"


def _cpu_kind() -> str:
    """The instructions that decide what is fast on this CPU, and what an int8 network is there."""
    widest = next((name for flag, name in (("avx512f", "AVX-512"), ("avx2", "AVX2")) if flag in _CPU_FLAGS), "")
    kinds = {"VNNI": _VNNI, "BF16": _BFLOAT16}
    found = [widest, *(name for name, flags in kinds.items() if not _CPU_FLAGS.isdisjoint(flags))]
    return f", {' '.join(found)}" if widest else ""


def _gpus() -> list[tuple[str, str, int]]:
    """What --devices calls each GPU or TPU, its name, and its compute capability before the point, 0 if not told."""
    if _TENSORFLOW:
        details = map(tf.config.experimental.get_device_details, tf.config.list_physical_devices("GPU"))
        return [
            (f"GPU:{number}", each.get("device_name", "GPU"), each.get("compute_capability", (0, 0))[0])
            for number, each in enumerate(details)
        ]
    import jax

    found = []
    for each in jax.devices():
        if each.platform == "tpu":
            found.append((f"TPU:{each.id}", each.device_kind, 8))  # each has bfloat16
        elif each.platform != "cpu":
            before_point = str(getattr(each, "compute_capability", "")).split(".")[0]
            capability = int(before_point) if before_point.isdigit() else 0  # AMD's is a name, such as gfx90a
            found.append((f"GPU:{each.id}", each.device_kind, capability))
    return found


def keep_to(cores: int) -> None:
    """Computes on so many cores at a time, of which a machine may have more; before TensorFlow has begun."""
    tf.config.threading.set_intra_op_parallelism_threads(cores)


def kept_to() -> int:
    """Returns the cores of ``keep_to``, 0 for all."""
    return tf.config.threading.get_intra_op_parallelism_threads()


def cores() -> int:
    """Returns how many cores compute."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return kept_to() or allowed or 1


def free_memory(groups: Path = Path("/sys/fs/cgroup")) -> int:
    """Returns the bytes of memory that a program may still take: of the machine, and of its container or job.

    Args:
        groups: where Linux tells of control groups, version 2.
    """
    free = psutil.virtual_memory().available
    group = groups
    with contextlib.suppress(OSError):  # another system
        own = Path("/proc/self/cgroup").read_text().rpartition("::")[2].strip().strip("/")
        group = groups / own if (groups / own).is_dir() else groups  # in a container it may be the root
    for each in (group, *group.parents):
        if each.is_relative_to(groups):
            with contextlib.suppress(OSError, ValueError):  # without a limit it is "max"
                cache = re.findall(r"^(?:in)?active_file (\d+)$", (each / "memory.stat").read_text(), re.MULTILINE)
                used = int((each / "memory.current").read_text()) - sum(map(int, cache))
                free = min(free, int((each / "memory.max").read_text()) - used)
    return max(0, free)
