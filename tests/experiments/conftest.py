"""Fixtures of a run that trains in seconds."""

import sys
from pathlib import Path

import keras
import pytest

sys.path.insert(0, str(Path(__file__).parent))  # tiny_run is a program of its own, and a module of these tests
import numpy as np
import tiny_run

from tiny_imagenet_tf.data import splits
from tiny_imagenet_tf.experiments.images import Data


@pytest.fixture(autouse=True)
def _restore_policy():
    policy = keras.config.dtype_policy()
    yield
    keras.config.set_dtype_policy(policy)


@pytest.fixture
def images(builder, train):
    """The synthetic images: 24 to train on, 12 to measure with."""
    validation = splits.load(builder, "validation")
    return Data(train, np.arange(len(train)), np.arange(0), validation, splits.load(builder, "test"))


@pytest.fixture
def run(tmp_path):
    """An empty run directory."""
    return tiny_run.make_run(tmp_path / "run")
