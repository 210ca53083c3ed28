"""Every number the two papers print, with its table, section or figure. Data, no code.

Milani: P. M. Milani, "The Power of Inception: Tackling the Tiny ImageNet Challenge", CS 231N, 2017.
Le & Yang: Y. Le and X. Yang, "Tiny ImageNet Visual Recognition Challenge", CS 231N, 2015.

Errors and rates are in percent where a name says so; everything else is in the unit its name or comment
gives. None means: not printed. Results and training settings share their keys (`RESULTS`, `TRAINING`).
"""

from __future__ import annotations

from dataclasses import dataclass

MILANI = "Milani 2017"
LE_YANG = "Le & Yang 2015"


@dataclass(frozen=True)
class PublishedResult:
    """One row of a results table: top-1 errors in percent, None where the paper prints none."""

    paper: str
    name: str
    where: str
    val_error_percent: float | None
    test_error_percent: float | None

    @property
    def val_accuracy(self) -> float | None:
        """Top-1 accuracy on val as a fraction, 0 to 1."""
        return None if self.val_error_percent is None else round(1 - self.val_error_percent / 100, 6)

    @property
    def test_accuracy(self) -> float | None:
        """Top-1 accuracy on test as a fraction, 0 to 1."""
        return None if self.test_error_percent is None else round(1 - self.test_error_percent / 100, 6)


# --- Results -----------------------------------------------------------------------------------------

MILANI_TABLE_1 = (
    PublishedResult(MILANI, "Baseline", "Table 1", 51.5, None),
    PublishedResult(MILANI, "Baseline ens.", "Table 1", 47.8, 52.3),
    PublishedResult(MILANI, "Regularized", "Table 1", 53.9, None),
    PublishedResult(MILANI, "Regularized ens.", "Table 1", 53.2, 57.2),
)

MILANI_TABLE_2 = (
    PublishedResult(MILANI, "Best from Kim", "Table 2", 24.99, 31.1),
    PublishedResult(MILANI, "Baseline ens.", "Table 2", 47.8, 52.3),
    # Section 4.2 says 74.7 % accuracy for TL Vanilla; the table's 25.25 % makes 74.75 %, cut, not rounded.
    PublishedResult(MILANI, "TL Vanilla", "Table 2", 25.25, 33.2),
    PublishedResult(MILANI, "TL v2", "Table 2", 23.89, 31.4),
    PublishedResult(MILANI, "TL v3", "Table 2", 23.30, 30.9),
)

# Le & Yang print accuracies; the errors here are 100 minus those. Only the ensemble was tested:
# 0.556 accuracy (section 5.3), 0.444 error (abstract). Section 5.3.4 explains model 8's gain over model 7
# by "more kernels and another fully-connected layer", yet Table 1 prints the same column for both.
LE_YANG_TABLE_2 = (
    PublishedResult(LE_YANG, "Model 1", "Table 2: 37.27 % accuracy", 62.73, None),
    PublishedResult(LE_YANG, "Model 2", "Table 2: 28.20 % accuracy", 71.80, None),
    PublishedResult(LE_YANG, "Model 3", "Table 2: 38.29 % accuracy", 61.71, None),
    PublishedResult(LE_YANG, "Model 4", "Table 2: 39.55 % accuracy", 60.45, None),
    PublishedResult(LE_YANG, "Model 5", "Table 2: 29.00 % accuracy", 71.00, None),
    PublishedResult(LE_YANG, "Model 6", "Table 2: 40.19 % accuracy", 59.81, None),
    PublishedResult(LE_YANG, "Model 7", "Table 2: 42.07 % accuracy", 57.93, None),
    PublishedResult(LE_YANG, "Model 8", "Table 2: 46.45 % accuracy", 53.55, None),
    PublishedResult(LE_YANG, "Model 9", "Table 2: 59.50 % accuracy", 40.50, None),
    PublishedResult(LE_YANG, "Model 8 + Model 9", "Table 2: 61.23 %; test: abstract", 38.77, 44.4),
)

RESULTS = {
    "milani/baseline": MILANI_TABLE_1[0],
    "milani/baseline_ensemble": MILANI_TABLE_1[1],
    "milani/regularized": MILANI_TABLE_1[2],
    "milani/regularized_ensemble": MILANI_TABLE_1[3],
    "milani/kim_best": MILANI_TABLE_2[0],
    "milani/transfer_vanilla": MILANI_TABLE_2[2],
    "milani/transfer_v2": MILANI_TABLE_2[3],
    "milani/transfer_v3": MILANI_TABLE_2[4],
    **{f"le_yang/model_{i}": LE_YANG_TABLE_2[i - 1] for i in range(1, 10)},
    "le_yang/ensemble_8_9": LE_YANG_TABLE_2[9],
}


