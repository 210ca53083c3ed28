import subprocess
import sys

import tensorflow_datasets as tfds

from tiny_imagenet_tf.data.tiny_imagenet.tiny_imagenet_dataset_builder import URL, Builder


class TinyImagenetTest(tfds.testing.DatasetBuilderTestCase):
    """TFDS's own battery, on the dummy data."""

    DATASET_CLASS = Builder
    SPLITS = {"train": 9, "validation": 3, "test": 2}  # noqa: RUF012 (TFDS reads a class attribute)

    def test_registered(self):
        self.assertIs(tfds.builder_cls("tiny_imagenet"), Builder)


def test_the_checksum_is_that_of_the_official_archive():
    info = Builder.url_infos[URL]
    assert info.size == 248_100_043
    assert info.checksum == "6198c8ae015e2b3e007c7841da39ec069199b9aa3bfa943a462022fe5e43c821"


LOAD = """
import {first}
import {second}
import tensorflow_datasets as tfds
assert tfds.builder_cls("tiny_imagenet").__module__.startswith("tiny_imagenet_tf.")
print("found")
"""


def found_after(first, second):
    code = LOAD.format(first=first, second=second)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_tfds_knows_it_whichever_is_imported_first():
    assert found_after("tiny_imagenet_tf.tfds", "tensorflow_datasets") == "found"
    assert found_after("tensorflow_datasets", "tiny_imagenet_tf.tfds") == "found"


def test_importing_the_package_loads_neither_tensorflow_nor_tfds():
    heavy = {"tensorflow", "keras", "tensorflow_datasets", "numpy", "matplotlib", "sklearn"}
    code = f"import sys, tiny_imagenet_tf; print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
