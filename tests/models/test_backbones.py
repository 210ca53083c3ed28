"""Backbones as records: what they compute, and in which files their weights are found."""

import dataclasses
import fcntl
import os
import re
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

from tiny_imagenet_tf import hardware
from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.models import network_files, preprocess
from tiny_imagenet_tf.models.backbones import BACKBONES, Backbone, build, find, pixels_of, with_head
from tiny_imagenet_tf.models.heads import transfer_head
from tiny_imagenet_tf.models.network_files import WeightsError

V3 = find("inception_v3")


IMAGES = np.random.default_rng(0).uniform(-1, 1, (3, 75, 75, 3)).astype("float32")


@pytest.fixture(scope="module")
def small_trunk():
    return build(V3, "random", input_size=75, seed=3)


@pytest.mark.parametrize("document", ["docs/map.md", "tiny_imagenet_tf/transfer/options.py"])
def test_the_documents_name_all(document):
    words = re.findall(r"\w+", (Path(__file__).parents[2] / document).read_text())
    assert set(BACKBONES) <= set(words)


def test_values_and_parameters(small_trunk):
    assert small_trunk.model.count_params() == 21_802_784
    values = small_trunk.model.predict(IMAGES, verbose=0)
    assert values.shape == (3, 2048) and values.dtype == np.float32


def test_one_process_at_a_time_downloads_weights(monkeypatch, tmp_path):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))

    def downloading(weights, **options):
        if weights:
            with (tmp_path / "models/.downloading.lock").open() as file, pytest.raises(BlockingIOError):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            raise OSError("no network")
        return BACKBONES["mobilenet_v3_large"].build(weights=None, **options)

    backbone = dataclasses.replace(BACKBONES["mobilenet_v3_large"], build=downloading)
    with pytest.raises(WeightsError, match="could not be downloaded:\n  no network"):
        build(backbone)


def test_where_there_can_be_no_lock_weights_are_found_all_the_same(monkeypatch, tmp_path):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    record = BACKBONES["mobilenet_v3_large"]

    def there(weights, **options):
        return record.build(weights=None, **options)

    (tmp_path / "models/.there.lock").mkdir(parents=True)  # which nobody can open
    assert build(dataclasses.replace(record, build=there)).label == "imagenet"

    def refused(*_, **__):
        raise UserError("the lock cannot be written: Permission denied")

    monkeypatch.setattr(network_files, "locked", refused)
    assert build(dataclasses.replace(record, build=there)).label == "imagenet"


def test_it_is_frozen_and_does_not_tell_training_from_inference(small_trunk):
    model = small_trunk.model
    assert model.trainable_variables == []
    before = [variable.numpy() for variable in model.variables]
    training, inference = model(IMAGES, training=True), model(IMAGES, training=False)
    np.testing.assert_array_equal(training, inference)
    for old, variable in zip(before, model.variables, strict=True):
        np.testing.assert_array_equal(old, variable.numpy(), err_msg=variable.path)


def test_random_weights_are_fixed_by_the_seed():
    first, again, other = (build(TINY, "random", seed=seed).description for seed in (3, 3, 4))
    assert again == first and other["weights_sha256"] != first["weights_sha256"]


@pytest.mark.slow
def test_our_own_blocks_give_the_same_values(small_trunk, tmp_path):
    file = tmp_path / "random.weights.h5"
    network = keras.applications.InceptionV3(weights=None, include_top=False, pooling="avg")
    network.set_weights(small_trunk.model.get_weights())
    network.save_weights(file)
    values = []
    for name in ("inception_v3", "inception_v3_blocks"):
        each = build(find(name), str(file), input_size=75)
        assert each.label == "random.weights.h5" and each.description["backbone"] == name
        values.append(each.model.predict(IMAGES, verbose=0))
    np.testing.assert_allclose(values[0], values[1], atol=1e-7, rtol=1e-4)
    np.testing.assert_array_equal(values[0], small_trunk.model.predict(IMAGES, verbose=0))


@pytest.mark.parametrize(("layer", "width"), [("mixed0", 256), ("mixed8", 1280)])
def test_any_block_can_be_the_last(layer, width):
    model = build(V3, "random", layer=layer, input_size=75).model
    assert model.output_shape == (None, width)


