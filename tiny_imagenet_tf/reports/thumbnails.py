"""The images behind a report: opened from the prepared dataset, shown in views, packed into sprite sheets."""

import base64
import dataclasses
import functools
import io
from pathlib import Path

import numpy as np
from PIL import Image

from tiny_imagenet_tf.data import splits
from tiny_imagenet_tf.data.batches import decoded
from tiny_imagenet_tf.data.splits import Split


@dataclasses.dataclass(frozen=True)
class Sprite:
    """Many thumbnails in one picture, for a page that must stay light.

    Attributes:
        uri: the picture as a ``data:`` address.
        cell: width and height of a thumbnail in pixels.
        columns: thumbnails a row.
        count: how many there are, row by row.
    """

    uri: str
    cell: int
    columns: int
    count: int

    def css(self, place: int) -> str:
        """The style of an element that shows one thumbnail in its own size."""
        x, y = place % self.columns * self.cell, place // self.columns * self.cell
        return f"width:{self.cell}px;height:{self.cell}px;background-position:-{x}px -{y}px"


class Images:
    """Images of the prepared dataset by split and row; splits are read when first asked for."""

    def __init__(self, builder: splits.Prepared):
        self._builder = builder

    @classmethod
    def open(cls, source: Path | None, data_dir: Path | None) -> "Images":
        """Opens the dataset as ``tiny_imagenet_tf.data.splits.prepare`` does, but downloads nothing.

        Raises:
            DatasetError: it is not there.
        """
        if source is None:
            if (builder := splits.existing_download(data_dir)) is None:
                raise splits.DatasetError("there is no prepared Tiny ImageNet; --source says where its images are")
            return cls(builder)
        return cls(splits.prepare(source, data_dir))

    @property
    def wnids(self) -> tuple[str, ...]:
        """The classes in label order."""
        return tuple(self._builder.info.features["label"].names)

    @functools.cached_property
    def train(self) -> Split:
        """The training split."""
        return splits.load(self._builder, "train")

    @functools.cached_property
    def validation(self) -> Split:
        """The validation split."""
        return splits.load(self._builder, "validation")

    def validation_rows(self, file_names: np.ndarray) -> np.ndarray:
        """Returns the rows of validation images by name; int (n,), -1 where there is none of that name."""
        rows = {name: row for row, name in enumerate(self.validation.file_names)}
        return np.array([rows.get(name, -1) for name in file_names], int)


def decode(split: Split, rows: np.ndarray) -> np.ndarray:
    """Returns images as uint8 (n, 64, 64, 3), in the order of ``rows``."""
    return decoded(split.take(np.asarray(rows)))


def sprite(images: np.ndarray, cell: int, quality: int = 60) -> Sprite:
    """Packs thumbnails into one WebP picture.

    Args:
        images: uint8 (n, height, width, 3), n at least 1.
        cell: size of a thumbnail in pixels.
        quality: of the compression, 0 to 100.
    """
    columns = int(np.ceil(np.sqrt(len(images))))
    sheet = Image.new("RGB", (columns * cell, -(-len(images) // columns) * cell))
    for place, image in enumerate(images):
        thumbnail = Image.fromarray(image).resize((cell, cell), Image.Resampling.LANCZOS)
        sheet.paste(thumbnail, (place % columns * cell, place // columns * cell))
    buffer = io.BytesIO()
    sheet.save(buffer, "WEBP", quality=quality, method=4)
    return Sprite(data_uri(buffer.getvalue(), "image/webp"), cell, columns, len(images))


def png_to_webp(content: bytes, quality: int = 82) -> bytes:
    """Recodes a PNG picture as the lighter WebP."""
    buffer = io.BytesIO()
    Image.open(io.BytesIO(content)).convert("RGB").save(buffer, "WEBP", quality=quality)
    return buffer.getvalue()


def data_uri(content: bytes, kind: str) -> str:
    """Returns bytes as a ``data:`` address of that media type."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
