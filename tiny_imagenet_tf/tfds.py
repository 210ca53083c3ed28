"""Registers ``tiny_imagenet`` with TensorFlow Datasets: import this, then ``tfds.load("tiny_imagenet")``.

``classes()`` names the classes in words. ``tfds.data_source`` wants records of another kind, which are prepared with
``tfds.data_source("tiny_imagenet", data_dir=ELSEWHERE, builder_kwargs={"file_format": "array_record"})``.
"""

from tiny_imagenet_tf.data.tiny_imagenet.tiny_imagenet_dataset_builder import Builder, classes

__all__ = ["Builder", "classes"]