@pytest.mark.slow
def test_a_block_is_averaged_over_its_positions(small_trunk):
    values = build(V3, "random", layer="mixed10", input_size=75, seed=3).model.predict(IMAGES, verbose=0)
    np.testing.assert_allclose(values, small_trunk.model.predict(IMAGES, verbose=0), atol=1e-7, rtol=1e-4)


def test_an_unknown_layer_is_answered_with_the_known_ones():
    with pytest.raises(ValueError, match=r"--layer mixed99: .* mixed10"):
        build(V3, "random", layer="mixed99", input_size=75)


def test_too_small_an_input_is_refused():
    with pytest.raises(ValueError, match="--input-size 64: inception_v3 takes 75 pixels or more"):
        build(V3, "random", input_size=64)


def tiny(weights=None, include_top=False, input_shape=(32, 32, 3), pooling=None, classes=10):
    """A network that somebody adds, with the arguments of ``keras.applications``."""
    x = images = keras.Input(input_shape)
    x = keras.layers.Conv2D(6, 3, strides=2, name="tiny_convolution")(x)
    x = keras.layers.BatchNormalization(name="tiny_normalization")(x)
    if include_top or pooling:
        x = keras.layers.GlobalAveragePooling2D(name="avg_pool")(x)
    if include_top:
        x = keras.layers.Dense(classes, name="predictions")(x)
    return keras.Model(images, x)


def pointwise(weights=None, include_top=False, input_shape=(32, 32, 3), pooling=None, classes=100):
    """The same with matrices inside, as ConvNeXt has them, and a convolution as its head, as MobileNetV3's is."""
    x = images = keras.Input(input_shape)
    for width in (3, 4, 5, 6):
        x = keras.layers.Dense(width)(x)
    if pooling:
        x = keras.layers.GlobalAveragePooling2D(name="avg_pool")(x)
    if include_top:
        x = keras.layers.GlobalAveragePooling2D(keepdims=True)(x)
        x = keras.layers.Flatten()(keras.layers.Conv2D(classes, 1, name="logits")(x))
    return keras.Model(images, x)


TINY = Backbone("tiny", tiny, "0..1", input_size=32, smallest=8)
POINTWISE = Backbone("pointwise", pointwise, "0..1", input_size=32, smallest=8)
KINDS = [TINY, POINTWISE, pytest.param(V3, marks=pytest.mark.slow)]


@pytest.fixture(scope="module", params=KINDS, ids=lambda each: each.name)
def kept(request, tmp_path_factory):
    """A backbone, and files with its weights in them, under every head and in every form."""
    backbone, folder = request.param, tmp_path_factory.mktemp("kept")
    trunk = build(backbone, "random", seed=5)
    base, with_top = backbone.build(weights=None, include_top=False), backbone.build(weights=None, include_top=True)
    weights = trunk.model.get_weights()
    base.set_weights(weights)
    with_top.set_weights(weights + with_top.get_weights()[-2:])
    pooled = keras.layers.GlobalAveragePooling2D()(base.output)
    flat = keras.Model(base.input, keras.layers.Dense(200)(pooled))
    top = [keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(200)]
    nested = keras.Sequential([keras.Input((backbone.input_size, backbone.input_size, 3)), base, *top])
    values = trunk.model(trunk.model.input, training=False)
    own = keras.Model(trunk.model.input, transfer_head(values.shape[-1], 4)(values), name="network")
    with_top.save_weights(folder / "top.weights.h5")
    base.save(folder / "model.keras")
    flat.save_weights(folder / "flat.weights.h5")
    flat.save(folder / "flat.h5")
    nested.save(folder / "nested.keras")
    nested.save_weights(folder / "nested.weights.h5")
    nested.save(folder / "nested.h5")
    preprocess.deployed(preprocess.classifier(own)).save(folder / "best.keras")
    return trunk, folder


@pytest.mark.parametrize(
    "name",
    [
        "top.weights.h5", "model.keras", "flat.weights.h5", "flat.h5", "nested.keras", "nested.weights.h5", "nested.h5",
        "best.keras",
    ],
)  # fmt: skip
def test_the_network_is_found_under_every_head(kept, name):
    trunk, folder = kept
    loaded = build(trunk.backbone, str(folder / name))
    assert loaded.description["weights_sha256"] == trunk.description["weights_sha256"]
    assert loaded.label == name


