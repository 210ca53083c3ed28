"""What a GPU would be given, lowered for CUDA where there is none; prints "lowered" at its end.

KERAS_BACKEND=jax python tests/experiments/jax_cuda_lowering.py
"""

from unittest import mock

import jax
import keras
import numpy as np
import tiny_run
from jax import export

from tiny_imagenet_tf import hardware
from tiny_imagenet_tf.data.views import MILANI, WHOLE
from tiny_imagenet_tf.experiments import losses
from tiny_imagenet_tf.experiments.fit import compile_for_training
from tiny_imagenet_tf.models import backbones, preprocess
from tiny_imagenet_tf.transfer import engine

IMAGES = jax.ShapeDtypeStruct((16, 64, 64, 3), np.uint8)
VIEWS = jax.ShapeDtypeStruct((16, 7), np.float32)


def for_cuda(function, *arguments) -> export.Exported:
    """Returns the program of a function; what a GPU has no lowering of is an error here."""
    exported = export.export(jax.jit(function), platforms=["cuda"])(*arguments)
    assert exported.platforms == ("cuda",)
    return exported


def extraction() -> None:
    """Bytes go to the device; what is larger than they are, the resized images, is made there."""
    dtype, backbone = engine.trunk_dtype("float16"), backbones.find("mobilenet_v3_large")
    trunk = backbones.build(backbone, weights="random", input_size=96, dtype=dtype)
    with mock.patch.object(jax, "jit", side_effect=jax.jit) as compiled:
        engine.Engine(trunk, "float16").extractor(WHOLE)
    ((function,), _) = compiled.call_args
    variables = trunk.model.trainable_variables, trunk.model.non_trainable_variables
    program = for_cuda(function, *([each.value for each in of] for of in variables), [IMAGES, VIEWS])
    *_, images, table = program.in_avals
    assert (images.dtype, images.shape, table.dtype) == (np.uint8, IMAGES.shape, np.float32)
    text = program.mlir_module()
    assert "16x96x96x3xf32" in text, "resized on the device"
    assert "xf16>" in text and "bf16" not in text, "computed there, in half precision"


def training() -> None:
    """One step: views, forward, backward, Adam, in bfloat16."""
    with hardware.policy("mixed_bfloat16"):
        classifier = preprocess.classifier(tiny_run.network(4))
        model = preprocess.behind_views(classifier, MILANI)
        compile_for_training(model, keras.optimizers.Adam(), losses.smoothed_cross_entropy(0.1))
    shown = [np.zeros(each.shape, each.dtype) for each in (IMAGES, VIEWS)]
    model.train_on_batch(shown, np.eye(4, dtype=np.float32)[np.zeros(16, int)])  # makes the metrics' variables
    state = [[each.value for each in of] for of in
             (model.trainable_variables, model.non_trainable_variables, model.optimizer.variables,
              model.metrics_variables)]  # fmt: skip
    truth = jax.ShapeDtypeStruct((16, 4), np.float32)
    program = for_cuda(model.train_step, tuple(state), ([IMAGES, VIEWS], truth))
    assert "bf16" in program.mlir_module()
    assert [each.dtype for each in program.in_avals[-3:]] == [np.uint8, np.float32, np.float32]


if __name__ == "__main__":
    extraction()
    training()
    print("lowered")
