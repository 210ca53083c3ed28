"""Trunks with random weights, shared by the room's tests."""

import pytest

from tiny_imagenet_tf.models import backbones


@pytest.fixture(scope="session")
def small_trunk(tiny_backbone):
    """40x40 images to 12 values, random weights."""
    return backbones.build(backbones.find(tiny_backbone, "-1..1"))


@pytest.fixture(scope="session")
def inception_trunk():
    """75x75 images to the 768 values of a block in its middle, random weights."""
    return backbones.build(backbones.find("inception_v3"), "random", layer="mixed4", input_size=75, seed=3)
