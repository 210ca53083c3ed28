"""Fills stores of transfer values, shard by shard, with the rate and the time left on the screen."""

import collections
import contextlib
import dataclasses
import functools
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from tiny_imagenet_tf import hardware, interrupts, progress
from tiny_imagenet_tf.data import batches, views
from tiny_imagenet_tf.data.splits import Split
from tiny_imagenet_tf.data.views import DrawnView, View
from tiny_imagenet_tf.runs.transfer_values import Store, open_store
from tiny_imagenet_tf.transfer.engine import Engine, Extractor, batch_size


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
        """Fills the stores of some views of a split, and returns them; see ``fill_all``."""
        (stores,) = self.fill_all([(split, shown)])
        return stores

    def fill_all(self, parts: Sequence[tuple[Split, Sequence[View | DrawnView]]]) -> list[list[Store]]:
        """Extracts what the stores of several splits and their views still lack, and returns them, a list per split.

        Interrupted, it loses at most the shards it was working on. Several processes share the work: each takes what is
        free, of all stores, and only then waits for what others are at work on.
        """
        stores = [[self.store(split, view) for view in shown] for split, shown in parts]
        with interrupts.telling("finished shards are kept; run the same command again to continue"):
            taken_by_others = [
                shard
                for (split, shown), of_split in zip(parts, stores, strict=True)
                for shard in self._fill_free(split, shown, of_split)
            ]
            if taken_by_others:
                with progress.bar("shards of other processes", sum(len(each.rows) for each in taken_by_others)) as bar:
                    for shard in taken_by_others:
                        self.extract_after_others(shard, bar)
        return stores

    def _fill_free(self, split: Split, shown: Sequence[View | DrawnView], stores: Sequence[Store]) -> list[Shard]:
        """Extracts the shards that no other process is at work on, and returns the others."""
        missing = [
            Shard(store, split, view, number)
            for store, view in zip(stores, shown, strict=True)
            for number in store.missing
        ]
        if not missing:
            return []
        total = sum(store.rows for store in stores)
        title = f"{split.name}, {len(shown)} views" if len(shown) > 1 else split.name
        with progress.bar(title, total, done=total - sum(len(shard.rows) for shard in missing)) as bar:
            return self.extract_free(missing, bar)

    def extract_free(self, shards: Sequence[Shard], bar: progress.tqdm) -> list[Shard]:
        """Extracts those of some shards of a split that no other process is at work on, and returns the others."""
        taken_by_others = []
        with contextlib.ExitStack() as at_end:
            stores = {shard.store.folder: shard.store for shard in shards}
            shares = {
                folder: at_end.enter_context(contextlib.closing(store.shares())) for folder, store in stores.items()
            }

            def own() -> Iterator[Shard]:
                for shard in shards:
                    share = shares[shard.store.folder]
                    if not share.take(shard.number):
                        taken_by_others.append(shard)
                    elif not shard.store.is_written(shard.number):  # by another process, meanwhile
                        yield shard
                    else:
                        bar.update(len(shard.rows))
                        share.give_back(shard.number)

            for shard in self._extract(shards[0].split, own(), bar):
                shares[shard.store.folder].give_back(shard.number)
        return taken_by_others

    def extract_after_others(self, shard: Shard, bar: progress.tqdm) -> None:
        """Waits for the process that is at work on a shard, and steps in for one that died over it."""
        with contextlib.closing(shard.store.shares()) as shares:
            shares.take(shard.number, wait=True)
            if shard.store.is_written(shard.number):
                bar.update(len(shard.rows))
            else:
                list(self._extract(shard.split, [shard], bar))

    def _extract(self, split: Split, shards: Iterable[Shard], bar: progress.tqdm) -> Iterator[Shard]:
        """Extracts shards of a split, of any views, and gives each when it is written.

        One pipeline decodes for all of them, some batches ahead; each GPU has its next batch before the values of one
        are fetched; a thread writes.

        Args:
            split: their images.
            shards: asked for as they are needed.
            bar: counts images.
        """
        shards_of_batches = collections.deque()  # that are on their way

        @functools.cache
        def extractor_and_table(view: View | DrawnView) -> tuple[Extractor, np.ndarray]:
            return self.engine.extractor(view), view.table(len(split))

        def batches_of_rows() -> Iterator[np.ndarray]:
            for shard in shards:
                rows = np.array(shard.rows, np.int64)
                for batch in np.split(rows, range(batch_size(), len(rows), batch_size())):
                    shards_of_batches.append(shard)
                    yield batch

        def in_flight() -> Iterator[tuple[Shard, np.ndarray]]:
            waiting, devices = collections.deque(), len(hardware.extraction_devices())
            for images, rows in batches.of_rows(split, batches_of_rows()):
                shard = shards_of_batches.popleft()
                extract, table = extractor_and_table(shard.view)
                waiting.append((shard, extract(images, table[np.asarray(rows)])))
                if len(waiting) > devices:
                    shard, found = waiting.popleft()
                    yield shard, np.asarray(found)
            for shard, found in waiting:
                yield shard, np.asarray(found)

        def write(shard: Shard, values: list[np.ndarray], seconds: float) -> Shard:
            shard.store.write(shard.number, np.concatenate(values), seconds=round(seconds, 3))
            return shard

        with ThreadPoolExecutor(1) as writer:
            written, values, started = collections.deque(), [], time.perf_counter()
            for shard, some in in_flight():
                values.append(some.astype(self.dtype))
                bar.update(len(some))
                if sum(map(len, values)) == len(shard.rows):
                    now = time.perf_counter()
                    written.append(writer.submit(write, shard, values, now - started))
                    values, started = [], now
                while written and written[0].done():  # or a full disk would be told at the end alone
                    yield written.popleft().result()
            for each in written:
                yield each.result()
