"""On what machine, from which commit and by which command a run was made."""

import contextlib
import datetime
import importlib.metadata
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

PACKAGES = ("tiny_imagenet_tf", "tensorflow", "tensorflow-cpu", "jax", "keras", "tensorflow-datasets", "numpy")


def describe_environment(others: Sequence[str] = ()) -> dict[str, Any]:
    """Returns commit and whether it was changed (None outside a checkout), versions, command and time (UTC).

    Args:
        others: packages whose versions matter, too.
    """
    # An installed package may lie in somebody else's repository: only a file that git tracks is of its commit.
    tracked = _git("ls-files", "--error-unmatch", Path(__file__).name) is not None
    changes = _git("status", "--porcelain", "--untracked-files=no") if tracked else None
    return {
        "command": shlex.join(map(_without_folder, [*_started(sys.argv[0]), *sys.argv[1:]])),
        "started": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "commit": _git("rev-parse", "HEAD") if tracked else None,
        "uncommitted_changes": None if changes is None else bool(changes),
        "python": sys.version.split()[0],
        "versions": versions(*PACKAGES, *others),
    }


def versions(*packages: str) -> dict[str, str]:
    """Returns the versions of those packages that are installed."""
    found = {}
    for package in packages:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[package] = importlib.metadata.version(package)
    return found


def _started(program: str) -> list[str]:
    """How a program was started that is known by its path."""
    if Path(program).name == "__main__.py":
        return ["python", "-m", "tiny_imagenet_tf"]
    return ["python", program] if program.endswith(".py") else [Path(program).name]


def _without_folder(word: str) -> str:
    """Of a path only its last part: a result says what, not where."""
    option, is_, value = word.partition("=") if word.startswith("--") else ("", "", word)
    return option + is_ + (Path(value).name if value.startswith(("/", "~")) else value)


def _git(*arguments: str) -> str | None:
    """What git prints in this package's checkout; None where it is not one."""
    try:
        done = subprocess.run(
            ["git", "-C", str(Path(__file__).parent), *arguments], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
