"""Images a second through the frozen trunk: this package's engines beside Keras' ``predict`` and, where they are
installed, ONNX Runtime and PyTorch; decoding and resizing included.

All read the same files through the same pipeline and take turns in one process. The ratios are what counts. PyTorch
needs torchvision too, runs its own Inception-v3, eager and compiled, and is left out for other backbones.

    python benchmarks/extraction.py                                             # synthetic images, random weights
    python benchmarks/extraction.py --source tiny-imagenet-200 --images 400 --output extraction.json
"""

import collections
import dataclasses
import functools
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch_first  # noqa: F401  # isort: skip
from tiny_imagenet_tf.cli import command  # isort: skip  # first: it quiets TensorFlow's log
import keras
import numpy as np
from measured import Measurement, take_turns

from tiny_imagenet_tf import extras
from tiny_imagenet_tf.choices import Pixels, Precision
from tiny_imagenet_tf.data import splits, synthetic, views
from tiny_imagenet_tf.data.batches import in_order
from tiny_imagenet_tf.hardware import cpu_has_bfloat16, extraction_devices, has_gpu, resolve_precision
from tiny_imagenet_tf.models import backbones
from tiny_imagenet_tf.models.backbones import Trunk
from tiny_imagenet_tf.models.preprocess import scaled
from tiny_imagenet_tf.transfer import engine

_ON_TENSORFLOW = keras.backend.backend() == "tensorflow"


@dataclasses.dataclass(frozen=True)
class Config:
    """What to measure."""

    source: Path | None = None
    """A tiny-imagenet-200 folder, zip or tar. Without it, synthetic images."""
    data_dir: Path | None = None
    """Where prepared datasets are kept."""
    backbone: str = "inception_v3"
    """A network of keras.applications, or a .keras file."""
    pixels: Pixels | None = None
    """What a .keras file expects, where it does not scale pixels itself: -1..1 (write --pixels=-1..1), 0..255, ..."""
    weights: str = "random"
    """Of the trunk; they do not change the speed."""
    images: int = 200
    """Images a turn."""
    turns: int = 5
    """Turns of each; the medians are compared."""
    batch_size: int = 50
    """Of Keras' predict and of other libraries; the engine chooses its own."""
    input_size: int | None = None
    """Pixels; default: the backbone's own."""
    precision: Precision = "auto"
    """Of the engine."""
    output: Path | None = None
    """Where to write the figures."""


def measure(config: Config) -> Measurement:
    """Prints all rates, and their ratios to Keras' ``predict``."""
    with tempfile.TemporaryDirectory() as folder:
        if config.source is None:
            source, data_dir = synthetic.write(Path(folder)), Path(folder) / "data"
        else:
            source, data_dir = config.source, config.data_dir
        split = splits.load(splits.prepare(source, data_dir), "train")
        found = _measure(config, split.take(np.arange(config.images) % len(split)), Path(folder))  # few come again
    found.write(config.output)
    return found


