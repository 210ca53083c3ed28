"""t-SNE keeps neighbours together; neighbours are counted by class."""

import numpy as np
import pytest

from tiny_imagenet_tf.reports.analysis import embedding


def test_three_clouds_stay_three_clouds():
    random = np.random.default_rng(0)
    labels = np.arange(3).repeat(30)
    points = embedding.tsne(10 * np.eye(3, 80)[labels] + random.normal(0, 0.5, (90, 80)))
    assert points.shape == (90, 2)
    assert points.min() == 0 and points.max() == 1
    distances = np.linalg.norm(points[:, None] - points, axis=2) + 9 * np.eye(90)
    assert (labels[distances.argmin(axis=1)] == labels).all()


def test_the_same_seed_gives_the_same_picture():
    values = np.random.default_rng(0).normal(size=(20, 5))
    assert (embedding.tsne(values, seed=1) == embedding.tsne(values, seed=1)).all()


def test_neighbours_are_counted_by_class_without_the_image_itself():
    values = np.array([[1, 0], [1, 0.1], [0.1, 1], [0, 1], [1, 0.4]])
    shares = embedding.neighbour_shares(values, np.array([0, 0, 1, 1, 1]), classes=2, neighbours=1)
    assert shares == pytest.approx(np.array([[1, 0], [1 / 3, 2 / 3]]))


def test_a_class_in_two_parts_is_labelled_in_the_larger_one():
    assert embedding.densest(np.array([[0, 0], [0, 0.01], [0.01, 0], [1, 1], [1, 1.01]])).tolist() == [0, 0]
