"""Makes the dataset builder known to TensorFlow Datasets without importing it.

TFDS knows a builder once its module has been imported. Importing it here would make every
``import tiny_imagenet_tf.blocks`` pay for TFDS, so the import waits until TFDS itself is imported.
"""

import importlib
import importlib.abc
import importlib.machinery
import sys

_TFDS = "tensorflow_datasets"
_BUILDER = "tiny_imagenet_tf.data.tiny_imagenet.tiny_imagenet_dataset_builder"


class _AfterTfds(importlib.abc.MetaPathFinder):
    """Finds TFDS as Python would, and imports the builder once TFDS has been executed."""

    def find_spec(self, fullname, path=None, target=None):
        if fullname != _TFDS:
            return None
        sys.meta_path.remove(self)
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is None or spec.loader is None:
            return spec
        execute = spec.loader.exec_module

        def execute_then_register(module):
            execute(module)
            importlib.import_module(_BUILDER)

        spec.loader.exec_module = execute_then_register
        return spec


def register_with_tfds() -> None:
    """Registers ``tiny_imagenet`` now where TFDS is imported already, otherwise when it will be."""
    if _TFDS in sys.modules:
        importlib.import_module(_BUILDER)
    elif not any(isinstance(finder, _AfterTfds) for finder in sys.meta_path):
        sys.meta_path.insert(0, _AfterTfds())
