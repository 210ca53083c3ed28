"""What every recipe's ``main`` does: the command line from a config, and errors a person can read.

Recipes import it first. TensorFlow's C++ log names every graph rewrite, some of them as errors, and would bury the
recipe's own lines; what really fails raises in Python. The level is read when TensorFlow is imported; the few lines
that TensorFlow 2.21 writes before it reads the level stay. oneDNN's kernels are a quarter faster on a CPU without
AVX512, too, where TensorFlow leaves them out.
"""

import os
import signal
import sys
from collections.abc import Callable, Sequence
from typing import TypeVar

import tyro

from tiny_imagenet_tf import interrupts
from tiny_imagenet_tf.errors import UserError

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

Config = TypeVar("Config")


def command(
    config: type[Config],
    run: Callable[[Config], object],
    description: str | None,
    defaults: Callable[[type[Config], Sequence[str]], Config] | None = None,
) -> None:
    """Reads the config from the command line and runs it.

    An unknown option is an error. SIGINT (Ctrl-C) and SIGTERM end with status 128 and the signal's number, in training
    after a step and with a checkpoint; what a user can cure, and what the disk refuses, with 2 and a message without
    traceback. Every other exception keeps its traceback.

    Args:
        config: a dataclass; its fields become options, their comments the help.
        run: called with the config.
        description: heads ``--help``.
        defaults: from the class and the command line to what is not on it; default: the class's own defaults.
    """
    interrupts.install()
    try:
        default = {} if defaults is None else {"default": defaults(config, sys.argv[1:])}
        run(tyro.cli(config, description=description, **default))
    except KeyboardInterrupt as error:
        print(f"\n{error or 'SIGINT'}: ended. What was finished is kept.", file=sys.stderr)
        sys.exit(128 + getattr(error, "number", signal.SIGINT))
    except (UserError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
