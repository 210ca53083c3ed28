"""Fixtures that several rooms share.

They import where they are used: the process that hands out tests to others runs none, and need not wait for TensorFlow.
"""

import contextlib
import importlib
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # TensorFlow itself turns it on for the newest CPUs only
# What is expected is a CPU's, bit by bit, and of the two processes one would take all of a GPU's memory.
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
os.environ.setdefault("JAX_PLATFORMS", "cpu")

# Real data (data/unpack FOLDER writes tiny-imagenet-200) and weights (weights/), where somebody has put them.
SHARED = Path(os.environ.get("TINY_IMAGENET_SHARED", Path(__file__).parents[2] / "shared"))
SMALL = {"classes": 4, "train": 6, "validation": 3, "test": 5}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Where the whole test environment must be there, a test that is skipped because a tool is missing has failed."""
    report = yield
    reason = report.longrepr[-1] if report.skipped and isinstance(report.longrepr, tuple) else ""
    missing = any(words in reason for words in ("is not installed", "could not import"))
    if missing and os.environ.get("GITHUB_ACTIONS") and "torch" not in reason:  # 2 GB for one test
        report.outcome = "failed"
    return report


@pytest.fixture
def tree(tmp_path) -> Path:
    """A fresh synthetic dataset in the official layout, to be damaged."""
    from tiny_imagenet_tf.data import synthetic

    return synthetic.write(tmp_path / "tree", synthetic.Sizes(**SMALL))


@pytest.fixture(scope="session")
def builder(tmp_path_factory):
    """The synthetic dataset, prepared: 4 classes, 24 training, 12 validation and 5 test images."""
    from tiny_imagenet_tf.data import splits, synthetic

    folder = tmp_path_factory.mktemp("synthetic")
    return splits.prepare(synthetic.write(folder, synthetic.Sizes(**SMALL)), folder / "prepared")


@pytest.fixture(scope="session")
def downloaded(builder, tmp_path_factory) -> Path:
    """A directory of datasets that has the synthetic one in the place of the official download."""
    from tiny_imagenet_tf.data.tiny_imagenet.tiny_imagenet_dataset_builder import DOWNLOAD

    folder = tmp_path_factory.mktemp("downloaded")
    shutil.copytree(builder.data_path.parent, folder / builder.data_path.parent.name)
    path = folder / builder.data_path.relative_to(builder.data_path.parents[1]) / "metadata.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"source": DOWNLOAD}))
    return folder


@pytest.fixture(scope="session")
def train(builder):
    """The synthetic training split."""
    from tiny_imagenet_tf.data import splits

    return splits.load(builder, "train")


@pytest.fixture(scope="session")
def tiny_backbone(tmp_path_factory) -> str:
    """A file that does for a backbone where a test is not about the network: 40x40 pixels in -1..1 to 12 values."""
    import keras

    keras.utils.set_random_seed(3)
    x = images = keras.Input((40, 40, 3))
    x = keras.layers.Conv2D(12, 7, strides=5, activation="relu")(x)
    path = tmp_path_factory.mktemp("backbone") / "tiny.keras"
    keras.Model(images, keras.layers.GlobalAveragePooling2D(name="avg_pool")(x)).save(path)
    return str(path)


@pytest.fixture(scope="session")
def tiny_transfer(downloaded, tiny_backbone) -> dict:
    """The options of transfer learning on the synthetic images by that backbone."""
    return {"data_dir": downloaded, "backbone": tiny_backbone, "pixels": "-1..1"}


@pytest.fixture(scope="session")
def shared_weights() -> Path:
    """The file of real Inception-v3 weights."""
    path = SHARED / "weights" / "inception_v3_2015.weights.h5"
    if not path.is_file():
        pytest.skip(f"no real weights: {path.name} is not beside the checkout")
    return path


@pytest.fixture(scope="session")
def real_tree(tmp_path_factory) -> Path:
    """The real images, unpacked."""
    unpack = SHARED / "data" / "unpack"
    if not unpack.is_file():
        pytest.skip("no real data beside the checkout")
    folder = tmp_path_factory.mktemp("real")
    subprocess.run([str(unpack), str(folder)], check=True)
    return folder / "tiny-imagenet-200"


@pytest.fixture(scope="session")
def real_data(real_tree, tmp_path_factory):
    """The real dataset, prepared and verified."""
    from tiny_imagenet_tf.data import splits

    return splits.prepare(real_tree, tmp_path_factory.mktemp("real_prepared"))


@pytest.fixture
def actors_of():
    """The numbers of the processes that are Ray's actors of a class, and descend from this one."""

    def parent(number: int) -> int:
        return int(Path(f"/proc/{number}/stat").read_text().rsplit(")", 1)[1].split()[1])

    def ours(number: int) -> bool:
        while number > 1:
            number = parent(number)
            if number == os.getpid():
                return True
        return False

    def find(name: str):
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                number = int(path.parent.name)
                if path.read_bytes().startswith(f"ray::{name}".encode()) and ours(number):
                    yield number

    return find


@pytest.fixture
def tiny_imagenet(capsys):
    """Runs a command line of ``tiny-imagenet`` in this process; gives its status and what it printed."""

    from tiny_imagenet_tf.__main__ import main

    def ran(*words: object) -> subprocess.CompletedProcess:
        status = 0
        try:
            main(list(map(str, words)))
        except SystemExit as ended:
            status = ended.code
        told = capsys.readouterr()
        return subprocess.CompletedProcess(words, status, told.out, told.err)

    return ran


@pytest.fixture(scope="session")
def recipe():
    """Loads a recipe by its name."""

    return lambda name: importlib.import_module(f"tiny_imagenet_tf.recipes.{name}")
