"""What all runs share: options, images, measuring, fitting, checkpoints, the summary."""

import tiny_imagenet_tf.cli  # noqa: F401  # quiets TensorFlow's log, before anything here imports TensorFlow
