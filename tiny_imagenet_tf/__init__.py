"""Two Tiny ImageNet reports as working software, in TensorFlow and Keras 3.

Importing the package is light. It makes ``tfds.load("tiny_imagenet")`` known to TensorFlow Datasets,
whether that is imported before or after, and loads nothing else.
"""

from tiny_imagenet_tf._registration import register_with_tfds

__version__ = "0.1.0"

register_with_tfds()
