"""How fast the compact Inception trains here: images a second at each precision, and the share that data costs.

The steps are those of a real run, on synthetic images that are decoded (and augmented) from memory. "Waiting" is the
share of the time in which the step had no batch to work on. With --beside torch the same network, of the same weights
and layers, takes its turns in PyTorch, eager and compiled, on the same batches; with --beside fused it does so with
TensorFlow's fused kernel of batch normalization.

    python benchmarks/training_step.py
    python benchmarks/training_step.py --precisions float32 bfloat16 --augment
    python benchmarks/training_step.py --beside torch fused
"""

import dataclasses
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import torch_first  # noqa: F401  # isort: skip
from tiny_imagenet_tf.cli import command  # isort: skip  # first: it quiets TensorFlow's log
import keras
import numpy as np
import tensorflow as tf
from measured import Measurement, take_turns

from tiny_imagenet_tf import extras, hardware
from tiny_imagenet_tf.choices import Arithmetic, Precision
from tiny_imagenet_tf.data import splits, synthetic, views
from tiny_imagenet_tf.data.batches import ImageBatches
from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.experiments.fit import compile_for_training
from tiny_imagenet_tf.experiments.losses import smoothed_cross_entropy
from tiny_imagenet_tf.models import preprocess
from tiny_imagenet_tf.models.compact_inception import compact_inception


@dataclasses.dataclass(frozen=True)
class Config:
    """What to time."""

    precisions: tuple[Precision, ...] = ("float32", "auto")
    """Of the arithmetic; auto is what the recipes take on this machine."""
    batch_size: int = 100
    """Images a step."""
    steps: int = 10
    """Steps a turn."""
    turns: int = 3
    """Turns of each; the medians are compared."""
    augment: bool = False
    """Mirror images, brightness and contrast, as in "Regularized"."""
    width_multiplier: float = 1.0
    """Factor on the width of every convolution."""
    together: int = 1
    """Steps an execution, as on a GPU, where a recipe takes 20 or so; above 1 the waiting is not told."""
    beside: tuple[Literal["torch", "fused"], ...] = ()
    """Another framework's step, which needs torch, installed by no extra; and that with TensorFlow's fused batch
    normalization, which would need a custom layer in the saved file."""
    output: Path | None = None
    """Where to write the figures."""


def batches_of(config: Config, split: splits.Split, drawn: views.RandomViews) -> ImageBatches:
    """Returns a turn's images, repeated where there are fewer, as of 200 classes."""
    rows = np.arange(config.steps * config.batch_size) % len(split)
    shown = dataclasses.replace(split.take(rows), wnids=tuple(map(str, range(200))))
    return ImageBatches(shown, drawn, config.batch_size, seed=0)


def contender(
    config: Config, split: splits.Split, precision: Arithmetic, waited: dict[str, list[float]], fused: bool = False
) -> Callable[[], None]:
    """Returns what trains for a turn, and adds to ``waited`` the share of it without a batch."""
    hardware.set_seed(0)
    drawn = views.MILANI if config.augment else views.PLAIN
    with hardware.policy(hardware.training_policy(precision)):
        network = compact_inception(width_multiplier=config.width_multiplier)
        if fused:
            network = keras.models.clone_model(network, clone_function=_with_fused)
        model = preprocess.behind_views(preprocess.classifier(network), drawn)
        adam, loss = keras.optimizers.Adam(1e-3), smoothed_cross_entropy(0.1)
        compile_for_training(model, adam, loss, steps_per_execution=config.together)
    batches = batches_of(config, split, drawn)
    if config.together > 1:
        shown = {"steps_per_epoch": config.steps, "shuffle": False, "verbose": 0}
        return lambda: model.fit(batches.dataset(0, config.steps), **shown)

    def train() -> None:
        began = asked = time.perf_counter()
        waiting = 0.0
        for images, labels in batches.dataset(0, config.steps).as_numpy_iterator():  # JAX takes no tensors
            waiting += time.perf_counter() - asked
            model.train_on_batch(list(images), labels)
            asked = time.perf_counter()
        waited.setdefault(precision, []).append(waiting / (asked - began))

    return train


class _Fused(keras.layers.BatchNormalization):
    """The same in training, by TensorFlow's fused kernel."""

    def call(self, inputs: tf.Tensor, training: bool | None = None, mask: None = None) -> tf.Tensor:
        if not training:
            return super().call(inputs, training=training, mask=mask)
        scale = tf.ones_like(self.moving_mean.value) if self.gamma is None else tf.convert_to_tensor(self.gamma)
        found, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs, scale=scale, offset=tf.convert_to_tensor(self.beta), mean=[], variance=[], epsilon=self.epsilon
        )
        for moving, new in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(moving * self.momentum + new * (1 - self.momentum))
        return found


