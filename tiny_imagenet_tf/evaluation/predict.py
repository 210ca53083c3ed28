"""A trained network on a split, through one crop or ten."""

import contextlib
import dataclasses
import functools
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np

from tiny_imagenet_tf import hardware, processes, progress
from tiny_imagenet_tf.choices import Crops, Pixels, Resize
from tiny_imagenet_tf.data import views
from tiny_imagenet_tf.data.batches import in_view
from tiny_imagenet_tf.data.splits import Split
from tiny_imagenet_tf.data.views import View
from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.evaluation.metrics import combine
from tiny_imagenet_tf.models import backbones, network_files, packaged, preprocess
from tiny_imagenet_tf.models.layers import in_float32
from tiny_imagenet_tf.published import CROP_SIZE

_BATCH_SIZE = 200  # images; at test time no result depends on it
_ALL = slice(None)
_OLD_RESIZING: dict[str, Resize] = {"resize": "half_pixel", "resize_columns": "tf1"}  # layers of flat saved models


@dataclasses.dataclass(frozen=True)
class Predictor:
    """A network that is shown images.

    Attributes:
        classifier: float32 images (batch, size, size, 3) in 0..255 to scores.
        resize: sampling of crops that have not its size.
        of_whole: it learned from whole images, also where its size is that of Le & Yang's crops.
    """

    classifier: keras.Model
    resize: Resize = "half_pixel"
    of_whole: bool = False

    @classmethod
    def load(cls, path: str | Path, pixels: Pixels | None = None, *, of_run: bool = False) -> "Predictor":
        """Reads a saved model: of this package, or any of one RGB image to scores or probabilities.

        Args:
            path: a ``.keras`` file.
            pixels: what a model of somebody's expects; None where its own layers scale 0..255.
            of_run: it is a run's. Early versions saved the network alone, which takes -1..1.

        Raises:
            UserError: Keras cannot load it, its pixel range is not known, or it has one of its own.
        """
        path = Path(path)
        model = packaged.deployed() if path == packaged.FILE else native(network_files.load(path))
        own = preprocess.is_deployed(model)
        if own:
            refuse_pixels(path, pixels)
        check_classifier(model, path)
        if model.inputs[0].dtype == "uint8" and pixels not in (None, "0..255"):
            raise UserError(f"--pixels {pixels}: {path} takes uint8, which is 0..255")
        return cls.of(model, None if own or of_run else backbones.pixels_of(model, str(path), pixels))

    @classmethod
    def of(cls, model: keras.Model, pixels: Pixels | None = None) -> "Predictor":
        """Takes a model apart; see ``load``. Without a range it is one that takes -1..1."""
        if preprocess.is_deployed(model):
            inner = model.get_layer("classifier")
            resize = preprocess.resize_of(model.get_layer("preprocess"), inner.input_shape[1])
            return cls(inner, resize or "half_pixel", of_whole=resize is not None)
        layers = {layer.name: layer for layer in model.layers}
        for name, resize in _OLD_RESIZING.items():
            if name in layers and pixels is None:  # of an early run; others may call a layer so, too
                return cls(preprocess.classifier(keras.Model(layers[name].output, model.outputs)), resize)
        if model.inputs[0].dtype == "uint8":
            pixels = "0..255"
        return cls(preprocess.classifier(model, pixels or "-1..1"))

    @property
    def classes(self) -> int:
        """Number of its scores."""
        return self.classifier.output_shape[-1]

    @property
    def crops(self) -> Crops:
        """How the network's paper tests it: on the whole image, or on the centre crop if it was trained on crops."""
        return "center" if self.classifier.input_shape[1] == CROP_SIZE and not self.of_whole else "whole"

    def views(self, crops: Crops | None = None) -> tuple[View, ...]:
        """Returns the views of each image that are shown at test time.

        ``mirror`` is the view of the network's paper and its mirror image. ``ten`` is Milani's for a network of whole
        images (section 4.2: the whole, four corners, mirror images), and Le & Yang's for a network of crops (section
        4.2.1: four corners, the centre, mirror images).

        Args:
            crops: None for those of the network's paper.
        """
        one = {"whole": views.WHOLE, "center": View("center")}
        if crops == "ten":
            return views.LE_YANG_TEN_CROP if self.crops == "center" else views.MILANI_TEN_CROP
        if crops == "mirror":
            return one[self.crops], dataclasses.replace(one[self.crops], mirrored=True)
        return (one[crops or self.crops],)

    def scores(self, split: Split, view: View, shows: Sequence[keras.callbacks.Callback] = ()) -> np.ndarray:
        """Returns the scores of every image of a split, in its order, in one view; float32 (n, classes)."""
        return self._as_scores(self._answers(split, view, shows))

    def _answers(self, split: Split, view: View, shows: Sequence[keras.callbacks.Callback] = ()) -> np.ndarray:
        """What the classifier gives, as it is: scores, probabilities or, where it was cut, features; (n, width)."""
        whole = processes.undivided()

        def answers_of(rows: np.ndarray) -> np.ndarray:
            pairs = in_view(split if len(rows) == len(split) else split.take(rows), view, _BATCH_SIZE)
            return (self.behind_views if whole else self._here()).predict(pairs, verbose=0, callbacks=list(shows))

        return processes.in_shares(len(split), answers_of)

    def probabilities(
        self, split: Split, in_views: Sequence[View] | None = None, title: str = "", columns: np.ndarray | slice = _ALL
    ) -> np.ndarray:
        """Returns the class probabilities (n, classes): of several views, the mean over their softmaxes (Eq. 2).

        Args:
            split: the images.
            in_views: how each image is shown; default: those of the network's paper.
            title: of a progress bar; without one there is none.
            columns: of the scores, those of the classes asked for; others share in no probability.
        """
        in_views = in_views or self.views()
        if not title:
            return combine(self.scores(split, view)[:, columns] for view in in_views)
        with progress.bar(title, len(split) * len(in_views)) as bar:
            return combine(self.scores(split, view, [_Shown(bar)])[:, columns] for view in in_views)

    def of_images(self, images: Sequence[np.ndarray], in_views: Sequence[View] | None = None) -> np.ndarray:
        """Returns the class probabilities (n, classes) of uint8 images (64, 64, 3), as ``probabilities`` does."""
        together = np.stack(images)
        return combine(
            self._as_scores(self.behind_views.predict([together, view.table(len(together))], verbose=0))
            for view in in_views or self.views()
        )

    def features(self, split: Split, view: View) -> np.ndarray:
        """Returns what goes into the last layer, ``logits``: float32 (n, width).

        For Le & Yang's models 7 to 9 that is the second fully connected layer (section 5.4), for models 1 to 6 the
        only one, for the compact Inception the averaged last block.
        """
        before = dataclasses.replace(self, classifier=_before_logits(self.classifier))
        return before._answers(split, view).astype(np.float32)

    @functools.cached_property
    def behind_views(self) -> keras.Model:
        """One model of uint8 images and their rows of a table of views to scores, built and traced once."""
        model = preprocess.behind_views(self.classifier, views.PLAIN, self.resize)
        model.jit_compile = hardware.jit_predict()
        return model

    def _as_scores(self, answers: np.ndarray) -> np.ndarray:
        """Scores of answers; of a sigmoid, which gives each class a probability of its own, what it was made of."""
        if not backbones.ends_in(self.classifier, "sigmoid"):
            return as_scores(answers)
        answers = answers.astype(np.float32)
        return np.log(np.maximum(answers, 1e-12)) - np.log(np.maximum(1 - answers, 1e-12))

    def _here(self) -> keras.Model:
        """A copy on one device of a model that is trained on several, which a batch of any size goes through."""
        self._copy.classifier.set_weights(self.classifier.get_weights())
        return self._copy.behind_views

    @functools.cached_property
    def _copy(self) -> "Predictor":
        return dataclasses.replace(self, classifier=keras.models.clone_model(self.classifier))


