"""The inception blocks: structure, exact values, options, errors, channel orders, backends."""

import functools
import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from tiny_imagenet_tf.blocks import (
    conv_bn,
    inception_dim,
    inception_type1,
    inception_type2,
    inception_type3,
)

ROOT = Path(__file__).parents[1]

TYPE1 = {"conv1x1": 2, "single": (3, 4), "double": (5, 6, 7), "pool": 8}
TYPE2 = {"conv1x1": 2, "single": (3, 4, 5), "double": (6, 7, 8, 9, 10), "pool": 11}
TYPE3 = {"conv1x1": 2, "single": (3, 4, 5), "double": (6, 7, 8, 9), "pool": 10}
DIM = {"branches": {"single": [(3, 3)], "double": [(4, 1), (5, (1, 7)), (6, 3)]}}

# block, widths, output of a 9x8x3 map, kernels as {layer: (height, width, in, out)} in any order
BLOCKS = {
    "conv_bn": (conv_bn, {"filters": 4, "kernel_size": (1, 3)}, (9, 8, 4), {"b_conv": (1, 3, 3, 4)}),
    "type1": (
        inception_type1,
        TYPE1,
        (9, 8, 2 + 4 + 7 + 8),
        {
            "b_conv1x1_conv": (1, 1, 3, 2),
            "b_single_1_conv": (1, 1, 3, 3),
            "b_single_2_conv": (5, 5, 3, 4),
            "b_double_1_conv": (1, 1, 3, 5),
            "b_double_2_conv": (3, 3, 5, 6),
            "b_double_3_conv": (3, 3, 6, 7),
            "b_pool_1x1_conv": (1, 1, 3, 8),
        },
    ),
    "type2": (
        inception_type2,
        TYPE2,
        (9, 8, 2 + 5 + 10 + 11),
        {
            "b_conv1x1_conv": (1, 1, 3, 2),
            "b_single_1_conv": (1, 1, 3, 3),
            "b_single_2_conv": (1, 7, 3, 4),
            "b_single_3_conv": (7, 1, 4, 5),
            "b_double_1_conv": (1, 1, 3, 6),
            "b_double_2_conv": (7, 1, 6, 7),
            "b_double_3_conv": (1, 7, 7, 8),
            "b_double_4_conv": (7, 1, 8, 9),
            "b_double_5_conv": (1, 7, 9, 10),
            "b_pool_1x1_conv": (1, 1, 3, 11),
        },
    ),
    "type3": (
        inception_type3,
        TYPE3,
        (9, 8, 2 + 9 + 17 + 10),
        {
            "b_conv1x1_conv": (1, 1, 3, 2),
            "b_single_1_conv": (1, 1, 3, 3),
            "b_single_1x3_conv": (1, 3, 3, 4),
            "b_single_3x1_conv": (3, 1, 3, 5),
            "b_double_1_conv": (1, 1, 3, 6),
            "b_double_2_conv": (3, 3, 6, 7),
            "b_double_1x3_conv": (1, 3, 7, 8),
            "b_double_3x1_conv": (3, 1, 7, 9),
            "b_pool_1x1_conv": (1, 1, 3, 10),
        },
    ),
    "dim": (
        inception_dim,
        DIM,
        (4, 3, 3 + 6 + 3),
        {
            "b_single_1_conv": (3, 3, 3, 3),
            "b_double_1_conv": (1, 1, 3, 4),
            "b_double_2_conv": (1, 7, 4, 5),
            "b_double_3_conv": (3, 3, 5, 6),
        },
    ),
}


@pytest.fixture(autouse=True)
def _restore_global_settings():
    data_format = keras.config.image_data_format()
    policy = keras.config.dtype_policy()
    yield
    keras.config.set_image_data_format(data_format)
    keras.config.set_dtype_policy(policy)


def build(block, shape=(9, 8, 3), name="b", **arguments):
    images = keras.Input(shape)
    return keras.Model(images, block(images, name=name, **arguments))


def convolutions(model):
    return [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]


def random_images(*shape):
    return np.random.default_rng(0).normal(size=shape).astype("float32")