def test_a_backbone_that_somebody_adds_is_one_row(monkeypatch, tmp_path):
    """From the row to a store's key; the recipes ask ``find`` for ``--backbone``."""
    monkeypatch.setitem(BACKBONES, "tiny", TINY)
    trunk = build(find("tiny"), "random", input_size=16)
    assert trunk.description | {"weights_sha256": ""} == {
        "backbone": "tiny", "weights_sha256": "", "layer": "avg_pool", "input_size": 16, "pixels": "0..1",
    }  # fmt: skip
    assert trunk.model.output_shape == (None, 6)


def test_the_real_file(shared_weights):
    real = build(V3, str(shared_weights), input_size=75)
    assert real.label == "inception_v3_2015.weights.h5"
    with h5py.File(shared_weights) as file:
        stored = file["layers/conv2d/vars/0"][:]
    assert stored.shape == (3, 3, 3, 32)
    np.testing.assert_array_equal(real.model.layers[1].kernel.numpy(), stored)


EVERY = [pytest.param(name, marks=() if name == "mobilenet_v3_large" else pytest.mark.slow) for name in BACKBONES]


@pytest.mark.parametrize("name", EVERY)
def test_every_backbone_is_built_and_takes_its_smallest_image(name):
    backbone = find(name)
    trunk = build(backbone, "random", input_size=backbone.smallest)
    values = trunk.model.predict(np.zeros((1, backbone.smallest, backbone.smallest, 3), np.float32), verbose=0)
    assert values.ndim == 2 and np.isfinite(values).all() and values.dtype == np.float32
    assert trunk.description["backbone"] == name and trunk.description["pixels"] == backbone.pixels


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("top", [False, True])
def test_every_backbone_takes_weights_from_a_file(tmp_path, name, top):
    backbone, size = find(name), find(name).smallest
    keras.utils.set_random_seed(3)
    build_given, shape = backbone.donor or backbone.build, {"input_shape": (size, size, 3), "pooling": "avg"}
    given = build_given(weights=None, include_top=top, **shape)
    for weight in given.weights:  # normalizations begin as those of any network
        if len(weight.shape) == 1:
            weight.assign(keras.random.uniform(weight.shape, 0.5, 1.5))
    given.save_weights(tmp_path / "given.weights.h5")
    trunk = build(backbone, str(tmp_path / "given.weights.h5"), input_size=size)
    images = np.random.default_rng(0).uniform(-1, 1, (2, size, size, 3)).astype(np.float32)
    pooling = keras.layers.GlobalAveragePooling2D
    last = max(number for number, layer in enumerate(given.layers) if isinstance(layer, pooling))
    last += name == "convnext_tiny"  # the normalization of what was pooled
    expected = keras.Model(given.input, given.layers[last].output)(images)
    np.testing.assert_allclose(trunk.model(images), np.reshape(expected, (2, -1)), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", [name for name in BACKBONES if "blocks" not in name])
def test_pixel_ranges_are_those_of_keras_own_preprocessing(name, monkeypatch):
    """Scaled by us, then by nobody: Keras' function for the same network gives the same numbers."""
    module = {
        "inception_v3": "inception_v3", "inception_resnet_v2": "inception_resnet_v2", "xception": "xception",
        "resnet50": "resnet50", "resnet50_v2": "resnet_v2", "efficientnet_v2_b0": "efficientnet_v2",
        "efficientnet_v2_s": "efficientnet_v2", "convnext_tiny": "convnext", "mobilenet_v3_large": "mobilenet_v3",
    }[name]  # fmt: skip
    pixels = np.random.default_rng(0).uniform(0, 255, (1, 4, 4, 3)).astype(np.float32)
    theirs = getattr(keras.applications, module).preprocess_input(pixels.copy())
    images = keras.Input((4, 4, 3))
    ours = keras.Model(images, preprocess.scaled(images, BACKBONES[name].pixels)).predict(pixels, verbose=0)
    np.testing.assert_allclose(ours, theirs, atol=1e-4)


def small_file(path, scales=False, dtype="float32", activation=None):
    """A network of one's own with a head."""
    x = images = keras.Input((40, 40, 3), dtype=dtype)
    if scales:
        x = keras.layers.Rescaling(1 / 255)(x)
    x = keras.layers.Conv2D(6, 3, padding="same", activation=activation, name="convolution")(x)
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    model = keras.Model(images, keras.layers.Dense(5, activation="softmax")(x))
    model.save(path)
    return model


def test_any_keras_file_is_a_backbone_up_to_what_its_head_reads(tmp_path):
    model = small_file(tmp_path / "mine.keras")
    trunk = build(find(str(tmp_path / "mine.keras"), "0..1"))
    assert (trunk.label, trunk.size, trunk.description["layer"]) == ("mine.keras", 40, "pool")
    images = np.random.default_rng(0).uniform(0, 1, (2, 40, 40, 3)).astype(np.float32)
    expected = keras.Model(model.inputs, model.get_layer("pool").output).predict(images, verbose=0)
    np.testing.assert_allclose(trunk.model.predict(images, verbose=0), expected, atol=1e-6)
    other = build(find(str(tmp_path / "mine.keras"), "0..1"), input_size=32)
    assert other.model.input_shape == (None, 32, 32, 3)
    for mine, theirs in zip(other.model.get_weights(), trunk.model.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_a_file_is_read_once_until_it_changes(tmp_path, monkeypatch):
    path, reads, load = tmp_path / "mine.keras", [], network_files.load
    monkeypatch.setattr(network_files, "load", lambda path: (reads.append(path), load(path))[1])
    small_file(path)
    first = find(str(path), "0..1")
    assert find(str(path), "0..1") is first and len(reads) == 1
    small_file(path, activation="tanh")
    assert find(str(path), "0..1").config_sha256 != first.config_sha256 and len(reads) == 2


def test_the_same_weights_in_other_layers_are_another_backbone(tmp_path):
    """So values of the one are not taken for the other's."""
    described = []
    for activation in ("relu", "tanh", "tanh"):
        keras.utils.clear_session()  # or its layers would have other names
        keras.utils.set_random_seed(0)
        small_file(tmp_path / "mine.keras", activation=activation)
        described.append(build(find(str(tmp_path / "mine.keras"), "0..1")).description)
    relu, tanh, again = described
    assert {name for name in relu if relu[name] != tanh[name]} == {"config_sha256"}
    saved_again = keras.saving.load_model(tmp_path / "mine.keras")
    saved_again.trainable = False
    saved_again.compile("sgd", "mse")
    saved_again.save(tmp_path / "mine.keras")
    assert tanh == again == build(find(str(tmp_path / "mine.keras"), "0..1")).description


def test_a_file_saved_in_float32_computes_in_the_precision_that_is_asked_for(tmp_path):
    small_file(tmp_path / "mine.keras")
    record = find(str(tmp_path / "mine.keras"), "0..1")
    plain, half = build(record), build(record, dtype="mixed_float16")
    assert [half.model.get_layer(name).compute_dtype for name in ("convolution", "pool")] == ["float16"] * 2
    assert half.description == plain.description  # the weights are the same, in float32
    images = np.random.default_rng(0).uniform(0, 1, (2, 40, 40, 3)).astype(np.float32)
    values, expected = (each.model.predict(images, verbose=0) for each in (half, plain))
    assert values.dtype == np.float32
    np.testing.assert_allclose(values, expected, atol=2e-3)
    assert (values != expected).any()


def test_a_files_scores_stay_in_float32(tmp_path):
    x = images = keras.Input((32, 32, 3))
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(4, 3, name="convolution")(x))
    keras.Model(images, keras.layers.Dense(1000, activation="softmax", name="scores")(x)).save(tmp_path / "net.keras")
    model = with_head(find(str(tmp_path / "net.keras"), "0..1"), dtype="mixed_float16").model
    assert (model.get_layer("convolution").compute_dtype, model.get_layer("scores").compute_dtype) == (
        "float16",
        "float32",
    )


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
def test_a_heads_probabilities_are_turned_back_into_scores(tmp_path, activation):
    images = keras.Input((32, 32, 3))
    scores = keras.layers.Dense(1000)(keras.layers.GlobalAveragePooling2D()(images))
    keras.Model(images, keras.layers.Activation(activation)(scores)).save(tmp_path / "net.keras")
    shown = np.random.default_rng(0).uniform(-1, 1, (2, 32, 32, 3)).astype(np.float32)
    expected = keras.Model(images, scores).predict(shown, verbose=0)
    found = with_head(find(str(tmp_path / "net.keras"), "0..1")).model.predict(shown, verbose=0)
    if activation == "softmax":  # of which a constant is lost
        found, expected = (each - each.mean(axis=1, keepdims=True) for each in (found, expected))
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_a_model_without_an_input_is_refused(tmp_path):
    keras.Sequential([keras.layers.Dense(3)]).save(tmp_path / "own.keras")
    with pytest.raises(UserError, match=r"own.keras: a model without an input; call it on an image, and save it again"):
        find(str(tmp_path / "own.keras"), "0..1")


def test_a_dropouts_seed_which_each_process_draws_is_no_weight(tmp_path):
    images = keras.Input((32, 32, 3))
    x = keras.layers.Dropout(0.2)(keras.layers.GlobalAveragePooling2D(name="avg_pool")(images))
    keras.Model(images, keras.layers.Dense(3)(x)).save(tmp_path / "own.keras")
    first, second = (build(find(str(tmp_path / "own.keras"), "0..1")).description for _ in range(2))
    assert first == second


def test_a_downloaded_heads_scores_stay_in_float32(monkeypatch, tmp_path):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))

    def downloaded(weights=None, input_shape=None, **_):
        images = keras.Input(input_shape)
        x = keras.layers.GlobalAveragePooling2D(keepdims=True)(keras.layers.Conv2D(4, 3, name="inner")(images))
        x = keras.layers.Conv2D(1000, 1, name="scores")(x)  # as MobileNetV3's are
        return keras.Model(images, keras.layers.Flatten()(x))

    trunk = with_head(dataclasses.replace(TINY, build=downloaded), dtype="mixed_bfloat16")
    dtypes = {layer.name: layer.compute_dtype for layer in trunk.model.layers}
    assert (dtypes["inner"], dtypes["scores"]) == ("bfloat16", "float32")


