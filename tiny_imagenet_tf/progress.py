"""What is on the screen: progress within 80 columns, and no library's own lines."""

import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from tqdm import tqdm

COLUMNS = 80
_FORMAT = "{l_bar}{bar}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}, {rate_noinv_fmt}{postfix}]"
_silent = False


def silence() -> None:
    """Shows no bars from now on."""
    global _silent
    _silent = True


def bar(
    what: str, total: int | None = None, *, unit: str = "images", done: int = 0, over: Iterable | None = None
) -> tqdm:
    """Returns a progress bar; it vanishes when it ends. In a log file it is written anew once a minute.

    Args:
        what: is under way.
        total: how many there are, those included that were done before.
        unit: of the total.
        done: how many were done before.
        over: an iterable to go through; otherwise ``update`` counts.
    """
    every = 0.1 if sys.stderr.isatty() else 60
    columns = min(COLUMNS, shutil.get_terminal_size().columns)
    return tqdm(
        over, what, total, initial=done, unit=f" {unit}", leave=False, bar_format=_FORMAT, ncols=columns,
        mininterval=every, delay=every, file=sys.stderr, disable=_silent,
    )  # fmt: skip


def say(line: str) -> None:
    """Prints a line above a bar that is on the screen."""
    tqdm.write(line, file=sys.stdout)


def digits(rate: float, most: int = 4) -> str:
    """Returns a rate with so many digits, or all of them before the point: 8.514, 1,234, 21,776."""
    return f"{rate:,.0f}" if rate >= 10 ** (most - 1) else f"{rate:.{most}g}"


def duration(seconds: float) -> str:
    """Returns a time as 0:42, 8:05 or 1:02:30."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


@contextlib.contextmanager
def stderr_to(file: BinaryIO) -> Iterator[None]:
    """Sends what is written to stderr, also by C++, to a file."""
    sys.stderr.flush()
    screen = os.dup(2)
    os.dup2(file.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(screen, 2)
        os.close(screen)


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Keeps what is written to stderr, also by C++, and writes it only after an error."""
    with tempfile.TemporaryFile() as kept:
        try:
            with stderr_to(kept):
                yield
        except Exception:
            kept.seek(0)
            os.write(2, kept.read())
            raise