@pytest.mark.parametrize("kind", BLOCKS)
def test_output_shape_and_every_kernel(kind):
    block, widths, output, kernels = BLOCKS[kind]
    model = build(block, **widths)
    assert model.output_shape == (None, *output)
    assert {layer.name: tuple(layer.kernel.shape) for layer in convolutions(model)} == kernels


@pytest.mark.parametrize("kind", BLOCKS)
def test_layer_names_start_with_the_block_and_its_output_bears_the_name(kind):
    block, widths, _, _ = BLOCKS[kind]
    model = build(block, name="some_block", **widths)
    names = [layer.name for layer in model.layers[1:]]
    assert all(re.fullmatch("some_block(_.*)?", name) for name in names)
    assert model.get_layer("some_block").output is model.output


@pytest.mark.parametrize("kind", BLOCKS)
def test_every_convolution_is_followed_by_normalization_then_relu(kind):
    block, widths, _, _ = BLOCKS[kind]
    model = build(block, **widths)
    for convolution in convolutions(model):
        stem = convolution.name.removesuffix("_conv")
        norm, relu = model.get_layer(f"{stem}_bn"), model.get_layer(stem)
        assert norm.input is convolution.output
        assert relu.input is norm.output
        assert relu.activation is keras.activations.relu
        assert not convolution.use_bias
        assert norm.epsilon == 1e-3


@pytest.mark.parametrize("kind", BLOCKS)
def test_gamma_is_an_option_of_every_normalization(kind):
    block, widths, _, kernels = BLOCKS[kind]
    for scale in (False, True):
        model = build(block, scale=scale, **widths)
        gammas = [weight for weight in model.weights if weight.name == "gamma"]
        assert len(gammas) == (len(kernels) if scale else 0)


@pytest.mark.parametrize("kind", BLOCKS)
def test_weight_decay_adds_c_times_the_sum_of_squared_kernels(kind):
    block, widths, _, _ = BLOCKS[kind]
    assert build(block, **widths).losses == []
    model = build(block, weight_decay=0.5, **widths)
    squares = sum(float(keras.ops.sum(layer.kernel**2)) for layer in convolutions(model))
    assert float(sum(model.losses)) == pytest.approx(0.5 * squares, rel=1e-5)


def test_conv_bn_computes_convolution_then_shift_then_relu():
    model = build(conv_bn, shape=(4, 4, 1), filters=2, kernel_size=3, padding="valid")
    kernel = np.stack([np.ones((3, 3, 1)), -np.ones((3, 3, 1))], axis=-1)
    beta, mean, variance = [0.0, 50.0], [9.0, 0.0], [4 - 1e-3, 1 - 1e-3]
    model.set_weights([kernel, np.array(beta), np.array(mean), np.array(variance)])
    image = np.arange(16, dtype="float32").reshape(1, 4, 4, 1)
    sums = np.array([[45.0, 54.0], [81.0, 90.0]])  # of each 3x3 window of 0..15
    expected = np.stack([(sums - 9) / 2, np.maximum(0, 50 - sums)], axis=-1)
    np.testing.assert_allclose(model(image, training=False)[0], expected, rtol=1e-5)


@pytest.mark.parametrize(("padding", "side"), [("valid", 31), ("same", 32)])
def test_conv_bn_strides_and_padding(padding, side):
    model = build(conv_bn, shape=(64, 64, 3), filters=5, kernel_size=3, strides=2, padding=padding)
    assert model.output_shape == (None, side, side, 5)


def test_branches_are_concatenated_in_the_documented_order():
    """With one branch's last shift at 1 and all else silent, only that branch's channels light up."""
    model = build(inception_type1, **TYPE1)
    for layer in convolutions(model):
        layer.kernel.assign(np.zeros(layer.kernel.shape))
    first = 0
    for last_layer, width in (("conv1x1", 2), ("single_2", 4), ("double_3", 7), ("pool_1x1", 8)):
        beta = model.get_layer(f"b_{last_layer}_bn").beta
        beta.assign(np.ones(width))
        lit = np.flatnonzero(np.array(model(np.zeros((1, 9, 8, 3)), training=False))[0, 0, 0])
        assert lit.tolist() == list(range(first, first + width))
        beta.assign(np.zeros(width))
        first += width


