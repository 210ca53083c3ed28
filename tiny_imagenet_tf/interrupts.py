"""SIGINT, SIGTERM and SIGHUP: at once, or where a run is in training at the end of a step, with a checkpoint."""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from typing import Any


class Interrupted(KeyboardInterrupt):
    """A signal asked the process to end.

    Args:
        number: the signal's.

    Attributes:
        kept: what is kept, in words.
        then: the words of a command line that go on.
    """

    def __init__(self, number: int):
        super().__init__(signal.Signals(number).name)
        self.number, self.kept = number, ""
        self.then: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{super().__str__()}: stopped{self.kept and '; '}{self.kept}."


class _State:
    waits = False
    received: int | None = None
    heard = False  # another process sent the signal; this process's own copy may still arrive, and is ignored
    raised: int | None = None


def install() -> None:
    """Makes the signals raise ``Interrupted``. PID 1 of a container would not see SIGTERM otherwise."""
    _State.raised = None
    sys.unraisablehook = _send_again
    for number in _numbers():
        signal.signal(number, _handle)


def end_at_once() -> None:
    """Makes the signals end the process without a traceback, until a command is loaded: there is nothing to keep."""
    for number in _numbers():
        signal.signal(number, lambda number, frame: os._exit(128 + number))


def _numbers() -> list[int]:
    """The signals that end a command; a terminal that is closed too, unless ``nohup`` has it ignored."""
    hangup = signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN
    return [signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hangup else [])]


def _send_again(unraisable: Any) -> None:
    """Sends a signal once more that came where Python drops exceptions: JAX has a callback in garbage collection."""
    if unraisable.exc_type is not Interrupted:
        sys.__unraisablehook__(unraisable)
        return
    timer = threading.Timer(0.05, os.kill, (os.getpid(), unraisable.exc_value.number))
    timer.daemon = True
    timer.start()


def received() -> int | None:
    """Returns the signal that waits for the end of the step; None where there is none."""
    return _State.received


def receive(number: int) -> None:
    """Takes a signal that another process of the same run has received."""
    _State.heard = _State.heard or _State.received is None
    _State.received = number


def end() -> None:
    """Raises the signal that waited."""
    number, _State.received = _State.received, None
    if number is not None:
        raise Interrupted(number)


@contextlib.contextmanager
def waiting(wait: bool = True) -> Iterator[None]:
    """Delays a signal until ``end``, or with ``wait=False`` lets it through; a second one is never delayed."""
    before, _State.waits = _State.waits, wait
    if not wait:
        end()
    try:
        yield
    finally:
        _State.waits = before


@contextlib.contextmanager
def told_as_such() -> Iterator[None]:
    """Turns back into ``Interrupted`` what libraries make of it: TensorFlow an error within a trace, Ray a Ctrl-C."""
    try:
        yield
    except (Exception, KeyboardInterrupt) as error:
        if _State.raised is None or isinstance(error, Interrupted):
            raise
        raise Interrupted(_State.raised) from error


@contextlib.contextmanager
def telling(kept: str) -> Iterator[None]:
    """Lets an interruption within say what is kept."""
    try:
        with told_as_such():
            yield
    except Interrupted as error:
        error.kept = kept
        raise


def _handle(number: int, frame: Any) -> None:
    if _State.heard:
        _State.heard = False
        return
    if not _State.waits or received():
        _State.received, _State.raised = None, number
        raise Interrupted(number)
    _State.received = number
    print(f"\n{signal.Signals(number).name}: stopping after this step; a second one stops at once", file=sys.stderr)