# --- Training settings -------------------------------------------------------------------------------


@dataclass(frozen=True)
class PublishedTraining:
    """What a paper states about one training run; None where it states nothing.

    `learning_rate_decay` is the factor applied every `decay_every_epochs`. `weight_decay` is the number as
    printed: whether it multiplies sum(w^2) or sum(w^2)/2 is not said by Milani, and is the latter in Caffe.
    """

    where: str
    optimizer: str
    learning_rate: float | None
    learning_rate_decay: float | None
    decay_every_epochs: int | None
    weight_decay: float | None
    batch_size: int | None
    momentum: float | None = None
    dropout_keep: float | None = None
    label_smoothing: float | None = None
    epochs: tuple[int, int] | None = None  # from, to


LABEL_SMOOTHING_EPSILON = 0.1  # Milani section 3.1, Eq. 1

TRAINING = {
    "milani/baseline": PublishedTraining(
        "section 3.2", "adam", 1e-3, 0.9, 1, 0.08, None,
        label_smoothing=LABEL_SMOOTHING_EPSILON, epochs=(20, 50),
    ),
    "milani/regularized": PublishedTraining(
        "section 3.3: the baseline's, learning rate doubled, decayed every two epochs",
        "adam", 2e-3, 0.9, 2, 0.08, None, dropout_keep=0.8, label_smoothing=LABEL_SMOOTHING_EPSILON,
    ),
    "milani/transfer_vanilla": PublishedTraining(
        "sections 4.1 and 4.2",
        "adam", 6.5e-4, 0.713, 1, 0.0116, 100, label_smoothing=LABEL_SMOOTHING_EPSILON, epochs=(10, 10),
    ),
    # "A new cross-validation was performed": the values it found are printed for neither v2 nor v3.
    "milani/transfer_v2": PublishedTraining(
        "section 4.2", "adam", None, None, None, None, 100,
        dropout_keep=0.8, label_smoothing=LABEL_SMOOTHING_EPSILON,
    ),
    "milani/transfer_v3": PublishedTraining(
        "section 4.2", "adam", None, None, None, None, 100, label_smoothing=LABEL_SMOOTHING_EPSILON
    ),
    # "Decreased by a factor of 0.1 and 10 respectively" when val accuracy stops improving: both a tenth.
    "le_yang/model_8": PublishedTraining(
        "section 5.2.1", "sgd", 0.02, 0.1, None, 1e-4, 200, momentum=0.9, dropout_keep=0.5
    ),
    "le_yang/model_9": PublishedTraining(
        "section 5.2.1", "sgd", 0.01, 0.1, None, 5e-4, 200, momentum=0.9, dropout_keep=0.5
    ),
}  # fmt: skip

MILANI_MAX_SNAPSHOTS = 20  # section 3.4


# --- The data and the networks -----------------------------------------------------------------------

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


# --- Milani section 4.3: the predictions of transfer learning v3 on val, 50 images a class ------------


@dataclass(frozen=True)
class PublishedClassErrors:
    """What section 4.3 says of one class; None where it says nothing and its numbers imply nothing."""

    class_name: str
    right: int  # of 50
    error_percent: float
    wrong_classes: int  # distinct, among the predictions
    confused_with_percent: tuple[tuple[str, float], ...] = ()


MILANI_CLASS_ERRORS = {
    # 21 distinct classes were predicted: plunger 22 times, 20 others 28 times.
    "plunger": PublishedClassErrors("plunger", 22, 56.0, 20),
    # 42 % of 50 is 21 wrong, 7 of them to each of the two classes named.
    "convertible": PublishedClassErrors("convertible", 29, 42.0, 8, (("sports car", 14.0), ("beach wagon", 14.0))),
    "bullet train": PublishedClassErrors("bullet train", 49, 2.0, 1),
}

MILANI_TSNE_CLASSES = (  # Fig. 11: all 500 training images of each
    "convertible", "sports car", "plunger", "Egyptian cat", "Persian cat", "golden retriever", "bullet train",
)  # fmt: skip
LE_YANG_TSNE_CLASSES = 50  # Fig. 1: of val, at model 9's second fully connected layer
