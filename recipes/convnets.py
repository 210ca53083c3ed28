"""Le & Yang's nine convolutional networks (sections 4 and 5, Table 1).

Batches of 200, SGD with momentum 0.9, a learning rate of 0.02 (model 9: 0.01) that is divided by 10 when the val
accuracy stops improving, weight decay 1e-4 (model 9: 5e-4) in Caffe's convention, sum(w^2)/2. A training image is
shown as one of ten: five 56x56 crops and their mirror images; a test image as its centre crop. Models 5 to 9 are
trained on screened images. --staged trains a shallow network first and moves its weights (section 5.2.1). The paper
gives the rates and decays of models 8 and 9 only; models 1 to 7 take model 8's.

Paper, val accuracy in percent, models 1 to 9: 37.27, 28.20, 38.29, 39.55, 29.00, 40.19, 42.07, 46.45, 59.50.
Time on 2 CPU cores: from half an hour an epoch (model 6) to hours (models 7 to 9); made for a GPU.

    python recipes/convnets.py --model 6
    python recipes/convnets.py --model 9 --staged
    python recipes/convnets.py --model 1 --loss svm --fraction 0.25 --epochs 4
    python recipes/convnets.py --model 1 --demo
"""

import dataclasses
from typing import Literal

from tiny_imagenet_tf.experiments.options import TrainingConfig, command  # isort: skip  # first: it quiets TensorFlow's log
import keras

from tiny_imagenet_tf import published
from tiny_imagenet_tf.data.batches import LE_YANG
from tiny_imagenet_tf.experiments import experiment, losses
from tiny_imagenet_tf.experiments.fitting import compile_for_training
from tiny_imagenet_tf.experiments.schedules import Plateau
from tiny_imagenet_tf.models.convnets import TABLE_1, convnet
from tiny_imagenet_tf.training import staged


@dataclasses.dataclass(frozen=True)
class Config(TrainingConfig):
    """Section 5.2."""

    model: Literal[1, 2, 3, 4, 5, 6, 7, 8, 9] = 8
    """Column of Table 1."""
    loss: Literal["softmax", "svm"] = "softmax"
    """Multinomial logistic, or multiclass SVM (section 4.1). Paper: its nine results are softmax's."""
    staged: bool = False
    """Train a shallow network first: the first convolution of each stage and the fully connected layers."""
    staged_epochs: int = 5
    """Of the shallow network. Paper: not given."""

    epochs: int = 40
    batch_size: int = 200
    snapshots: int = 3
    """How many are kept; 8 MB (model 1) to 540 MB (model 9) each."""
    checkpoint_every: int = 500
    """Steps that an interruption costs at the most. A checkpoint is twice a snapshot's size."""
    learning_rate: float | None = None
    """Of the first epoch. Paper, and default: 0.01 for model 9, 0.02 for the others. With --loss svm the default is
    a 199th of that, since the loss sums over the 199 wrong classes; at the paper's rate it diverges."""
    patience: int = 3
    """Epochs without a better val accuracy after which the learning rate is divided by 10. Paper: not given."""
    momentum: float = 0.9
    """Of SGD. Paper: 0.9."""
    weight_decay: float | None = None
    """As printed. Paper, and default: 5e-4 for model 9, 1e-4 for the others."""
    weight_decay_convention: losses.WeightDecayConvention = "l2_loss"
    """What weight_decay multiplies: l2_loss is sum(w^2)/2, as Caffe does; keras is sum(w^2)."""


def main(config: Config):
    stated = published.TRAINING["le_yang/model_9" if config.model == 9 else "le_yang/model_8"]
    weight_decay = stated.weight_decay if config.weight_decay is None else config.weight_decay
    column = TABLE_1[config.model]
    if config.staged and staged.shallow(column.architecture) == column.architecture:
        raise ValueError(f"--staged: model {config.model} has one convolution a stage, there is no shallower network")
    screened = published.LE_YANG_TABLE_2_SCREENED[config.model - 1]
    begun = experiment.begin("convnets", config, LE_YANG, screened=screened)
    learning_rate = config.learning_rate or stated.learning_rate / (begun.classes - 1 if config.loss == "svm" else 1)

    def build(architecture: str) -> keras.Model:
        with begun.strategy.scope():
            l2 = losses.l2_coefficient(weight_decay, config.weight_decay_convention)
            model = convnet(architecture, classes=begun.classes, activation=column.activation, weight_decay=l2)
            loss = losses.MulticlassHinge() if config.loss == "svm" else losses.smoothed_cross_entropy(0)
            compile_for_training(model, keras.optimizers.SGD(learning_rate, config.momentum), loss)
        return model

    def train(part: experiment.Experiment, model: keras.Model, epochs: int):
        return part.fit(model, epochs=epochs, callbacks=[Plateau(part.run, learning_rate, config.patience)])

    model, notes = build(column.architecture), []
    if config.staged:
        shallow = build(staged.shallow(column.architecture))
        train(begun.part("shallow"), shallow, config.staged_epochs)
        moved = staged.move_weights(shallow, model)
        notes.append(
            f"{', '.join(moved)} began with the weights of a shallow network after {config.staged_epochs} epochs, "
            "which are not in the hours"
        )
    clock = train(begun, model, config.epochs)
    title, key = f"Model {config.model}", f"le_yang/model_{config.model}"
    best = begun.report(clock, title=title, published_key=key, notes=notes)
    begun.store_features(best)
    return begun.run


if __name__ == "__main__":
    command(Config, main, __doc__)
