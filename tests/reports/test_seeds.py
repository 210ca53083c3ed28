"""What another seed changes, by the stored runs."""

import dataclasses

import numpy as np
import pytest


@pytest.fixture(scope="module")
def script(docs_script):
    return docs_script("seeds")


def test_each_row_is_of_five_seeds_and_of_them_alone(script):
    shown = script.section().splitlines()[2:]
    for runs, row in zip(script.groups(), shown, strict=True):
        assert [run.environment["seed"] for run in runs] == [0, 1, 2, 3, 4]
        found = np.array([run.summary.validation.top1 for run in runs])
        assert f"{found.mean():.2%} | {100 * found.std(ddof=1):.2f} |" in row


@pytest.mark.parametrize(
    ("first", "changed", "said"),
    [
        ("transfer_vanilla_searched", {"seed": 3}, "other seeds"),
        ("transfer_vanilla_searched", {"learning_rate": 0.1}, "differ in learning_rate"),
        ("lite2_v3_searched_avx2", {"views_seed": None}, "differ in views_seed"),  # its own, then
    ],
)
def test_runs_that_are_no_seeds_of_one_are_refused(script, monkeypatch, first, changed, said):
    read = script.records.read
    monkeypatch.setattr(script, "FIRST", (first,))

    def odd(folder):
        return [
            dataclasses.replace(each, config=each.config | changed) if each.name == f"{first}_seed_2" else each
            for each in read(folder)
        ]

    monkeypatch.setattr(script.records, "read", odd)
    with pytest.raises(ValueError, match=f"{first}: its runs .*{said}"):
        next(script.groups())
