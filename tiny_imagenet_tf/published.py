"""The numbers of the two papers that are used here, with their tables, sections and figures. Data alone.

Milani: P. M. Milani, "The Power of Inception: Tackling the Tiny ImageNet Challenge", CS 231N, 2017.
Le & Yang: Y. Le and X. Yang, "Tiny ImageNet Visual Recognition Challenge", CS 231N, 2015.

Errors are in percent where a name says so; everything else is in the unit its name or comment gives. None means:
not printed. Results and training settings share their keys (`RESULTS`, `TRAINING`).
"""

from dataclasses import dataclass
from typing import NamedTuple

MILANI = "Milani 2017"
LE_YANG = "Le & Yang 2015"


@dataclass(frozen=True)
class PublishedResult:
    """One row of a results table: top-1 errors in percent, None where the paper prints none."""

    paper: str
    name: str
    val_error_percent: float
    test_error_percent: float | None = None

    @property
    def val_accuracy(self) -> float:
        """Top-1 accuracy on val as a fraction, 0 to 1."""
        return round(1 - self.val_error_percent / 100, 6)

    @property
    def test_accuracy(self) -> float | None:
        """Top-1 accuracy on test as a fraction, 0 to 1."""
        return None if self.test_error_percent is None else round(1 - self.test_error_percent / 100, 6)


RESULTS = {
    # Milani, Table 1.
    "milani/baseline": PublishedResult(MILANI, "Baseline", 51.5),
    "milani/baseline_ensemble": PublishedResult(MILANI, "Baseline ens.", 47.8, 52.3),
    "milani/regularized": PublishedResult(MILANI, "Regularized", 53.9),
    "milani/regularized_ensemble": PublishedResult(MILANI, "Regularized ens.", 53.2, 57.2),
    # Milani, Table 2, which repeats the baseline ensemble. Section 4.2 says 74.7% accuracy for TL Vanilla; the
    # table's 25.25% makes 74.75%, cut, not rounded.
    "milani/kim_best": PublishedResult(MILANI, "Best from Kim", 24.99, 31.1),
    "milani/transfer_vanilla": PublishedResult(MILANI, "TL Vanilla", 25.25, 33.2),
    "milani/transfer_v2": PublishedResult(MILANI, "TL v2", 23.89, 31.4),
    "milani/transfer_v3": PublishedResult(MILANI, "TL v3", 23.30, 30.9),
    # Le & Yang, Table 2. They print accuracies; the errors here are 100 minus those. Section 5.3.4 explains model 8's
    # gain over model 7 by "more kernels and another fully-connected layer", yet Table 1 prints one column for both.
    **{
        f"le_yang/model_{number}": PublishedResult(LE_YANG, f"Model {number}", error)
        for number, error in enumerate((62.73, 71.80, 61.71, 60.45, 71.00, 59.81, 57.93, 53.55, 40.50), start=1)
    },
    # Only the ensemble was tested: 0.556 accuracy (section 5.3), 0.444 error (abstract).
    "le_yang/ensemble_8_9": PublishedResult(LE_YANG, "Model 8 + Model 9", 38.77, 44.4),
}


@dataclass(frozen=True)
class PublishedTraining:
    """What a paper states about one training run; None where it states nothing.

    `learning_rate_decay` is the factor applied every `decay_every_epochs`. `weight_decay` is the number as
    printed: whether it multiplies sum(w^2) or sum(w^2)/2 is not said by Milani, and is the latter in Caffe.
    """

    learning_rate: float
    learning_rate_decay: float
    decay_every_epochs: int | None
    weight_decay: float
    batch_size: int | None = None
    momentum: float | None = None
    dropout_keep: float | None = None
    label_smoothing: float | None = None  # epsilon of Milani section 3.1, Eq. 1
    epochs: tuple[int, int] | None = None  # from, to


TRAINING = {
    # Section 3.2; section 3.3, the baseline's with the learning rate doubled and decayed every two epochs.
    "milani/baseline": PublishedTraining(1e-3, 0.9, 1, 0.08, label_smoothing=0.1, epochs=(20, 50)),
    "milani/regularized": PublishedTraining(2e-3, 0.9, 2, 0.08, dropout_keep=0.8, label_smoothing=0.1),
    # Sections 4.1 and 4.2. For v2 "a new cross-validation was performed"; what it found is not printed, and of v3
    # nothing is said.
    "milani/transfer_vanilla": PublishedTraining(6.5e-4, 0.713, 1, 0.0116, 100, label_smoothing=0.1, epochs=(10, 10)),
    # Section 5.2.1: "decreased by a factor of 0.1 and 10 respectively" when val accuracy stops improving, both a tenth.
    "le_yang/model_8": PublishedTraining(0.02, 0.1, None, 1e-4, 200, momentum=0.9, dropout_keep=0.5),
    "le_yang/model_9": PublishedTraining(0.01, 0.1, None, 5e-4, 200, momentum=0.9, dropout_keep=0.5),
}

MILANI_MAX_SNAPSHOTS = 20  # section 3.4

CLASSES = 200  # both papers
TRAIN_IMAGES = 100_000  # both papers, section "Dataset" or "Data"
VAL_IMAGES = 10_000  # both papers
IMAGE_SIZE = 64  # both papers; pixels
CROP_SIZE = 56  # Le & Yang section 4.2.1; Milani's corner crops, section 4.2; pixels
INCEPTION_V3_IMAGE_SIZE = 299  # Milani section 4.1; pixels
TRANSFER_VALUES = 2048  # Milani section 4.1; activations an image

