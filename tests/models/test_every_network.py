"""The same battery for every network of the registry, on small images."""

import importlib.util
import os
import subprocess
import sys

import keras
import numpy as np
import pytest

from tiny_imagenet_tf import models

CLASSES = 10

# Small inputs, so that the fully connected layers stay small; the widths are the networks' own.
SMALL = {"inception_v3": (75, 75, 3), "compact_inception": (24, 24, 3)}
SMALL_CONVNET = (8, 8, 3)


def build_small(name, **options):
    if name == "transfer_head":
        return models.build(name, features=16, classes=CLASSES, **options)
    return models.build(name, input_shape=SMALL.get(name, SMALL_CONVNET), classes=CLASSES, **options)


def batch_for(model, count=4):
    shape = (count, *model.input_shape[1:])
    return np.random.default_rng(0).uniform(-1, 1, shape).astype("float32")


# Inception-v3 is of the same blocks as the compact one, and takes three times as long.
NAMES = [pytest.param(name, marks=pytest.mark.slow if name == "inception_v3" else ()) for name in models.names()]


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16", "mixed_float16"])
@pytest.mark.parametrize("name", NAMES)
def test_logits_are_finite_float32_under_any_policy(name, policy):
    keras.config.set_dtype_policy(policy)
    model = build_small(name)
    logits = model(batch_for(model, count=1), training=False)
    assert keras.backend.standardize_dtype(logits.dtype) == "float32"
    assert logits.shape == (1, CLASSES)
    assert np.isfinite(np.array(logits)).all()
    assert np.ptp(np.array(logits)) > 0
    compute = policy.removeprefix("mixed_")
    assert {layer.compute_dtype for layer in model.layers} <= {compute, "float32"}
    assert name == "transfer_head" or compute in {layer.compute_dtype for layer in model.layers}


@pytest.mark.parametrize("name", NAMES)
def test_one_training_step_changes_every_trainable_weight(name):
    keras.utils.set_random_seed(0)
    model = build_small(name)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(1e-3), loss, run_eagerly=True)
    before = [weight.numpy() for weight in model.trainable_weights]
    model.train_on_batch(batch_for(model), np.arange(4))
    unchanged = [
        weight.path
        for weight, old in zip(model.trainable_weights, before, strict=True)
        if np.array_equal(weight.numpy(), old)
    ]
    assert before
    assert unchanged == []


@pytest.mark.parametrize("name", NAMES)
def test_saves_and_loads_with_plain_keras(name, tmp_path):
    model = build_small(name)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")  # no custom objects
    batch = batch_for(model, count=1)
    np.testing.assert_array_equal(loaded(batch, training=False), model(batch, training=False))
    assert [weight.path for weight in loaded.weights] == [weight.path for weight in model.weights]


@pytest.mark.parametrize(
    "name", [pytest.param("inception_v3", marks=pytest.mark.slow), "compact_inception", "le_yang_model_6"]
)
def test_channels_first_networks_take_the_same_input_shape_argument(name):
    last = build_small(name)
    keras.config.set_image_data_format("channels_first")
    first = build_small(name)
    height, width, channels = last.input_shape[1:]
    assert first.input_shape == (None, channels, height, width)
    first.set_weights(last.get_weights())
    batch = batch_for(last, count=1)
    got = np.array(first(batch.transpose(0, 3, 1, 2), training=False))
    np.testing.assert_allclose(got, last(batch, training=False), atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_weight_decay_regularizes_every_kernel_and_nothing_else(name):
    model = build_small(name, weight_decay=0.25)
    kernels = [weight for weight in model.trainable_weights if weight.name == "kernel"]
    squares = sum(float(keras.ops.sum(kernel**2)) for kernel in kernels)
    assert len(model.losses) == len(kernels)
    assert float(sum(model.losses)) == pytest.approx(0.25 * squares, rel=1e-4)


LOAD_AND_PREDICT = """
import sys
import keras
import numpy as np

model, batch, output = sys.argv[1:]
np.save(output, keras.saving.load_model(model).predict(np.load(batch), verbose=0))
"""


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["jax", "torch"])
@pytest.mark.parametrize("name", ["inception_v3", "compact_inception", "le_yang_model_5", "transfer_head"])
def test_a_saved_network_predicts_the_same_on_another_backend(name, backend, tmp_path):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed: {name} was not tested on it")
    model = build_small(name)
    batch = batch_for(model, count=1)
    files = [str(tmp_path / file) for file in ("model.keras", "batch.npy", "output.npy")]
    model.save(files[0])
    np.save(files[1], batch)
    subprocess.run(  # elsewhere: without this package on the path
        [sys.executable, "-c", LOAD_AND_PREDICT, *files],
        cwd=tmp_path,
        env=os.environ | {"KERAS_BACKEND": backend},
        check=True,
    )
    expected = np.array(model(batch, training=False))
    np.testing.assert_allclose(np.load(files[2]), expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


def test_an_unknown_network_is_answered_with_the_known_ones():
    with pytest.raises(ValueError, match=r"no network 'vgg'; there are inception_v3, .*le_yang_model_9"):
        models.build("vgg")


def test_an_unknown_option_is_an_error():
    with pytest.raises(TypeError, match="dropout"):
        models.build("compact_inception", dropout=0.5)


def test_a_network_may_have_a_name_of_its_own():
    assert models.build("compact_inception", name="mine", width_multiplier=0.05).name == "mine"
