"""The inception blocks refuse what makes no sense, and say which block and which value."""

import re

import keras
import pytest

from tiny_imagenet_tf.blocks import conv_bn, inception_dim, inception_type1, inception_type2, inception_type3

TYPE1 = {"conv1x1": 2, "single": (3, 4), "double": (5, 6, 7), "pool": 8}
TYPE2 = {"conv1x1": 2, "single": (3, 4, 5), "double": (6, 7, 8, 9, 10), "pool": 11}
TYPE3 = {"conv1x1": 2, "single": (3, 4, 5), "double": (6, 7, 8, 9), "pool": 10}
DIM = {"branches": {"single": [(3, 3)], "double": [(4, 1), (5, (1, 7)), (6, 3)]}}
VALID = [
    (conv_bn, {"filters": 4, "kernel_size": 3}),
    (inception_type1, TYPE1),
    (inception_type2, TYPE2),
    (inception_type3, TYPE3),
    (inception_dim, DIM),
]

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


@pytest.mark.parametrize(("block", "widths"), VALID)
def test_input_must_be_four_dimensional(block, widths):
    with pytest.raises(ValueError, match=rf"{block.__name__} 'b': .*4D.*got \(None, 9, 8\)"):
        block(keras.Input((9, 8)), name="b", **widths)


@pytest.mark.parametrize(("block", "widths"), VALID)
def test_name_must_not_be_empty(block, widths):
    with pytest.raises(ValueError, match=f"{block.__name__} '': name must be"):
        block(keras.Input((9, 8, 3)), name="", **widths)


@pytest.mark.parametrize(("padding", "shape"), [("valid", (2, 9)), ("valid", (9, 1)), ("same", (1, 1))])
def test_dim_refuses_a_map_with_nothing_to_reduce(padding, shape):
    with pytest.raises(ValueError, match=re.escape("inception_dim 'b': the map must be at least")):
        inception_dim(keras.Input((*shape, 3)), padding=padding, name="b", **DIM)


def test_dim_refuses_a_map_too_small_for_its_pool_whatever_the_convolutions():
    with pytest.raises(ValueError, match=re.escape("inception_dim 'b': the map must be at least (3, 3)")):
        inception_dim(keras.Input((2, 2, 3)), branches={"single": [(4, 1)]}, name="b")
