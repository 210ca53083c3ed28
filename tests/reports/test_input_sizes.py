"""Accuracy by input size: the stored runs differ in it alone, and the figure draws them."""

from pathlib import Path

import pytest

from tiny_imagenet_tf.runs.files import read_object

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def script(docs_script):
    return docs_script("input_sizes")


@pytest.fixture(scope="module")
def sizes():
    return read_object(ROOT / "results/analyses/input_sizes.json")["sizes"]


def test_the_runs_differ_in_size_alone(sizes):
    def rest(each):
        words = each["command"].split()
        return [word for word in words if word != str(each["size"]) and not word.startswith("size_")]

    assert len({each["size"] for each in sizes}) == len(sizes) >= 3
    assert all(rest(each) == rest(sizes[0]) for each in sizes)
    assert len({(each["train_images"], each["val_images"]) for each in sizes}) == 1


def test_every_size_has_a_dot(script, sizes):
    (axes,) = script.draw(sizes).axes
    assert {text.get_text() for text in axes.texts} == {f"{each['size']} px" for each in sizes}
    assert sorted(axes.lines[0].get_ydata()) == sorted(each["top1"] for each in sizes)
