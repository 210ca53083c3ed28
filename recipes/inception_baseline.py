"""Baseline: Milani's compact Inception from scratch (sections 3.1 to 3.3).

Label smoothing (Eq. 1, epsilon 0.1), batch normalization before every ReLU and therefore no dropout, Adam with a
learning rate of 1e-3 that falls by 0.9 an epoch, weight decay 0.08, no augmentation. After every 500 steps, and after
each epoch, the val accuracy is measured, and the network is saved if it beats the best so far; the last 20 are kept
(section 3.4), for recipes/ensemble.py. The batch size is not printed for this network; 100 is section 4.1's.

Paper: 51.5 % val error (48.5 % accuracy), overfitted after 30 epochs; 47.8 % as an ensemble of 9 snapshots.
Time: 12 to 20 minutes an epoch on 2 CPU cores with bfloat16; the paper's K80 took 20 to 30.

    python recipes/inception_baseline.py
    python recipes/inception_baseline.py --resume runs/inception_baseline-20260101-120000
    python recipes/inception_baseline.py --demo
"""

import dataclasses

from tiny_imagenet_tf.experiments.options import command  # isort: skip  # first: it quiets TensorFlow's log
from tiny_imagenet_tf.training import inception


@dataclasses.dataclass(frozen=True)
class Config(inception.InceptionConfig):
    """Sections 3.1 and 3.2."""

    epochs: int = 30
    batch_size: int = 100
    learning_rate: float = 1e-3
    learning_rate_decay: float = 0.9
    label_smoothing: float = 0.1
    weight_decay: float = 0.08


def main(config: Config):
    return inception.run("inception_baseline", "Baseline", "milani/baseline", config)


if __name__ == "__main__":
    command(Config, main, __doc__)
