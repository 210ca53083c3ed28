import subprocess
import sys
from unittest import mock

import pytest
import tensorflow_datasets as tfds

from tiny_imagenet_tf.data import splits
from tiny_imagenet_tf.data.tiny_imagenet import tiny_imagenet_dataset_builder
from tiny_imagenet_tf.data.tiny_imagenet.tiny_imagenet_dataset_builder import URL, Builder


class TinyImagenetTest(tfds.testing.DatasetBuilderTestCase):
    """TFDS's own battery, on the dummy data."""

    DATASET_CLASS = Builder
    SPLITS = {"train": 9, "validation": 3, "test": 2}  # noqa: RUF012 (TFDS reads a class attribute)

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        wnids = (cls.dummy_data / "tiny-imagenet-200/wnids.txt").read_text().split()
        cls.known = mock.patch.object(tiny_imagenet_dataset_builder, "classes", lambda: dict.fromkeys(sorted(wnids)))
        cls.known.start()

    @classmethod
    def tearDownClass(cls):
        cls.known.stop()
        super().tearDownClass()

    def test_registered(self):
        self.assertIs(tfds.builder_cls("tiny_imagenet"), Builder)


def test_the_checksum_is_that_of_the_official_archive():
    info = Builder.url_infos[URL]
    assert info.size == 248_100_043
    assert info.checksum == "6198c8ae015e2b3e007c7841da39ec069199b9aa3bfa943a462022fe5e43c821"


LOAD = """
import importlib.util
import {first}
assert importlib.util.find_spec("tensorflow_datasets")  # as other libraries ask
import {second}
import tensorflow_datasets as tfds
assert tfds.builder_cls("tiny_imagenet").__module__.startswith("tiny_imagenet_tf.")
print("found")
"""


def found_after(first, second):
    code = LOAD.format(first=first, second=second)
    return subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


@pytest.mark.parametrize(
    "order",
    [
        ("tensorflow_datasets", "tiny_imagenet_tf.tfds"),
        pytest.param(("tiny_imagenet_tf.tfds", "tensorflow_datasets"), marks=pytest.mark.slow),
    ],
)
def test_tfds_knows_it_whichever_is_imported_first(order):
    assert found_after(*order) == "found"


def test_importing_the_package_loads_neither_tensorflow_nor_tfds():
    heavy = {"tensorflow", "keras", "tensorflow_datasets", "numpy", "matplotlib", "sklearn"}
    code = f"import sys, tiny_imagenet_tf; print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_the_classes_have_names_before_anything_is_prepared(tmp_path):
    import tiny_imagenet_tf.tfds

    label = tfds.builder("tiny_imagenet", data_dir=tmp_path).info.features["label"]
    words = tiny_imagenet_tf.tfds.classes()
    assert label.names == sorted(words) and len(label.names) == 200
    assert words["n01443537"] == "goldfish, Carassius auratus" and label.str2int("n01443537") == 0


def test_a_tree_brings_its_own_classes(tree, tmp_path):
    builder = tfds.builder("tiny_imagenet", data_dir=tmp_path, source=tree)
    builder.download_and_prepare()
    again = tfds.builder("tiny_imagenet", data_dir=tmp_path, source=tree)
    assert again.info.features["label"].names == builder.info.features["label"].names
    assert len(again.info.features["label"].names) == 4


def test_a_recipe_and_tfds_find_each_others_records(tree, tmp_path):
    splits.prepare(tree, tmp_path)
    found = tfds.builder("tiny_imagenet", data_dir=tmp_path, source=tree)
    assert found.is_prepared()
    rows = tfds.load("tiny_imagenet", split="train", data_dir=tmp_path, builder_kwargs={"source": tree}, download=False)
    assert len(rows) == 24


def test_rows_as_a_table_and_as_a_source_of_random_access(tree, tmp_path):
    builder = tfds.builder("tiny_imagenet", data_dir=tmp_path / "records", source=tree)
    builder.download_and_prepare()
    table = tfds.as_dataframe(builder.as_dataset(split="train").take(3), builder.info)
    assert list(table.columns) == ["box", "file_name", "image", "label"] and "<img" in table._repr_html_()
    options = {"source": tree, "file_format": "array_record"}
    stored = tfds.builder("tiny_imagenet", data_dir=tmp_path / "rows", **options)
    stored.download_and_prepare()
    rows = tfds.data_source("tiny_imagenet", split="train", data_dir=tmp_path / "rows", builder_kwargs=options)
    assert len(rows) == 24 and rows[0]["image"].shape == (64, 64, 3)
