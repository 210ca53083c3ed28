"""Each thing that can be wrong with a network, on one that is right but for that."""

import keras
import numpy as np
import pytest

from tiny_imagenet_tf.data import splits, synthetic
from tiny_imagenet_tf.data.batches import in_order
from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.evaluation.diagnosis import Diagnosis, Trial, _regular, diagnose
from tiny_imagenet_tf.runs import networks
from tiny_imagenet_tf.runs.networks import Classes

CLASSES = 4


def pixels(split):
    return np.concatenate(list(in_order(split, 50).as_numpy_iterator())).astype(np.float32)


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp("diagnosis")
    tree = synthetic.write(folder, synthetic.Sizes(classes=CLASSES, train=60, validation=30, test=1))
    return splits.load_all(splits.prepare(tree, folder / "datasets"))


@pytest.fixture(scope="module")
def good(images):
    """A network of -1..1 that has learned the four shapes by their colours, with batch normalization."""
    keras.utils.set_random_seed(1)
    x = inputs = keras.Input((64, 64, 3))
    for width in (12, 24):
        x = keras.layers.Conv2D(width, 5, strides=3, use_bias=False)(x)
        x = keras.layers.BatchNormalization(momentum=0.8)(x)
        x = keras.layers.Activation("relu")(x)
    x = keras.layers.GlobalMaxPooling2D()(x)
    model = keras.Model(inputs, keras.layers.Dense(CLASSES, name="logits")(x))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.005), loss)
    model.fit(pixels(images["train"]) / 127.5 - 1, images["train"].labels, batch_size=24, epochs=15, verbose=0)
    return model


def told(model, path, images, **options):
    """What is found, and the findings in words."""
    model.save(path / "model.keras")
    options.setdefault("pixels", "-1..1")
    found = diagnose(path / "model.keras", images["validation"], **options)
    return found, found.findings(CLASSES)


def scores_of(model, columns):
    """The same network with its scores in another order."""
    picked = keras.layers.Dense(CLASSES, use_bias=False)
    changed = keras.Model(model.inputs, picked(model.output))
    picked.set_weights([np.eye(CLASSES, dtype="float32")[:, columns]])
    return changed


def test_nothing_is_wrong_with_a_network_that_works_as_it_is_told_to(good, images, tmp_path):
    found, words = told(good, tmp_path, images)
    assert words == [] and found.claimed.accuracy > 0.7 and found.images == 120


def test_another_pixel_range(good, images, tmp_path):
    _, words = told(good, tmp_path, images, pixels="0..1")
    assert words == ["it expects pixels in -1..1: --pixels=-1..1"]


@pytest.mark.slow
def test_blue_first(good, images, tmp_path):
    inputs = keras.Input((64, 64, 3))
    _, words = told(keras.Model(inputs, good(keras.ops.flip(inputs, axis=-1))), tmp_path, images)
    assert [word.split(",")[0] for word in words] == ["it expects blue first (BGR)"]


def test_the_order_of_a_list(good, images, tmp_path):
    wnids = images["validation"].wnids
    columns = [2, 3, 0, 1]
    orders = {"wnids.txt": tuple(wnids[column] for column in columns)}
    _, words = told(scores_of(good, columns), tmp_path, images, orders=orders)
    assert len(words) == 1 and "its scores are in the order" in words[0] and "wnids.txt, not sorted" in words[0]


def test_classes_that_the_file_holds_are_its_order(good, images, tmp_path):
    wnids, columns = images["validation"].wnids, [2, 3, 0, 1]
    path = tmp_path / "model.keras"
    networks.save(scores_of(good, columns).save, path, Classes.of([wnids[column] for column in columns], {}))
    found = diagnose(path, images["validation"], pixels="-1..1")
    assert found.findings(CLASSES) == [] and found.claimed.accuracy > 0.7
    with pytest.raises(UserError, match="would be ignored"):
        diagnose(path, images["validation"], pixels="-1..1", order="sorted")


@pytest.mark.slow
def test_an_order_that_nobody_knows(good, images, tmp_path):
    found, words = told(scores_of(good, [1, 2, 3, 0]), tmp_path, images)
    assert found.claimed.accuracy < 0.25 and len(words) == 1
    assert "of 4 classes map one to one" in words[0]


@pytest.mark.parametrize("images", [200, 300, 400])
def test_random_answers_to_an_image_or_two_of_each_class_are_no_order(images):
    answers = np.random.default_rng(0).integers(0, 1000, images)
    assert _regular(answers, np.arange(images) % 200, 200)[1] == 0
    thrice = np.repeat(np.arange(200), 3)
    assert _regular((thrice + 1) % 200, thrice, 200) == (200, 1.0)


@pytest.mark.parametrize("frozen", [False, True])
def test_moving_averages_that_do_not_fit(good, images, tmp_path, frozen):
    spoiled = keras.models.clone_model(good)
    spoiled.set_weights(good.get_weights())
    spoiled.trainable = not frozen
    for layer in spoiled.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            for average in (layer.moving_mean, layer.moving_variance):
                average.assign(np.asarray(average)[::-1])
    found, words = told(spoiled, tmp_path, images)
    assert found.claimed.accuracy < 0.8 < found.by_batch
    assert len(words) == 1 and "moving averages of its batch normalization" in words[0]


@pytest.mark.slow
def test_a_network_that_has_learned_nothing(good, images, tmp_path):
    fresh = keras.models.clone_model(good)
    fresh.get_layer("logits").set_weights([np.zeros_like(each) for each in fresh.get_layer("logits").get_weights()])
    _, words = told(fresh, tmp_path, images)
    assert len(words) == 1 and words[0].startswith("it is at chance (25.0%)")


@pytest.mark.parametrize(("classes", "accuracy", "alone"), [(2, 0.875, True), (2, 0.55, False), (200, 0.02, True)])
def test_chance_is_what_so_many_classes_and_images_make_it(classes, accuracy, alone):
    trial = Trial("0..255", False, "sorted", accuracy)
    found = Diagnosis(trial, trial, 40 if classes == 2 else 5000, 0, 0.0, None).findings(classes)
    assert (found == []) == alone


def test_a_number_of_scores_that_no_order_has(good, images, tmp_path):
    with pytest.raises(ValueError, match="7 scores; no order of so many classes"):
        told(keras.Model(good.inputs, keras.layers.Dense(7)(good.output)), tmp_path, images)


def test_one_image_tells_nothing():
    trial = Trial("0..255", False, "sorted", 1.0)
    (words,) = Diagnosis(trial, trial, 1, 0, 0.0, None).findings(200)
    assert words.startswith("1 image(s) are too few to tell")
