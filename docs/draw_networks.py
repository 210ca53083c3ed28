"""Draws the blocks and the two inception networks for the docs, from the built models (needs matplotlib).

    python docs/draw_networks.py

Everything drawn is read off the layers: nothing here knows what a block looks like.
"""

from itertools import pairwise
from pathlib import Path

import matplotlib.pyplot as plt
from keras import Model, layers
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from tiny_imagenet_tf.models import build

FIGURES = Path(__file__).parent / "figures"
HEADS = {layers.GlobalAveragePooling2D: "global average pool", layers.Dense: "fully connected"}
COLOURS = {
    "convolution": "#dbe9f6",
    "pool": "#fdd9b5",
    "join": "#ececec",
    "type-1": "#c7e9c0",
    "type-2": "#9fd8cb",
    "type-3": "#74c7b8",
    "dim": "#f6c6c6",
    "head": "#e3d4ee",
}
POOLS = {layers.MaxPooling2D: "max pool", layers.AveragePooling2D: "avg pool"}
GAP = 0.14  # between boxes, in columns


def parents(layer: layers.Layer) -> list[layers.Layer]:
    """The layers a layer reads, where a convolution stands for its normalization and ReLU too."""
    inputs = layer.input if isinstance(layer.input, list) else [layer.input]
    found = [tensor._keras_history.operation for tensor in inputs]
    return [
        parents(parent)[0] if isinstance(parent, (layers.BatchNormalization, layers.Activation)) else parent
        for parent in found
    ]


def size(pair: tuple[int, int], strides: tuple[int, int] = (1, 1)) -> str:
    """A kernel's size, and its stride where that is not 1."""
    return f"{pair[0]}x{pair[1]}" + (f" / {strides[0]}" if strides[0] > 1 else "")


def layers_of(model: Model, block: str) -> set[str]:
    """The names of a block's layers."""
    return {layer.name for layer in model.layers if f"{layer.name}_".startswith(f"{block}_")}


def describe(layer: layers.Layer) -> tuple[str, str]:
    """A box's colour and text."""
    if isinstance(layer, layers.Conv2D):
        return "convolution", f"{size(layer.kernel_size, layer.strides)}\n{layer.filters}"
    for kind, name in POOLS.items():
        if isinstance(layer, kind):
            return "pool", f"{name}\n{size(layer.pool_size, layer.strides)}"
    return "join", f"concatenate\n{layer.output.shape[-1]}"


def paths_to(layer: layers.Layer, inside: set[str]) -> list[list[layers.Layer]]:
    """Every way from outside the block to a layer, from left to right; the first of each is outside."""
    if layer.name not in inside:
        return [[layer]]
    return [[*path, layer] for parent in parents(layer) for path in paths_to(parent, inside)]


def draw_block(axes: Axes, model: Model, name: str, title: str) -> None:
    """One block as the papers draw it: from the bottom to the top, one column a way through it."""
    inside = layers_of(model, name)
    paths = paths_to(model.get_layer(name), inside)
    columns, heights = {}, {}
    for column, path in enumerate(paths):
        for height, layer in enumerate(path):
            columns.setdefault(layer, set()).add(column)
            heights[layer] = max(height, heights.get(layer, 0))

    for lower, upper in {line for path in paths for line in pairwise(path)}:
        x0, x1 = centre(columns[lower]), centre(columns[upper])
        if is_bar(upper, inside):
            x1 = x0
        elif is_bar(lower, inside):
            x0 = x1
        ends = (x1, heights[upper] - 0.31), (x0, heights[lower] + 0.31)
        axes.annotate("", *ends, arrowprops={"arrowstyle": "-|>", "color": "0.45", "shrinkA": 0, "shrinkB": 0})
    for layer, height in heights.items():
        shape = "x".join(map(str, layer.output.shape[1:]))
        colour, text = describe(layer) if layer.name in inside else ("join", f"input\n{shape}")
        width = (len(columns[layer]) if is_bar(layer, inside) else 1) - GAP
        box(axes, centre(columns[layer]), height, text, COLOURS[colour], width)
    axes.set_title(title, fontsize=10)
    axes.set_xlim(-0.6, len(paths) - 0.4)
    axes.set_ylim(-0.5, max(heights.values()) + 0.5)
    axes.axis("off")


def is_bar(layer: layers.Layer, inside: set[str]) -> bool:
    """Whether a layer is drawn across all its columns: the input and the concatenations."""
    return layer.name not in inside or isinstance(layer, layers.Concatenate)


def centre(columns: set[int]) -> float:
    """The middle of some columns."""
    return sum(columns) / len(columns)


def box(axes: Axes, x: float, y: float, text: str, colour: str, width: float, height: float = 0.62) -> None:
    """A box with text, by its middle."""
    pad = 0.05
    corner = (x - width / 2 + pad, y - height / 2 + pad)
    style = {"boxstyle": f"round,pad={pad}", "facecolor": colour, "edgecolor": "0.35", "linewidth": 0.8}
    axes.add_patch(FancyBboxPatch(corner, width - 2 * pad, height - 2 * pad, **style))
    axes.text(x, y, text, ha="center", va="center", fontsize=7.5, linespacing=1.25)


