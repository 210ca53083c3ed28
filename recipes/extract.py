"""Transfer values alone: what a run of transfer learning reads, made beforehand, by one process or by many.

A shard of 2,000 images is the unit of work. Start the same command as often as there are machines, GPUs or jobs of an
array: each takes shards that no other is working on, and takes over those of one that dies. With --ray the actors of a
Ray cluster do the work. Transfer runs and searches with the same options then find everything stored; after --ray on
CPUs with bfloat16 they need --engine tensorflow for that. --holdout changes nothing here: all training images pass.

    python recipes/extract.py --crops ten
    CUDA_VISIBLE_DEVICES=1 python recipes/extract.py --crops ten          # beside another on GPU 0
    python recipes/extract.py --crops ten --ray auto
"""

from tiny_imagenet_tf.cli import command
from tiny_imagenet_tf.transfer.options import ExtractOptions as Config


def main(config: Config) -> None:
    """Fills the stores."""
    from tiny_imagenet_tf.transfer.extracting import run  # TensorFlow is loaded when the recipe runs

    run(config)


if __name__ == "__main__":
    command(Config, main, __doc__)
