"""tf.data pipelines over a :class:`~tiny_imagenet_tf.data.splits.Split`."""

import tensorflow as tf

from tiny_imagenet_tf.data import image_ops
from tiny_imagenet_tf.data.splits import Split
from tiny_imagenet_tf.data.views import WHOLE, AugmentedView, View


def network_inputs(
    split: Split, view: View | AugmentedView, *, size: int, resize: image_ops.Resize, batch_size: int
) -> tf.data.Dataset:
    """Batches of one view of every image, as the networks expect them, in the split's order.

    Args:
        split: the images.
        view: how each is shown.
        size: the network's input size in pixels.
        resize: sampling of the bilinear resize.
        batch_size: images a batch; the last batch may be smaller.

    Returns:
        A dataset of float32 (batch, size, size, 3) in -1..1.
    """

    def show(jpeg: tf.Tensor, key: tf.Tensor) -> tf.Tensor:
        image = view(image_ops.decode(jpeg), key)
        return image_ops.scale(image_ops.resize(image, size, resize))

    rows = tf.data.Dataset.from_tensor_slices((split.jpegs, split.image_keys))
    images = rows.map(show, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    return images.batch(batch_size).prefetch(2)


def labelled_network_inputs(split: Split, view: View | AugmentedView, **options) -> tf.data.Dataset:
    """Batches of :func:`network_inputs` with one-hot float32 labels (batch, classes); the same options."""
    images = network_inputs(split, view, **options)
    labels = tf.one_hot(split.labels, len(split.wnids))
    return tf.data.Dataset.zip((images, tf.data.Dataset.from_tensor_slices(labels).batch(options["batch_size"])))


def images(split: Split, view: View = WHOLE, *, batch_size: int = 100) -> tf.data.Dataset:
    """Batches of uint8 (batch, height, width, 3) of one fixed view, in the split's order."""
    rows = tf.data.Dataset.from_tensor_slices((split.jpegs, split.image_keys))
    shown = rows.map(
        lambda jpeg, key: view(image_ops.decode(jpeg), key), num_parallel_calls=tf.data.AUTOTUNE, deterministic=True
    )
    return shown.batch(batch_size).prefetch(2)
