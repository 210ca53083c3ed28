"""SIGINT and SIGTERM, sent by this very process."""

import gc
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tiny_imagenet_tf import interrupts


@pytest.fixture(autouse=True)
def installed():
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # or nohup, under which these tests may run, has it ignored
    interrupts.install()
    yield
    sys.unraisablehook = sys.__unraisablehook__
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_at_once_outside_of_training(number):
    with pytest.raises(interrupts.Interrupted, match=signal.Signals(number).name) as caught:
        os.kill(os.getpid(), number)
    assert caught.value.number == number


def test_what_tensorflow_makes_of_one_is_one():
    """In a trace C++ calls Python, and gives an error of its own on."""
    with pytest.raises(ValueError, match="of another kind"), interrupts.told_as_such():
        raise ValueError("of another kind")
    with pytest.raises(interrupts.Interrupted, match="SIGTERM") as caught, interrupts.told_as_such():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        except interrupts.Interrupted as error:
            raise RuntimeError("an error of C++") from error
    assert caught.value.number == signal.SIGTERM
    with pytest.raises(interrupts.Interrupted, match="SIGTERM"), interrupts.told_as_such():
        raise KeyboardInterrupt  # as Ray does
    interrupts.install()
    with pytest.raises(KeyboardInterrupt) as caught, interrupts.told_as_such():
        raise KeyboardInterrupt
    assert not isinstance(caught.value, interrupts.Interrupted)


def test_after_the_step_in_training(capsys):
    with pytest.raises(interrupts.Interrupted), interrupts.waiting():
        os.kill(os.getpid(), signal.SIGTERM)
        assert interrupts.received()
        assert "SIGTERM: stopping after this step" in capsys.readouterr().err
        interrupts.end()
    assert not interrupts.received()
    interrupts.end()  # nothing waits


def test_a_second_one_does_not_wait():
    with pytest.raises(interrupts.Interrupted), interrupts.waiting():
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
    assert not interrupts.received()


def test_one_of_many_processes_may_hear_of_a_signal_before_it_gets_its_own():
    """A scheduler sends it to all of them, and the first checkpoint must not be lost to what comes second."""
    with pytest.raises(interrupts.Interrupted) as ended, interrupts.waiting():
        interrupts.receive(signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
        assert interrupts.received() == signal.SIGTERM
        interrupts.end()
    assert ended.value.number == signal.SIGTERM
    with pytest.raises(interrupts.Interrupted):
        os.kill(os.getpid(), signal.SIGTERM)  # another one


def test_a_measurement_does_not_wait():
    with pytest.raises(interrupts.Interrupted), interrupts.waiting():
        os.kill(os.getpid(), signal.SIGTERM)
        with interrupts.waiting(False):
            pytest.fail("it began")
    with pytest.raises(interrupts.Interrupted), interrupts.waiting(), interrupts.waiting(False):
        os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_exit_status_is_128_and_the_signal(number, status):
    code = f"""
import dataclasses, os
from tiny_imagenet_tf import cli
cli._load_quietly = lambda: None  # seconds of TensorFlow, which has no part in it
@dataclasses.dataclass(frozen=True)
class Config:
    x: int = 0
cli.command(Config, lambda config: os.kill(os.getpid(), {int(number)}), "")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == status and "Traceback" not in done.stderr
    assert f"{signal.Signals(number).name}: stopped." in done.stderr


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_before_a_command_is_loaded_there_is_no_traceback(number, status):
    code = f"""
import importlib, os
from tiny_imagenet_tf.__main__ import main
importlib.import_module = lambda name: os.kill(os.getpid(), {int(number)})
main(["list"])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == status and done.stderr == ""


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("unshare") is None or os.getuid() != 0, reason="containers need root here")
def test_a_command_that_is_process_1_of_a_container_ends_with_a_checkpoint(tmp_path):
    inside = ["unshare", "--pid", "--fork", "--mount-proc"]
    if subprocess.run([*inside, "true"], stderr=subprocess.DEVNULL).returncode:
        pytest.skip("no namespaces here")
    command = [sys.executable, "-m", "tiny_imagenet_tf", "train", "baseline", "--demo", "--width-multiplier", "0.1"]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    unshare = subprocess.Popen([*inside, *command], cwd=tmp_path, env=environment, **pipes)
    while not (made := list(tmp_path.glob("runs/inception_baseline-*/metrics.jsonl"))) or not made[0].read_text():
        assert unshare.poll() is None, unshare.stderr.read()
        time.sleep(0.1)
    process = Path(f"/proc/{unshare.pid}/task/{unshare.pid}/children").read_text().split()[0]
    os.kill(int(process), signal.SIGTERM)
    told, errors = unshare.communicate(timeout=120)
    assert unshare.returncode == 143 and "Traceback" not in errors
    assert "SIGTERM: end" in errors  # after this step, or at once where it hits a measurement
    assert made[0].with_name("checkpoint.npz").is_file()
    assert f"--resume {made[0].parent.relative_to(tmp_path)}" in told + errors


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_signal_in_a_garbage_collection_is_not_lost():
    """JAX has a callback there, and Python drops what is raised in it."""
    hits = []

    def collecting(phase, _):
        if phase == "start" and not hits:
            hits.append(phase)
            os.kill(os.getpid(), signal.SIGTERM)
            list(range(10))  # where the handler runs

    hook, gc_callbacks = sys.unraisablehook, gc.callbacks
    sys.unraisablehook = interrupts._send_again  # pytest has its own
    gc_callbacks.append(collecting)
    try:
        with pytest.raises(interrupts.Interrupted, match="SIGTERM"):
            gc.collect()
            time.sleep(2)
    finally:
        gc_callbacks.remove(collecting)
        sys.unraisablehook = hook
    assert hits


def test_a_closed_terminal_that_nohup_ignores_ends_nothing(monkeypatch):
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    interrupts.install()
    os.kill(os.getpid(), signal.SIGHUP)
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
