"""The TFDS builder ``tiny_imagenet``, in TFDS's folder form."""
