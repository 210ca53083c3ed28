"""The inception blocks: structure, exact values, options, channel orders."""

import re

import keras
import numpy as np
import pytest

from tiny_imagenet_tf.blocks import conv_bn, inception_dim, inception_type1, inception_type2, inception_type3

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


def test_sizes_are_height_and_width_when_channels_come_first():
    keras.config.set_image_data_format("channels_first")
    assert build(inception_dim, shape=(1, 9, 8), **DIM).output_shape == (None, 3 + 6 + 1, 4, 3)
    with pytest.raises(ValueError, match=re.escape("got (9, 2)")):
        build(inception_dim, shape=(8, 9, 2), **DIM)


def parameters(block, **widths):
    """Of each kernel of a block, by its size; where all maps have eight channels."""
    kernels = [layer for layer in convolutions(build(block, (9, 9, 8), **widths)) if layer.kernel_size != (1, 1)]
    return [(layer.kernel_size, layer.count_params()) for layer in kernels]


def test_two_3x3_convolutions_have_28_percent_fewer_parameters_than_a_5x5():
    """Milani section 3.1."""
    found = parameters(inception_type1, conv1x1=8, single=(8, 8), double=(8, 8, 8), pool=8)
    (wide,) = [count for size, count in found if size == (5, 5)]
    narrow = [count for size, count in found if size == (3, 3)]
    assert len(narrow) == 2 and sum(narrow) / wide == 0.72
    images, five = keras.Input((9, 9, 8)), keras.layers.Conv2D(8, 5, use_bias=False)
    three = [keras.layers.Conv2D(8, 3, use_bias=False) for _ in range(2)]
    assert five(images).shape == three[1](three[0](images)).shape  # they see as much


def test_a_1x7_and_a_7x1_have_two_sevenths_of_the_parameters_of_a_7x7():
    """Milani section 3.1."""
    found = parameters(inception_type2, conv1x1=8, single=(8, 8, 8), double=(8, 8, 8, 8, 8), pool=8)
    assert sorted(size for size, _ in found) == [(1, 7)] * 3 + [(7, 1)] * 3
    assert {count for _, count in found} == {7 * 8 * 8}  # two are 14 of the 49 weights of a 7x7
