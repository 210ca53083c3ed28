"""Le & Yang's networks: Table 1, its language, and the details of sections 4 and 5."""

import keras
import numpy as np
import pytest

from tiny_imagenet_tf import published
from tiny_imagenet_tf.models.convnets import convnet, le_yang
from tiny_imagenet_tf.published import LE_YANG_TABLE_1, LE_YANG_TEXT

TINY = (8, 8, 3)


def kinds(model):
    return [type(layer).__name__ for layer in model.layers[1:]]


def parameters(architecture, channels=3, side=56, classes=200):
    """The count of an architecture by arithmetic alone, without PReLU slopes."""
    total, flat = 0, None
    for word in [*architecture.split(), f"fc-{classes}"]:
        if word.startswith("conv"):
            size, width = map(int, word.removeprefix("conv").split("-"))
            total += (size * size * channels + 1) * width
            channels = width
        elif word == "maxpool":
            side //= 2
        elif word.startswith("fc"):
            width = int(word.removeprefix("fc-"))
            total += ((flat or side * side * channels) + 1) * width
            flat = width
    return total


@pytest.mark.parametrize(
    ("model", "architecture"),
    [
        (1, "conv5-64 maxpool conv5-64 maxpool conv5-128 maxpool fc-256 dropout"),
        (
            4,
            "conv5-64 conv3-64 maxpool conv5-128 conv3-128 maxpool conv3-256 conv3-256 dropout maxpool fc-1024 dropout",
        ),
        (
            9,
            "conv3-64 conv3-64 maxpool conv3-128 conv3-128 maxpool conv3-256 conv3-256 conv3-256 maxpool "
            "conv3-512 conv3-512 conv3-512 conv3-512 conv3-512 conv3-512 fc-4096 dropout fc-4096 dropout",
        ),
    ],
)
def test_a_column_reads_from_top_to_bottom(model, architecture):
    assert LE_YANG_TABLE_1[model].architecture == architecture


@pytest.mark.parametrize(
    ("model", "count"),
    [
        (1, 1_969_544),
        (2, 13_740_552),
        (3, 14_330_632),
        (4, 14_330_632),
        (5, 14_196_488),
        (6, 14_196_488),
        (7, 60_564_808),
        (8, 60_564_808),
        (9, 135_079_944),
    ],
)
def test_counts_and_depths_are_those_the_table_prints(model, count):
    architecture = LE_YANG_TABLE_1[model].architecture
    assert parameters(architecture) == count
    if model != 9:  # 138 million is VGG-16's, see published.py
        assert round(count / 1e6, 2) == published.LE_YANG_TABLE_1_PARAMETERS_MILLION[model - 1]
    weighted = sum(word.startswith(("conv", "fc")) for word in architecture.split()) + 1
    assert weighted == published.LE_YANG_TABLE_1_DEPTH[model - 1]


def test_the_misprint_of_model_4_would_not_have_the_printed_count():
    as_printed = LE_YANG_TABLE_1[4].architecture.replace("conv5-64 conv3-64", "conv5-64 conv5-64")
    assert parameters(as_printed) == 14_396_168


def test_models_3_and_4_differ_by_a_dropout_layer_only():
    three, four = (LE_YANG_TABLE_1[model].architecture.split() for model in (3, 4))
    four.remove("dropout")
    assert three == four


def test_nonlinearities_are_those_of_table_2():
    printed = {"relu": "ReLU", "prelu": "PReLU", "leaky_relu": "LReLU"}
    used = tuple(printed[column.activation] for column in LE_YANG_TABLE_1.values())
    assert used == published.LE_YANG_TABLE_2_NONLINEARITY


def test_layers_of_model_4_in_order():
    block = ["Conv2D", "ReLU", "Conv2D", "ReLU"]
    assert kinds(le_yang(4, input_shape=TINY)) == [
        *block, "MaxPooling2D", *block, "MaxPooling2D", *block, "Dropout", "MaxPooling2D",
        "Flatten", "Dense", "ReLU", "Dropout", "Dense",
    ]  # fmt: skip


@pytest.mark.parametrize("model", LE_YANG_TABLE_1)
def test_dropout_keeps_half_wherever_the_table_has_it(model):
    dropouts = [layer for layer in le_yang(model, input_shape=TINY).layers if isinstance(layer, keras.layers.Dropout)]
    assert len(dropouts) == {1: 1, 2: 1, 3: 1, 4: 2, 5: 1, 6: 2, 7: 3, 8: 3, 9: 2}[model]
    assert {layer.rate for layer in dropouts} == {0.5}


def test_maps_of_model_9_are_56_28_14_and_7_pixels():
    model = convnet(LE_YANG_TABLE_1[9].architecture.split(" fc")[0])
    for name, shape in {
        "conv1_2": (56, 56, 64),
        "conv2_2": (28, 28, 128),
        "conv3_3": (14, 14, 256),
        "conv4_1": (7, 7, 512),
        "conv4_6": (7, 7, 512),
    }.items():
        assert model.get_layer(name).output.shape == (None, *shape)


