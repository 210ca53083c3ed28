"""Names a reader knows for wnids, and wnids for such names."""

import dataclasses
from collections import Counter

from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.runs.networks import first_name


class UnknownClass(UserError):
    """No class has that name, or several have."""


@dataclasses.dataclass(frozen=True)
class ClassNames:
    """The classes of a run.

    Attributes:
        wnids: in label order.
        words: wnid to its names, separated by commas; a wnid without any is its own name.
    """

    wnids: tuple[str, ...]
    words: dict[str, str]

    @property
    def short(self) -> list[str]:
        """The first name of each class, with the wnid where two classes share it."""
        first = [first_name(wnid, self.words) for wnid in self.wnids]
        shared = Counter(first)
        return [f"{name} ({wnid})" if shared[name] > 1 else name for name, wnid in zip(first, self.wnids, strict=True)]

    def find(self, text: str) -> int:
        """Returns the label of a class given by wnid or by one of its names, in any case.

        Raises:
            UnknownClass: no class has that name, or several have.
        """
        wanted = text.strip().lower()
        found = [label for label, wnid in enumerate(self.wnids) if wanted in self._names(wnid)]
        if len(found) != 1:
            raise UnknownClass(f"{text!r} matches {len(found)} of the {len(self.wnids)} classes; give a wnid instead")
        return found[0]

    def _names(self, wnid: str) -> list[str]:
        return [wnid, *(name.strip().lower() for name in self.words.get(wnid, "").split(",") if name.strip())]
