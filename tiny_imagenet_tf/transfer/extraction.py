"""Fills stores of transfer values, shard by shard, with the rate and the time left on the screen."""

import dataclasses
from pathlib import Path
from typing import Literal

import numpy as np
from tqdm import tqdm

from tiny_imagenet_tf.data import image_ops, pipelines, views
from tiny_imagenet_tf.data.splits import Split
from tiny_imagenet_tf.transfer import engine
from tiny_imagenet_tf.transfer.store import Store, open_store
from tiny_imagenet_tf.transfer.trunk import Trunk


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

    def store(self, split: Split, view: views.View | views.AugmentedView) -> Store:
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

    def fill(self, split: Split, view: views.View | views.AugmentedView) -> Store:
        """Extracts what a store still lacks. Interrupted, it loses at most the shard it was working on."""
        store = self.store(split, view)
        for shard in store.shards:
            if not store.is_written(shard):
                self._fill_from(shard, store, split, view)
                break
        return store

    def _fill_from(self, first: int, store: Store, split: Split, view) -> None:
        if self._extract is None:
            self._extract = engine.extractor(self.trunk.model, self.precision)
        done = first * store.shard_rows
        with tqdm(total=store.rows, initial=done, unit=" images", desc=_title(split, view), mininterval=1) as progress:
            for shard in store.shards:
                rows = store.shard_slice(shard)
                if store.is_written(shard):
                    progress.update(max(0, rows.stop - progress.n))
                    continue
                batches = pipelines.trunk_inputs(
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
                store.write(shard, np.concatenate(values))


def _title(split: Split, view) -> str:
    if isinstance(view, views.AugmentedView):
        return f"{split.name}, augmented view {view.number}"
    return f"{split.name}, {view.window.replace('_', ' ')}{', mirrored' if view.mirrored else ''}"
