"""What all networks from scratch share."""

from unittest import mock

import keras
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
    monkeypatch.setattr(training.Predictor, "load", mock.Mock())
    trained = Scratch(experiment, PLAIN, classifier, mock.Mock())
    trained.fit()
    probabilities, *_ = experiment.keeping.call_args.args
    assert probabilities.__self__.behind_views.distribute_strategy is expected
    trained.report(mock.Mock())
    assert reported == [expected]
