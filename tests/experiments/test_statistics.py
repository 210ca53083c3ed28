import keras
import numpy as np
import pytest
import tensorflow as tf

from tiny_imagenet_tf.experiments.statistics import Reestimation
from tiny_imagenet_tf.models.layers import normalizations

IMAGES = np.random.default_rng(0).normal(3, 2, (4, 50, 5)).astype("float32")  # four batches


@pytest.fixture
def model():
    inner = keras.Sequential([keras.Input((5,)), keras.layers.Dense(3), keras.layers.BatchNormalization()])
    return keras.Sequential([keras.Input((5,)), inner, keras.layers.Dropout(0.5, seed=1), keras.layers.Dense(2)])


def test_the_statistics_are_the_means_over_the_batches_and_all_state_comes_back(model):
    (layer,) = normalizations(model)
    before = [np.array(variable) for variable in model.variables]
    outputs = [model.layers[0].layers[0](batch) for batch in IMAGES]
    with Reestimation(model).of(tf.data.Dataset.from_tensor_slices(IMAGES)):  # as images come, on JAX too
        np.testing.assert_allclose(layer.moving_mean, np.mean([np.mean(each, 0) for each in outputs], 0), rtol=1e-5)
        np.testing.assert_allclose(layer.moving_variance, np.mean([np.var(each, 0) for each in outputs], 0), rtol=1e-4)
        normalized = model.layers[0].predict(np.concatenate(IMAGES), verbose=0)
        np.testing.assert_allclose(normalized.mean(0), 0, atol=0.02)
        np.testing.assert_allclose(normalized.std(0), 1, atol=0.05)
        assert layer.momentum == 0.99, "it is saved with a network that is the best so far"
    assert layer.momentum == 0.99
    for variable, value in zip(model.variables, before, strict=True):
        np.testing.assert_array_equal(variable, value, err_msg=variable.path)


def test_a_small_last_batch_weighs_as_much_as_it_has_images(model):
    (layer,) = normalizations(model)
    first, last = IMAGES[0], 5 + IMAGES[1][:10]
    means = [np.mean(model.layers[0].layers[0](batch), 0) for batch in (first, last)]
    with Reestimation(model).of([first, last]):
        np.testing.assert_allclose(layer.moving_mean, (50 * means[0] + 10 * means[1]) / 60, rtol=1e-5)


def test_all_state_comes_back_after_an_error(model):
    before = [np.array(variable) for variable in model.variables]
    with pytest.raises(KeyError), Reestimation(model).of(IMAGES):
        raise KeyError
    for variable, value in zip(model.variables, before, strict=True):
        np.testing.assert_array_equal(variable, value)


def test_later_weights_have_statistics_of_their_own(model):
    (layer,), dense, again = normalizations(model), model.layers[0].layers[0], Reestimation(model)
    for factor in (1, 2):  # traced once, with the weights of then
        dense.set_weights([factor * each for each in dense.get_weights()])
        with again.of(IMAGES):
            expected = np.mean([np.mean(dense(batch), 0) for batch in IMAGES], 0)
            np.testing.assert_allclose(layer.moving_mean, expected, rtol=1e-5)