def test_type1_takes_the_figures_3x3_middle():
    model = build(inception_type1, middle_size=3, **TYPE1)
    assert tuple(model.get_layer("b_single_2_conv").kernel.shape) == (3, 3, 3, 4)


@pytest.mark.parametrize("n", [1, 3, 5, 9])
def test_type2_takes_any_odd_n(n):
    model = build(inception_type2, n=n, **TYPE2)
    assert model.get_layer("b_double_2_conv").kernel_size == (n, 1)
    assert model.get_layer("b_double_3_conv").kernel_size == (1, n)
    assert model.output_shape == (None, 9, 8, 28)


@pytest.mark.parametrize(
    ("padding", "side", "reduced"),
    [("valid", 35, 17), ("valid", 17, 8), ("valid", 3, 1), ("same", 27, 14), ("same", 14, 7), ("same", 2, 1)],
)
def test_dim_halves_the_map_and_keeps_the_inputs_maxima_last(padding, side, reduced):
    model = build(inception_dim, shape=(side, side, 2), padding=padding, **DIM)
    assert model.output_shape == (None, reduced, reduced, 3 + 6 + 2)
    images = random_images(1, side, side, 2)
    pooled = keras.layers.MaxPooling2D(3, strides=2, padding=padding)(images)
    np.testing.assert_array_equal(np.array(model(images))[..., -2:], np.array(pooled))


def test_map_size_may_be_unknown():
    images = keras.Input((None, None, 3))
    x = conv_bn(images, 4, 3, padding="valid", name="a")
    x = inception_dim(x, name="b", **DIM)
    assert inception_type3(x, name="c", **TYPE3).shape == (None, None, None, 38)


@pytest.mark.parametrize("kind", BLOCKS)
def test_channels_first_computes_the_same(kind):
    block, widths, _, _ = BLOCKS[kind]
    last = build(block, **widths)
    keras.config.set_image_data_format("channels_first")
    first = build(block, shape=(3, 9, 8), **widths)
    first.set_weights(last.get_weights())
    images = random_images(2, 9, 8, 3)
    expected = np.array(last(images, training=False))
    got = np.array(first(images.transpose(0, 3, 1, 2), training=False)).transpose(0, 2, 3, 1)
    assert np.ptp(expected) > 0.1
    np.testing.assert_allclose(got, expected, atol=1e-5)


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16", "mixed_float16"])
@pytest.mark.parametrize("kind", BLOCKS)
def test_follows_the_precision_policy(kind, policy):
    keras.config.set_dtype_policy(policy)
    block, widths, _, _ = BLOCKS[kind]
    model = build(block, **widths)
    output = model(random_images(1, 9, 8, 3), training=False)
    assert keras.backend.standardize_dtype(output.dtype) == policy.removeprefix("mixed_")
    assert np.isfinite(np.array(keras.ops.cast(output, "float32"))).all()
    assert {weight.dtype for weight in model.weights} == {"float32"}


