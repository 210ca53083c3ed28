"""What pictures show, in words."""

from types import SimpleNamespace

import numpy as np
from PIL import Image

from tiny_imagenet_tf.evaluation import naming
from tiny_imagenet_tf.runs.networks import Classes


def test_of_classes_alike_the_first_is_named_first_as_accuracy_counts_it(tmp_path):
    picture = tmp_path / "picture.png"
    Image.new("RGB", (80, 64)).save(picture)
    alike = SimpleNamespace(of_images=lambda images, shown: np.array([[0.1, 0.35, 0.2, 0.35]]))
    classes = Classes(("n1", "n2", "n3", "n4"), ("a", "b", "c", "d"))
    (found,) = naming.name(alike, classes, [picture], [], top=3)
    assert [answer["wnid"] for answer in found["answers"]] == ["n2", "n4", "n3"]
    assert (found["width"], found["height"]) == (80, 64)
