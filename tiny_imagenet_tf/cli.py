"""What every recipe's ``main`` does: the command line from a config, and errors a person can read.

Recipes import it first. TensorFlow's C++ log names every graph rewrite, some of them as errors, and would bury the
recipe's own lines; what really fails raises in Python. The level is read when TensorFlow is imported; the few lines
that TensorFlow 2.21 writes before it reads the level stay.
"""

import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import tyro

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # TensorFlow itself turns it on for the newest CPUs only

Config = TypeVar("Config")

_HERE = Path(__file__).parent


def command(config: type[Config], run: Callable[[Config], object], description: str) -> None:
    """Reads the config from the command line and runs it.

    An unknown option is an error. Ctrl-C ends with status 130, a bad input with 2 and a message without
    traceback.

    Args:
        config: a dataclass; its fields become options, their comments the help.
        run: called with the config.
        description: heads ``--help``.
    """
    chosen = tyro.cli(config, description=description)
    try:
        run(chosen)
    except KeyboardInterrupt:
        print("\nInterrupted. What was finished is kept; the same command goes on from there.", file=sys.stderr)
        sys.exit(130)
    except (OSError, ValueError, RuntimeError) as error:
        if not _a_user_can_cure(error):
            raise
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


def _a_user_can_cure(error: Exception) -> bool:
    """A full disk or a missing file, and what this package or its recipe checks; the rest keeps its traceback."""
    raised_in = Path(traceback.extract_tb(error.__traceback__)[-1].filename)
    return isinstance(error, OSError) or _HERE in raised_in.parents or raised_in == Path(sys.argv[0]).resolve()
