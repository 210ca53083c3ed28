"""What every command does: options from a dataclass in groups, quiet libraries, and errors a person can read."""

import ast
import contextlib
import dataclasses
import functools
import importlib
import inspect
import itertools
import os
import re
import shlex
import shutil
import signal
import sys
import textwrap
import typing
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

import tyro

from tiny_imagenet_tf import interrupts
from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.progress import quietly
from tiny_imagenet_tf.runs.run import Run

# TensorFlow's C++ log names every graph rewrite, some of them as errors, and would bury the lines that matter; what
# really fails raises in Python. oneDNN's kernels are a quarter faster on a CPU without AVX512, too, where TensorFlow
# leaves them out. Of a GPU's memory it would take all, also for a look at one picture beside a run. All are read when
# TensorFlow is imported.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")

Config = TypeVar("Config")


def command(
    config: type[Config],
    run: Callable[[Config], object],
    description: str | None,
    arguments: Sequence[str] | None = None,
    program: str | None = None,
) -> None:
    """Reads the config from the command line and runs it.

    An unknown option is an error. SIGINT (Ctrl-C) and SIGTERM end with status 128 and the signal's number, in training
    after a step and with a checkpoint; what a user can cure, and what the disk refuses, with 2 and a message without
    traceback. Every other exception keeps its traceback.

    Args:
        config: a dataclass; its fields become options, in groups by the ``GROUP`` of the class that has them, and
            their comments the help. Its ``starting_point``, if it has one, turns the command line into the config of
            what is not named there. Its ``look_first``, if it has one, says what is wrong before anything is loaded.
            Where it has a ``precision``, or ``COMPUTES`` is true, the first line names the device, by ``devices``,
            ``FROZEN`` and the run of ``resume`` if it has them. ``distributed`` (with ``seed``) joins the other
            processes first; ``ray`` shares the GPUs; after a ``demo`` its run is reported, and the command for real
            images is shown, with ``REAL`` added to it.
        run: called with the config.
        description: heads ``--help``.
        arguments: the command line; default: the process's own.
        program: its name, for ``--help``.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    interrupts.install()
    _mend_streams()
    try:
        if {"-h", "--help"} & set(arguments):
            print(wrapped(description or ""), end="\n\n")
        _check_words(arguments)
        chosen = _with_homes(_parsed(config, arguments, program))
        if hasattr(chosen, "look_first"):
            chosen.look_first()
        _load(chosen)
        with interrupts.told_as_such():
            done = run(chosen)
        if getattr(chosen, "demo", False) and hasattr(done, "has_predictions"):
            _end_demo(done.path, program, _for_real(config, arguments))
    except KeyboardInterrupt as error:
        print(f"\n{error if isinstance(error, interrupts.Interrupted) else 'SIGINT: stopped.'}", file=sys.stderr)
        if then := getattr(error, "then", ()):
            print(f"To resume this run:\n  {_line(program, then)}", file=sys.stderr)
        sys.exit(128 + getattr(error, "number", signal.SIGINT))
    except BrokenPipeError:  # who read has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(128 + signal.SIGPIPE)
    except (UserError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


def _mend_streams() -> None:
    """Makes output that its reader has closed, or that holds the odd bytes of a file's name, no error."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by who called
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _check_words(arguments: Sequence[str]) -> None:
    """Raises UserError where a word of the command line is empty."""
    for before, word in itertools.pairwise(["", *arguments]):
        if not word or re.fullmatch(r"--[\w-]+=", word):
            where = word or before or "the command line"
            raise UserError(f"{where}: an empty argument; is a shell variable unset?")


def _for_real(config: type[Config], arguments: Sequence[str]) -> list[str]:
    """Returns a demo's arguments for the real images, with what a demo makes itself."""
    given = [word for word in arguments if word != "--demo"]
    real = getattr(config, "REAL", ())  # an option and its value, unless it was named
    named = any(word.split("=")[0] in real[:1] for word in given)
    return given if named else [*real, *given]


def _load(chosen: object) -> None:
    """Loads what a command needs, and prints in its first line what computes it."""
    _load_quietly()
    if getattr(chosen, "distributed", False):
        from tiny_imagenet_tf import processes  # before anything is computed

        processes.join(chosen.seed)
    if not (hasattr(chosen, "precision") or getattr(chosen, "COMPUTES", False)):
        return
    from tiny_imagenet_tf import hardware  # only now Keras is loaded

    if getattr(chosen, "ray", None):
        hardware.share_gpus()  # before it is asked which there are
    devices = getattr(chosen, "devices", ())
    precision = getattr(chosen, "precision", None)
    if resumed := getattr(chosen, "resume", None):  # it keeps its own, as a saved network does
        precision = None
        with contextlib.suppress(UserError, OSError):  # which are told when the run is read
            precision = Run(resumed).environment.get("precision")
    elif precision:
        precision = hardware.resolve_precision(precision, devices, frozen=getattr(chosen, "FROZEN", False))
    print(hardware.headline(precision, devices))


def _line(program: str | None, words: Sequence[str]) -> str:
    """A command line of this program."""
    return shlex.join([*(program.split() if program else ["python", sys.argv[0]]), *words])


