"""The inception blocks in other projects: light to import, on other backends, as the documents show them."""

import functools
import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]


def random_images(*shape):
    return np.random.default_rng(0).normal(size=shape).astype("float32")


def test_importing_blocks_loads_keras_and_itself_only():
    script = (
        "import sys, keras\n"
        "before = set(sys.modules)\n"
        "import tiny_imagenet_tf.blocks\n"
        "print('LOADED', *sorted(set(sys.modules) - before))\n"
        "print('TFDS', 'tensorflow_datasets' in sys.modules)\n"
    )
    lines = run_python(script).splitlines()
    loaded = next(line for line in lines if line.startswith("LOADED")).split()[1:]
    assert "tiny_imagenet_tf.blocks" in loaded
    assert set(loaded) <= {"tiny_imagenet_tf", "tiny_imagenet_tf.blocks"}
    assert "TFDS False" in lines


def run_python(script, **environment):
    """Runs a script in a fresh interpreter at the repository's root; its standard output."""
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"PYTHONPATH": path} | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


ALL_BLOCKS = """
import keras
from tiny_imagenet_tf import blocks, models

def all_blocks():
    channels_first = keras.config.image_data_format() == "channels_first"
    x = images = keras.Input((3, 17, 16) if channels_first else (17, 16, 3))
    x = blocks.conv_bn(x, 4, 3, name="stem")
    x = blocks.inception_type1(x, conv1x1=2, single=(2, 3), double=(2, 3, 4), pool=2, name="one")
    x = blocks.inception_dim(x, branches={"single": [(3, 1), (4, 3)]}, name="dim")
    x = blocks.inception_type2(x, conv1x1=2, single=(2, 3, 3), double=(2, 3, 4, 5, 6), pool=2, name="two")
    x = blocks.inception_type3(x, conv1x1=2, single=(2, 3, 3), double=(2, 3, 4, 5), pool=2, name="three")
    return keras.Model(images, x)
"""

ON_ANOTHER_BACKEND = """
import numpy as np
saved = np.load(FILE)
for data_format, order in (("channels_last", (0, 1, 2, 3)), ("channels_first", (0, 3, 1, 2))):
    keras.config.set_image_data_format(data_format)
    model = all_blocks()
    model.set_weights([saved[f"weight{i}"] for i in range(len(model.weights))])
    output = model.predict(saved["images"].transpose(order), verbose=0)
    expected = saved["output"].transpose(order)
    close = np.abs(output - expected).max() < 1e-5 * np.abs(expected).max()
    print("RESULT", keras.backend.backend(), data_format, close)
keras.config.set_image_data_format("channels_last")
print("PARAMETERS", models.build("le_yang_model_1").count_params())
"""
WITHOUT_TENSORFLOW = "import sys; sys.modules['tensorflow'] = sys.modules['tensorflow_datasets'] = None\n"


@pytest.mark.parametrize(("backend", "package"), [("jax", "jax"), ("torch", "torch")])
def test_other_backends_compute_the_same_and_need_keras_alone(backend, package, tmp_path):
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed: the {backend} backend was not tested")
    namespace = {}
    exec(ALL_BLOCKS, namespace)
    model = namespace["all_blocks"]()
    rng = np.random.default_rng(0)
    for weight in model.weights:
        values = rng.uniform(-0.4, 0.6, weight.shape)
        weight.assign(np.abs(values) if weight.name == "moving_variance" else values)
    images = random_images(2, 17, 16, 3)
    output = np.array(model(images, training=False))
    assert np.ptp(output) > 0.1
    weights = {f"weight{i}": weight for i, weight in enumerate(model.get_weights())}
    np.savez(tmp_path / "saved.npz", images=images, output=output, **weights)
    script = WITHOUT_TENSORFLOW + ALL_BLOCKS + f"FILE = {str(tmp_path / 'saved.npz')!r}\n" + ON_ANOTHER_BACKEND
    quick = "--xla_backend_optimization_level=0"  # compiling takes longer than running
    printed = run_python(script, KERAS_BACKEND=backend, XLA_FLAGS=quick)
    assert f"RESULT {backend} channels_last True" in printed
    assert f"RESULT {backend} channels_first True" in printed
    assert "PARAMETERS 1969544" in printed


@functools.cache  # both documents show the same code
def train_example(code):
    namespace = {}
    exec(code, namespace)
    model = namespace["model"]
    images, labels = random_images(20, *model.input_shape[1:]), np.arange(20) % 10
    history = model.fit(images, labels, epochs=8, batch_size=20, verbose=0).history
    return model.output_shape, history["loss"]


@pytest.mark.parametrize("document", ["README.md", "docs/blocks.md"])
def test_the_example_classifier_of_the_documents_trains(document):
    text = (ROOT / document).read_text(encoding="utf-8")
    examples = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    code = next(example for example in examples if "from tiny_imagenet_tf.blocks import" in example)
    assert len(code.splitlines()) <= 20
    output_shape, losses = train_example(code)
    assert output_shape == (None, 10)
    assert losses[-1] < 0.7 * losses[0]