def test_prelu_has_one_slope_a_channel():
    model = le_yang(5, input_shape=TINY)
    slopes = [layer.alpha for layer in model.layers if isinstance(layer, keras.layers.PReLU)]
    assert [tuple(slope.shape) for slope in slopes] == [
        (1, 1, 64), (1, 1, 64), (1, 1, 128), (1, 1, 128), (1, 1, 256), (1, 1, 256), (1024,),
    ]  # fmt: skip
    assert all((slope.numpy() == 0.25).all() for slope in slopes)


def test_prelu_has_one_slope_a_channel_when_channels_come_first():
    keras.config.set_image_data_format("channels_first")
    slope = le_yang(5, input_shape=TINY).get_layer("conv1_1_prelu").alpha
    assert tuple(slope.shape) == (64, 1, 1)


def test_leaky_relu_has_slope_one_hundredth():
    layer = le_yang(6, input_shape=TINY).get_layer("conv1_1_leaky_relu")
    np.testing.assert_allclose(layer(np.array([[-2.0, 3.0]])), [[-0.02, 3.0]], rtol=1e-6)


def test_activation_may_be_overridden():
    relu = le_yang(5, input_shape=TINY, activation="relu")
    assert "PReLU" not in kinds(relu)
    assert kinds(relu).count("ReLU") == 7


def test_kernels_are_caffes_xavier_and_biases_zero():
    keras.utils.set_random_seed(0)
    model = le_yang(1, input_shape=TINY)
    for name, inputs in (("conv2_1", 25 * 64), ("conv3_1", 25 * 64), ("fc1", 128), ("logits", 256)):
        kernel, bias = model.get_layer(name).get_weights()
        limit = np.sqrt(3 / inputs)
        assert 0.99 * limit < np.abs(kernel).max() <= limit
        assert not bias.any()


@pytest.mark.parametrize(
    ("architecture", "layers"),
    [
        (
            "conv3-4 maxpool " * 2 + "conv3-5 " + "fc-6 " * 2,
            ["Conv2D", "ReLU", "MaxPooling2D"] * 2 + ["Conv2D", "ReLU", "Flatten"] + ["Dense", "ReLU"] * 2,
        ),
        ("conv3-4 maxpool " * 3 + "fc-6 ", ["Conv2D", "ReLU", "MaxPooling2D"] * 3 + ["Flatten", "Dense", "ReLU"]),
        (
            "conv3-4 conv3-4 maxpool " * 2 + "fc-6 " * 0,
            ["Conv2D", "ReLU", "Conv2D", "ReLU", "MaxPooling2D"] * 2 + ["Flatten"],
        ),
    ],
)
def test_the_three_grammars_of_section_4_1(architecture, layers):
    assert kinds(convnet(architecture, input_shape=TINY)) == [*layers, "Dense"]


@pytest.mark.parametrize(
    ("architecture", "options", "message"),
    [
        ("conv3-4 pool", {}, "'pool' is none of convK-W, fc-W, maxpool, dropout"),
        ("conv3-0", {}, "'conv3-0' is none of"),
        ("fc-4 conv3-4", {}, "'conv3-4' cannot follow a fully connected layer"),
        ("fc-4 maxpool", {}, "'maxpool' cannot follow a fully connected layer"),
        ("maxpool " * 4, {}, r"nothing left for maxpool 4 to halve, got maps of \[1, 1\]"),
        ("conv3-4", {"activation": "elu"}, "one of relu, leaky_relu, prelu, got 'elu'"),
        ("conv3-4", {"dropout_rate": 1.5}, "got 1.5"),
        ("conv3-4", {"weight_decay": -1.0}, "l2=-1.0"),
        ("conv3-4", {"classes": 0}, "got 0"),
    ],
)
def test_errors_name_the_word_or_the_value(architecture, options, message):
    with pytest.raises(ValueError, match=message):
        convnet(architecture, input_shape=TINY, **options)


@pytest.mark.parametrize("model", [0, 10, "1"])
def test_table_1_has_models_1_to_9(model):
    with pytest.raises(ValueError, match=f"models 1 to 9, got {model!r}"):
        le_yang(model)


def test_the_text_reads_models_5_to_7_otherwise():
    """Sections 5.3.2 and 5.3.4: 5 is 4 with PReLU, 6 has one dropout layer, 7 is 4 with 3x3 kernels."""
    assert (LE_YANG_TEXT[5].architecture, LE_YANG_TEXT[5].activation) == (LE_YANG_TABLE_1[4].architecture, "prelu")
    assert LE_YANG_TEXT[6].architecture.count("dropout") == 1 and LE_YANG_TEXT[7].architecture.count("dropout") == 2
    assert LE_YANG_TEXT[7].architecture == LE_YANG_TABLE_1[4].architecture.replace("conv5", "conv3")
    assert convnet(LE_YANG_TEXT[7].architecture, activation="leaky_relu").count_params() == 14_196_488
    assert {number for number in LE_YANG_TABLE_1 if LE_YANG_TABLE_1[number] != LE_YANG_TEXT[number]} == {5, 6, 7}
    assert LE_YANG_TABLE_1[7] == LE_YANG_TABLE_1[8]  # as printed one network
