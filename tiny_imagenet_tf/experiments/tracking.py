"""Runs in MLflow or Weights & Biases, by those projects' own Keras callbacks."""

import contextlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import keras

from tiny_imagenet_tf.choices import Tracker
from tiny_imagenet_tf.runs.files import plain


@contextlib.contextmanager
def tracked(tracker: Tracker | None, run: Path, options: Any) -> Iterator[Sequence[keras.callbacks.Callback]]:
    """Opens a run of the tracker, under the name of this run's directory and with its options, and ends it.

    Where it is kept is the tracker's own affair: ``MLFLOW_TRACKING_URI``, ``WANDB_MODE`` and so on.

    Args:
        tracker: None for none.
        run: the run's directory.
        options: a dataclass.

    Yields:
        Callbacks that log each epoch's figures.
    """
    known = {} if tracker is None else json.loads(json.dumps(options, default=plain))
    if tracker == "mlflow":
        import mlflow
        from mlflow.keras import MlflowCallback

        with mlflow.start_run(run_name=run.name):
            mlflow.log_params(known)
            yield [MlflowCallback()]
    elif tracker == "wandb":
        import wandb
        from wandb.integration.keras import WandbMetricsLogger

        with wandb.init(project="tiny_imagenet_tf", name=run.name, config=known):
            yield [WandbMetricsLogger()]
    else:
        yield []
