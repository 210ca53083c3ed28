"""The values that options can take. Types only, so that a command line is read and explained without TensorFlow."""

from typing import Literal

Precision = Literal["auto", "float32", "bfloat16", "float16"]
"""Of the arithmetic, as asked for."""
Arithmetic = Literal["float32", "bfloat16", "float16", "int8"]
"""Of the arithmetic, as it is done."""
FrozenPrecision = Literal[Precision, "int8"]
"""Of the arithmetic of a network that does not learn, as asked for."""
Crops = Literal["whole", "center", "mirror", "ten"]
"""How an image is shown at test time."""
TransferCrops = Literal["whole", "ten"]
"""How an image is shown to a frozen backbone at test time."""
Format = Literal["saved_model", "onnx", "litert"]
"""What a network is exported to."""
Engine = Literal["auto", "tensorflow", "openvino"]
"""What computes transfer values on a CPU."""
Pixels = Literal["-1..1", "0..1", "0..255", "caffe"]
"""What a network expects pixels in; ``caffe`` is BGR less ImageNet's mean colour."""
Resize = Literal["half_pixel", "tf1"]
"""Bilinear sampling, as in TensorFlow 2 or 1."""
WeightDecayConvention = Literal["l2_loss", "keras"]
"""What a weight decay multiplies: sum(w^2) / 2, or sum(w^2)."""
Blocks = Literal["released", "figure"]
"""Of the compact Inception: the released Inception-v3's, or Fig. 4's."""
Decayed = Literal["all", "last"]
"""Which kernels a weight decay is for."""
Tracker = Literal["mlflow", "wandb"]
"""Where a run is logged besides its own directory."""
Which = Literal["all", "best"]
"""Which of a run's snapshots."""
Sampler = Literal["tpe", "random"]
"""How a search draws its trials: tpe more where trials did well, random without looking."""