BAD_ARGUMENTS = [
    (conv_bn, {"filters": 0, "kernel_size": 3}, "0"),
    (conv_bn, {"filters": 2.0, "kernel_size": 3}, "2.0"),
    (conv_bn, {"filters": True, "kernel_size": 3}, "True"),
    (conv_bn, {"filters": 4, "kernel_size": -3}, "-3"),
    (conv_bn, {"filters": 4, "kernel_size": (3, 3, 3)}, "(3, 3, 3)"),
    (conv_bn, {"filters": 4, "kernel_size": 3, "strides": 0}, "0"),
    (conv_bn, {"filters": 4, "kernel_size": 3, "padding": "full"}, "'full'"),
    (conv_bn, {"filters": 4, "kernel_size": 3, "weight_decay": -0.1}, "-0.1"),
    (conv_bn, {"filters": 4, "kernel_size": 3, "weight_decay": "0.1"}, "'0.1'"),
    (conv_bn, {"filters": 4, "kernel_size": 10, "padding": "valid"}, "(9, 8)"),
    (inception_type1, TYPE1 | {"conv1x1": 0}, "0"),
    (inception_type1, TYPE1 | {"single": (3,)}, "(3,)"),
    (inception_type1, TYPE1 | {"single": 3}, "3"),
    (inception_type1, TYPE1 | {"double": (5, 6, 0)}, "0"),
    (inception_type1, TYPE1 | {"pool": -1}, "-1"),
    (inception_type1, TYPE1 | {"middle_size": 4}, "4"),
    (inception_type2, TYPE2 | {"n": 6}, "6"),
    (inception_type2, TYPE2 | {"n": 0}, "0"),
    (inception_type2, TYPE2 | {"single": (3, 4)}, "(3, 4)"),
    (inception_type2, TYPE2 | {"double": (6, 7, 8, 9)}, "(6, 7, 8, 9)"),
    (inception_type3, TYPE3 | {"single": (3, 4, 5, 6)}, "(3, 4, 5, 6)"),
    (inception_type3, TYPE3 | {"double": (6, 7, 8, "9")}, "'9'"),
    (inception_dim, {"branches": {}}, "{}"),
    (inception_dim, {"branches": [(3, 3)]}, "[(3, 3)]"),
    (inception_dim, {"branches": {"single": []}}, "[]"),
    (inception_dim, {"branches": {"single": [(3, 3, 3)]}}, "[(3, 3, 3)]"),
    (inception_dim, {"branches": {"single": [(0, 3)]}}, "0"),
    (inception_dim, DIM | {"padding": "reflect"}, "'reflect'"),
]


@pytest.mark.parametrize(("block", "arguments", "value"), BAD_ARGUMENTS)
def test_errors_name_the_block_and_the_value(block, arguments, value):
    message = re.escape(f"{block.__name__} 'faulty': ") + ".*" + re.escape(f"got {value}") + "$"
    with pytest.raises(ValueError, match=message):
        block(keras.Input((9, 8, 3)), name="faulty", **arguments)


@pytest.mark.parametrize("kind", BLOCKS)
def test_input_must_be_four_dimensional(kind):
    block, widths, _, _ = BLOCKS[kind]
    with pytest.raises(ValueError, match=rf"{block.__name__} 'b': .*4D.*got \(None, 9, 8\)"):
        build(block, shape=(9, 8), **widths)


@pytest.mark.parametrize("kind", BLOCKS)
def test_name_must_not_be_empty(kind):
    block, widths, _, _ = BLOCKS[kind]
    with pytest.raises(ValueError, match=f"{block.__name__} '': name must be"):
        build(block, name="", **widths)


@pytest.mark.parametrize(("padding", "shape"), [("valid", (2, 9)), ("valid", (9, 1)), ("same", (1, 1))])
def test_dim_refuses_a_map_with_nothing_to_reduce(padding, shape):
    with pytest.raises(ValueError, match=re.escape("inception_dim 'b': the map must be at least")):
        build(inception_dim, shape=(*shape, 3), padding=padding, **DIM)


def test_dim_refuses_a_map_too_small_for_its_pool_whatever_the_convolutions():
    with pytest.raises(ValueError, match=re.escape("inception_dim 'b': the map must be at least (3, 3)")):
        build(inception_dim, shape=(2, 2, 3), branches={"single": [(4, 1)]})


def test_sizes_are_height_and_width_when_channels_come_first():
    keras.config.set_image_data_format("channels_first")
    assert build(inception_dim, shape=(1, 9, 8), **DIM).output_shape == (None, 3 + 6 + 1, 4, 3)
    with pytest.raises(ValueError, match=re.escape("got (9, 2)")):
        build(inception_dim, shape=(8, 9, 2), **DIM)


def test_importing_blocks_loads_keras_and_itself_only():
    script = (
        "import sys, keras\n"
        "before = set(sys.modules)\n"
        "import tiny_imagenet_tf.blocks\n"
        "print('LOADED', *sorted(set(sys.modules) - before))\n"
        "print('TFDS', 'tensorflow_datasets' in sys.modules)\n"
    )
    lines = run_python(script).splitlines()
    loaded = next(line for line in lines if line.startswith("LOADED")).split()[1:]
    assert "tiny_imagenet_tf.blocks" in loaded
    assert set(loaded) <= {"tiny_imagenet_tf", "tiny_imagenet_tf._registration", "tiny_imagenet_tf.blocks"}
    assert "TFDS False" in lines


