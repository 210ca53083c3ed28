"""Baseline: Milani's compact Inception from scratch (sections 3.1 to 3.3).

Label smoothing (Eq. 1, epsilon 0.1), batch normalization before every ReLU and therefore no dropout, Adam with a
learning rate of 1e-3 that falls by 0.9 an epoch, weight decay 0.08, no augmentation. After every 500 steps, and after
each epoch, the val accuracy is measured, and the network is saved if it beats the best so far; the last 20 are kept
(section 3.4), for recipes/ensemble.py. The batch size is not printed for this network; 100 is section 4.1's.

Paper: 51.5% val error (48.5% accuracy), overfitting at 30 epochs; 47.8% as an ensemble of 9 snapshots.
Time: 12 to 22 minutes an epoch on 2 CPU cores with bfloat16; the paper's K80 took 20 to 30.

    python recipes/inception_baseline.py
    python recipes/inception_baseline.py --resume runs/inception_baseline-20260101-120000
    python recipes/inception_baseline.py --demo
"""

from dataclasses import dataclass

from tiny_imagenet_tf.cli import command
from tiny_imagenet_tf.experiments.options import Study
from tiny_imagenet_tf.runs.run import Run
from tiny_imagenet_tf.training.options import InceptionOptions

STUDY = Study("inception_baseline", "Baseline", "milani/baseline")


@dataclass(frozen=True)
class Config(InceptionOptions):
    """Sections 3.1 to 3.3."""

    label_smoothing: float = 0.1
    dropout_keep: float = 1.0
    epochs: int = 30
    learning_rate: float = 1e-3
    learning_rate_decay: float = 0.9
    weight_decay: float = 0.08


def main(config: Config) -> Run:
    from tiny_imagenet_tf.training.inception import run  # TensorFlow is loaded when the recipe runs

    return run(STUDY, config)


if __name__ == "__main__":
    command(Config, main, __doc__)