def test_dense_layers_inside_a_network_are_no_head(tmp_path):
    x = images = keras.Input((32, 32, 3))
    x = keras.layers.Conv2D(8, 3, name="convolution")(x)
    squeezed = keras.layers.Dense(2, activation="relu")(keras.layers.GlobalAveragePooling2D(keepdims=True)(x))
    x = keras.layers.Multiply(name="last")([x, keras.layers.Dense(8, activation="sigmoid")(squeezed)])
    keras.Model(images, x).save(tmp_path / "excited.keras")
    trunk = build(find(str(tmp_path / "excited.keras"), "0..1"))
    assert (trunk.description["layer"], trunk.model.output_shape) == ("last", (None, 8))


@pytest.mark.parametrize(
    ("first", "scales"),
    [
        (keras.layers.Rescaling(1 / 127.5, -1), True),
        (keras.layers.Normalization(mean=[123.7, 116.3, 103.5], variance=[3409.0, 3262.0, 3291.0]), True),
        (keras.layers.Rescaling(2.0, -1.0), False),
        (keras.layers.Normalization(mean=[0.485, 0.456, 0.406], variance=[0.0524, 0.0502, 0.0506]), False),
    ],
)
def test_a_layer_that_scales_says_the_range_only_where_it_makes_bytes_small(first, scales):
    images = keras.Input((32, 32, 3))
    network = keras.Model(images, keras.layers.GlobalAveragePooling2D()(first(images)))
    if scales:
        assert pixels_of(network, "mine", None) == pixels_of(network, "mine", "0..255") == "0..255"
        with pytest.raises(UserError, match="mine: --pixels caffe: its own layers scale pixels"):
            pixels_of(network, "mine", "caffe")
    else:
        with pytest.raises(UserError, match="which pixel range does it expect"):
            pixels_of(network, "mine", None)