class _Shown(keras.callbacks.Callback):
    """Moves a bar on by each batch of images."""

    def __init__(self, bar: progress.tqdm):
        super().__init__()
        self._bar = bar

    def on_predict_batch_end(self, batch: int, logs: dict | None = None) -> None:
        self._bar.update(len(logs["outputs"]))


def refuse_pixels(path: Path, pixels: Pixels | None) -> None:
    """Raises UserError where a network of this package, which scales pixels by itself, is told how."""
    if pixels is not None:
        raise UserError(f"--pixels {pixels} would be ignored: {path} is of this package and scales by itself")


def check_classifier(model: keras.Model, path: Path) -> None:
    """Raises UserError where a model is not one of a square RGB image to scores."""
    if not model.built:
        raise UserError(f"{path}: a model without an input; build it, say by calling it on an image, and save it again")
    shape = model.input_shape if len(model.inputs) == len(model.outputs) == 1 else ()
    if len(shape) != 4 or shape[-1] != 3 or shape[1] != shape[2] or len(model.output_shape) != 2:
        raise UserError(
            f"{path}: takes {model.input_shape} and gives {model.output_shape}, not one square RGB image (batch, size, "
            "size, 3) to scores (batch, classes)"
        )
    if model.output_shape[-1] == 1:
        raise UserError(f"{path}: gives one score; there is nothing to tell apart")


def native(model: keras.Model) -> keras.Model:
    """Returns a network in float32 where this machine is slow in the precision that it was trained in, by a GPU say."""
    slow = {"float16"} if hardware.cpu_has_bfloat16() else {"float16", "bfloat16"}
    if hardware.has_gpu() or slow.isdisjoint(layer.compute_dtype for layer in model._flatten_layers()):
        return model
    with contextlib.suppress(ValueError):  # no graph that can be built anew
        return in_float32(model)
    return model


def are_probabilities(answers: np.ndarray) -> bool:
    """Whether all answers of a network are probabilities, which some end in."""
    return bool(answers.min() >= 0) and np.allclose(answers.sum(axis=-1), 1, atol=1e-2)


def as_scores(answers: np.ndarray, probable: bool | None = None) -> np.ndarray:
    """Returns scores as they are, and probabilities as their logarithms, whose softmax they are.

    Args:
        answers: of a network (n, classes).
        probable: whether they are probabilities; None to tell it from them. In int8 they need not sum to 1.
    """
    answers = np.asarray(answers, np.float32)  # in float16 the bound below would be 0
    probable = are_probabilities(answers) if probable is None else probable
    return np.log(np.maximum(answers, 1e-12)) if probable else answers


def _before_logits(model: keras.Model) -> keras.Model:
    """The same without its last layer, which may be that of a network inside."""
    *_, before, last = model.layers
    if isinstance(last, keras.Model):
        return keras.Model(model.inputs, _before_logits(last)(before.output))
    return keras.Model(model.inputs, model.get_layer("logits").input)
