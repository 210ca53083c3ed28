"""What pictures show: the likeliest classes of each, and the two forms in which they are written."""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tiny_imagenet_tf.data import pictures
from tiny_imagenet_tf.data.views import View
from tiny_imagenet_tf.evaluation.predict import Predictor
from tiny_imagenet_tf.runs.networks import Classes

_AT_A_TIME = 64  # pictures

COLUMNS = ("file", "rank", "wnid", "name", "probability")


def name(
    network: Predictor,
    classes: Classes,
    files: Sequence[Path],
    shown: Sequence[View],
    top: int = 5,
    required: Sequence[Path] = (),
) -> Iterator[dict[str, Any]]:
    """Yields, for each picture, its ``file``, ``width``, ``height`` and ``answers``, the likeliest first.

    An answer has ``wnid``, ``name`` and ``probability``, of the mean over the views. A file that is no picture has
    ``error`` in their place.

    Args:
        network: what answers.
        classes: what its scores stand for.
        files: of any size and kind.
        shown: views of each picture.
        top: answers a picture, at most.
        required: of the files, those without which nothing can be said.

    Raises:
        PictureError: one of these cannot be read.
    """
    for first in range(0, len(files), _AT_A_TIME):
        read = []
        for file in files[first : first + _AT_A_TIME]:
            try:
                read.append((file, *pictures.read(file)))
            except pictures.PictureError as error:
                if file in required:
                    raise
                yield {"file": str(file), "error": str(error)}
        probabilities = network.of_images([image for _, image, _ in read], shown) if read else ()
        for (file, _, (width, height)), found in zip(read, probabilities, strict=True):
            answers = [
                {"wnid": classes.wnids[each], "name": classes.names[each], "probability": float(found[each])}
                for each in (-found).argsort(kind="stable")[:top]
            ]
            yield {"file": str(file), "width": width, "height": height, "answers": answers}


def as_csv(named: Sequence[dict[str, Any]]) -> bytes:
    """Returns a table of ``COLUMNS``, a line per answer."""
    text = io.StringIO()
    rows = csv.writer(text)
    rows.writerow(COLUMNS)
    for each in named:
        for rank, answer in enumerate(each.get("answers", ()), 1):
            rows.writerow((each["file"], rank, answer["wnid"], answer["name"], f"{answer['probability']:.6f}"))
    return text.getvalue().encode(errors="surrogateescape")  # a file's name may be any bytes


def as_json(named: Sequence[dict[str, Any]]) -> bytes:
    """Returns the same as a JSON list, with the sizes that the pictures had."""
    text = json.dumps(named, indent=2, ensure_ascii=False) + "\n"
    return text.encode(errors="backslashreplace")  # a name of other bytes reads back as it was
