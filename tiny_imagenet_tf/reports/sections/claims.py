"""What Milani's section 4.3 says of three classes and of seven clusters, beside what a run shows."""

import numpy as np

from tiny_imagenet_tf import published
from tiny_imagenet_tf.reports.analysis.intervals import wilson
from tiny_imagenet_tf.reports.analysis.predictions import ClassErrors
from tiny_imagenet_tf.reports.table import Table

COLUMNS = ("Section 4.3 says", "Paper", "Here")


def about_errors(by_name: dict[str, ClassErrors], names: list[str]) -> Table:
    """The claims about the errors of plunger, convertible and bullet train.

    Args:
        by_name: class name to its errors, of all classes.
        names: class names by label.

    Returns:
        A table with a row for each claim about a class that the set has.
    """
    rows = []
    if plunger := by_name.get("plunger"):
        worst = max(by_name, key=lambda name: by_name[name].error)
        other = "" if worst == "plunger" else f"; the worst is {worst}, {_error(by_name[worst])}"
        rows += [
            (
                "plunger has the most mistakes",
                "56% of 50, the worst class",
                f"{_error(plunger)}; {_rank(plunger, by_name)}{other}",
            ),
            ("its errors are spread over many classes", "28 errors in 20 classes", _spread(plunger)),
        ]
    if convertible := by_name.get("convertible"):
        others = published.MILANI_CONVERTIBLE_TAKEN_FOR
        shares = [f"{name} {_share(convertible, name, names):.0%}" for name in others if name in names]
        rows += [
            ("convertible is often wrong", "42% of 50", f"{_error(convertible)}; {_rank(convertible, by_name)}"),
            ("its errors are in few classes", "21 errors in 8 classes", _spread(convertible)),
            ("it is taken for sports car or beach wagon", "14% each", ", ".join(shares)),
        ]
    if bullet_train := by_name.get("bullet train"):
        seen = f"{_error(bullet_train)}; {_rank(bullet_train, by_name)}"
        rows.append(("bullet train is the most accurate", "2% of 50, the best class", seen))
    caption = (
        "Errors are top-1 on the class's validation images, with the 95% interval of so few. Rank 1 is the class "
        "with the highest error; equal errors share a rank."
    )
    return Table("Errors, claim by claim", caption, COLUMNS, tuple(rows))


def about_clusters(shares: np.ndarray, names: list[str]) -> Table:
    """The claims about the clusters of Fig. 11, measured before t-SNE.

    Args:
        shares: float (classes, classes), from ``tiny_imagenet_tf.reports.analysis.embedding.neighbour_shares``.
        names: of the classes.
    """

    def share(one: str, others: tuple[str, ...]) -> str:
        return ", ".join(f"{one} to {other} {shares[names.index(one), names.index(other)]:.1%}" for other in others)

    cats = ("Egyptian cat", "Persian cat")
    claims = (
        ("convertible and sports car overlap", "convertible", ("sports car",)),
        ("convertible and sports car overlap", "sports car", ("convertible",)),
        ("the two cats are well separated", "Egyptian cat", ("Persian cat",)),
        ("the two cats are well separated", "Persian cat", ("Egyptian cat",)),
        ("golden retriever is far from the cats", "golden retriever", cats),
        ("bullet train is well separated", "bullet train", ("bullet train",)),
        ("plunger: nothing is said of its cluster", "plunger", ("plunger",)),
    )
    rows = tuple(
        (claim, "by eye, Fig. 11", share(one, others)) for claim, one, others in claims if {one, *others} <= set(names)
    )
    caption = "Here: the share of the nearest neighbours of an image of the first class that is of the second."
    return Table("Clusters, claim by claim", caption, COLUMNS, rows)


def _error(errors: ClassErrors) -> str:
    low, high = wilson(errors.images - errors.right, errors.images)
    return f"{errors.error:.0%} of {errors.images} ({100 * low:.0f} to {100 * high:.0f})"


def _rank(errors: ClassErrors, by_name: dict[str, ClassErrors]) -> str:
    if all(other.error >= errors.error for other in by_name.values()):
        return f"no class of {len(by_name)} has less"
    rank = 1 + sum(other.error > errors.error for other in by_name.values())
    return f"rank {rank} of {len(by_name)}"


def _spread(errors: ClassErrors) -> str:
    return f"{errors.images - errors.right} errors in {errors.wrong_classes} classes"


def _share(errors: ClassErrors, name: str, names: list[str]) -> float:
    return dict(errors.confusions).get(names.index(name), 0) / errors.images
