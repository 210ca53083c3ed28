"""What is on the screen: progress within 80 columns, and no library's own lines."""

import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator
from typing import Any

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
    return tqdm(
        over, what, total, initial=done, unit=f" {unit}", leave=False, bar_format=_FORMAT, ncols=min(COLUMNS, _width()),
        mininterval=every, delay=every, file=sys.stderr, disable=_silent,
    )  # fmt: skip


def say(*lines: Any) -> None:
    """Prints lines above a bar that is on the screen."""
    for line in lines:
        tqdm.write(str(line), file=sys.stdout)


def duration(seconds: float) -> str:
    """Returns a time as 0:42, 8:05 or 1:02:30."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Keeps what is written to stderr, also by C++, and writes it only after an error."""
    with tempfile.TemporaryFile() as kept:
        sys.stderr.flush()
        screen = os.dup(2)
        os.dup2(kept.fileno(), 2)
        try:
            yield
        except Exception:
            os.dup2(screen, 2)
            kept.seek(0)
            os.write(2, kept.read())
            raise
        finally:
            os.dup2(screen, 2)
            os.close(screen)


def _width() -> int:
    return shutil.get_terminal_size((COLUMNS, 24)).columns
