"""What every recipe's ``main`` does: the command line from a config, and errors a person can read.

Recipes import it first. TensorFlow's C++ log names every missing CUDA library and graph rewrite, some of them as
errors, and would bury the recipe's own lines; what really fails raises in Python. The level is read when TensorFlow is
imported.
"""

import os
import sys
from collections.abc import Callable
from typing import TypeVar

import tyro

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

Config = TypeVar("Config")

# What a user can cause and cure; anything else is a defect and keeps its traceback.
_EXPECTED = (ValueError, FileNotFoundError, FileExistsError, PermissionError, RuntimeError, OSError)


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
    except _EXPECTED as error:
        if type(error).__module__.startswith("tensorflow"):
            raise
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
