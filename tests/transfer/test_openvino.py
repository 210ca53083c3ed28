import dataclasses

import keras
import numpy as np
import pytest

from tiny_imagenet_tf import hardware
from tiny_imagenet_tf.data import splits, views
from tiny_imagenet_tf.data.batches import in_order
from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.experiments.experiment import precision_of
from tiny_imagenet_tf.experiments.options import Study
from tiny_imagenet_tf.models import backbones
from tiny_imagenet_tf.runs.run import Run
from tiny_imagenet_tf.transfer import openvino
from tiny_imagenet_tf.transfer.engine import Engine, batch_size
from tiny_imagenet_tf.transfer.experiment import run
from tiny_imagenet_tf.transfer.extraction import Extraction
from tiny_imagenet_tf.transfer.options import ExtractOptions, TransferOptions

IMAGES = np.random.default_rng(0).integers(0, 256, (7, 64, 64, 3), dtype=np.uint8)  # one full request, one short
VIEWS = [views.View(), views.View("bottom_left", mirrored=True), views.DrawnView(views.MILANI_TRANSFER, 0, 1)]


@pytest.fixture
def train(builder):
    return splits.load(builder, "train")


def test_float32_is_what_tensorflow_computes(small_trunk, train, tmp_path):
    engine = Engine(small_trunk, "float32", "tf1")
    under_openvino = engine.under_openvino(train, tmp_path)
    for view in VIEWS:
        expected = engine.extractor(view)(IMAGES, view.table(7))
        found = under_openvino.extractor(view)(IMAGES, view.table(7))
        np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max(), err_msg=str(view))


def test_int8_is_close_and_made_once_and_named_if_it_is_damaged(small_trunk, train, tmp_path, monkeypatch):
    plain = Engine(small_trunk, "int8")
    exact = Engine(small_trunk, "float32").extractor(views.WHOLE)(IMAGES, views.WHOLE.table(7))
    first = plain.under_openvino(train, tmp_path)
    values = first.extractor(views.WHOLE)(IMAGES, views.WHOLE.table(7))
    assert values.shape == exact.shape and values.dtype == np.float32
    assert 0 < np.abs(values - exact).max() < 0.1 * np.abs(exact).max()
    again = plain.under_openvino(train, tmp_path / "elsewhere")  # quantized anew, and equal
    assert again.description == first.description
    assert first.digests == small_trunk.digests | {"quantized_sha256": first.description["quantized_sha256"]}
    monkeypatch.setattr(openvino, "convert", None)  # what is stored is not made again
    monkeypatch.setattr(openvino, "locked", None)  # and may be read-only
    stored = plain.under_openvino(train, tmp_path)
    np.testing.assert_array_equal(stored.extractor(views.WHOLE)(IMAGES, views.WHOLE.table(7)), values)
    assert sorted(path.suffix for path in tmp_path.glob("*int8-*")) == [".bin", ".sha256", ".xml"]  # no part is left
    (path,) = tmp_path.glob("int8-*.xml")
    weights = path.with_suffix(".bin")
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(UserError, match=f"{path.name}, {weights.name} or .* is damaged; delete all three"):
        plain.under_openvino(train, tmp_path)
    weights.write_bytes(whole)
    path.write_text("<net")
    with pytest.raises(UserError, match=f"{path.name}, {weights.name} or .* is damaged; delete all three"):
        plain.under_openvino(train, tmp_path)


def test_a_depthwise_convolution_after_silu_becomes_int8_too(train, tmp_path, capsys):
    """OpenVINO leaves such a map with its channels last, which NNCF 3.4 does not see: EfficientNetV2's blocks."""
    keras.utils.set_random_seed(3)
    x = images = keras.Input((40, 40, 3))
    for _ in range(2):
        x = keras.layers.Conv2D(12, 3, activation="silu")(x)
        x = keras.layers.DepthwiseConv2D(3, 2, "same", activation="silu")(x)
        gate = keras.layers.GlobalAveragePooling2D(keepdims=True)(x)
        x = keras.layers.Multiply()([x, keras.layers.Conv2D(12, 1, activation="sigmoid")(gate)])
    keras.Model(images, keras.layers.GlobalAveragePooling2D(name="avg_pool")(x)).save(tmp_path / "silu.keras")
    trunk = backbones.build(backbones.find(str(tmp_path / "silu.keras"), "-1..1"))
    exact = Engine(trunk, "float32").extractor(views.WHOLE)(IMAGES, views.WHOLE.table(7))
    found = Engine(trunk, "int8").under_openvino(train, tmp_path).extractor(views.WHOLE)(IMAGES, views.WHOLE.table(7))
    assert 0 < np.abs(found - exact).mean() < 0.2 * np.abs(exact).mean()
    assert "that is a large difference" not in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize("name", backbones.BACKBONES)
