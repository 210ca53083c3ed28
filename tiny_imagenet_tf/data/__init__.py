"""Floor 1: the official layout on disk, the TFDS builder, and tf.data pipelines."""
