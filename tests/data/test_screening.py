"""The box rule of Le & Yang section 5.2.1, on boxes judged by hand and on the real ones."""

import numpy as np
import pytest

from tiny_imagenet_tf.data.screening import screen


@pytest.mark.parametrize(
    ("box", "removed", "small"),
    [
        ((0, 0, 63, 63), False, False),
        ((20, 20, 40, 40), False, False),
        ((0, 0, 8, 8), True, False),  # the crop at (8, 8) shows nothing of it
        ((0, 20, 10, 40), True, False),  # crops at 8 keep 2 of 10 columns: less than a quarter
        ((0, 20, 11, 40), False, False),  # 3 of 11: more
        ((0, 20, 12, 40), False, False),
        ((2, 20, 10, 40), False, False),  # exactly a quarter, 2 of 8, is enough
        ((54, 20, 63, 40), True, False),  # crops at 0 end at 56: 2 of 9
        ((20, 0, 40, 10), True, False),
        ((0, 0, 0, 30), False, True),  # no area, nothing to lose; but small
        ((20, 20, 28, 27), False, True),  # 56 square pixels
        ((20, 20, 28, 28), False, False),  # 64 are not below 8x8
        ((1, 1, 5, 5), True, False),  # removed images are not counted as small once more
    ],
)
def test_boxes_by_hand(box, removed, small):
    assert [bool(judged[0]) for judged in screen(np.array([box]))] == [removed, small]
