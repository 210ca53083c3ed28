"""Puts a run's best compact Inception into the package, for ``predict`` and ``evaluate`` without a model.

For maintainers, in a checkout. The weights are rounded to half precision (5 MB), measured anew on val as they are then,
and stored with their sha256, the run's record and what it was told. Time: a minute.

    python recipes/package_network.py runs/inception_modern-20260101-120000
"""

import dataclasses
from pathlib import Path

import tyro

from tiny_imagenet_tf.cli import command


@dataclasses.dataclass(frozen=True)
class Config:
    """Which run."""

    run: tyro.conf.Positional[Path]
    """A run of inception_modern, inception_baseline or inception_regularized, all of whose classes are Tiny
    ImageNet's."""
    source: Path | None = None
    """A tiny-imagenet-200 folder, zip or tar. Without it the official archive is downloaded."""
    data_dir: Path | None = None
    """Where prepared datasets are kept. Default: TFDS's own, $TFDS_DATA_DIR or ~/tensorflow_datasets."""


def main(config: Config) -> dict:
    from tiny_imagenet_tf.data import splits  # TensorFlow is loaded when the recipe runs
    from tiny_imagenet_tf.evaluation.members import find
    from tiny_imagenet_tf.evaluation.metrics import top_k_accuracy
    from tiny_imagenet_tf.models import packaged
    from tiny_imagenet_tf.runs import records

    (member,) = find([config.run], "best")
    network, classes = member.network(), member.classes(member.network())
    validation = splits.load(splits.prepare(config.source, config.data_dir), "validation")

    def told() -> dict:
        answers = network.probabilities(validation)
        figures = {f"top{k}": top_k_accuracy(answers, validation.labels, k) for k in (1, 5)}
        snapshot = next(each for each in member.run.snapshots().entries if each.file == member.path.name)
        return {
            "validation": {"images": len(validation), **figures},
            "epoch": snapshot.epoch,
            "config": records.without_paths(member.run.config),
            "environment": records.without_paths(member.run.environment),
        }

    packaged.write(network.classifier, classes, told)
    found = packaged.figures()
    print(f"{packaged.FILE}: {found['validation']['top1']:.2%} of {len(validation):,} val images")
    return found


if __name__ == "__main__":
    command(Config, main, __doc__)
