import keras
import numpy as np
import pytest
from tiny_imagenet_tf.transfer.trunk import WeightsError, build

from tiny_imagenet_tf.transfer import trunk

IMAGES = np.random.default_rng(0).uniform(-1, 1, (3, 75, 75, 3)).astype("float32")


def test_values_and_parameters(small_trunk):
    assert small_trunk.model.count_params() == 21_802_784
    values = small_trunk.model.predict(IMAGES, verbose=0)
    assert values.shape == (3, 2048) and values.dtype == np.float32


def test_it_is_frozen_and_does_not_tell_training_from_inference(small_trunk):
    model = small_trunk.model
    assert model.trainable_variables == []
    before = [variable.numpy() for variable in model.variables]
    training, inference = model(IMAGES, training=True), model(IMAGES, training=False)
    np.testing.assert_array_equal(training, inference)
    for old, variable in zip(before, model.variables, strict=True):
        np.testing.assert_array_equal(old, variable.numpy(), err_msg=variable.path)


def test_random_weights_are_fixed_by_the_seed(small_trunk):
    again = build("random", input_size=75, seed=3)
    assert again.description == small_trunk.description
    other = build("random", input_size=75, seed=4)
    assert other.description["weights_sha256"] != small_trunk.description["weights_sha256"]


def test_our_own_blocks_give_the_same_values(small_trunk, tmp_path):
    file = tmp_path / "random.weights.h5"
    network = keras.applications.InceptionV3(weights=None, include_top=False, pooling="avg")
    network.set_weights(small_trunk.model.get_weights())
    network.save_weights(file)
    values = []
    for kind in ("keras", "blocks"):
        each = build(str(file), kind=kind, input_size=75)
        assert each.label == "random.weights.h5"
        values.append(each.model.predict(IMAGES, verbose=0))
    np.testing.assert_allclose(values[0], values[1], atol=1e-7, rtol=1e-4)
    np.testing.assert_array_equal(values[0], small_trunk.model.predict(IMAGES, verbose=0))


@pytest.mark.parametrize(("layer", "width"), [("mixed0", 256), ("mixed8", 1280), ("avg_pool", 2048)])
def test_any_block_can_be_the_last(layer, width):
    model = build("random", layer=layer, input_size=75).model
    assert model.output_shape == (None, width)


def test_a_block_is_averaged_over_its_positions(small_trunk):
    values = build("random", layer="mixed10", input_size=75, seed=3).model.predict(IMAGES, verbose=0)
    np.testing.assert_allclose(values, small_trunk.model.predict(IMAGES, verbose=0), atol=1e-7, rtol=1e-4)


def test_an_unknown_layer_is_answered_with_the_known_ones():
    with pytest.raises(ValueError, match=r"--layer mixed99: .* mixed10"):
        build("random", layer="mixed99", input_size=75)


def test_weights_with_a_top_a_legacy_file_and_a_model_file(small_trunk, tmp_path):
    with_top = keras.applications.InceptionV3(weights=None)
    with_top.set_weights(small_trunk.model.get_weights() + with_top.get_weights()[-2:])
    without = keras.applications.InceptionV3(weights=None, include_top=False)
    without.set_weights(small_trunk.model.get_weights())
    with_top.save_weights(tmp_path / "top.weights.h5")
    without.save(tmp_path / "model.keras")
    for name in ("top.weights.h5", "model.keras"):
        loaded = build(str(tmp_path / name), input_size=75)
        assert loaded.description["weights_sha256"] == small_trunk.description["weights_sha256"], name


def test_the_real_file(shared_weights):
    real = build(str(shared_weights), input_size=75)
    assert real.label == "inception_v3_2015.weights.h5"
    kernel = real.model.layers[1].kernel.numpy()
    assert kernel.shape == (3, 3, 3, 32) and 0.01 < kernel.std() < 1


def other_network(path):
    images = keras.Input((32, 32, 3))
    keras.Model(images, keras.layers.Conv2D(4, 3)(images)).save_weights(path)


def mobilenet(path):
    keras.applications.MobileNetV2(weights=None, include_top=False, input_shape=(96, 96, 3)).save(path)


@pytest.mark.parametrize(
    ("name", "write", "message"),
    [
        ("other.weights.h5", other_network, "not the weights of Inception-v3"),
        ("mobile.keras", mobilenet, "not an Inception-v3"),
        ("text.h5", lambda path: path.write_text("no"), "not the weights of Inception-v3, or the file is damaged"),
        ("text.keras", lambda path: path.write_text("no"), "not a model that Keras can load"),
        ("weights.pkl", lambda path: path.write_text("no"), r"must end in \.keras"),
        ("nowhere.h5", lambda path: None, "no such file"),
    ],
)
def test_what_is_not_inception_v3_is_refused_by_name(tmp_path, name, write, message):
    write(tmp_path / name)
    with pytest.raises(WeightsError, match=message) as caught:
        build(str(tmp_path / name), input_size=75)
    assert name in str(caught.value)


def test_without_network_the_error_says_what_helps(monkeypatch):
    def fail(*_, **__):
        raise Exception("URL fetch failure on somewhere: [Errno -2]\nmore")

    monkeypatch.setattr(trunk, "_network", lambda *_: None)
    monkeypatch.setattr(keras.applications, "InceptionV3", fail)
    with pytest.raises(WeightsError) as caught:
        build("imagenet")
    for part in ("URL fetch failure", "--weights PATH", "--source PATH", "~/.keras/models", "--demo"):
        assert part in str(caught.value)
    assert len(str(caught.value).splitlines()) <= 7