def save_blocks(file: str, model: Model, *rows: dict[str, str]) -> None:
    """A picture of blocks, each row a dict of titles by block name."""
    ways = [[len(paths_to(model.get_layer(name), layers_of(model, name))) for name in row] for row in rows]
    figure = plt.figure(figsize=(0.95 * max(map(sum, ways)), 4.4 * len(rows)), layout="constrained")
    for part, row, counts in zip(figure.subfigures(len(rows), squeeze=False)[:, 0], rows, ways, strict=True):
        panels = part.subplots(1, len(row), width_ratios=counts, squeeze=False)[0]
        for axes, (name, title) in zip(panels, row.items(), strict=True):
            draw_block(axes, model, name, title)
    save(figure, file)


def kind_of(model: Model, block: str) -> str:
    """What a block of a network is, told by its layers."""
    inside = [model.get_layer(name) for name in layers_of(model, block)]

    def has(kind: type, more_than: int = 0) -> bool:
        return sum(isinstance(layer, kind) for layer in inside) > more_than

    if not has(layers.Concatenate):
        return "convolution" if has(layers.Conv2D) else "pool" if has(layers.MaxPooling2D) else "head"
    if has(layers.Concatenate, more_than=1):
        return "type-3"
    if has(layers.MaxPooling2D):
        return "dim"
    return "type-2" if any(getattr(layer, "kernel_size", 0) == (1, 7) for layer in inside) else "type-1"


def blocks_of(model: Model) -> list[str]:
    """The blocks of a network in order: layers whose name no other block's name starts."""
    names = [layer.name for layer in model.layers[1:]]
    ends = [name for name in names if not any(name.startswith(f"{other}_") for other in names)]
    return [name for name in ends if not name.endswith(("_conv", "_bn"))]


def explain(model: Model, name: str, kind: str) -> str:
    """The text in a block's box."""
    layer = model.get_layer(name)
    if kind == "convolution":
        convolution = model.get_layer(f"{name}_conv")
        return f"{size(convolution.kernel_size, convolution.strides)}  {convolution.padding}"
    if kind == "pool":
        return f"max pool {size(layer.pool_size, layer.strides)}"
    if kind == "head":
        return f"dropout {layer.rate}" if isinstance(layer, layers.Dropout) else HEADS[type(layer)]
    return f"inception {kind}"


def draw_network(axes: Axes, model: Model, title: str, room: int) -> None:
    """A network as a column of blocks from top to bottom, with its layers' names and the shapes out."""
    rows = [("images", "input", "join", model.input_shape[1:])]
    for name in blocks_of(model):
        kind = kind_of(model, name)
        rows.append((name, explain(model, name, kind), kind, model.get_layer(name).output.shape[1:]))
    for row, (name, text, kind, shape) in enumerate(rows):
        box(axes, 0, -row, text, COLOURS[kind], width=2.6, height=0.8)
        beside = {"va": "center", "fontsize": 8, "color": "0.3"}
        axes.text(-1.45, -row, name, ha="right", **beside)
        axes.text(1.45, -row, "x".join(map(str, shape)), **beside)
    axes.set_title(title, fontsize=10)
    axes.set_xlim(-3.2, 3.2)
    axes.set_ylim(-room + 0.4, 0.6)
    axes.axis("off")


def save(figure: Figure, file: str) -> None:
    """Writes a figure, the same from the same drawing."""
    FIGURES.mkdir(exist_ok=True)
    figure.savefig(FIGURES / file, dpi=130, bbox_inches="tight", metadata={"Software": None})
    plt.close(figure)


def main() -> None:
    """Draws all."""
    plt.switch_backend("agg")
    inception, compact = build("inception_v3", classes=1000, dropout_rate=0.2), build("compact_inception")
    save_blocks("blocks_type1.png", inception, {"mixed0": "Inception type-1 (mixed0)"})
    save_blocks("blocks_type2.png", inception, {"mixed4": "Inception type-2, n = 7 (mixed4)"})
    save_blocks("blocks_type3.png", inception, {"mixed9": "Inception type-3 (mixed9)"})
    save_blocks("blocks_dim.png", inception, {"mixed3": "Inception dim (mixed3)", "mixed8": "Inception dim (mixed8)"})
    save_blocks(
        "compact_blocks.png",
        compact,
        {name: name for name in ("type1_1", "dim1", "type2_1")},
        {name: name for name in ("dim2", "type3")},
    )
    figure, axes = plt.subplots(1, 2, figsize=(9.5, 7), layout="constrained")
    room = 1 + len(blocks_of(inception))
    draw_network(axes[0], inception, "Inception-v3 (Fig. 3(a))", room)
    draw_network(axes[1], compact, "Compact Inception (Fig. 3(b))", room)
    save(figure, "networks.png")


if __name__ == "__main__":
    main()