LE_YANG_SCREENED_IMAGES = 1535  # section 5.3.3: less than a quarter of the object in a crop
LE_YANG_SMALL_OBJECT_IMAGES = 1891  # section 5.3.3: not screened, object smaller than 8x8 pixels
LE_YANG_DROPOUT_KEEP = 0.5  # sections 4.2.2 and 5.2.1
LE_YANG_LEAKY_RELU_SLOPE = 0.01  # section 5.3.2

# Table 1, last row, millions, models 1 to 9. 138 is VGG-16's count with 1,000 classes and 224x224 input;
# the column as printed, with 200 classes and 7x7 maps, has 135.08. Model 4's column prints a conv5-64 which
# would make 14.40: models 3 and 4 differ by a dropout layer only (section 5.3.1).
LE_YANG_TABLE_1_PARAMETERS_MILLION = (1.97, 13.74, 14.33, 14.33, 14.20, 14.20, 60.56, 60.56, 138.0)
LE_YANG_TABLE_1_DEPTH = (5, 7, 8, 8, 8, 8, 9, 9, 16)
LE_YANG_TABLE_2_NONLINEARITY = ("ReLU",) * 4 + ("PReLU",) + ("LReLU",) * 3 + ("ReLU",)
LE_YANG_TABLE_2_SCREENED = (False,) * 4 + (True,) * 5

# Milani section 4.3 names three classes of transfer learning v3 on val, and the two that convertible is taken for; what
# it says of them stands in reports/sections/claims.py.
MILANI_NAMED_CLASSES = ("plunger", "convertible", "bullet train")
MILANI_CONVERTIBLE_TAKEN_FOR = ("sports car", "beach wagon")

MILANI_TSNE_CLASSES = (  # Fig. 11: all 500 training images of each
    "convertible", "sports car", "plunger", "Egyptian cat", "Persian cat", "golden retriever", "bullet train",
)  # fmt: skip
LE_YANG_TSNE_CLASSES = 50  # Fig. 1: of val, at model 9's second fully connected layer


class Column(NamedTuple):
    """One column of Le & Yang's Table 1 from top to bottom, and the nonlinearity from section 5.1 and Table 2.

    In the words of models/convnets.py. The first three stages end in the maxpool which the table prints across all
    columns. FC3, 200 scores, is the same for all and not written.
    """

    architecture: str
    activation: str


# Model 4's second convolution is printed conv5-64. That makes 14,396,168 parameters where 14.33 million are
# printed; conv3-64 makes 14,330,632, and section 5.3.1 has models 3 and 4 differ by a dropout layer only.
# The six conv3-512 of model 9 are followed by no maxpool: FC1 reads 7x7 maps in every column.
LE_YANG_TABLE_1 = {
    1: Column("conv5-64 maxpool conv5-64 maxpool conv5-128 maxpool fc-256 dropout", "relu"),
    2: Column("conv5-64 conv3-64 maxpool conv5-128 conv3-128 maxpool conv3-256 maxpool fc-1024 dropout", "relu"),
    3: Column(
        "conv5-64 conv3-64 maxpool conv5-128 conv3-128 maxpool conv3-256 conv3-256 maxpool fc-1024 dropout", "relu"
    ),
    4: Column(
        "conv5-64 conv3-64 maxpool conv5-128 conv3-128 maxpool conv3-256 conv3-256 dropout maxpool fc-1024 dropout",
        "relu",
    ),
    5: Column(
        "conv3-64 conv3-64 maxpool conv3-128 conv3-128 maxpool conv3-256 conv3-256 maxpool fc-1024 dropout", "prelu"
    ),
    6: Column(
        "conv3-64 conv3-64 maxpool conv3-128 conv3-128 maxpool conv3-256 conv3-256 dropout maxpool fc-1024 dropout",
        "leaky_relu",
    ),
    **dict.fromkeys(
        (7, 8),  # printed alike
        Column(
            "conv3-128 conv3-128 maxpool conv3-256 conv3-256 maxpool conv3-512 conv3-512 dropout maxpool "
            "fc-2048 dropout fc-2048 dropout",
            "leaky_relu",
        ),
    ),
    9: Column(
        "conv3-64 conv3-64 maxpool conv3-128 conv3-128 maxpool conv3-256 conv3-256 conv3-256 maxpool "
        "conv3-512 conv3-512 conv3-512 conv3-512 conv3-512 conv3-512 fc-4096 dropout fc-4096 dropout",
        "relu",
    ),
}

# What the text says of models 5 to 8 where it differs from the table: 5 is 4 with PReLU (section 5.3.2), 7 is 4
# with 3x3 kernels (5.3.2 compares 6 with 3 and 7 with 4), 8 is 7 "with more kernels and another fully-connected layer"
# (5.3.4).
LE_YANG_TEXT = LE_YANG_TABLE_1 | {
    5: LE_YANG_TABLE_1[4]._replace(activation="prelu"),
    6: LE_YANG_TABLE_1[5]._replace(activation="leaky_relu"),  # without the first of its dropouts
    7: LE_YANG_TABLE_1[6],
}

LE_YANG_READINGS = {"table": LE_YANG_TABLE_1, "text": LE_YANG_TEXT}
