"""A random trunk at the smallest input, shared by the room's tests."""

import pytest

from tiny_imagenet_tf.models import backbones


@pytest.fixture(scope="session")
def small_trunk():
    """75x75 images to 2048 values, random weights."""
    return backbones.build(backbones.find("inception_v3"), "random", input_size=75, seed=3)
