"""Registers ``tiny_imagenet`` with TensorFlow Datasets: import this, then ``tfds.load("tiny_imagenet")``."""

from tiny_imagenet_tf.data.tiny_imagenet.tiny_imagenet_dataset_builder import Builder

__all__ = ["Builder"]
