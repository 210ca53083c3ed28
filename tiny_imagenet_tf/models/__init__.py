"""The networks of both papers: functions that return functional Keras models ending in float32 logits."""

from tiny_imagenet_tf.models.registry import build, names

__all__ = ["build", "names"]
