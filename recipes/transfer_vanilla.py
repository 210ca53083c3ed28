"""Vanilla transfer learning: a linear layer on Inception-v3's transfer values (Milani section 4.2, Fig. 9).

Each 64x64 image is resized to 299x299 and passed once through the frozen network; its 2048 values are stored. One
fully connected layer is trained on them with Adam, label smoothing 0.1 and L2: learning rate 6.5e-4, times 0.713
each epoch, L2 strength 0.0116, ten epochs of batches of 100.

Paper: 25.25% val error, 33.2% test error. Time: the pass through the backbone for 100,000 images is half an hour to
an hour on two CPU cores with bfloat16; the head takes half a minute.

    python recipes/transfer_vanilla.py
    python recipes/transfer_vanilla.py --demo
"""

import dataclasses

from tiny_imagenet_tf.cli import command
from tiny_imagenet_tf.experiments.options import Study
from tiny_imagenet_tf.runs.run import Run
from tiny_imagenet_tf.transfer.options import TransferOptions

STUDY = Study("transfer_vanilla", "Transfer Learning vanilla", "milani/transfer_vanilla")


@dataclasses.dataclass(frozen=True)
class Config(TransferOptions):
    """One linear layer, as printed."""

    label_smoothing: float = 0.1
    epochs: int = 10
    batch_size: int = 100
    learning_rate: float = 6.5e-4
    learning_rate_decay_per_epoch: float = 0.713
    weight_decay: float = 0.0116


def main(config: Config) -> Run:
    from tiny_imagenet_tf.transfer.experiment import run  # TensorFlow is loaded when the recipe runs

    return run(STUDY, config)


if __name__ == "__main__":
    command(Config, main, __doc__)
