"""Run directories of networks that nothing was trained for: ensembles, or ImageNet's own head."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tiny_imagenet_tf import hardware
from tiny_imagenet_tf.data.splits import Split
from tiny_imagenet_tf.runs.run import Run
from tiny_imagenet_tf.runs.summary import Summary


def record(
    runs: Path,
    recipe: str,
    config: Any,
    answers: Sequence[tuple[Split, np.ndarray]],
    summary: Summary,
    *,
    devices: Sequence[str] = (),
    **facts: Any,
) -> Run:
    """Makes a run directory of what was answered, and returns it.

    Args:
        runs: the folder of all runs.
        recipe: its name.
        config: the recipe's, a dataclass.
        answers: the val images with their class probabilities (n, classes), and the test images where there are any.
        summary: of the run.
        devices: what computed it, as ``hardware.place`` takes them.
        **facts: more of its environment.
    """
    (validation, probabilities), *tested = answers
    digests = {split.name: split.digest for split, _ in answers}
    run = Run.create(runs, recipe, config)
    try:
        device = hardware.describe_device(devices, alone=True)
        run.write_environment(device=device, dataset={"digests": digests}, **facts)
        run.write_validation_predictions(validation, probabilities)
        for test, found in tested:
            run.write_test_predictions(test, found.argmax(axis=1))
        run.write_summary(summary)
    finally:
        run.remove_if_empty()  # which it is without figures
    return run