def test_every_backbone_that_goes_by_name_becomes_int8(train, tmp_path, capsys, name):
    """With random weights: close, but for MobileNetV3, of which that is told."""
    trunk = backbones.build(backbones.find(name), "random", input_size=96)
    (images,), table = list(in_order(train, 24)), views.WHOLE.table(24)
    exact = Engine(trunk, "float32").extractor(views.WHOLE)(images, table)
    found = Engine(trunk, "int8").under_openvino(train, tmp_path).extractor(views.WHOLE)(images, table)
    off = np.median(np.linalg.norm(found - exact, axis=1) / np.linalg.norm(exact, axis=1))
    much = name.startswith("mobilenet_v3")
    assert ("that is a large difference" in capsys.readouterr().out) is much
    assert off > 0.5 if much else 0 < off < 0.2


def test_values_that_int8_loses_are_told(train, tmp_path, capsys, monkeypatch, small_trunk):
    made = openvino._in_int8
    monkeypatch.setattr(openvino, "_in_int8", lambda model, images, **more: made(model, images * 0.001, **more))
    Engine(small_trunk, "int8").under_openvino(train, tmp_path)
    assert "that is a large difference" in capsys.readouterr().out


def test_where_sums_may_overflow_the_nearer_of_two_networks_is_taken(train, tmp_path, monkeypatch):
    """White images and large weights overflow 16 bits in the second layer, on CPUs that sum in so many."""
    x = images = keras.Input((40, 40, 3))
    for _ in range(2):  # the first layer of a network always gets seven bits
        x = keras.layers.Conv2D(12, 7, strides=5, activation="relu", kernel_initializer="ones")(x)
    keras.Model(images, keras.layers.GlobalAveragePooling2D(name="avg_pool")(x)).save(tmp_path / "two.keras")
    trunk = backbones.build(backbones.find(str(tmp_path / "two.keras"), "0..1"))
    exact = Engine(trunk, "float32").extractor(views.WHOLE)(IMAGES, views.WHOLE.table(7))
    off, overflows = {}, hardware.cpu_saturates_int8()
    for saturates in (True, False):
        monkeypatch.setattr(hardware, "cpu_saturates_int8", lambda saturates=saturates: saturates)
        engine = Engine(trunk, "int8").under_openvino(train, tmp_path)
        off[saturates] = np.abs(engine.extractor(views.WHOLE)(IMAGES, views.WHOLE.table(7)) - exact).mean()
    assert off[True] < off[False] / 2 if overflows else off[True] <= off[False]
    assert len(list(tmp_path.glob("int8-*.xml"))) == 2


def test_what_computes_the_values_is_in_the_key_of_their_store(small_trunk, train, tmp_path):
    engines = [Engine(small_trunk, "float32"), Engine(small_trunk, "float32").under_openvino(train, tmp_path)]
    engines += [Engine(small_trunk, "int8").under_openvino(train.take(rows), tmp_path) for rows in ([0, 1], [2, 3])]
    folders = {Extraction(engine, tmp_path).store(train, views.WHOLE).folder for engine in engines}
    assert len(folders) == 4


def test_it_keeps_to_the_cores_of_an_actor(small_trunk, train, tmp_path, monkeypatch):
    monkeypatch.setattr(hardware, "kept_to", lambda: 1)
    queue = Engine(small_trunk, "float32").under_openvino(train, tmp_path).network.compiled()._queue
    assert queue[0].get_compiled_model().get_property("INFERENCE_NUM_THREADS") == 1


