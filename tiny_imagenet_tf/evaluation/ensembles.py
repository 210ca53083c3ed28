"""Ensembles: the probabilities of several networks, summed (Milani section 3.4 and Eq. 2)."""

import dataclasses
import itertools
from collections.abc import Hashable, Sequence

import numpy as np

from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.evaluation.metrics import top_k_accuracy
from tiny_imagenet_tf.published import RESULTS


@dataclasses.dataclass(frozen=True)
class Joined:
    """What joining networks one by one, best first, brings (Fig. 6).

    Attributes:
        order: the members' indices from the best to the worst.
        accuracies: of each member alone, in the order given.
        accuracy_by_size: of the ensembles of the best 1, 2, ... members.
        best_size: the size of the highest accuracy; of equals the smallest.
    """

    order: tuple[int, ...]
    accuracies: tuple[float, ...]
    accuracy_by_size: tuple[float, ...]
    best_size: int

    @property
    def best_members(self) -> tuple[int, ...]:
        """The indices of the members of the best ensemble."""
        return self.order[: self.best_size]


def check_different(names: Sequence[str], members: Sequence[np.ndarray]) -> None:
    """Raises UserError where two of some named members are one network, by their class probabilities (n, classes)."""
    for (one, its), (other, others) in itertools.combinations(zip(names, members, strict=True), 2):
        if np.array_equal(its, others):
            raise UserError(f"{one} and {other} give identical predictions, so one would count twice; leave one out")


def join_best_first(members: Sequence[np.ndarray], labels: np.ndarray) -> Joined:
    """Joins networks in the order of their own accuracies, of equals the earlier one first.

    Args:
        members: class probabilities (n, classes) of each network.
        labels: int (n,).

    Raises:
        UserError: there are no members.
    """
    if not members:
        raise UserError("an ensemble needs at least one member")
    accuracies = tuple(top_k_accuracy(member, labels) for member in members)
    order = tuple(sorted(range(len(members)), key=lambda member: -accuracies[member]))
    by_size, total = [], np.zeros_like(members[0], dtype=np.float64)
    for member in order:
        total += members[member]
        by_size.append(top_k_accuracy(total, labels))
    return Joined(order, accuracies, tuple(by_size), int(np.argmax(by_size)) + 1)


def published_key(members: Sequence[str | None], runs: Sequence[Hashable], *, best_only: bool = True) -> str | None:
    """Returns the papers' row of an ensemble, from the rows of its members; None if they print no such ensemble.

    Milani joined the best snapshots of one run (Table 1), Le & Yang one model 8 and one model 9 (Table 2).

    Args:
        members: keys of ``published.RESULTS``, None for a network that is in no table.
        runs: what each member's run is known by.
        best_only: whether the members are the best of all snapshots, and not all of them, or the last alone.
    """
    if sorted(members, key=str) == ["le_yang/model_8", "le_yang/model_9"]:
        return "le_yang/ensemble_8_9"
    key = f"{members[0]}_ensemble" if best_only and len(set(members)) == len(set(runs)) == 1 else None
    return key if key in RESULTS else None
