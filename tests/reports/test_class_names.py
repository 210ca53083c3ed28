"""Names for wnids and back."""

import pytest

from tiny_imagenet_tf.reports.analysis.class_names import ClassNames, UnknownClass

NAMES = ClassNames(("n1", "n2", "n3", "n4"), {"n1": "plunger, plumber's helper", "n2": "crane", "n3": "crane, machine"})


def test_short_names_are_first_names_and_differ():
    assert NAMES.short == ["plunger", "crane (n2)", "crane (n3)", "n4"]


@pytest.mark.parametrize(("text", "label"), [("plunger", 0), ("Plumber's Helper", 0), ("n2", 1), ("machine", 2)])
def test_a_class_is_found_by_any_of_its_names(text, label):
    assert NAMES.find(text) == label


@pytest.mark.parametrize(("text", "count"), [("crane", 2), ("plung", 0)])
def test_what_does_not_name_one_class_is_refused(text, count):
    with pytest.raises(UnknownClass, match=f"matches {count} of the 4 classes"):
        NAMES.find(text)