def test_a_batch_has_work_for_all_cores(monkeypatch):
    for cores, images in ((2, 50), (64, 640)):
        monkeypatch.setattr(hardware, "cores", lambda cores=cores: cores)
        assert batch_size() == images


def test_a_backend_that_computes_for_itself_is_not_tensorflow(monkeypatch):
    monkeypatch.setattr("keras.backend.backend", lambda: "jax")
    with pytest.raises(UserError, match="needs KERAS_BACKEND=tensorflow; jax computes by itself"):
        TransferOptions(demo=True, engine="tensorflow").check()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"precision": "int8", "engine": "tensorflow"}, "leave out --engine tensorflow"),
        ({"precision": "int8", "augment": True, "augmented_views": 0}, "--augmented-views 0: not with OpenVINO"),
    ],
)
def test_options_that_do_not_go_together(options, message):
    with pytest.raises(UserError, match=message):
        TransferOptions(demo=True, **options).check()


def test_beside_a_gpu_it_computes_on_the_cpu_in_what_that_has(monkeypatch):
    monkeypatch.setattr(hardware, "_gpus", lambda: [("GPU:0", "NVIDIA H100", 9)])
    monkeypatch.setattr(hardware, "cpu_has_bfloat16", lambda: True)
    assert precision_of(TransferOptions()) == "float16"
    assert precision_of(TransferOptions(engine="openvino")) == "bfloat16"


@pytest.mark.parametrize(
    ("changes", "options", "expected"),
    [
        ({}, {}, True),
        ({}, {"precision": "bfloat16"}, True),
        ({}, {"precision": "float32"}, False),
        ({}, {"engine": "tensorflow"}, False),
        ({}, {"augment": True, "augmented_views": 0}, False),  # the trunk is a part of what Keras trains
        ({"cpu_has_bfloat16": False}, {}, False),
        ({"has_gpu": True}, {}, False),
    ],
)
def test_auto_takes_it_for_bfloat16_on_a_cpu(monkeypatch, changes, options, expected):
    for name, value in {"cpu_has_bfloat16": True, "has_gpu": False, **changes}.items():
        monkeypatch.setattr(hardware, name, lambda value=value: value)
    assert TransferOptions(**options).openvino is expected


def test_a_run_that_goes_on_keeps_what_it_was_begun_with(monkeypatch, tmp_path):
    """Also one that was begun before a run told, or OpenVINO was installed."""
    monkeypatch.setattr(openvino, "_is_faster", lambda precision: True)
    assert TransferOptions().settled.engine == "openvino"
    assert TransferOptions(resume=tmp_path).settled.engine == "tensorflow"
    for engine in ("tensorflow", "openvino"):
        Run(tmp_path).write_environment(engine=engine)
        assert TransferOptions(resume=tmp_path).settled.engine == engine
    (tmp_path / "environment.json").unlink()
    assert TransferOptions(resume=tmp_path, precision="int8").settled.engine == "openvino"


def test_actors_of_a_cluster_may_have_gpus(monkeypatch):
    monkeypatch.setattr(openvino, "_is_faster", lambda precision: True)
    assert ExtractOptions().settled.engine == "openvino"
    assert ExtractOptions(ray="local").settled.engine == "tensorflow"


def test_auto_needs_no_extra(monkeypatch):
    monkeypatch.setattr(hardware, "cpu_has_bfloat16", lambda: True)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert not TransferOptions().openvino


def test_a_missing_package_is_named_before_anything_is_made(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"openvino is not installed; pip install \"tiny_imagenet_tf\[openvino\]\""):
        TransferOptions(demo=True, engine="openvino").check()


def test_a_run_in_int8(tiny_transfer, tmp_path):
    options = TransferOptions(
        **tiny_transfer, precision="int8", store=tmp_path / "values", runs=tmp_path / "runs", epochs=1, batch_size=4
    )
    first = run(Study("transfer_vanilla", "vanilla"), options)
    assert "transfer values in int8" in first.summary.notes
    again = run(Study("transfer_vanilla", "vanilla"), dataclasses.replace(options))
    assert again.summary.validation == first.summary.validation
    assert len(list((tmp_path / "values").glob("int8-*.bin"))) == 1
