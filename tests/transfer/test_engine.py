"""The engine gives what predict gives, in every view, at every precision, on every device."""

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from tiny_imagenet_tf import hardware
from tiny_imagenet_tf.data import views
from tiny_imagenet_tf.data.views import MILANI_TRANSFER, DrawnView, View
from tiny_imagenet_tf.models import backbones
from tiny_imagenet_tf.transfer import engine
from tiny_imagenet_tf.transfer.engine import Engine

ROOT = Path(__file__).parents[2]
IMAGES = np.random.default_rng(0).integers(0, 256, (5, 64, 64, 3), dtype=np.uint8)
VIEWS = [View(), View("bottom_left", mirrored=True), DrawnView(MILANI_TRANSFER, 0, 1)]


def by_hand(trunk, view, resize="half_pixel"):
    """What predict makes of the images in a view."""
    shown = views.show(IMAGES, view.table(5), trunk.size, resize, recolour=isinstance(view, DrawnView))
    return trunk.model.predict(np.asarray(shown) / 127.5 - 1, verbose=0)


@pytest.mark.parametrize("resize", ["half_pixel", "tf1"])
@pytest.mark.parametrize("view", VIEWS, ids=["whole", "mirrored corner", "random"])
def test_float32_gives_what_predict_gives(small_trunk, view, resize):
    extract, table = Engine(small_trunk, "float32", resize).extractor(view), view.table(5)
    expected = by_hand(small_trunk, view, resize)
    scale = np.abs(expected).max()
    np.testing.assert_allclose(extract(IMAGES, table), expected, atol=1e-4 * scale)
    np.testing.assert_allclose(extract(IMAGES[:2], table[:2]), expected[:2], atol=1e-4 * scale)


@pytest.mark.parametrize("view", VIEWS, ids=["whole", "mirrored corner", "random"])
def test_a_trunk_that_takes_blue_first_is_shown_it(small_trunk, view, monkeypatch):
    caffe = dataclasses.replace(small_trunk, backbone=dataclasses.replace(small_trunk.backbone, pixels="caffe"))
    shown = views.show(IMAGES, view.table(5), caffe.size, recolour=isinstance(view, DrawnView))
    expected = caffe.model.predict(np.asarray(shown)[..., ::-1] - [103.939, 116.779, 123.68], verbose=0)
    extract = Engine(caffe, "float32").extractor(view)
    np.testing.assert_allclose(extract(IMAGES, view.table(5)), expected, atol=1e-4 * np.abs(expected).max())


def test_inception_v3_freezes_to_what_predict_gives(inception_trunk):
    expected = by_hand(inception_trunk, VIEWS[1])
    found = Engine(inception_trunk, "float32").extractor(VIEWS[1])(IMAGES, VIEWS[1].table(5))
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("view", VIEWS, ids=["whole", "mirrored corner", "random"])
def test_where_nothing_is_frozen_the_values_are_the_same(small_trunk, view, monkeypatch):
    """The way of a GPU, and of JAX."""
    frozen = Engine(small_trunk, "float32").extractor(view)(IMAGES, view.table(5))
    monkeypatch.setattr(engine, "freezes", lambda: False)
    compiled = Engine(small_trunk, "float32").extractor(view)(IMAGES, view.table(5))
    np.testing.assert_allclose(compiled, frozen, atol=1e-4 * np.abs(frozen).max())


@pytest.mark.parametrize("view", VIEWS, ids=["whole", "mirrored corner", "random"])
def test_a_trunk_of_bytes_is_shown_rounded_ones_by_every_way(view, tmp_path, monkeypatch):
    keras.utils.set_random_seed(0)
    images = keras.Input((40, 40, 3), dtype="uint8")
    x = keras.layers.Conv2D(12, 7, strides=5)(keras.layers.Rescaling(1 / 127.5, offset=-1)(images))
    keras.Model(images, keras.layers.GlobalAveragePooling2D()(x)).save(tmp_path / "bytes.keras")
    trunk = backbones.build(backbones.find(str(tmp_path / "bytes.keras")))
    shown = views.show(IMAGES, view.table(5), 40, recolour=isinstance(view, DrawnView))
    expected = trunk.model.predict(np.round(shown).astype("uint8"), verbose=0)
    cut = trunk.model.predict(np.asarray(shown).astype("uint8"), verbose=0)
    tolerance = 1e-3 * np.abs(expected).max()
    assert np.abs(cut - expected).max() > 2 * tolerance
    for freezes in (engine.freezes(), False):
        monkeypatch.setattr(engine, "freezes", lambda freezes=freezes: freezes)
        found = Engine(trunk, "float32").extractor(view)(IMAGES, view.table(5))
        np.testing.assert_allclose(found, expected, atol=tolerance)


@pytest.mark.parametrize("backend", ["tensorflow", pytest.param("jax", marks=pytest.mark.slow)])
def test_every_device_extracts(backend):
    more = {"KERAS_BACKEND": backend, "XLA_FLAGS": "--xla_force_host_platform_device_count=3", "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "tests/transfer/several_devices.py"], cwd=ROOT, env=os.environ | more, check=True)


def test_bfloat16_is_close_and_does_not_leak_into_float32(small_trunk):
    table = views.WHOLE.table(5)
    exact, fast = (Engine(small_trunk, each).extractor(views.WHOLE) for each in ("float32", "bfloat16"))
    before, approximate, after = exact(IMAGES, table), fast(IMAGES, table), exact(IMAGES, table)
    np.testing.assert_array_equal(before, after)
    np.testing.assert_allclose(approximate, before, atol=0.05 * np.abs(before).max())
    if hardware.cpu_has_bfloat16() and engine.freezes():
        assert np.abs(approximate - before).max() > 0  # else nothing was rewritten


def test_it_is_repeatable(small_trunk):
    extract, table = Engine(small_trunk, "float32").extractor(VIEWS[2]), VIEWS[2].table(5)
    np.testing.assert_array_equal(extract(IMAGES, table), extract(IMAGES, table))


def test_values_of_tf32_are_not_those_of_float32(small_trunk, monkeypatch):
    described = {}
    for products in ("float32", "tf32"):
        monkeypatch.setattr("tiny_imagenet_tf.hardware.products_of_float32", lambda told=products: told)
        described[products] = [Engine(small_trunk, precision).description for precision in ("float32", "bfloat16")]
    assert described["tf32"][0] == described["float32"][0] | {"products": "tf32"}
    assert described["tf32"][1] == described["float32"][1]
