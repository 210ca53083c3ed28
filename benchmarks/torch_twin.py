"""A PyTorch network made of a Keras one, layer by layer, with its weights: so that both train the very same."""

from collections.abc import Sequence

import keras
import numpy as np
import torch
from torch.nn import functional


class Twin(torch.nn.Module):
    """A functional network of convolutions, batch normalization, ReLU, pools, concatenations and a dense layer.

    Takes float32 images (batch, channels, rows, columns), best in the memory format ``channels_last``, to scores.

    Args:
        network: of these layers, channels last; its max-pools and convolutions may pad as TensorFlow's ``same`` does.

    Raises:
        NotImplementedError: it has a layer of another kind.
    """

    def __init__(self, network: keras.Model) -> None:
        super().__init__()
        self.order = [(layer.name, _before(layer)) for layer in network.layers]
        self.parts = torch.nn.ModuleDict({layer.name: _part(layer) for layer in network.layers})

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        made = {}
        for name, before in self.order:
            made[name] = self.parts[name](*(made[each] for each in before) if before else (images,))
        return made[name]


class _Joined(torch.nn.Module):
    def forward(self, *maps: torch.Tensor) -> torch.Tensor:
        return torch.cat(maps, dim=1)


class _Padded(torch.nn.Module):
    """What follows after as many rows and columns as TensorFlow's ``same`` adds, the odd one below and to the right."""

    def __init__(self, inner: torch.nn.Module, amounts: Sequence[int], value: float = 0.0) -> None:
        super().__init__()
        self.inner, self.amounts, self.value = inner, tuple(amounts), value

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.inner(functional.pad(x, self.amounts, value=self.value))


class _Mean(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean((2, 3))


def _before(layer: keras.Layer) -> list[str]:
    """Names of the layers whose results a layer takes."""
    return [node.operation.name for node in layer._inbound_nodes[0].parent_nodes]


def _amounts(layer: keras.Layer, window: Sequence[int]) -> list[int]:
    """What ``same`` adds left, right, above and below."""
    if layer.padding == "valid":
        return [0, 0, 0, 0]
    found = []
    for size, step, wide in zip(layer.input.shape[2:0:-1], layer.strides[::-1], window[::-1], strict=True):
        missing = max((-(-size // step) - 1) * step + wide - size, 0)
        found += [missing // 2, missing - missing // 2]
    return found


def _padded(inner: torch.nn.Module, amounts: Sequence[int], value: float = 0.0) -> torch.nn.Module:
    """The layer with the pad of its own where it is alike on all sides, which is faster, or with one before it."""
    if len(set(amounts[:2])) == len(set(amounts[2:])) == 1:
        inner.padding = (amounts[2], amounts[0])
        return inner
    return _Padded(inner, amounts, value)


def _part(layer: keras.Layer) -> torch.nn.Module:
    if isinstance(layer, keras.layers.InputLayer):
        return torch.nn.Identity()
    if isinstance(layer, keras.layers.Concatenate):
        return _Joined()
    if isinstance(layer, keras.layers.GlobalAveragePooling2D):
        return _Mean()
    if isinstance(layer, keras.layers.Activation) and layer.activation is keras.activations.relu:
        return torch.nn.ReLU(inplace=True)
    if isinstance(layer, keras.layers.MaxPooling2D):
        pool = torch.nn.MaxPool2d(layer.pool_size, layer.strides)
        return _padded(pool, _amounts(layer, layer.pool_size), float("-inf"))
    if isinstance(layer, keras.layers.AveragePooling2D):
        pool = torch.nn.AvgPool2d(layer.pool_size, layer.strides, count_include_pad=False)
        amounts = _amounts(layer, layer.pool_size)
        if amounts[0] == amounts[1] and amounts[2] == amounts[3]:  # other pads PyTorch would count
            return _padded(pool, amounts)
    weights = [torch.from_numpy(np.array(each)) for each in layer.get_weights()]
    if isinstance(layer, keras.layers.Conv2D) and not layer.use_bias and layer.dilation_rate == (1, 1):
        ways = layer.input.shape[-1], layer.filters
        part = torch.nn.Conv2d(*ways, layer.kernel_size, layer.strides, bias=False)
        part.weight.data = weights[0].permute(3, 2, 0, 1)
        return _padded(part, _amounts(layer, layer.kernel_size))
    if isinstance(layer, keras.layers.BatchNormalization) and layer.center and not layer.scale:
        part = torch.nn.BatchNorm2d(layer.input.shape[-1], layer.epsilon, 1 - layer.momentum)
        part.weight.requires_grad = False
        part.bias.data, part.running_mean, part.running_var = weights
        return part
    if isinstance(layer, keras.layers.Dense) and layer.activation is keras.activations.linear:
        part = torch.nn.Linear(layer.input.shape[-1], layer.units)
        part.weight.data, part.bias.data = weights[0].T, weights[1]
        return part
    raise NotImplementedError(f"{layer.name}, a {type(layer).__name__}")
