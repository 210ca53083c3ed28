"""Fills stores of transfer values, shard by shard, with the rate and the time left on the screen."""

import collections
import contextlib
import dataclasses
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from tiny_imagenet_tf import interrupts, progress
from tiny_imagenet_tf.data import batches, views
from tiny_imagenet_tf.data.splits import Split
from tiny_imagenet_tf.data.views import DrawnView, View
from tiny_imagenet_tf.runs.transfer_values import Store, open_store
from tiny_imagenet_tf.transfer.engine import Engine, batch_size


@dataclasses.dataclass(frozen=True)
class Shard:
    """One shard of a store: of which images, and how they are shown."""

    store: Store
    split: Split
    view: View | DrawnView
    number: int

    @property
    def rows(self) -> range:
        """The split's rows."""
        return self.store.rows_of(self.number)


@dataclasses.dataclass(frozen=True)
class Extraction:
    """How transfer values are made, and where they are kept.

    Attributes:
        engine: the trunk, its precision and sampling.
        root: the folder of all stores.
        dtype: of the stored values.
    """

    engine: Engine
    root: Path
    dtype: str = "float16"

    def store(self, split: Split, view: View | DrawnView) -> Store:
        """Returns the store for a view of a split, empty, partial or complete."""
        key = {
            **self.engine.description,
            **views.describe(view),
            "dtype": self.dtype,
            "split": split.name,
            "dataset_sha256": split.digest,
        }
        return open_store(self.root, key, len(split))

    def fill(self, split: Split, shown: Sequence[View | DrawnView]) -> list[Store]:
        """Fills the stores of some views of a split, and returns them; see :meth:`fill_all`."""
        (stores,) = self.fill_all([(split, shown)])
        return stores

    def fill_all(self, parts: Sequence[tuple[Split, Sequence[View | DrawnView]]]) -> list[list[Store]]:
        """Extracts what the stores of several splits and their views still lack, and returns them, a list a split.

        Interrupted, it loses at most the shards it was working on. Several processes share the work: each takes what is
        free, of all stores, and only then waits for what others are at work on.
        """
        stores = [[self.store(split, view) for view in shown] for split, shown in parts]
        with interrupts.telling("what was extracted is kept; the same command goes on from there"):
            held = [
                shard
                for (split, shown), of_split in zip(parts, stores, strict=True)
                for shard in self._fill_free(split, shown, of_split)
            ]
            if held:
                with progress.bar("shards of other processes", sum(len(each.rows) for each in held)) as bar:
                    for shard in held:
                        self.make_alone(shard, bar)
        return stores

    def _fill_free(self, split: Split, shown: Sequence[View | DrawnView], stores: Sequence[Store]) -> list[Shard]:
        """Extracts the shards that no other process is at work on, and returns the others."""
        missing = [[shard for shard in store.shards if not store.is_written(shard)] for store in stores]
        total = sum(store.rows for store in stores)
        to_do = sum(
            len(store.rows_of(shard)) for store, shards in zip(stores, missing, strict=True) for shard in shards
        )
        if not to_do:
            return []
        title = f"{split.name}, {len(shown)} views" if len(shown) > 1 else split.name
        with progress.bar(title, total, done=total - to_do) as bar:
            return [
                Shard(store, split, view, number)
                for store, view, shards in zip(stores, shown, missing, strict=True)
                if shards
                for number in self._share(store, split, view, shards, bar)
            ]

    def _share(
        self, store: Store, split: Split, view: View | DrawnView, shards: list[int], bar: progress.tqdm
    ) -> list[int]:
        """Extracts those of some shards that are free, and returns the others."""
        held = []

        def own() -> Iterator[int]:
            for shard in shards:
                if not shares.take(shard):
                    held.append(shard)
                elif not store.is_written(shard):  # by another process, meanwhile
                    yield shard
                else:
                    bar.update(len(store.rows_of(shard)))
                    shares.give_back(shard)

        with contextlib.closing(store.shares()) as shares:
            for shard in self.make(store, split, view, own(), bar):
                shares.give_back(shard)
        return held

    def make_alone(self, shard: Shard, bar: progress.tqdm) -> None:
        """Waits for the process that is at work on a shard, and steps in for one that died over it."""
        store = shard.store
        with contextlib.closing(store.shares()) as shares:
            shares.take(shard.number, wait=True)
            if store.is_written(shard.number):
                bar.update(len(shard.rows))
            else:
                list(self.make(store, shard.split, shard.view, [shard.number], bar))

    def make(
        self, store: Store, split: Split, view: View | DrawnView, shards: Iterable[int], bar: progress.tqdm
    ) -> Iterator[int]:
        """Extracts shards of a store, and gives the number of each when it is written.

        One pipeline decodes for all of them, some batches ahead; a GPU has the next batch before the values of one are
        fetched; a thread writes.

        Args:
            store: of the view.
            split: its images.
            view: in which they are shown.
            shards: their numbers, asked for as they are needed.
            bar: counts images.
        """
        extract, table, begun = self.engine.extractor(view), view.table(len(split)), collections.deque()

        def batches_of_rows() -> Iterator[np.ndarray]:
            for shard in shards:
                begun.append(shard)
                rows = np.array(store.rows_of(shard), np.int64)
                yield from np.split(rows, range(batch_size(), len(rows), batch_size()))

        def in_flight() -> Iterator[np.ndarray]:
            waiting = None
            for images, rows in batches.of_rows(split, batches_of_rows()):
                before, waiting = waiting, extract(images, table[np.asarray(rows)])
                if before is not None:
                    yield np.asarray(before)
            if waiting is not None:
                yield np.asarray(waiting)

        def write(shard: int, values: list[np.ndarray], seconds: float) -> int:
            store.write(shard, np.concatenate(values), seconds=round(seconds, 3))
            return shard

        with ThreadPoolExecutor(1) as writer:
            written, values, started = collections.deque(), [], time.perf_counter()
            for some in in_flight():
                values.append(some.astype(self.dtype))
                bar.update(len(some))
                if sum(map(len, values)) == len(store.rows_of(begun[0])):
                    now = time.perf_counter()
                    written.append(writer.submit(write, begun.popleft(), values, now - started))
                    values, started = [], now
                while written and written[0].done():  # or a full disk would be told at the end alone
                    yield written.popleft().result()
            for each in written:
                yield each.result()
