"""Fills all stores that runs of transfer learning read, in this process or by the actors of a Ray cluster."""

import dataclasses
from collections.abc import Sequence

from tiny_imagenet_tf import cluster, hardware, progress
from tiny_imagenet_tf.data.splits import Split
from tiny_imagenet_tf.data.views import DrawnView, View
from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.experiments import images
from tiny_imagenet_tf.transfer.extraction import Extraction, Shard
from tiny_imagenet_tf.transfer.options import ExtractOptions
from tiny_imagenet_tf.transfer.values import extraction_of, tested_parts, training_parts, trunk_of

TOGETHER = 4
"""Shards, at most, that an actor of a cluster is given at once; they share a pipeline."""


@dataclasses.dataclass(frozen=True)
class Work:
    """All that is to be extracted.

    Attributes:
        extraction: how.
        parts: images, and how they are shown.
    """

    extraction: Extraction
    parts: list[tuple[Split, list[View | DrawnView]]]

    @classmethod
    def of(cls, options: ExtractOptions) -> "Work":
        """Reads images and trunk; every process comes to the same parts in the same order."""
        hardware.set_seed(options.seed)
        data = images.load(options)
        precision = hardware.resolve_precision(options.precision, options.devices, frozen=True)
        trunk = trunk_of(options, precision)
        extraction = extraction_of(options, trunk, data.all_train, precision)
        parts = [(split, list(shown)) for split, shown in tested_parts(options.crops, data)]
        return cls(extraction, parts + [(split, shown) for split, _, shown in training_parts(options, data)])

    def do(self, part: int, shards: Sequence[tuple[int, int]]) -> None:
        """Extracts some shards of a part, each a view's number and its own, unless another process does."""
        split, shown = self.parts[part]
        wanted = [Shard(self.extraction.store(split, shown[view]), split, shown[view], each) for view, each in shards]
        with progress.bar("", sum(len(shard.rows) for shard in wanted)) as bar:
            for shard in self.extraction.extract_free(wanted, bar):
                self.extraction.extract_after_others(shard, bar)

    def missing(self) -> list[list[tuple[int, int]]]:
        """Returns of each part, in the form that ``do`` takes, the shards that are not written."""
        stores = [[self.extraction.store(split, each) for each in shown] for split, shown in self.parts]
        return [[(view, each) for view, store in enumerate(part) for each in store.missing] for part in stores]


def run(options: ExtractOptions) -> None:
    """Fills the stores.

    Raises:
        UserError: an option, the images or the weights cannot be used, or there is no Ray cluster.
    """
    options.check()
    work = Work.of(options)
    if options.ray:
        _by_actors(options, work)
    else:
        work.extraction.fill_all(work.parts)
    values = sum(len(split) * len(shown) for split, shown in work.parts)
    print(f"{values:,} images and views are stored in {work.extraction.root}")


def _by_actors(options: ExtractOptions, work: Work) -> None:
    """Has actors do what is missing.

    Raises:
        UserError: they wrote it where this machine does not see it.
    """
    import ray

    missing = work.missing()
    if not (shards := sum(map(len, missing))):
        return
    # One for all processes: they are part of what a store's values are.
    options = dataclasses.replace(options.settled, precision=work.extraction.engine.precision)
    with cluster.actors(options.ray, options.cores, shards, _Actor, options) as actors:
        at_once = max(1, min(TOGETHER, shards // (4 * len(actors))))
        tasks = [
            (part, of_part[first : first + at_once])
            for part, of_part in enumerate(missing)
            for first in range(0, len(of_part), at_once)
        ]
        with progress.bar(f"{len(actors)} actors", shards, unit="shards") as bar:
            idle, busy = actors, {}
            while tasks or busy:
                while tasks and idle:
                    actor = idle.pop()
                    busy[actor.do.remote(*tasks.pop(0))] = actor
                while idle:  # one whose machine has left may find no other room
                    ray.kill(idle.pop())
                (ended,), _ = ray.wait(list(busy))
                bar.update(ray.get(ended))
                idle.append(busy.pop(ended))
    if lost := sum(map(len, work.missing())):
        raise UserError(
            f"{lost} of the shards that actors have written are not in {work.extraction.root}: {cluster.SHARED}"
        )


class _Actor:
    """A process of a cluster, with a trunk of its own.

    Args:
        options: of the extraction.
    """

    def __init__(self, options: ExtractOptions):
        self._work = Work.of(options)

    def do(self, part: int, shards: Sequence[tuple[int, int]]) -> int:
        """Extracts some shards, and returns how many; see ``Work.do``."""
        self._work.do(part, shards)
        return len(shards)
