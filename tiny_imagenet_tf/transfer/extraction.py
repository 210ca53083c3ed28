"""Fills stores of transfer values, shard by shard, with the rate and the time left on the screen."""

import dataclasses
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from tqdm import tqdm

from tiny_imagenet_tf.data import image_ops, pipelines, views
from tiny_imagenet_tf.data.splits import Split
from tiny_imagenet_tf.runs.transfer_values import Store, open_store
from tiny_imagenet_tf.transfer import engine
from tiny_imagenet_tf.transfer.trunk import Trunk

AnyView = views.View | views.AugmentedView


@dataclasses.dataclass
class Extraction:
    """How transfer values are made: a trunk, and what else changes them.

    Attributes:
        trunk: built with ``engine.trunk_dtype(precision)``.
        precision: of the arithmetic inside the trunk.
        resize: sampling of the bilinear resize.
        root: the folder of all stores.
        dtype: of the stored values.
    """

    trunk: Trunk
    precision: Literal["float32", "bfloat16", "float16"]
    resize: image_ops.Resize
    root: Path
    dtype: str = "float16"
    _extract: engine.Extractor | None = None

    def store(self, split: Split, view: AnyView) -> Store:
        """Returns the store for a view of a split, empty, partial or complete."""
        key = {
            **self.trunk.description,
            **views.describe(view),
            "precision": self.precision,
            "resize": self.resize,
            "dtype": self.dtype,
            "split": split.name,
            "dataset_sha256": split.digest,
        }
        return open_store(self.root, key, len(split))

    def fill(self, split: Split, shown: Sequence[AnyView]) -> list[Store]:
        """Extracts what the stores of some views of a split still lack, and returns the stores.

        Interrupted, it loses at most the shard it was working on.
        """
        stores = [self.store(split, view) for view in shown]
        missing = [
            (store, view, shard)
            for store, view in zip(stores, shown, strict=True)
            for shard in store.shards
            if not store.is_written(shard)
        ]
        if not missing:
            return stores
        if self._extract is None:
            self._extract = engine.extractor(self.trunk.model, self.precision)
        total = sum(store.rows for store in stores)
        to_do = sum(store.shard_rows_of(shard) for store, _, shard in missing)
        title = f"{split.name}, {len(shown)} views" if len(shown) > 1 else split.name
        with tqdm(total=total, initial=total - to_do, unit=" images", desc=title, mininterval=1) as progress:
            for store, view, shard in missing:
                self._fill_shard(store, view, shard, split, progress)
        return stores

    def _fill_shard(self, store: Store, view: AnyView, shard: int, split: Split, progress: tqdm) -> None:
        started = time.perf_counter()
        rows = store.shard_slice(shard)
        batches = pipelines.network_inputs(
            split.take(np.arange(rows.start, rows.stop)),
            view,
            size=self.trunk.description["input_size"],
            resize=self.resize,
            batch_size=engine.batch_size(),
        )
        values = []
        for batch in batches:
            values.append(self._extract(batch).astype(self.dtype))
            progress.update(len(values[-1]))
        store.write(shard, np.concatenate(values), seconds=round(time.perf_counter() - started, 3))
