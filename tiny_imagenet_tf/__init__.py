"""Two Tiny ImageNet reports as working software, in TensorFlow and Keras 3. Importing this loads nothing else."""

__version__ = "0.1.0"
