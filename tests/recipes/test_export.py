"""Other runtimes give what Keras gives."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from tiny_imagenet_tf import hardware
from tiny_imagenet_tf.data import splits
from tiny_imagenet_tf.data.batches import in_order
from tiny_imagenet_tf.deployment import exporting, formats
from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.evaluation.metrics import softmax, top_k_accuracy
from tiny_imagenet_tf.models import preprocess
from tiny_imagenet_tf.runs import networks
from tiny_imagenet_tf.runs.networks import Classes


def small(policy="float32", size=75):
    keras.utils.set_random_seed(0)
    with hardware.policy(policy):
        x = images = keras.Input((size, size, 3))
        x = keras.layers.Conv2D(8, 5, strides=4, use_bias=False)(x)
        x = keras.layers.ReLU()(keras.layers.BatchNormalization()(x))
        x = keras.layers.GlobalAveragePooling2D()(x)
        spread = keras.initializers.RandomNormal(stddev=20)
        x = keras.layers.Dense(4, kernel_initializer=spread, dtype="float32")(x)
        return keras.Model(images, keras.ops.multiply(x, 2.0))  # no layer, and has no dtype


@pytest.fixture(scope="module")
def model(tmp_path_factory, builder):
    path = tmp_path_factory.mktemp("model") / "small.keras"
    wnids = tuple(builder.info.features["label"].names)
    saved = preprocess.deployed(preprocess.classifier(small()))
    networks.save(saved.save, path, Classes.of(wnids, {}))
    return path


@pytest.fixture
def options(builder, tmp_path):
    tree = next(builder.data_path.parents[4].glob("tiny-imagenet-200"))
    return {"source": tree, "data_dir": builder.data_path.parents[3], "output": tmp_path / "out"}


def test_every_format_agrees_with_keras(recipe, model, options, builder, capsys):
    shown = splits.load(builder, "validation")
    said = softmax(keras.saving.load_model(model).predict(in_order(shown, 12), verbose=0))
    assert np.ptp(said, axis=0).max() > 0.3, "or any file would agree"
    export = recipe("export")
    rows = {row["format"]: row for row in export.main(export.Config(model, int8=True, **options))}
    assert list(rows) == ["saved_model", "onnx", "litert", "litert, int8"]
    for name in ("saved_model", "onnx", "litert"):
        assert rows[name]["largest_difference"] < 1e-5
    assert 1e-5 < rows["litert, int8"]["largest_difference"] < 0.1
    assert rows["litert, int8"]["bytes"] < rows["litert"]["bytes"] * 2
    from ai_edge_litert.interpreter import Interpreter

    details = Interpreter(str(options["output"] / rows["litert, int8"]["file"])).get_tensor_details()
    assert sum(each["dtype"] is np.int8 for each in details) >= 4  # weights and maps
    top1 = top_k_accuracy(said, shown.labels)
    assert [rows[name]["top1"] for name in ("saved_model", "onnx", "litert")] == [top1] * 3
    stored = json.loads((options["output"] / "classes.json").read_text())
    assert len(stored["wnids"]) == 4 and stored["pixels"] == "0..255"
    assert {row["file"] for row in stored["files"]} <= {path.name for path in options["output"].iterdir()}
    assert "top-1" in capsys.readouterr().out


def test_probabilities_are_compared_as_such_and_classes_named_in_the_default_order(recipe, options, builder, tmp_path):
    scored, last = small(size=64), keras.layers.Dense(4, "softmax")
    model = keras.Model(scored.inputs, last(scored.output))
    shown = exporting.decoded(splits.load(builder, "validation")) / np.float32(255)
    scores = scored.predict(shown, verbose=0)
    scale = 3 / scores.std(axis=0)
    last.set_weights([np.diag(scale), -scale * scores.mean(axis=0)])
    model.save(tmp_path / "mine.keras")
    assert np.ptp(model.predict(shown, verbose=0), axis=0).max() > 0.3, "or any file would agree"
    export = recipe("export")
    given = {"formats": ("litert",), "int8": True, "pixels": "0..1"}
    exact, rounded = export.main(export.Config(tmp_path / "mine.keras", **given, **options))
    assert exact["largest_difference"] < 1e-5 < rounded["largest_difference"] < 0.1
    stored = json.loads((options["output"] / "classes.json").read_text())
    assert stored["wnids"] == builder.info.features["label"].names


def test_what_learned_in_bfloat16_is_written_in_float32(recipe, options, builder, tmp_path):
    wnids = tuple(builder.info.features["label"].names)
    saved = preprocess.deployed(preprocess.classifier(small("mixed_bfloat16")))
    networks.save(saved.save, tmp_path / "half.keras", Classes.of(wnids, {}))
    export = recipe("export")
    for row in export.main(export.Config(tmp_path / "half.keras", formats=("onnx", "litert"), **options)):
        assert row["largest_difference"] < 1e-5


def test_an_onnx_file_takes_any_number_of_images(recipe, model, options):
    export = recipe("export")
    export.main(export.Config(model, formats=("onnx",), **options))
    import onnxruntime

    (path,) = options["output"].glob("*.onnx")
    session = onnxruntime.InferenceSession(path)
    images = np.random.default_rng(0).integers(0, 256, (7, 64, 64, 3)).astype(np.float32)
    (found,) = session.run(None, {session.get_inputs()[0].name: images})
    expected = keras.saving.load_model(model).predict(images, verbose=0)
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize(("left", "lost"), [(0.6, True), (0.75, False)])
def test_a_format_that_loses_the_network_is_told(recipe, model, options, monkeypatch, capsys, left, lost):
    measured = iter((0.8, left))  # by Keras, and by the format
    monkeypatch.setattr(exporting, "top_k_accuracy", lambda *_: next(measured))
    export = recipe("export")
    export.main(export.Config(model, formats=("onnx",), **options))
    assert ("far below Keras: do not use small.onnx" in capsys.readouterr().out) == lost


def test_two_exports_to_one_folder_end_in_a_message(recipe, model, options, monkeypatch):
    export, write = recipe("export"), formats.write

    def meanwhile(*arguments):
        write(*arguments)
        options["output"].mkdir()
        (options["output"] / "classes.json").touch()

    monkeypatch.setattr(formats, "write", meanwhile)
    with pytest.raises(UserError, match="another process has made it meanwhile"):
        export.main(export.Config(model, formats=("onnx",), **options))
    assert [path.name for path in options["output"].parent.iterdir() if "out" in path.name] == ["out"]


def test_a_folder_that_is_there_is_left_alone(recipe, model, options):
    export = recipe("export")
    options["output"].mkdir()
    with pytest.raises(UserError, match="already exists"):
        export.main(export.Config(model, **options))
    assert list(options["output"].iterdir()) == []


def test_what_is_not_installed_is_named(recipe, model, options, monkeypatch):
    export = recipe("export")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"tf2onnx, onnx, onnxruntime are not installed; pip install .*\[export\]"):
        export.main(export.Config(model, **options))
    assert not options["output"].exists()


def test_scores_in_an_order_of_their_own_are_measured_and_named_by_labels(recipe, model, options, builder, tmp_path):
    """The same network without its classes, its scores turned round, and a list that says so."""
    wnids = tuple(builder.info.features["label"].names)
    saved = keras.saving.load_model(model).get_layer("classifier")
    turned = keras.Model(saved.inputs[0], saved.outputs[0][:, ::-1], name="classifier")
    preprocess.deployed(turned).save(tmp_path / "turned.keras")
    (tmp_path / "wnids.txt").write_text("\n".join(reversed(wnids)))
    export = recipe("export")
    (expected,) = export.main(export.Config(model, formats=("onnx",), **options))
    options["output"] = tmp_path / "other"
    labels = str(tmp_path / "wnids.txt")
    (found,) = export.main(export.Config(tmp_path / "turned.keras", formats=("onnx",), labels=labels, **options))
    assert found["top1"] == expected["top1"]
    assert json.loads((tmp_path / "other/classes.json").read_text())["wnids"] == list(reversed(wnids))


def test_a_disk_that_is_full_under_tensorflow_is_told(tmp_path, monkeypatch):
    def full(*_, **__):
        raise tf.errors.ResourceExhaustedError(None, None, "exported/x/saved_model.pb; No space left on device")

    network = small()
    monkeypatch.setattr(type(network), "export", full)
    with pytest.raises(UserError, match="x cannot be written: No space left on device"):
        formats.write(network, tmp_path / "x", "saved_model")
