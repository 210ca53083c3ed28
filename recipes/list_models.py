"""Lists every network of both papers with its size and cost, counted from the built model.

Takes about ten seconds and 600 MB of memory: each network is built once, with random weights, and dropped.

    python recipes/list_models.py                       # all of them
    python recipes/list_models.py --names inception_v3  # some of them
    python recipes/list_models.py --output docs/networks.json
"""

from dataclasses import dataclass
from math import prod
from pathlib import Path

from tiny_imagenet_tf.cli import command
from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.runs.files import write_json
from tiny_imagenet_tf.runs.places import check_output

HEADINGS = ("network", "parameters", "trained", "GFLOP", "input", "output")


@dataclass(frozen=True)
class Config:
    """Which networks to list."""

    names: tuple[str, ...] = ()
    """Networks to list; default: all."""
    output: Path | None = None
    """Where to write the parameters by name, as JSON; docs/networks.json is written so."""


def table(rows: list[tuple[str | int, ...]]) -> str:
    """One line per network; a Markdown table, so that it can be pasted into the docs.

    GFLOP is one image forward, a multiply-add counted as two; see `forward_flop`.
    """
    rows = [HEADINGS, *([f"{cell:,}" if isinstance(cell, int) else cell for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rule = "|".join("-" * (width + 1) + ":" for width in widths)
    lines = [" | ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    return "\n".join([f"| {lines[0]} |", f"|{rule}|", *(f"| {line} |" for line in lines[1:])])


def _row(name: str) -> tuple[str | int, ...]:
    import keras

    from tiny_imagenet_tf import models
    from tiny_imagenet_tf.models.cost import forward_flop

    model = models.build(name)
    row = (
        name,
        model.count_params(),
        sum(prod(weight.shape) for weight in model.trainable_weights),
        f"{flop:.3g}" if (flop := forward_flop(model) / 1e9) > 0.01 else f"{flop:.4f}",
        "x".join(map(str, model.input_shape[1:])),
        "x".join(map(str, model.output_shape[1:])),
    )
    keras.backend.clear_session()
    return row


def main(config: Config) -> None:
    from tiny_imagenet_tf import models  # TensorFlow is loaded when the recipe runs

    unknown = [name for name in config.names if name not in models.names()]
    if unknown:
        raise UserError(f"--names {' '.join(unknown)}: unknown; choose from {', '.join(models.names())}")
    check_output("--output", config.output)
    rows = [_row(name) for name in config.names or models.names()]
    print(table(rows))
    if config.output:
        write_json(config.output, {name: parameters for name, parameters, *_ in rows})


if __name__ == "__main__":
    command(Config, main, __doc__)
