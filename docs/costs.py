"""What all rows of both papers take, from two cores to eight GPUs, computed from stored figures, for docs/scale.md.

python docs/costs.py
"""

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from statistics import median

from tiny_imagenet_tf.models import build
from tiny_imagenet_tf.models.cost import forward_flop
from tiny_imagenet_tf.published import TRAIN_IMAGES, VAL_IMAGES
from tiny_imagenet_tf.reports import markers
from tiny_imagenet_tf.reports.table import NOTHING, grid
from tiny_imagenet_tf.runs import records

ROOT = Path(__file__).parents[1]
CPU = ROOT / "results/benchmarks/avx512"
GPUS = (1, 8)
PUBLISHED = 6900  # images a second: timm's table of an RTX 4090, Inception-v3 at 299 pixels, inference, compiled
BY_HAND = 3900  # images a second: a step of the compact Inception on an H200, three others beside it
ALONE = "v3, new views in each of 10 epochs"  # which train on one device
SETS = {  # training images, and those of val and test
    "Tiny ImageNet": (TRAIN_IMAGES, 2 * VAL_IMAGES),  # val and test have as many
    "ImageNet-1k, at 64 pixels": (1_281_167, 150_000),
}


def rate(name: str, contender: str) -> float:
    """Returns the median of a stored benchmark, a second."""
    return median(json.loads((CPU / f"{name}.json").read_text())["rates"][contender])


@cache
def flop_of(network: str) -> float:
    """Returns the operations of one image through a network of the papers, by its name."""
    return forward_flop(build(network))


def rows(train: int, tested: int) -> Iterator[tuple[str, float, float]]:
    """Gives what is done, and the seconds that it takes two cores and one GPU.

    Args:
        train: images.
        tested: images of val and test.
    """
    values = rate("extraction", "OpenVINO engine, int8")
    for name, passes in (
        ("vanilla: train, val and test whole", train + tested),
        ("v2: the same, val and test by ten crops", train + 10 * tested),
        ("v3: v2, and two stored views of train", 3 * train + 10 * tested),
    ):
        yield name, passes / values, passes / PUBLISHED
    crops = 10 * tested / rate("extraction", "TensorFlow engine, bfloat16")  # no int8 where a pass is a step, too
    passes = 10 * train / rate("extraction", "Keras predict, float32")
    yield ALONE, passes + crops, (10 * train + 10 * tested) / PUBLISHED
    step, compact = rate("training_step", "bfloat16"), flop_of("compact_inception")
    for name, epochs in (("Baseline", 30), ("Regularized", 60)):
        yield f"{name}, {epochs} epochs", epochs * train / step, epochs * train / BY_HAND
    measured = {record.name: record.summary for record in records.read(ROOT / "results")}
    sixth, flop = measured["le_yang_model_6"], {n: flop_of(f"le_yang_model_{n}") for n in range(1, 10)}
    for number in range(1, 10):
        here = measured.get(f"le_yang_model_{number}")
        hours = 40 / here.epochs * here.hours if here else sixth.hours * flop[number] / flop[6]
        label = "" if here else ", by its arithmetic"
        gpu = 3600 * hours * train / TRAIN_IMAGES
        yield f"Model {number}, 40 epochs{label}", 40 * train * flop[number] / (step * compact), gpu


def words(seconds: float) -> str:
    """Returns a time with two digits; below half a minute starting takes longer."""
    for name, length in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 1.5 * length:
            return f"{seconds / length:.2g} {name}"
    return f"{seconds:.2g} seconds" if seconds >= 30 else "under 30 s"


def section() -> str:
    """Returns a table for each set of images."""
    tables = []
    for images, sizes in SETS.items():
        lines = []
        for name, cores, gpu in rows(*sizes):
            cells = [words(cores), *(NOTHING if name == ALONE and count > 1 else words(gpu / count) for count in GPUS)]
            lines.append((name, *cells))
        tables.append(grid((images, "2 cores", *(f"{count} GPU{'s' * (count > 1)}" for count in GPUS)), lines))
    return "\n\n".join(tables)


if __name__ == "__main__":
    markers.replace(ROOT / "docs/scale.md", "costs", lambda _: section())