def _with_fused(layer: keras.layers.Layer) -> keras.layers.Layer:
    kind = _Fused if type(layer) is keras.layers.BatchNormalization else type(layer)
    return kind.from_config(layer.get_config())


def torch_contenders(config: Config, split: splits.Split) -> dict[str, Callable[[], None]]:
    """Returns what trains the same network for a turn in PyTorch.

    Raises:
        UserError: torch is not installed, has no GPU where Keras has one, or with augmentation, not written for it.
        RuntimeError: the two networks do not compute the same.
    """
    if config.augment:
        raise UserError("--beside torch: the views of --augment are not written for PyTorch")
    if not extras.has("torch"):
        raise UserError("--beside torch: torch is not installed")
    import torch
    from torch_twin import Twin

    device = "cuda" if torch.cuda.is_available() else "cpu"
    if hardware.has_gpu() and device == "cpu":
        raise UserError("--beside torch: PyTorch does not see the GPU")

    hardware.set_seed(0)
    network = compact_inception(width_multiplier=config.width_multiplier)
    batches = batches_of(config, split, views.PLAIN)

    def as_torch(images: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(images).permute(0, 3, 1, 2).to(device).float() / 127.5 - 1  # channels stay last

    shown = np.random.default_rng(0).integers(0, 256, (4, 64, 64, 3), dtype=np.uint8)
    with torch.inference_mode():
        scores = Twin(network).eval().to(device)(as_torch(shown)).cpu().numpy()
    expected, tolerance = network.predict_on_batch(shown / np.float32(127.5) - 1), 1e-4
    if device == "cuda":  # products are of TF32, ten bits
        tolerance = 0.02 * np.abs(expected).max()
    if not np.allclose(scores, expected, atol=tolerance):
        raise RuntimeError("the two networks do not compute the same")

    def trained(compiled: bool, dtype: torch.dtype) -> Callable[[], None]:
        twin = Twin(network).to(device, memory_format=torch.channels_last).train()
        run = torch.compile(twin) if compiled else twin
        optimizer = torch.optim.Adam([each for each in twin.parameters() if each.requires_grad], 1e-3, fused=True)

        def train() -> None:
            for (images, *_), labels in batches.dataset(0, config.steps):
                with torch.autocast(device, dtype, enabled=dtype != torch.float32):
                    scores = run(as_torch(images.numpy()))
                one_hot = torch.from_numpy(labels.numpy()).to(device)
                loss = torch.nn.functional.cross_entropy(scores.float(), one_hot, label_smoothing=0.1)
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                optimizer.step()
                if config.together == 1:
                    loss.item()  # as train_on_batch gives its loss
            loss.item()

        return train

    found = {
        "PyTorch, eager, float32": trained(False, torch.float32),
        "PyTorch, compiled, float32": trained(True, torch.float32),
    }
    if device == "cuda" or hardware.cpu_has_bfloat16():
        found["PyTorch, compiled, bfloat16"] = trained(True, torch.bfloat16)
    return found


def measure(config: Config) -> Measurement:
    """Prints images a second, and the share of the time without a batch."""
    if config.steps % config.together:
        raise UserError(f"--together {config.together}: must divide the {config.steps} of --steps")
    with tempfile.TemporaryDirectory() as folder:
        builder = splits.prepare(synthetic.write(Path(folder)), Path(folder) / "datasets")
        split = splits.load(builder, "train")
    waited: dict[str, list[float]] = {}
    precisions = dict.fromkeys(hardware.resolve_precision(each) for each in config.precisions)
    contenders = {each: contender(config, split, each, waited) for each in precisions}
    if "fused" in config.beside:
        for each in precisions:
            contenders[f"{each}, fused batch normalization"] = contender(config, split, each, {}, fused=True)
    if "torch" in config.beside:
        contenders |= torch_contenders(config, split)
    shown = f"steps of {config.batch_size} images, the compact Inception{', augmented' * config.augment}"
    found = take_turns("training_step", shown, "images", config.steps * config.batch_size, contenders, config.turns)
    for precision, shares in waited.items():
        print(f"{precision}: {min(shares[1:]):.1%} of the time without a batch")
    found.write(config.output)
    return found


if __name__ == "__main__":
    command(Config, measure, __doc__)
