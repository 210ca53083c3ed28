"""Section 4.3's claims, counted on synthetic errors."""

import numpy as np

from tiny_imagenet_tf.reports.analysis.predictions import ClassErrors
from tiny_imagenet_tf.reports.sections import claims

NAMES = ["plunger", "convertible", "bullet train", "sports car", "beach wagon", "bucket"]
ERRORS = {
    "plunger": ClassErrors(0, 50, 22, ((1, 20), (5, 8))),
    "convertible": ClassErrors(1, 50, 29, ((3, 14), (4, 7))),
    "bullet train": ClassErrors(2, 50, 49, ((0, 1),)),
    "bucket": ClassErrors(5, 50, 10, ((0, 40),)),
}


def test_claims_about_errors_are_counted():
    assert [row[2] for row in claims.about_errors(ERRORS, NAMES).rows] == [
        "56% of 50 (42 to 69); rank 2 of 4; the worst is bucket, 80% of 50 (67 to 89)",
        "28 errors in 2 classes",
        "42% of 50 (29 to 56); rank 3 of 4",
        "21 errors in 2 classes",
        "sports car 28%, beach wagon 14%",
        "2% of 50 (0 to 10); no class of 4 has less",
    ]


def test_the_worst_class_is_not_named_twice():
    alone = {name: errors for name, errors in ERRORS.items() if name != "bucket"}
    assert claims.about_errors(alone, NAMES).rows[0][2] == "56% of 50 (42 to 69); rank 1 of 3"


def test_a_class_that_is_not_there_is_not_claimed():
    assert claims.about_errors({"bucket": ERRORS["bucket"]}, NAMES).rows == ()


def test_claims_about_clusters_read_rows_as_from_and_columns_as_to():
    shares = np.array([[0.7, 0.3], [0.2, 0.8]])
    rows = claims.about_clusters(shares, ["convertible", "sports car"]).rows
    assert [row[2] for row in rows] == ["convertible to sports car 30.0%", "sports car to convertible 20.0%"]
