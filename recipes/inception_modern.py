"""The compact Inception by today's methods: how far the Baseline's network goes. From neither paper.

The same 2.58 million parameters, trained with SGD with Nesterov momentum (or AdamW), a rate that warms up and falls
with a cosine, a decoupled weight decay, random crops and mirror images, label smoothing, averaged weights, and images
that grow: most epochs see them at 32 or 48 pixels, where an epoch costs a quarter or half of one at 64. With
``--teacher RUN`` it also learns what a finished transfer run, of the same images, says of each of them.

Time: of 30 epochs, three hours on 2 CPU cores with bfloat16; by docs/performance.md four with AVX-512 alone and nine
with AVX2 alone.

    python recipes/inception_modern.py
    python recipes/inception_modern.py --teacher runs/transfer_v2-20260101-120000
    python recipes/inception_modern.py --demo
"""

from tiny_imagenet_tf.cli import command
from tiny_imagenet_tf.experiments.options import Study
from tiny_imagenet_tf.runs.run import Run
from tiny_imagenet_tf.training.options import ModernOptions as Config

STUDY = Study("inception_modern", "Compact Inception by today's methods")


def main(config: Config) -> Run:
    from tiny_imagenet_tf.training.modern import run  # TensorFlow is loaded when the recipe runs

    return run(STUDY, config)


if __name__ == "__main__":
    command(Config, main, __doc__)