def test_a_files_pixel_range_is_asked_for_unless_it_scales_them_itself(tmp_path):
    small_file(tmp_path / "mine.keras")
    with pytest.raises(UserError, match="which pixel range does it expect"):
        find(str(tmp_path / "mine.keras"))
    small_file(tmp_path / "scales.keras", scales=True)
    assert find(str(tmp_path / "scales.keras")).pixels == "0..255"


def test_what_is_no_backbone_is_refused_with_those_there_are(tmp_path):
    with pytest.raises(UserError, match="--backbone vgg99: neither a .keras file nor one of inception_v3, "):
        find("vgg99")
    with pytest.raises(UserError, match="--pixels 0..1: inception_v3 takes -1..1"):
        find("inception_v3", "0..1")
    with pytest.raises(WeightsError, match="has weights of its own"):
        small_file(tmp_path / "mine.keras")
        build(find(str(tmp_path / "mine.keras"), "0..1"), "some.h5")
    transfer_head(8, 3).save(tmp_path / "head.keras")
    with pytest.raises(UserError, match="not one RGB image"):
        find(str(tmp_path / "head.keras"), "0..1")


def other_network(path):
    images = keras.Input((32, 32, 3))
    keras.Model(images, keras.layers.Conv2D(4, 3)(images)).save_weights(path)