def run_python(script, **environment):
    """Runs a script in a fresh interpreter at the repository's root; its standard output."""
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"PYTHONPATH": path} | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


ALL_BLOCKS = """
import keras
from tiny_imagenet_tf import blocks

def all_blocks():
    channels_first = keras.config.image_data_format() == "channels_first"
    x = images = keras.Input((3, 17, 16) if channels_first else (17, 16, 3))
    x = blocks.conv_bn(x, 4, 3, name="stem")
    x = blocks.inception_type1(x, conv1x1=2, single=(2, 3), double=(2, 3, 4), pool=2, name="one")
    x = blocks.inception_dim(x, branches={"single": [(3, 1), (4, 3)]}, name="dim")
    x = blocks.inception_type2(x, conv1x1=2, single=(2, 3, 3), double=(2, 3, 4, 5, 6), pool=2, name="two")
    x = blocks.inception_type3(x, conv1x1=2, single=(2, 3, 3), double=(2, 3, 4, 5), pool=2, name="three")
    return keras.Model(images, x)
"""

ON_ANOTHER_BACKEND = """
import numpy as np
saved = np.load(FILE)
for data_format, order in (("channels_last", (0, 1, 2, 3)), ("channels_first", (0, 3, 1, 2))):
    keras.config.set_image_data_format(data_format)
    model = all_blocks()
    model.set_weights([saved[f"weight{i}"] for i in range(len(model.weights))])
    output = model.predict(saved["images"].transpose(order), verbose=0)
    expected = saved["output"].transpose(order)
    close = np.abs(output - expected).max() < 1e-5 * np.abs(expected).max()
    print("RESULT", keras.backend.backend(), data_format, close)
"""


@pytest.mark.parametrize(("backend", "package"), [("jax", "jax"), ("torch", "torch")])
def test_other_backends_compute_the_same(backend, package, tmp_path):
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed: the {backend} backend was not tested")
    namespace = {}
    exec(ALL_BLOCKS, namespace)
    model = namespace["all_blocks"]()
    rng = np.random.default_rng(0)
    for weight in model.weights:
        values = rng.uniform(-0.4, 0.6, weight.shape)
        weight.assign(np.abs(values) if weight.name == "moving_variance" else values)
    images = random_images(2, 17, 16, 3)
    output = np.array(model(images, training=False))
    assert np.ptp(output) > 0.1
    weights = {f"weight{i}": weight for i, weight in enumerate(model.get_weights())}
    np.savez(tmp_path / "saved.npz", images=images, output=output, **weights)
    script = ALL_BLOCKS + f"FILE = {str(tmp_path / 'saved.npz')!r}\n" + ON_ANOTHER_BACKEND
    quick = "--xla_backend_optimization_level=0"  # compiling takes longer than running
    printed = run_python(script, KERAS_BACKEND=backend, XLA_FLAGS=quick)
    assert f"RESULT {backend} channels_last True" in printed
    assert f"RESULT {backend} channels_first True" in printed


@functools.cache  # both documents show the same code
def train_example(code):
    namespace = {}
    exec(code, namespace)
    model = namespace["model"]
    images, labels = random_images(20, *model.input_shape[1:]), np.arange(20) % 10
    history = model.fit(images, labels, epochs=8, batch_size=20, verbose=0).history
    return model.output_shape, history["loss"]


@pytest.mark.parametrize("document", ["README.md", "docs/blocks.md"])
def test_the_example_classifier_of_the_documents_trains(document):
    text = (ROOT / document).read_text(encoding="utf-8")
    examples = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    code = next(example for example in examples if "from tiny_imagenet_tf.blocks import" in example)
    assert len(code.splitlines()) <= 20
    output_shape, losses = train_example(code)
    assert output_shape == (None, 10)
    assert losses[-1] < 0.7 * losses[0]
