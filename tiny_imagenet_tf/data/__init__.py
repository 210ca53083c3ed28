"""The official layout on disk, the TFDS builder, and tf.data pipelines."""
