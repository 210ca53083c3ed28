"""What the recipes that train from scratch hand to the network, the optimizer and the schedule: the papers' numbers."""

from pathlib import Path

import keras
import pytest
import tensorflow as tf

from tiny_imagenet_tf import published
from tiny_imagenet_tf.data.batches import LE_YANG, MILANI, NONE
from tiny_imagenet_tf.experiments import experiment
from tiny_imagenet_tf.experiments.schedules import Plateau
from tiny_imagenet_tf.models.convnets import TABLE_1
from tiny_imagenet_tf.runs.run import Run
from tiny_imagenet_tf.training import inception


class Begun:
    """An experiment that trains nothing and keeps what it is given."""

    classes = published.CLASSES
    strategy = tf.distribute.get_strategy()
    run = Run(Path("nowhere"))

    def begin(self, recipe, config, augmentation, *, screened=False):
        self.config, self.augmentation, self.screened = config, augmentation, screened
        return self

    def fit(self, model, *, callbacks, epochs=None):
        self.model, self.callbacks = model, callbacks

    def report(self, clock, *, title, published_key, notes=()):
        self.published = published.RESULTS[published_key]
        assert title == self.published.name

    def store_features(self, model):
        pass


@pytest.fixture
def begun(monkeypatch):
    begun = Begun()
    monkeypatch.setattr(experiment, "begin", begun.begin)
    return begun


@pytest.mark.parametrize(
    ("name", "augmentation", "keep"), [("inception_baseline", NONE, None), ("inception_regularized", MILANI, 0.8)]
)
def test_the_inception_recipes(recipe, begun, monkeypatch, name, augmentation, keep):
    stated = published.TRAINING[name.replace("inception_", "milani/")]
    built = inception.compact_inception
    monkeypatch.setattr(inception, "compact_inception", lambda **options: built(**options | {"width_multiplier": 0.05}))
    module = recipe(name)
    module.main(module.Config())

    assert begun.published == published.RESULTS[name.replace("inception_", "milani/")]
    assert begun.augmentation == augmentation and not begun.screened
    assert begun.model.loss.label_smoothing == stated.label_smoothing == 0.1
    rates = [layer.rate for layer in begun.model.layers if isinstance(layer, keras.layers.Dropout)]
    assert rates == ([] if stated.dropout_keep is None else [pytest.approx(1 - stated.dropout_keep)])
    assert stated.dropout_keep == keep
    optimizer = begun.model.optimizer
    assert isinstance(optimizer, keras.optimizers.Adam)
    assert (optimizer.beta_1, optimizer.beta_2) == (0.9, 0.999)
    assert optimizer.weight_decay == stated.weight_decay == 0.08

    (schedule,) = begun.callbacks
    schedule.set_model(begun.model)
    for epoch in range(4):
        schedule.on_epoch_begin(epoch)
        stairs = epoch // stated.decay_every_epochs
        expected = stated.learning_rate * stated.learning_rate_decay**stairs
        assert float(optimizer.learning_rate) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("number", TABLE_1)
def test_the_convnets_recipe(recipe, begun, monkeypatch, number):
    stated = published.TRAINING["le_yang/model_9" if number == 9 else "le_yang/model_8"]
    module, asked = recipe("convnets"), {}

    def convnet(architecture, **options):
        asked.update(options, architecture=architecture)
        return keras.Sequential([keras.Input((56, 56, 3)), keras.layers.Flatten(), keras.layers.Dense(200)])

    monkeypatch.setattr(module, "convnet", convnet)
    module.main(module.Config(model=number))

    assert asked == {
        "architecture": TABLE_1[number].architecture,
        "activation": TABLE_1[number].activation,
        "classes": 200,
        "weight_decay": stated.weight_decay / 2,  # Caffe's convention
    }
    assert begun.config.batch_size == stated.batch_size == 200
    assert begun.augmentation == LE_YANG and begun.screened == (number >= 5)
    optimizer = begun.model.optimizer
    assert isinstance(optimizer, keras.optimizers.SGD)
    assert float(optimizer.learning_rate) == pytest.approx(0.01 if number == 9 else 0.02, rel=1e-6)
    assert optimizer.momentum == stated.momentum == 0.9
    assert begun.model.loss.label_smoothing == 0
    (plateau,) = begun.callbacks
    assert isinstance(plateau, Plateau)
    assert begun.published == published.RESULTS[f"le_yang/model_{number}"]
