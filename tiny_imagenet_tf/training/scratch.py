"""Training a network from scratch: what Milani's and Le & Yang's recipes share."""

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import keras
import numpy as np

from tiny_imagenet_tf import hardware, processes
from tiny_imagenet_tf.data.batches import ImageBatches
from tiny_imagenet_tf.data.views import PLAIN, RandomViews, View
from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.evaluation.metrics import top_k_accuracy
from tiny_imagenet_tf.evaluation.predict import Predictor
from tiny_imagenet_tf.experiments.clock import Clock
from tiny_imagenet_tf.experiments.experiment import Experiment
from tiny_imagenet_tf.experiments.fit import compile_for_training, fit, save_network, steps_together
from tiny_imagenet_tf.experiments.statistics import Reestimation
from tiny_imagenet_tf.models import network_files, preprocess
from tiny_imagenet_tf.models.layers import normalizations
from tiny_imagenet_tf.published import IMAGE_SIZE
from tiny_imagenet_tf.runs.summary import Training


@dataclasses.dataclass(frozen=True)
class Scratch:
    """A network in training.

    Attributes:
        experiment: its run.
        views: how its images are shown.
        classifier: pixels in 0..255 to scores; what is measured and saved.
        model: the same behind random views, compiled; what is fitted.
        targets: what is learned instead of the labels, float32 (training images, classes).
        reestimate: measure and save with batch normalization's statistics estimated anew, of whole images at test time;
            for networks trained on images of another size, or measured by averaged weights. On one device.
    """

    experiment: Experiment
    views: RandomViews
    classifier: keras.Model
    model: keras.Model
    targets: np.ndarray | None = None
    reestimate: bool = False

    @classmethod
    def compiled(
        cls,
        experiment: Experiment,
        network: Callable[[], keras.Model],
        views: RandomViews,
        optimizer: Callable[[keras.Model], keras.optimizers.Optimizer],
        loss: keras.losses.Loss,
        size: int = IMAGE_SIZE,
    ) -> "Scratch":
        """Builds and compiles a network.

        Args:
            experiment: its run.
            network: called without arguments, returns it: images in -1..1 to scores.
            views: how its images are shown.
            optimizer: called with the network, returns it.
            loss: of one-hot labels and scores.
            size: of the images in pixels that a network of any size is trained on; it is measured on whole ones.

        Raises:
            UserError: mixed images on several devices, where an image and its partner may be apart.
        """
        if views.mixup and experiment.placement.replicas > 1:
            raise UserError("mixup is for one device: choose one with --devices")
        options, steps = experiment.options, experiment.steps.per_epoch
        with experiment.placement.scope(), hardware.policy(hardware.training_policy(experiment.precision)):
            built = network()
            classifier, trained = preprocess.classifier(built), preprocess.classifier(built, size=size)
            model = preprocess.behind_views(trained, views)
            together = steps_together(
                experiment.run, steps, options.measure_every, options.checkpoint_every, devices=options.devices
            )
            compile_for_training(model, optimizer(built), loss, steps_per_execution=together)
        return cls(experiment, views, classifier, model)

    def fit(
        self,
        *,
        epochs: int | None = None,
        of: int | None = None,
        announced: bool = True,
        callbacks: Sequence[keras.callbacks.Callback] = (),
    ) -> Clock:
        """Fits it; see ``tiny_imagenet_tf.experiments.fit.fit``."""
        experiment, options = self.experiment, self.experiment.options
        predictor = Predictor(self.classifier, of_whole=self.views.size == IMAGE_SIZE)
        saved = preprocess.deployed(self.classifier, predictor.views()[0])
        with self._measured_where_trained():
            reestimation = Reestimation(predictor.behind_views)

        def new_statistics() -> contextlib.AbstractContextManager:
            return reestimation.of_images(experiment.data.train, predictor.views()[0], options.batch_size)

        def measure_more() -> dict[str, float]:
            """Val by statistics estimated anew, where batch normalization's moving averages can lag behind."""
            if self.reestimate or experiment.placement.replicas > 1 or not normalizations(self.classifier):
                return {}
            with new_statistics():
                found = predictor.probabilities(experiment.data.validation)
            return {"val_accuracy_reestimated": top_k_accuracy(found, experiment.data.validation.labels)}

        batches = ImageBatches(
            experiment.data.train,
            self.views,
            options.batch_size,
            options.seed,
            options.cache,
            self.targets,
            processes.share(options.batch_size),
        )
        keeping = experiment.keeping(
            predictor.probabilities,
            partial(save_network, saved, experiment.class_names),
            measure_every=options.measure_every,
            checkpoint_every=options.checkpoint_every,
            measure_more=measure_more,
            prepared=new_statistics if self.reestimate else contextlib.nullcontext,
        )
        return fit(
            self.model,
            batches,
            keeping,
            epochs=epochs or options.epochs,
            of=of,
            announced=announced,
            callbacks=callbacks,
        )

    @functools.cached_property
    def best(self) -> Predictor:
        """The best snapshot; asked for when training has ended."""
        with self._measured_where_trained():
            return Predictor.of(network_files.load(self.experiment.snapshots.best_path))  # as it was measured

    def write_features(self, view: View) -> None:
        """Stores what goes into the last layer of the best snapshot, of every val image in a view."""
        validation = self.experiment.data.validation
        with self._measured_where_trained():
            self.experiment.run.write_features(validation, self.best.features(validation, view))

    def report(self, clock: Clock, **more: Any) -> None:
        """Reports the best snapshot; see ``Experiment.report``."""
        drawn = None if self.views == PLAIN else dataclasses.asdict(self.views)
        shown = Training(views=self.views.description, drawn=drawn)
        with self._measured_where_trained():
            self.experiment.report(clock, self.best.probabilities, crops=self.best.crops, train=shown, **more)

    def _measured_where_trained(self) -> contextlib.AbstractContextManager[Any]:
        """Models that are built within compute on the one device that trains; where several do, on the first."""
        placement = self.experiment.placement
        return placement.scope() if placement.replicas == 1 else contextlib.nullcontext()