def _end_demo(run: Path, program: str | None, arguments: Sequence[str]) -> None:
    """Reports a demo's run, where the extra is installed, and says what comes next."""
    report = importlib.import_module("tiny_imagenet_tf.recipes.report")  # a recipe, like the one that has run
    try:
        report.main(report.Config((run,)))
    except UserError as error:
        print(f"No report: {error}; then\n  tiny-imagenet report {shlex.quote(str(run))}")
    if not any(word.split("=")[0] == "--resume" for word in arguments):
        print(f"On the real images, next:\n  {_line(program, arguments)}")


def _parsed(config: type[Config], arguments: Sequence[str], program: str | None) -> Config:
    """A config from the command line, whose help shows the options in groups."""
    default = config.starting_point(arguments) if hasattr(config, "starting_point") else None
    hints, groups = typing.get_type_hints(config, include_extras=True), {"command": []}  # its own come first
    set_before: set[str] = set()
    for field in dataclasses.fields(config):
        value = getattr(default, field.name, field.default)
        given = {} if value is dataclasses.MISSING else {"default": value}
        hint = Annotated[hints[field.name], tyro.conf.arg(help=comment(config, field.name))]
        if value is True and tyro.conf.FlagCreatePairsOff in typing.get_args(hint):
            set_before.add(field.name)  # a begun run's flag: what takes it back would be another one's name
            given = {"default": False}
        groups.setdefault(_group(config, field.name), []).append((field.name, hint, dataclasses.field(**given)))
    filled = [(name, fields) for name, fields in groups.items() if fields]
    parts = [(name, dataclasses.make_dataclass(name, fields, kw_only=True)) for name, fields in filled]
    whole = dataclasses.make_dataclass("Options", parts)
    found = tyro.cli(tyro.conf.OmitArgPrefixes[whole], args=list(arguments), description="", prog=program)
    named = {key: value for part, _ in parts for key, value in vars(getattr(found, part)).items()}
    return config(**named | dict.fromkeys(set_before, True))


def _with_homes(config: Config) -> Config:
    """Returns the config with ~ expanded in its paths.

    Raises:
        UserError: a path is not UTF-8, is a URL, or cannot be resolved on this machine.
    """

    def with_home(name: str, value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(with_home(name, each) for each in value)
        return _of_this_machine(name, value) if isinstance(value, Path) else value

    found = {}
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if value != field.default:  # by which it is known that nothing was said
            found[field.name] = with_home(field.name, value)
    return dataclasses.replace(config, **found)


def _of_this_machine(option: str, path: Path) -> Path:
    name = str(path).encode(errors="backslashreplace").decode()
    named = f"--{option.replace('_', '-')} {name}"
    if name != str(path):
        raise UserError(f"{named}: its name is not UTF-8; rename it")
    if re.match(r"[A-Za-z][\w+.-]+:/", name):
        raise UserError(f"{named}: must be of this machine; copy it here first")
    try:
        path.expanduser().resolve().exists()
    except (RuntimeError, OSError, ValueError) as error:  # nobody's home, links in a ring, too long a name
        raise UserError(f"{named}: {error}") from error
    return path.expanduser()


def _group(config: type, name: str) -> str:
    """The group of an option: that of the class that has it first."""
    for each in reversed(config.__mro__):
        if name in inspect.get_annotations(each):
            return vars(each).get("GROUP", "command")
    raise KeyError(name)


def comment(config: type, name: str) -> str:
    """What a class, or the one that it inherits from, says below a field."""
    return next((comments[name] for comments in map(_comments, config.__mro__) if name in comments), "")


@functools.cache
def _comments(config: type) -> dict[str, str]:
    """What a class itself says below its fields."""
    if not inspect.get_annotations(config):
        return {}
    try:
        body = ast.parse(textwrap.dedent(inspect.getsource(config))).body[0].body
    except OSError:  # typed into an interpreter
        return {}
    return {
        field.target.id: " ".join(below.value.value.split())
        for field, below in itertools.pairwise(body)
        if isinstance(field, ast.AnnAssign) and isinstance(below, ast.Expr)
    }


def wrapped(text: str) -> str:
    """Returns a docstring for a terminal: paragraphs broken at its width, what is indented as it stands."""
    width = min(shutil.get_terminal_size().columns, 100)
    parts = inspect.cleandoc(text).replace("``", "").split("\n\n")
    return "\n\n".join(part if part.startswith(" ") else textwrap.fill(part, width) for part in parts)


def _load_quietly() -> None:
    """Imports TensorFlow, whose first lines are written before it knows its level; they are shown if that fails.

    Raises:
        UserError: Keras is told, by KERAS_BACKEND or keras.json, to take a backend that is not installed.
    """
    where = "KERAS_BACKEND, or keras.json"
    try:
        with quietly():
            import tensorflow as tf

            tf.config.list_physical_devices()
            import keras
    except (ImportError, ValueError) as error:
        if isinstance(error, ImportError) and "tensorflow" in str(error):
            raise
        raise UserError(f"{where}: the Keras backend could not be loaded ({error})") from error
    if keras.backend.backend() not in ("tensorflow", "jax"):
        raise UserError(f"{where}: {keras.backend.backend()}; supported are tensorflow and jax")
    tf.get_logger().setLevel("ERROR")  # or it counts the graphs that it traces, one a view
    keras.config.set_image_data_format("channels_last")  # of the images, whatever keras.json says
    keras.config.set_floatx("float32")
