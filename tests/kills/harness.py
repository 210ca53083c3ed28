"""Kills processes at random moments, lets the same work go on to its end, and compares that with work nobody disturbed.

    python tests/kills/harness.py 200 FOLDER [WORK ...]

A process of its own imports everything once; each attempt is a fork of it, so that it begins in milliseconds.
"""

import dataclasses
import hashlib
import io
import json
import os
import random
import signal
import sys
import time
import traceback
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "experiments"))
import tiny_run

from tiny_imagenet_tf import interrupts
from tiny_imagenet_tf.data import splits, synthetic, views
from tiny_imagenet_tf.experiments.options import Study
from tiny_imagenet_tf.models import backbones
from tiny_imagenet_tf.runs import records
from tiny_imagenet_tf.runs import transfer_values as store
from tiny_imagenet_tf.runs.run import Run
from tiny_imagenet_tf.runs.summary import Summary, Validation
from tiny_imagenet_tf.transfer import experiment
from tiny_imagenet_tf.transfer.engine import Engine
from tiny_imagenet_tf.transfer.extraction import Extraction
from tiny_imagenet_tf.transfer.options import TransferOptions

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)


@dataclasses.dataclass(frozen=True)
class Given:
    """What all works find: synthetic images, prepared, and a small backbone."""

    tree: Path
    datasets: Path
    backbone: str


def preparation(given: Given, folder: Path) -> None:
    splits.prepare(given.tree, folder / "datasets")


def extraction(given: Given, folder: Path) -> None:
    store.open_store.__defaults__ = (2,)  # images a shard: 24 shards a view
    data = splits.load(splits.prepare(given.tree, given.datasets), "train")
    engine = Engine(backbones.build(backbones.find(given.backbone, "-1..1")), "float32")
    Extraction(engine, folder / "values").fill(data, (views.View(), views.View("top_right")))


def training(given: Given, folder: Path) -> None:
    builder = splits.prepare(given.tree, given.datasets)
    run = tiny_run.make_run(folder / "run")
    with run.locked():
        model = tiny_run.train(run, splits.load(builder, "train"), splits.load(builder, "validation"))
    np.savez(run.path / "final.npz", *tiny_run.state(model))


def head(given: Given, folder: Path) -> None:
    runs = [path for path in sorted((folder / "runs").glob("*")) if Run(path).checkpoint.exists()]
    options = TransferOptions(
        source=given.tree, data_dir=given.datasets, backbone=given.backbone, pixels="-1..1", precision="float32",
        store=folder / "values", runs=folder / "runs", resume=runs[0] if runs else None, epochs=6, batch_size=4,
        holdout=0.2, learning_rate=0.05,
    )  # fmt: skip
    if not (runs and Run(runs[0]).ended):
        experiment.run(Study("transfer_vanilla", "vanilla", "milani/transfer_vanilla"), options)


def recording(given: Given, folder: Path) -> None:
    run = Run(folder / "finished").make()
    run.write_metrics([{"epoch": epoch, "val_accuracy": 0.5} for epoch in range(3000)])
    (run.path / "config.json").write_text('{"recipe": "x"}')
    (run.path / "environment.json").write_text("{}")
    run.write_summary(Summary("A run", Validation(12, 0.5)))
    for number in range(40):
        records.write(folder / "results", records.from_run(run, f"record_{number}"))


def reporting(given: Given, folder: Path) -> None:
    from tiny_imagenet_tf.reports import report

    builder = splits.prepare(given.tree, given.datasets)
    run = Run(folder / "finished").make()
    (run.path / "config.json").write_text(
        json.dumps({"recipe": "x", "source": str(given.tree), "data_dir": str(given.datasets)})
    )
    (run.path / "environment.json").write_text("{}")
    run.write_metrics([{"epoch": epoch, "accuracy": 0.1, "val_accuracy": 0.1 * epoch} for epoch in (1, 2, 3)])
    validation = splits.load(builder, "validation")
    run.write_validation_predictions(validation, np.full((len(validation), 4), 0.25))
    run.write_summary(Summary("A run", Validation(len(validation), 0.5)))
    report.write([run], folder / "report")


WORKS: dict[str, Callable[[Given, Path], None]] = {
    each.__name__: each for each in (preparation, extraction, training, head, recording, reporting)
}


def outcome(folder: Path) -> dict[str, str]:
    """What a work leaves: the sha256 of each file, but for seconds and times, under names without dates."""
    found = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock"):
        name = str(path.relative_to(folder))
        if path.name == ".lock" or path.name in ("environment.json", "config.json"):
            continue
        if path.suffix in (".npz", ".npy", ".keras"):
            content = _arrays(path)
        elif path.suffix in (".json", ".jsonl"):
            content = _without_times(path.read_text())
        else:
            content = path.read_bytes()
        for part in path.relative_to(folder).parts:
            if part.startswith("transfer_vanilla-"):
                name = name.replace(part, "run")
        found[name] = hashlib.sha256(content).hexdigest()
    return found