def _measure(config: Config, split: splits.Split, folder: Path) -> Measurement:
    precision = resolve_precision(config.precision, frozen=True)
    options = {"weights": config.weights, "input_size": config.input_size}
    backbone = backbones.find(config.backbone, config.pixels)
    plain = backbones.build(backbone, **options)
    fast = backbones.build(backbone, **options, dtype=engine.trunk_dtype(precision))
    ours = f"{'TensorFlow' if _ON_TENSORFLOW else 'JAX'} engine, {precision}"
    engines = {ours: engine.Engine(fast, precision)}
    if extras.has("openvino") and engine.freezes():
        for each in (precision, "int8"):
            ready = engine.Engine(plain, each).under_openvino(split, folder)
            engines[f"OpenVINO engine, {each}"] = ready
    drawn = views.DrawnView(views.MILANI_TRANSFER, seed=0, number=0)  # those of v3
    images = keras.Input((64, 64, 3), dtype="uint8")
    pixels = keras.layers.Resizing(plain.size, plain.size, dtype="float32")(images)
    whole = keras.Model(images, plain.model(scaled(pixels, plain.backbone.pixels), training=False))

    def pass_through(extract: engine.Extractor, view: views.View | views.DrawnView) -> None:
        table = view.table(len(split))
        devices = len(extraction_devices())
        begun = collections.deque()  # each device has its next batch before it is asked for one
        for batch in in_order(split, engine.batch_size()):
            begun.append(extract(batch, table[: len(batch)]))
            if len(begun) > devices:
                np.asarray(begun.popleft())
        collections.deque(map(np.asarray, begun), 0)

    def pass_two(extract: engine.Extractor) -> None:
        with ThreadPoolExecutor(2) as streams, engine.rewriting(precision):  # here, or the two would undo it
            batches = in_order(split, engine.batch_size())
            table = views.WHOLE.table(engine.batch_size())
            collections.deque(streams.map(lambda batch: extract(batch, table[: len(batch)]), batches), 0)

    def pass_others(run: Callable[[np.ndarray], object]) -> None:
        for batch in in_order(split, config.batch_size):
            run(np.asarray(batch))

    contenders = {"Keras predict, float32": lambda: whole.predict(in_order(split, config.batch_size), verbose=0)}
    contenders |= {
        name: functools.partial(pass_through, each.extractor(views.WHOLE), views.WHOLE)
        for name, each in engines.items()
    }
    contenders[f"{ours}, random views"] = functools.partial(pass_through, engines[ours].extractor(drawn), drawn)
    if engine.freezes():
        contenders[f"{ours}, two batches at a time"] = functools.partial(pass_two, engines[ours].extractor(views.WHOLE))
    for name, run in (_onnx(plain, folder) | _torch(config.backbone, plain)).items():
        contenders[name] = functools.partial(pass_others, run)
    shown = f"{len(split)} images at {plain.size} pixels through {plain.backbone.name}, decoded and resized"
    return take_turns("extraction", shown, "images", len(split), contenders, config.turns)


def _onnx(trunk: Trunk, folder: Path) -> dict[str, Callable[[np.ndarray], object]]:
    # Keras exports from TensorFlow alone, and this runtime computes on the CPU.
    if not extras.has("onnxruntime", "tf2onnx") or not _ON_TENSORFLOW or has_gpu():
        return {}
    from tiny_imagenet_tf.deployment import formats

    formats.write(trunk.model, folder / "trunk.onnx", "onnx")
    network, shown = formats.read(folder / "trunk.onnx", "onnx"), engine.fixed(trunk, views.WHOLE, "half_pixel")
    return {"ONNX Runtime, float32": lambda images: network(np.asarray(shown(images, np.empty(0))))}


def _torch(backbone: str, trunk: Trunk) -> dict[str, Callable[[np.ndarray], object]]:
    if not extras.has("torch", "torchvision") or not backbone.startswith("inception_v3") or trunk.size != 299:
        return {}
    import torch
    import torchvision

    device = "cuda" if torch.cuda.is_available() else "cpu"
    if has_gpu() and device == "cpu":
        return {}
    network = torchvision.models.inception_v3(weights=None, init_weights=False, aux_logits=False).eval().to(device)
    network.fc = torch.nn.Identity()

    def whole(images: torch.Tensor) -> torch.Tensor:
        pixels = images.permute(0, 3, 1, 2).float() / 127.5 - 1  # in memory channels stay last
        return network(torch.nn.functional.interpolate(pixels, (trunk.size, trunk.size), mode="bilinear"))

    def run(model: Callable[[torch.Tensor], torch.Tensor], dtype: torch.dtype, images: np.ndarray) -> None:
        with torch.inference_mode(), torch.autocast(device, dtype, enabled=dtype != torch.float32):
            model(torch.from_numpy(np.array(images)).to(device)).cpu()  # as bytes

    compiled = torch.compile(whole)
    found = {
        "PyTorch, eager, float32": functools.partial(run, whole, torch.float32),
        "PyTorch, compiled, float32": functools.partial(run, compiled, torch.float32),
    }
    if device == "cuda" or cpu_has_bfloat16():  # elsewhere it is computed in float32, and slowly
        found["PyTorch, compiled, bfloat16"] = functools.partial(run, compiled, torch.bfloat16)
    return found


if __name__ == "__main__":
    command(Config, measure, __doc__)