@pytest.mark.parametrize(
    ("name", "write", "message"),
    [
        ("other.weights.h5", other_network, "not the weights of tiny, or the file is damaged"),
        ("mine.keras", small_file, "no tiny is in it"),
        ("text.h5", lambda path: path.write_text("no"), "not an HDF5 file, or damaged"),
        ("text.keras", lambda path: path.write_text("no"), "not a model that Keras can load"),
        ("weights.pkl", lambda path: path.write_text("no"), r"must end in \.keras"),
        ("nowhere.h5", lambda path: None, "no such file"),
    ],
)
def test_what_is_not_the_network_is_refused_by_name(tmp_path, name, write, message):
    write(tmp_path / name)
    with pytest.raises(WeightsError, match=message) as caught:
        build(TINY, str(tmp_path / name), input_size=32)
    assert name in str(caught.value)


def test_a_layer_that_keras_numbers_is_found_however_many_networks_were_built():
    def numbered(weights=None, include_top=False, input_shape=None, pooling=None):
        x = images = keras.Input(input_shape)
        for width in (2, 3, 4):
            x = keras.layers.Conv2D(width, 3)(x)
        return keras.Model(images, keras.layers.GlobalAveragePooling2D()(x))

    record = dataclasses.replace(TINY, build=numbered)
    keras.utils.clear_session()
    for _ in range(3):
        keras.layers.Conv2D(1, 1)  # of another network
        assert build(record, "random", input_size=32, layer="conv2d_1").model.output_shape[-1] == 3


def test_a_file_of_weights_with_any_damage_is_named(tmp_path):
    path = tmp_path / "tiny.weights.h5"
    other_network(path)
    whole, random = path.read_bytes(), np.random.default_rng(0)
    for place in random.integers(0, min(len(whole), 4000), 60):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 255]) + whole[place + 1 :])
        with pytest.raises(WeightsError, match="tiny.weights.h5"):
            build(TINY, str(path), input_size=32)


@pytest.mark.parametrize(
    ("made", "advice", "none"), [(build, "--weights PATH", "--backbone"), (with_head, "--backbone PATH", "--weights")]
)
def test_without_network_the_error_says_what_helps(monkeypatch, tmp_path, made, advice, none):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))

    def fail(weights=None, **_):
        if weights:
            raise Exception("URL fetch failure on somewhere: [Errno -2]\nmore")

    with pytest.raises(WeightsError) as caught:
        made(dataclasses.replace(V3, build=fail))
    for part in ("URL fetch failure", advice, "--source PATH", f"{tmp_path}/models"):
        assert part in str(caught.value)
    assert none not in str(caught.value) and ("--demo" in str(caught.value)) == (made is build)  # zero_shot has neither
    assert len(str(caught.value).splitlines()) <= 7


def test_a_graph_with_operations_is_built_under_a_policy(tmp_path):
    """They are no layers, and have no policy to change."""
    x = images = keras.Input((32, 32, 3))
    x = keras.ops.multiply(keras.layers.Conv2D(4, 3, name="inner")(x), 2.0)
    keras.Model(images, keras.layers.GlobalAveragePooling2D(name="avg_pool")(x)).save(tmp_path / "own.keras")
    with hardware.policy("mixed_bfloat16"):
        model = find(str(tmp_path / "own.keras"), "0..1").build()
    assert model.get_layer("inner").compute_dtype == "bfloat16"
    assert model.get_layer("avg_pool").compute_dtype == "float32"


def test_downloads_lie_where_keras_puts_them(monkeypatch, tmp_path):
    monkeypatch.delenv("KERAS_HOME", raising=False)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    (tmp_path / ".keras").mkdir()
    assert network_files._downloads() == tmp_path / ".keras/models"
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path).is_relative_to("/tmp/.keras"))
    assert network_files._downloads() == Path("/tmp/.keras/models")
