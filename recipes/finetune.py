"""Fine-tuning, Milani's future work (section 5): the last blocks of the backbone learn, too.

Begins with a finished run of transfer learning: its head, and the backbone from --unfreeze on, go on learning at a
small rate; batch normalization keeps its statistics. The maps before the cut are stored once, so an epoch costs only
the last blocks; the size of the maps is reported first. With --augment, views of each image are stored as in v3; with
--augmented-views 0, on a GPU, new ones pass through the whole network every epoch. With --unfreeze all, every layer
learns.

    python recipes/finetune.py --start runs/transfer_v2-20260101-120000
    python recipes/finetune.py --start runs/transfer_v2-20260101-120000 --unfreeze mixed8 --augment
    python recipes/finetune.py --demo
"""

import dataclasses

from tiny_imagenet_tf.cli import command
from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.experiments.options import Study
from tiny_imagenet_tf.interrupts import Interrupted
from tiny_imagenet_tf.runs.run import Run
from tiny_imagenet_tf.transfer.options import HELD_OUT, TransferOptions, inherited
from tiny_imagenet_tf.transfer.options import FinetuneOptions as Config

STUDY = Study("finetune", "Fine-tuning")


def main(config: Config) -> Run:
    from tiny_imagenet_tf.models.backbones import BACKBONES  # TensorFlow is loaded when the recipe runs
    from tiny_imagenet_tf.transfer import experiment, finetuning

    if config.demo and config.start is None:
        TransferOptions.check(config)  # what has nothing to do with a start
        named = config.backbone in BACKBONES and not config.backbone.startswith("inception_v3")
        if config.unfreeze == Config.DEMO["unfreeze"] and named:
            raise UserError(f"--unfreeze {config.unfreeze}: a block of Inception-v3; name a layer of {config.backbone}")
        alike = (*Config.INHERITED, *HELD_OUT, "runs", "seed", "precision", "engine")
        given = {name: getattr(config, name) for name in alike}
        demo = TransferOptions(demo=True, **TransferOptions.DEMO | given)
        try:
            start = experiment.run(Study("transfer_vanilla", "Transfer Learning vanilla"), demo).path
        except Interrupted as error:
            error.then = ()  # a demo is begun anew
            raise
        config = dataclasses.replace(config, start=start, **inherited(start))
    return finetuning.run(STUDY, config)


if __name__ == "__main__":
    command(Config, main, __doc__)
