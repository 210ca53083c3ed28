"""Every lock, between real processes: a second start waits, shares, or is refused and told by whom."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tiny_imagenet_tf.__main__ import main
from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.runs.run import Run

ROOT = Path(__file__).parents[2]


def start(code, *arguments, before=()):
    command = [*before, sys.executable, "-c", f"import sys, time\nfrom pathlib import Path\n{code}", *arguments]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    return subprocess.Popen(list(map(str, command)), env=environment, **pipes)


HOLD_A_RUN = """
from tiny_imagenet_tf.runs.run import Run
with Run(Path(sys.argv[1])).locked():
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_run_is_of_one_process_and_free_when_that_is_killed(tmp_path):
    holder = start(HOLD_A_RUN, tmp_path)
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(UserError, match=rf"in use by process {holder.pid} on \S+, since "), Run(tmp_path).locked():
        pass
    holder.kill()
    holder.wait()
    with Run(tmp_path).locked():
        pass


def test_a_second_resumption_by_the_command_is_refused_while_the_first_is_at_work(
    recipe, tiny_transfer, tmp_path, capsys
):
    vanilla = recipe("transfer_vanilla")
    options = {"store": tmp_path / "store", "runs": tmp_path / "runs", "batch_size": 8, "epochs": 1}
    run = vanilla.main(vanilla.Config(**tiny_transfer, **options, precision="float32"))
    before = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file() and path.name != ".lock"}
    holder = start(HOLD_A_RUN, run.path)
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(SystemExit) as ended:
        main(["transfer", "vanilla", "--resume", str(run.path), "--epochs", "2"])
    holder.kill()
    told = capsys.readouterr().err
    assert ended.value.code == 2 and f"process {holder.pid} on" in told and "Traceback" not in told
    after = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file() and path.name != ".lock"}
    assert after == before


DOWNLOAD = """
from tiny_imagenet_tf.data import splits

def slow(root):
    print("downloading", flush=True)
    sys.stdin.readline()
    made_from = splits.DOWNLOAD
    splits.Builder(data_dir=root, source=Path(sys.argv[2]), made_from=made_from).download_and_prepare()

splits._download = slow
sys.stdout.reconfigure(line_buffering=True)
print(splits.prepare(None, Path(sys.argv[1])).info.splits["train"].num_examples)
"""


@pytest.mark.slow
def test_of_two_downloads_to_one_place_the_second_waits_for_the_first(tree, tmp_path):
    starts = [start(DOWNLOAD, tmp_path / "data", tree) for _ in range(2)]
    began = [each.stdout.readline() for each in starts]  # one downloads, until it is told to end, and one waits
    for each in starts:
        each.stdin.close()
        each.stdin = None
    told = [first + each.communicate()[0] for first, each in zip(began, starts, strict=True)]
    assert [each.returncode for each in starts] == [0, 0]
    assert sum("downloading" in each for each in told) == 1
    assert all(each.splitlines()[-1] == "24" for each in told)
    (second,) = [each for each in told if "downloading" not in each]
    assert f"process {starts[1 - told.index(second)].pid} on" in second and "waiting until it has finished" in second


CREATE = """
import dataclasses, datetime
from types import SimpleNamespace
from tiny_imagenet_tf.runs import run as runs
now = datetime.datetime(2026, 1, 1)  # for all
runs.datetime = SimpleNamespace(datetime=SimpleNamespace(now=lambda zone: now), UTC=datetime.UTC)
print("ready", flush=True)
sys.stdin.readline()
run = runs.Run.create(Path(sys.argv[1]), "recipe", dataclasses.make_dataclass("Config", [])())
run.write_environment(seed=int(sys.argv[2]))
print(run.path.name)
"""


def test_twelve_starts_in_one_second_have_their_own_folders(tmp_path):
    starts = [start(CREATE, tmp_path, number) for number in range(12)]
    assert all(each.stdout.readline() == "ready\n" for each in starts)
    for each in starts:
        print(file=each.stdin, flush=True)
    names = [each.communicate()[0].strip() for each in starts]
    first = "recipe-20260101-000000"
    assert set(names) == {first, *(f"{first}-{number}" for number in range(2, 13))}
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)
    assert sorted(Run(tmp_path / name).environment["seed"] for name in names) == list(range(12))


WRITE = """
import os
import numpy as np
from tiny_imagenet_tf.runs.files import part_of
from tiny_imagenet_tf.runs.transfer_values import open_store
print(os.getpid(), part_of(Path("x")).name, flush=True)
store = open_store(Path(sys.argv[1]), {"view": "whole"}, 600, 20)
for _ in range(4):
    for shard in store.shards:
        store.write(shard, np.full((len(store.rows_of(shard)), 500), shard, np.float16), seconds=0.0)
"""


@pytest.mark.skipif(shutil.which("unshare") is None or os.getuid() != 0, reason="containers need root here")
def test_two_containers_on_one_volume_do_not_meet(tmp_path):
    inside = ("unshare", "--pid", "--fork", "--mount-proc")
    if subprocess.run([*inside, "true"], stderr=subprocess.DEVNULL).returncode:
        pytest.skip("no namespaces here")
    both = [start(WRITE, tmp_path, before=inside) for _ in range(2)]
    told = [each.communicate()[0].split() for each in both]
    assert [each.returncode for each in both] == [0, 0]
    assert told[0][0] == told[1][0] == "1" and told[0][1] != told[1][1], "both are process 1, with names of their own"
    from tiny_imagenet_tf.runs.transfer_values import open_store

    values = open_store(tmp_path, {"view": "whole"}, 600, 20).load()
    assert values.shape == (600, 500) and sorted(set(values[:, 0])) == list(range(30))
    assert not [path for path in tmp_path.rglob(".*") if path.name.count("-") >= 2]


DRAW = """
from tiny_imagenet_tf.experiments.images import make_up
print(make_up(Path(sys.argv[1]), 0)[0])
"""


@pytest.mark.slow
def test_two_demos_that_begin_together_draw_the_same_images(tmp_path):
    both = [start(DRAW, tmp_path / ".demo-0") for _ in range(2)]
    assert {each.communicate()[0].strip() for each in both} == {str(tmp_path / ".demo-0" / "tiny-imagenet-200")}
    assert len(list((tmp_path / ".demo-0").rglob("*.JPEG"))) == 260
    assert {path.name for path in (tmp_path / ".demo-0").iterdir()} == {"tiny-imagenet-200", ".lock"}


ASK = """
import optuna
from tiny_imagenet_tf.search.trials import Trials
trials = Trials(Path(sys.argv[1]), {"x": optuna.distributions.FloatDistribution(0, 1)}, "random", 0)
while asked := trials.ask(2, 12):
    for trial in asked:
        trials.tell(trial, trial.params["x"])
        print(trial.number)
trials.close()
"""


def test_two_processes_of_one_search_try_each_setting_once(tmp_path):
    both = [start(ASK, tmp_path) for _ in range(2)]
    numbers = [int(number) for each in both for number in each.communicate()[0].split()]
    assert sorted(numbers) == list(range(12))
