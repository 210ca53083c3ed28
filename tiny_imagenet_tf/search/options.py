"""What can be chosen in a search for a head's hyper-parameters."""

import dataclasses
import math
from pathlib import Path
from typing import Any, ClassVar, Literal

from tiny_imagenet_tf import extras
from tiny_imagenet_tf.choices import Sampler, WeightDecayConvention
from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.experiments.options import AMOUNT, PART, POSITIVE, SHARE, Rule, flag, option
from tiny_imagenet_tf.runs import searches
from tiny_imagenet_tf.runs.places import check_folder
from tiny_imagenet_tf.transfer.options import ClusterOptions

Span = tuple[float, float]
SPANS = {
    "learning_rate": "learning_rates",
    "learning_rate_decay_per_epoch": "learning_rate_decays",
    "weight_decay": "weight_decays",
    "dropout_keep": "dropout_keeps",
    "label_smoothing": "label_smoothings",
}
"""Each hyper-parameter, by the name of the recipes' option, and the option here that says from where to where."""


@dataclasses.dataclass(frozen=True)
class SearchOptions(ClusterOptions):
    """Options of ``search_head.py``."""

    GROUP: ClassVar[str] = "search"
    AUGMENTED_BY: ClassVar[str] = "--variant v3"

    DEMO: ClassVar[dict[str, Any]] = ClusterOptions.DEMO | {"trials": 6, "together": 3, "epochs": 3, "batch_size": 20}

    variant: Literal["vanilla", "v2", "v3"] = option("vanilla")
    """Recipe whose head is searched: v2 has dropout that keeps 80%, v3 is trained on augmented views, too."""
    study: Path | None = option(None)
    """Folder of the search. Rerun the command to resume; several processes can share the folder. Default:
    runs/search_head-VARIANT."""

    # The search
    trials: int = option(60, POSITIVE)
    """Settings to try, in all processes together."""
    together: int = option(8, POSITIVE)
    """Heads that are trained together."""
    holdout: float = option(0.1, Rule("above 0 and below 1", lambda value: 0 < value < 1))
    """Share of each training class that is not trained on but judges the heads."""
    folds: int = option(0)
    """Cross-validation: every image is held out once, in one of so many folds; instead of holdout."""
    sampler: Sampler = option("tpe")
    """tpe draws more where trials did well, random does not."""
    epochs: int = option(10, POSITIVE)
    """Epochs of every head. The best of its epochs counts, as a recipe keeps the best."""
    batch_size: int = option(100, POSITIVE)
    """Images a step."""

    # From, to; two equal numbers fix a hyper-parameter
    learning_rates: Span = option((1e-4, 1e-2))
    """Learning rates of the first epoch, drawn by their logarithm."""
    learning_rate_decays: Span = option((0.5, 1.0))
    """Factors from one epoch to the next."""
    weight_decays: Span = option((1e-6, 3e-2))
    """L2 strengths, drawn by their logarithm."""
    weight_decay_convention: WeightDecayConvention = option("l2_loss")
    """What the L2 strengths multiply: l2_loss is sum(w^2)/2; keras is sum(w^2)."""
    dropout_keeps: Span | None = option(None)
    """Shares of the transfer values that dropout keeps. Default: 0.8 for v2, 1 for the others."""
    label_smoothings: Span = option((0.1, 0.1))
    """Epsilon of Eq. 1."""

    def check(self) -> None:
        """Raises UserError, naming the option, where a value makes no sense. Nothing is on disk yet."""
        super().check()
        if self.augment:
            raise UserError("--augment: give --variant v3 instead, whose head is trained on augmented views")
        if self.new_views:
            raise UserError("--augmented-views 0: heads are searched on stored views")
        extras.require("a search", "search")
        check_folder("--study", self.folder)
        if self.folder.is_dir() and not searches.may_be_in(self.folder):
            raise UserError(f"--study {self.folder}: holds other files but no search; name a new folder")
        if self.folds == 1:
            raise UserError("--folds 1: nothing would be trained on; at least 2, or 0 for --holdout")
        if self.folds:
            self.refuse(("holdout",), "--folds holds every image out once")
        for name, (low, high) in self.spans.items():
            may_be_0 = name == "label_smoothing" or (name == "weight_decay" and low == high)
            if not (0 <= low <= high < math.inf) or (low == 0 and not may_be_0):
                both = "both at least 0" if may_be_0 else "both above 0"
                raise UserError(f"{flag(SPANS[name])} {low} {high}: give the lowest value, then the highest, {both}")
            rule = {"dropout_keep": SHARE, "label_smoothing": PART}.get(name, AMOUNT)
            for value in (low, high):
                rule.check(SPANS[name], value)

    @property
    def augments(self) -> bool:
        """Whether there are augmented views: v3's."""
        return self.variant == "v3"

    @property
    def spans(self) -> dict[str, Span]:
        """From and to of each hyper-parameter, by the name of the recipes' option."""
        keep = 0.8 if self.variant == "v2" else 1.0
        return {
            "learning_rate": self.learning_rates,
            "learning_rate_decay_per_epoch": self.learning_rate_decays,
            "weight_decay": self.weight_decays,
            "dropout_keep": self.dropout_keeps or (keep, keep),
            "label_smoothing": self.label_smoothings,
        }

    @property
    def fixed(self) -> dict[str, float]:
        """The hyper-parameters that are not searched for."""
        return {name: low for name, (low, high) in self.spans.items() if low == high}

    @property
    def folder(self) -> Path:
        """Of the search."""
        return self.study or Path("runs") / f"search_head-{self.variant}{'-demo' if self.demo else ''}"
