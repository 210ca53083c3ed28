"""What every benchmark here does: contenders take turns, and their rates are compared turn by turn.

A busy machine slows all of a turn, so the ratios hold where the rates do not. ``docs/performance.md`` is made from the
files that ``--output`` writes.
"""

import dataclasses
import os
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from statistics import median

import keras

from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.hardware import describe_device
from tiny_imagenet_tf.progress import digits
from tiny_imagenet_tf.runs.environment import describe_environment
from tiny_imagenet_tf.runs.files import write_json

OTHERS = ("openvino", "nncf", "onnxruntime", "torch", "torchvision")
"""Packages that are measured, too."""


@dataclasses.dataclass(frozen=True)
class Measurement:
    """Rates of some contenders.

    Attributes:
        name: of the benchmark.
        shown: what was worked on, in words.
        unit: of a rate, a second.
        rates: of each contender, one a turn; the first is what the others are compared with.
    """

    name: str
    shown: str
    unit: str
    rates: dict[str, list[float]]

    @property
    def turns(self) -> int:
        """How often each had its turn."""
        return len(next(iter(self.rates.values())))

    @property
    def lines(self) -> Iterator[tuple[str, float, str, str]]:
        """Of each contender its median rate, and in words its ratio to the first: the median, and from where to where.

        Ratios are of the same turn.
        """
        first, *_ = self.rates.values()
        for name, rate in self.rates.items():
            ratios = sorted(a / b for a, b in zip(rate, first, strict=True))
            yield name, median(rate), f"{median(ratios):.2f}", f"{ratios[0]:.2f} to {ratios[-1]:.2f}"

    def show(self) -> None:
        """Prints medians, ratios, and from where to where those went."""
        print(f"\n{describe_device(alone=True)}: {self.shown}")
        width = max(map(len, self.rates))
        print(f"{'':{width}}{self.unit + '/s':>12}{'ratio':>8}   range over turns")
        for name, rate, ratio, spread in self.lines:
            print(f"{name:{width}}{digits(rate):>12}{ratio:>8}   {spread}")

    def write(self, path: Path | None, *, backend: str = "") -> None:
        """Writes it, with machine, backend (this process's own, if no other is named), versions and commit."""
        if path is not None:
            computes = {"backend": backend or keras.backend.backend(), "device": describe_device(alone=True)}
            path.parent.mkdir(parents=True, exist_ok=True)
            write_json(path, {**dataclasses.asdict(self), **describe_environment(OTHERS), **computes})
            print(f"wrote {path}")


def take_turns(
    name: str, shown: str, unit: str, amount: float, contenders: dict[str, Callable[[], object]], turns: int
) -> Measurement:
    """Runs contenders in turns, once before to trace and warm up, and prints each turn.

    Args:
        name: of the benchmark.
        shown: what is worked on.
        unit: of the amount.
        amount: that a call of a contender gets done.
        contenders: by name.
        turns: of each.
    """

    def timed(run: Callable[[], object]) -> float:
        started = time.perf_counter()
        run()
        return amount / (time.perf_counter() - started)

    rates_of = {each: partial(timed, run) for each, run in contenders.items()}
    return compare(name, shown, unit, rates_of, turns, warm_up=contenders.values())


def compare(
    name: str,
    shown: str,
    unit: str,
    rates_of: dict[str, Callable[[], float]],
    turns: int,
    warm_up: Iterable[Callable[[], object]] = (),
) -> Measurement:
    """Asks contenders in turns for their rates, and prints each turn; the rest as in ``take_turns``."""
    if turns < 1:
        raise UserError(f"--turns {turns}: must be at least 1")
    for run in warm_up:
        run()
    rates: dict[str, list[float]] = {each: [] for each in rates_of}
    for turn in range(turns):
        for each, rate_of in rates_of.items():
            rates[each].append(rate_of())
        latest = ", ".join(f"{each} {digits(rate[-1])}" for each, rate in rates.items())
        print(f"turn {turn + 1}: {latest}", flush=True)
    found = Measurement(name, shown, unit, rates)
    found.show()
    return found


def keep_to_core(number: int) -> None:
    """Keeps this process to one of its cores, counted round, on systems that can do that."""
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[number % len(cores)]})
