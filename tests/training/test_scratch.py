"""What all networks from scratch share."""

import contextlib
from types import SimpleNamespace
from unittest import mock

import keras
import numpy as np
import pytest
import tensorflow as tf

from tiny_imagenet_tf.data.views import PLAIN
from tiny_imagenet_tf.hardware import Placement
from tiny_imagenet_tf.training import scratch as training
from tiny_imagenet_tf.training.scratch import Scratch


@pytest.mark.parametrize("replicas", [1, 2])
def test_what_trains_on_one_named_device_is_measured_there(monkeypatch, train, replicas):
    """And not on the first GPU, which may be full; of several devices one measures."""
    named, otherwise = tf.distribute.OneDeviceStrategy("/device:CPU:0"), tf.distribute.get_strategy()
    expected = named if replicas == 1 else otherwise
    classifier = keras.Sequential([keras.Input((64, 64, 3)), keras.layers.Flatten(), keras.layers.Dense(4)])
    experiment = mock.Mock(placement=Placement(replicas, named.scope), options=mock.Mock(batch_size=4, seed=0))
    experiment.data.train, reported = train, []
    experiment.report.side_effect = lambda *args, **more: reported.append(tf.distribute.get_strategy())
    monkeypatch.setattr(training, "fit", mock.Mock())
    monkeypatch.setattr(training.network_files, "load", mock.Mock())
    monkeypatch.setattr(training.Predictor, "of", mock.Mock())
    trained = Scratch(experiment, PLAIN, classifier, mock.Mock())
    trained.fit()
    probabilities, *_ = experiment.keeping.call_args.args
    assert probabilities.__self__.behind_views.distribute_strategy is expected
    trained.report(mock.Mock())
    assert reported == [expected]


def test_a_network_learns_from_the_training_images_and_what_the_options_say(monkeypatch, train):
    """Not from those that are held out or screened, and by its teacher's words if there is one."""
    network = keras.Sequential([keras.Input((64, 64, 3)), keras.layers.Flatten(), keras.layers.Dense(4)])
    options = mock.Mock(batch_size=4, seed=7, cache=True, measure_every=5, checkpoint_every=3, epochs=9)
    experiment = mock.Mock(placement=Placement(1, contextlib.nullcontext), options=options)
    experiment.data.train, words = train, np.ones((len(train), 4), np.float32)
    monkeypatch.setattr(training, "fit", mock.Mock())
    Scratch(experiment, PLAIN, network, mock.Mock(), targets=words).fit(of=12)
    (_, batches, keeping), more = training.fit.call_args
    assert batches.split is train and batches.targets is words and batches.cache
    assert (batches.batch_size, batches.seed, batches.views) == (4, 7, PLAIN)
    assert keeping is experiment.keeping.return_value and (more["epochs"], more["of"]) == (9, 12)
    kept = experiment.keeping.call_args.kwargs
    assert (kept["measure_every"], kept["checkpoint_every"]) == (5, 3)


def test_val_is_measured_again_with_statistics_estimated_anew(monkeypatch, train):
    images = keras.Input((64, 64, 3))
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.BatchNormalization()(images))
    classifier, inside = keras.Model(images, keras.layers.Dense(4)(x)), []
    experiment = mock.Mock(placement=Placement(1, contextlib.nullcontext), options=mock.Mock(batch_size=4, seed=0))
    experiment.data = SimpleNamespace(train=train, validation=train)

    @contextlib.contextmanager
    def anew(*_):
        inside.append(1)
        yield
        inside.clear()

    monkeypatch.setattr(training.Reestimation, "of_images", anew)
    right = lambda self, split: np.eye(4)[split.labels if inside else (split.labels + 1) % 4]  # noqa: E731
    monkeypatch.setattr(training.Predictor, "probabilities", right)
    monkeypatch.setattr(training, "fit", mock.Mock())
    Scratch(experiment, PLAIN, classifier, mock.Mock()).fit()
    assert experiment.keeping.call_args.kwargs["measure_more"]() == {"val_accuracy_reestimated": 1}
