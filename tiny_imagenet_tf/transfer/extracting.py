"""Fills all stores that runs of transfer learning read, in this process or by the actors of a Ray cluster."""

import dataclasses
from collections.abc import Iterator

from tiny_imagenet_tf import cluster, hardware, progress
from tiny_imagenet_tf.data.splits import Split
from tiny_imagenet_tf.data.views import DrawnView, View
from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.experiments import data as images
from tiny_imagenet_tf.transfer import experiment
from tiny_imagenet_tf.transfer.extraction import Extraction, Shard
from tiny_imagenet_tf.transfer.options import ExtractOptions


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
        trunk = experiment.trunk_of(options, precision)
        extraction = experiment.extraction_of(options, trunk, data.all_train, precision)
        parts = [(split, list(shown)) for split, shown in experiment.tested_parts(options.crops, data)]
        return cls(extraction, parts + [(split, shown) for split, _, shown in experiment.training_parts(options, data)])

    def do(self, part: int, view: int, shard: int) -> None:
        """Extracts one shard, unless another process does."""
        split, shown = self.parts[part]
        found = Shard(self.extraction.store(split, shown[view]), split, shown[view], shard)
        with progress.bar("", len(found.rows)) as bar:
            self.extraction.make_alone(found, bar)

    def missing(self) -> Iterator[tuple[int, int, int]]:
        """Gives what :meth:`do` takes, of every shard that is not written."""
        for part, (split, shown) in enumerate(self.parts):
            for view, each in enumerate(shown):
                store = self.extraction.store(split, each)
                yield from ((part, view, shard) for shard in store.shards if not store.is_written(shard))


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

    missing = list(work.missing())
    if not missing:
        return
    # One for all processes: they are part of what a store's values are.
    options = dataclasses.replace(options.settled, precision=work.extraction.engine.precision)
    with cluster.actors(options.ray, options.cores, len(missing), _Actor, options) as actors:
        pool = ray.util.ActorPool(actors)
        with progress.bar(f"{len(actors)} actors", len(missing), unit="shards") as bar:
            for _ in pool.map_unordered(lambda actor, shard: actor.do.remote(*shard), missing):
                bar.update()
    if lost := len(list(work.missing())):
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

    def do(self, *shard: int) -> None:
        """Extracts one shard; see :meth:`Work.do`."""
        self._work.do(*shard)
