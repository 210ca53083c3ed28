"""Fills stores of transfer values, shard by shard, with the rate and the time left on the screen."""

import dataclasses
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tiny_imagenet_tf import interrupts, progress
from tiny_imagenet_tf.data import batches, views
from tiny_imagenet_tf.data.splits import Split
from tiny_imagenet_tf.data.views import DrawnView, View
from tiny_imagenet_tf.runs.transfer_values import Store, open_store
from tiny_imagenet_tf.transfer.engine import Engine, batch_size


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
        """Extracts what the stores of some views of a split still lack, and returns the stores.

        Interrupted, it loses at most the shard it was working on. Several processes share the work.
        """
        stores = [self.store(split, view) for view in shown]
        missing = [[shard for shard in store.shards if not store.is_written(shard)] for store in stores]
        total = sum(store.rows for store in stores)
        to_do = sum(
            len(store.rows_of(shard)) for store, shards in zip(stores, missing, strict=True) for shard in shards
        )
        if not to_do:
            return stores
        title = f"{split.name}, {len(shown)} views" if len(shown) > 1 else split.name
        with progress.bar(title, total, done=total - to_do) as bar:
            for store, view, shards in zip(stores, shown, missing, strict=True):
                if shards:
                    with interrupts.telling("what was extracted is kept; the same command goes on from there"):
                        self._fill(store, view, shards, split, bar)
        return stores

    def _fill(self, store: Store, view: View | DrawnView, shards: list[int], split: Split, bar: progress.tqdm) -> None:
        extract, table, shares = self.engine.extractor(view), view.table(len(split)), store.shares()

        def make(shard: int) -> None:
            started, rows = time.perf_counter(), store.rows_of(shard)
            values, done = [], rows.start
            for images in batches.in_order(split.take(np.array(rows)), batch_size()):
                values.append(extract(images, table[done : done + len(images)]).astype(self.dtype))
                done += len(images)
                bar.update(len(images))
            store.write(shard, np.concatenate(values), seconds=round(time.perf_counter() - started, 3))

        def done(shard: int, wait: bool = False) -> bool:
            if not shares.take(shard, wait=wait):
                return False
            try:
                if store.is_written(shard):  # by another process, meanwhile
                    bar.update(len(store.rows_of(shard)))
                else:
                    make(shard)
            finally:
                shares.give_back(shard)
            return True

        try:
            for shard in [shard for shard in shards if not done(shard)]:
                done(shard, wait=True)  # or a process that died over it is stepped in for
        finally:
            shares.close()
