"""The TFDS builder ``tiny_imagenet``: the official archive or any tree in its layout."""

from pathlib import Path

import numpy as np
import tensorflow_datasets as tfds

from tiny_imagenet_tf.data import official_layout

URL = "http://cs231n.stanford.edu/tiny-imagenet-200.zip"


class Builder(tfds.core.GeneratorBasedBuilder):
    """Tiny ImageNet: 200 classes, 64x64 images; grayscale files are replicated to three channels.

    Features: ``image`` uint8 (64, 64, 3), ``label`` (index into the sorted wnids, -1 in the test split),
    ``box`` int32 (x0, y0, x1, y1) in pixels 0..63 or four times -1, ``file_name``.

    ``info.metadata`` holds ``words`` (wnid to human-readable names), ``digests`` (split to sha256),
    ``grayscale`` (split to count) and ``missing`` (annotated files that were not on disk).

    Args:
        source: a tree in the official layout to read instead of downloading; everything else is as for
            any TFDS builder.
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First release."}  # noqa: RUF012 (TFDS reads a class attribute)

    def __init__(self, *, source: str | Path | None = None, **kwargs):
        self._source = source
        super().__init__(**kwargs)

    def _info(self) -> tfds.core.DatasetInfo:
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(64, 64, 3), encoding_format="jpeg"),
                    # The class names come with the data and are stored beside the prepared records.
                    "label": tfds.features.ClassLabel(),
                    "box": tfds.features.Tensor(shape=(4,), dtype=np.int32),
                    "file_name": tfds.features.Text(),
                }
            ),
            supervised_keys=("image", "label"),
            homepage="http://cs231n.stanford.edu/",
            metadata=tfds.core.MetadataDict(),
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager):
        root = self._source or dl_manager.download_and_extract(URL)
        with tfds.core.utils.tqdm_utils.tqdm(desc="Verifying images", unit=" files", leave=False) as progress:
            layout = official_layout.read(Path(root), on_file=progress.update)
        self.info.features["label"].names = layout.wnids
        self.info.metadata.update(
            words=layout.words, digests=layout.digests, grayscale=layout.grayscale, missing=list(layout.missing)
        )
        return {split: self._generate_examples(found) for split, found in layout.examples.items() if found}

    def _generate_examples(self, examples):
        for example in examples:
            name = example.path.name
            yield name, {"image": example.path, "label": example.label, "box": example.box, "file_name": name}
