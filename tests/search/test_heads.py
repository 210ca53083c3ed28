"""Heads trained side by side against the same heads trained one by one, as a recipe trains them."""

import keras
import numpy as np
import pytest

from tiny_imagenet_tf import hardware
from tiny_imagenet_tf.data.batches import Steps
from tiny_imagenet_tf.evaluation.metrics import top_k_accuracy
from tiny_imagenet_tf.experiments import losses, schedules
from tiny_imagenet_tf.experiments.fit import compile_for_training
from tiny_imagenet_tf.models.heads import transfer_head
from tiny_imagenet_tf.search.heads import Heads, Setting
from tiny_imagenet_tf.transfer.pool import ValueBatches, ValuePool

RANDOM = np.random.default_rng(0)
LABELS = np.arange(120) % 4
VALUES = (RANDOM.normal(0, 1, (4, 6))[LABELS] + RANDOM.normal(0, 0.8, (120, 6))).astype("float16")
BATCHES = ValueBatches(ValuePool.from_views([(VALUES, np.arange(120))], LABELS), Steps(120, 10, seed=5), 4)
SETTINGS = [
    Setting(1e-2, 0.7, 0.01),
    Setting(3e-3, 0.9, 0.3, label_smoothing=0.0),
    Setting(1e-2, 1.0, 0.0, dropout_keep=0.5),
    Setting(2e-2, 0.5, 0.05, dropout_keep=0.8, label_smoothing=0.3),
    Setting(5e-3, 0.8, 0.1, dropout_keep=0.8),
]


def alone(setting, epochs):
    """The kernel and bias of a head, trained as a transfer recipe trains it."""
    hardware.set_seed(5)
    head = transfer_head(
        6, 4, dropout_rate=1 - setting.dropout_keep, weight_decay=losses.l2_coefficient(setting.weight_decay, "l2_loss")
    )
    adam = keras.optimizers.Adam(setting.learning_rate, epsilon=losses.ADAM_EPSILON)
    compile_for_training(head, adam, losses.smoothed_cross_entropy(setting.label_smoothing))
    stairs = schedules.staircase_callback(setting.learning_rate, setting.learning_rate_decay_per_epoch)
    head.fit(
        BATCHES.dataset(0, 12 * epochs), epochs=epochs, steps_per_epoch=12, callbacks=[stairs], verbose=0, shuffle=False
    )
    return head.get_layer("logits").get_weights()


def test_each_head_gets_the_weights_that_it_gets_alone():
    heads = Heads(SETTINGS, 6, 4, seed=5, steps_per_execution=4)
    for _ in range(3):
        heads.fit_epoch(BATCHES)
    for setting, found in zip(SETTINGS, heads.weights(), strict=True):
        for values, expected in zip(found, alone(setting, 3), strict=True):
            np.testing.assert_allclose(values, expected, atol=1e-5)


def test_heads_that_are_kept_go_on_as_if_the_others_had_never_been():
    heads = Heads(SETTINGS, 6, 4, seed=5, steps_per_execution=4)
    heads.fit_epoch(BATCHES)
    heads.keep([1, 3])
    heads.fit_epoch(BATCHES)
    assert heads.settings == (SETTINGS[1], SETTINGS[3])
    for setting, found in zip(heads.settings, heads.weights(), strict=True):
        for values, expected in zip(found, alone(setting, 2), strict=True):
            np.testing.assert_allclose(values, expected, atol=1e-5)


def test_accuracies_are_those_of_the_weights():
    heads = Heads(SETTINGS, 6, 4, seed=5)
    heads.fit_epoch(BATCHES)
    expected = [top_k_accuracy(VALUES.astype("float32") @ kernel + bias, LABELS) for kernel, bias in heads.weights()]
    assert heads.accuracies(VALUES, LABELS) == pytest.approx(expected)


def test_many_rows_are_judged_in_parts():
    heads = Heads(SETTINGS, 6, 4, seed=5)
    heads.fit_epoch(BATCHES)
    rows = np.random.default_rng(0).integers(0, len(VALUES), 2500)
    values, labels = VALUES[rows], LABELS[rows]
    expected = [top_k_accuracy(values.astype("float32") @ kernel + bias, labels) for kernel, bias in heads.weights()]
    assert heads.accuracies(values, labels) == pytest.approx(expected)
