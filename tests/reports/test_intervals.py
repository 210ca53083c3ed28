"""Wilson's interval against values from the literature and by symmetry."""

import pytest

from tiny_imagenet_tf.reports.analysis.intervals import wilson


def test_a_known_interval():
    # Newcombe 1998, table I: 81 of 263 by Wilson's method without continuity correction.
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)


def test_no_right_answers_still_leave_room_above():
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)


def test_the_interval_of_the_complement_is_mirrored():
    low, high = wilson(37, 50)
    assert wilson(13, 50) == pytest.approx((1 - high, 1 - low))


@pytest.mark.parametrize(("right", "images"), [(0, 0), (3, 2), (-1, 5)])
def test_what_is_not_a_share_is_refused(right, images):
    with pytest.raises(ValueError, match="not a share"):
        wilson(right, images)