def _arrays(path: Path) -> bytes:
    if path.suffix == ".keras":
        found = []  # read without Keras: a process that has used TensorFlow cannot be forked
        with zipfile.ZipFile(path) as members, h5py.File(io.BytesIO(members.read("model.weights.h5"))) as weights:
            weights.visititems(lambda name, each: found.append(each[()].tobytes()) if hasattr(each, "shape") else None)
        return b"".join(found)
    loaded = np.load(path)
    arrays = {"": loaded} if path.suffix == ".npy" else {name: loaded[name] for name in loaded if name != "position"}
    return b"".join(f"{name} {value.dtype} {value.shape}".encode() + value.tobytes() for name, value in arrays.items())


def _without_times(text: str) -> bytes:
    def strip(value):
        if isinstance(value, dict):
            times = ("seconds", "hours", "transfer_values", "sha256", "description", "downloadSize")
            return {name: strip(each) for name, each in value.items() if name not in times}
        return [strip(each) for each in value] if isinstance(value, list) else value

    return json.dumps(
        [strip(json.loads(line)) for line in ([text] if text.startswith("{\n") else text.splitlines())]
    ).encode()


def leftovers(folder: Path) -> list[str]:
    """What killed processes left half-written."""
    return [str(path.relative_to(folder)) for path in folder.rglob(".*") if path.name.count("-") >= 2]


def _error_of(folder: Path) -> Path:
    """Where the last error of a child stands, if it was one of Python's."""
    return folder.parent / f"{folder.name}.error"


def told(folder: Path) -> str:
    """What a child said of its end."""
    return _error_of(folder).read_text() if _error_of(folder).exists() else "without an error of Python's"


def attempt(work: Callable, given: Given, folder: Path, number: int | None = None, after: float = 0.0) -> int:
    """Does a work in a fork, which a signal hits after some seconds, and returns its exit status."""
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # what comes before the child can take it waits
    child = os.fork()
    if not child:
        code = 1
        try:
            interrupts.install()
            signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
            quiet = os.open(os.devnull if "-v" not in sys.argv else "/dev/stderr", os.O_WRONLY)
            os.dup2(quiet, 1)
            os.dup2(quiet, 2)
            with interrupts.told_as_such():
                work(given, folder)
            code = 0
        except interrupts.Interrupted as error:
            code = 128 + error.number
        except BaseException:  # it is told by its status
            _error_of(folder).write_text(traceback.format_exc())
        finally:
            os._exit(code)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    if number is not None:
        time.sleep(after)
        os.kill(child, number)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def disturb(name: str, given: Given, folder: Path, kills: int, draw: random.Random) -> Counter:
    """Kills one work so many times, over as many runs as that takes, and compares each end with an undisturbed one.

    Raises:
        AssertionError: an end is another, or something is left over.
    """
    work, counts = WORKS[name], Counter()
    whole = folder / f"{name}-whole"
    whole.mkdir(parents=True)
    began = time.perf_counter()
    assert attempt(work, given, whole) == 0, told(whole)
    seconds, expected = time.perf_counter() - began, outcome(whole)
    while counts["kills"] < kills:
        killed = folder / f"{name}-{counts['runs']}"
        killed.mkdir()
        for _ in range(draw.randint(1, 3)):
            number = draw.choice(SIGNALS)
            status = attempt(work, given, killed, number, draw.uniform(0.02, 1.1) * seconds)
            fine = {0, -number, 128 + number}
            assert status in fine, f"{name}: status {status}: {told(killed)}"
            counts["kills"] += 1
            counts[signal.Signals(number).name] += 1
            counts["too late"] += status == 0
        assert attempt(work, given, killed) == 0, told(killed)
        found = outcome(killed)
        assert found == expected, f"{name}: {sorted(set(found.items()) ^ set(expected.items()))[:6]}"
        assert leftovers(killed) == [], name
        counts["runs"] += 1
    return counts


def make(folder: Path) -> Given:
    """Makes what the works find, in a fork: TensorFlow must not have begun to work when it is forked."""
    given = Given(
        folder / "given" / "tiny-imagenet-200", folder / "given" / "datasets", str(folder / "given/tiny.keras")
    )

    def work(_: None, target: Path) -> None:
        import keras

        synthetic.write(target, synthetic.Sizes(classes=4, train=6, validation=3, test=5))
        splits.prepare(given.tree, given.datasets)
        x = images = keras.Input((40, 40, 3))
        x = keras.layers.Conv2D(12, 7, strides=5, activation="relu")(x)
        keras.Model(images, keras.layers.GlobalAveragePooling2D(name="avg_pool")(x)).save(given.backbone)

    assert attempt(work, None, folder / "given") == 0
    return given


def main(kills: str, folder: str, *more: str) -> None:
    names = [name for name in WORKS if name in more] or list(WORKS)
    draw, root = random.Random(0), Path(folder)
    given, total = make(root), Counter()
    for name in names:
        counts = disturb(name, given, root, int(kills) // len(names) + 1, draw)
        print(f"{name:12} {dict(counts)}", flush=True)
        total += counts
    print(f"{'all':12} {dict(total)}: every end equal, nothing left over")


if __name__ == "__main__":
    main(*sys.argv[1:])
