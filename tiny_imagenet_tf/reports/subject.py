"""One run as a report sees it: what it stored, the names of its classes, and its images where they can be opened."""

import contextlib
import dataclasses
import functools
from pathlib import Path

from tiny_imagenet_tf.data.official_layout import DatasetError
from tiny_imagenet_tf.reports.analysis.class_names import ClassNames
from tiny_imagenet_tf.reports.analysis.predictions import Predictions
from tiny_imagenet_tf.reports.thumbnails import Images
from tiny_imagenet_tf.runs.run import Run
from tiny_imagenet_tf.runs.summary import Summary


@dataclasses.dataclass(frozen=True)
class Subject:
    """A run under report.

    Attributes:
        run: its directory.
        images: of its dataset; None where they cannot be opened.
        without_images: why not; empty where they can.
    """

    run: Run
    images: Images | None
    without_images: str = ""

    @classmethod
    def open(cls, run: Run, source: Path | None = None, data_dir: Path | None = None) -> "Subject":
        """Opens a run's images, if possible.

        Args:
            run: a finished run.
            source: a ``tiny-imagenet-200`` folder or archive; default: the run's own.
            data_dir: of prepared datasets; default: the run's own.
        """
        own: tuple[Path | None, Path | None] = (None, None)
        with contextlib.suppress(OSError):  # they are withheld
            own = run.images
        source, data_dir = source or own[0], data_dir or own[1]
        try:
            found = cls(run, Images.open(source, data_dir))
        except (DatasetError, OSError) as error:
            return cls(run, None, f"Images could not be opened: {error}.")
        if found.predictions and tuple(map(str, found.predictions.wnids)) != found.images.wnids:
            return cls(run, None, "The images that were found are of other classes than the run's.")
        measured_on = run.digest_of("validation")  # early runs stored none
        if measured_on not in (None, found.images.validation.fraction(run.config.get("fraction", 1)).digest):
            return cls(run, None, "The val images that were found are not those that the run was measured on.")
        return found

    @functools.cached_property
    def summary(self) -> Summary:
        """The run's figures."""
        return self.run.summary

    @functools.cached_property
    def title(self) -> str:
        """What the run calls itself."""
        return self.summary.title

    @functools.cached_property
    def predictions(self) -> Predictions | None:
        """The answers for the validation images; None where the run stored none."""
        return Predictions.of(self.run) if self.run.has_predictions else None

    @functools.cached_property
    def names(self) -> ClassNames:
        """The classes; without images nothing but their wnids is known."""
        words = self.images.train.words if self.images else {}
        wnids = self.predictions.wnids if self.predictions else self.images.train.wnids if self.images else ()
        return ClassNames(tuple(map(str, wnids)), words)
