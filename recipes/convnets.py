"""Le & Yang's nine convolutional networks (sections 4 and 5, Table 1).

Batches of 200, SGD with momentum 0.9, a learning rate of 0.02 (model 9: 0.01) that is divided by 10 when the val
accuracy stops improving, weight decay 1e-4 (model 9: 5e-4) in Caffe's convention, sum(w^2)/2. A training image is
shown as one of ten: five 56x56 crops and their mirror images; a test image as its centre crop. Models 5 to 9 are
trained on screened images. Models 8 and 9, the deep ones, begin with the weights of a shallow network (section 5.2.1;
--staged always, --staged never). The paper gives the rates and decays of models 8 and 9 only; models 1 to 7 take
model 8's.

Paper, val accuracy in percent, models 1 to 9: 37.27, 28.20, 38.29, 39.55, 29.00, 40.19, 42.07, 46.45, 59.50.
Time: an NVIDIA H200 trained models 1, 3, 4 and 6 side by side in three to five minutes each; 2 CPU cores with bfloat16
take, by their arithmetic, 7 minutes an epoch (model 1), half an hour (model 6) or one to two hours (models 7 to 9).

    python recipes/convnets.py --model 6
    python recipes/convnets.py --model 6 --staged always
    python recipes/convnets.py --model 1 --loss svm --fraction 0.25 --epochs 4
    python recipes/convnets.py --model 1 --demo
"""

from dataclasses import dataclass

from tiny_imagenet_tf.cli import command
from tiny_imagenet_tf.runs.run import Run
from tiny_imagenet_tf.training.options import ConvnetOptions


@dataclass(frozen=True)
class Config(ConvnetOptions):
    """Section 5.2.1; the learning rate and the weight decay follow from the model."""

    batch_size: int = 200
    momentum: float = 0.9


def main(config: Config) -> Run:
    from tiny_imagenet_tf.training.convnets import run  # TensorFlow is loaded when the recipe runs

    return run(config)


if __name__ == "__main__":
    command(Config, main, __doc__)
