"""The network that comes with the package."""

import dataclasses
import re

import keras
import numpy as np
import pytest

from tiny_imagenet_tf import models
from tiny_imagenet_tf.blocks import conv_bn
from tiny_imagenet_tf.data import splits
from tiny_imagenet_tf.data.tiny_imagenet import tiny_imagenet_dataset_builder
from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.evaluation.members import find
from tiny_imagenet_tf.evaluation.metrics import negative_log_likelihood, top_k_accuracy
from tiny_imagenet_tf.evaluation.predict import Predictor
from tiny_imagenet_tf.models import packaged, preprocess
from tiny_imagenet_tf.models.compact_inception import compact_inception
from tiny_imagenet_tf.models.layers import normalizations
from tiny_imagenet_tf.runs.files import write_json
from tiny_imagenet_tf.runs.networks import Classes
from tiny_imagenet_tf.runs.run import Run
from tiny_imagenet_tf.training.options import ModernOptions

CLASSES = Classes(tuple(f"n{number:08}" for number in range(200)), tuple(f"thing {number}" for number in range(200)))


@pytest.fixture(scope="module")
def trained():
    keras.utils.set_random_seed(5)
    return preprocess.classifier(compact_inception())


@pytest.fixture
def elsewhere(monkeypatch, tmp_path):
    """The package's folder of weights, empty."""
    monkeypatch.setattr(packaged, "FILE", tmp_path / "compact_inception.npz")
    return packaged.FILE


def test_what_was_packaged_comes_back_in_half_precision_and_was_measured_as_such(elsewhere, trained):
    before, seen = [np.array(weight) for weight in trained.weights], []

    def told():
        seen.append(trained.get_weights())
        return {"validation": {"top1": 0.5}}

    packaged.write(trained, CLASSES, told)
    found = models.build("compact_inception", weights="tiny_imagenet")
    for weight, measured, value in zip(found.get_weights(), seen[0], before, strict=True):
        np.testing.assert_array_equal(weight, value.astype(np.float16).astype(np.float32))
        np.testing.assert_array_equal(weight, measured)
    assert packaged.figures()["validation"] == {"top1": 0.5}
    assert elsewhere.stat().st_size < 6e6 and sorted(path.suffix for path in elsewhere.parent.iterdir()) == [
        ".json",
        ".npz",
    ]
    (member,) = find([elsewhere])
    network = member.network()
    images = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), np.uint8)
    scores = trained.predict(images.astype(np.float32), verbose=0)
    expected = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(network.of_images(list(images)), expected, rtol=1e-3)
    assert member.classes(network) == CLASSES


def test_a_damaged_file_is_refused(elsewhere, trained):
    packaged.write(trained, CLASSES, dict)
    data = bytearray(elsewhere.read_bytes())
    data[len(data) // 2] ^= 1
    elsewhere.write_bytes(data)
    with pytest.raises(UserError, match="sha256"):
        packaged.network()


def test_weights_of_another_network_are_refused(elsewhere, trained):
    packaged.write(trained, CLASSES, dict)
    for options in ({"classes": 10}, {"width_multiplier": 0.5}, {"blocks": "figure"}):
        with pytest.raises(ValueError, match="full width"):
            models.build("compact_inception", weights="tiny_imagenet", **options)
        with pytest.raises(UserError, match="no other network"):
            packaged.write(preprocess.classifier(compact_inception(**options)), CLASSES, dict)


@pytest.mark.parametrize("name", ["inception_v3", "compact_inception"])
def test_there_are_no_other_weights(name):
    with pytest.raises(ValueError, match="no weights 'imagenet'"):
        models.build(name, weights="imagenet")


def test_its_input_may_have_another_size(elsewhere, trained):
    packaged.write(trained, CLASSES, dict)
    assert models.build("compact_inception", weights="tiny_imagenet", input_shape=(48, 48, 3)).output_shape == (
        None,
        200,
    )


def test_the_network_of_the_package_names_a_picture(tree, tiny_imagenet):
    done = tiny_imagenet("predict", tree / "val/images/val_0.JPEG", "--top", 3)
    assert done.returncode == 0, done.stderr
    *device, first, one, two, three, network, told = done.stdout.splitlines()
    answers = (one, two, three)
    assert device and first.endswith("val_0.JPEG (64x64)") and "one picture" in network
    assert all(re.fullmatch(r" +[0-9.]+%  n\d{8}  \w.*", each) for each in answers)
    assert f"right on {packaged.figures()['validation']['top1']:.1%} of 5,000 val images" in told


def tiny(classes=4):
    x = images = keras.Input((64, 64, 3))
    x = keras.layers.GlobalAveragePooling2D()(conv_bn(x, 8, 3, strides=8, name="stem"))
    return keras.Model(images, keras.layers.Dense(classes, name="logits")(x))


def test_a_run_is_packaged_with_statistics_anew_and_measured_as_it_is_then(recipe, builder, monkeypatch, tmp_path):
    module, validation = recipe("package_network"), splits.load(builder, "validation")
    monkeypatch.setattr(packaged, "FILE", tmp_path / "weights/compact_inception.npz")
    monkeypatch.setattr(packaged, "compact_inception", tiny)
    monkeypatch.setattr(module, "PAGE", tmp_path / "model_card.md")
    monkeypatch.setattr(tiny_imagenet_dataset_builder, "classes", lambda: dict.fromkeys(validation.wnids, "a thing"))
    keras.utils.set_random_seed(0)
    run, trained = Run(tmp_path / "run").make(), tiny()
    saved = preprocess.deployed(preprocess.classifier(trained))
    run.snapshots(validation.wnids).offer(saved.save, step=6, epoch=2, accuracy=0.5)
    options = {"recipe": "inception_modern", **dataclasses.asdict(ModernOptions(epochs=2, batch_size=6))}
    write_json(run.path / "config.json", options)
    run.write_environment(seed=0)
    tree = next(builder.data_path.parents[4].glob("tiny-imagenet-200"))
    found = module.main(module.Config(run.path, source=tree, data_dir=builder.data_path.parents[3]))

    assert found == packaged.figures() and (found["epoch"], found["config"]["recipe"]) == (2, "inception_modern")
    assert (tmp_path / "model_card.md").read_text() == module.card(found)
    ready, (norm,) = packaged.network(), normalizations(packaged.network())
    assert not np.allclose(norm.moving_mean, normalizations(trained)[0].moving_mean, atol=1e-3)  # which are 0
    for before, after in zip(trained.trainable_variables, ready.trainable_variables, strict=True):
        np.testing.assert_array_equal(after, np.asarray(before).astype(np.float16))
    answers = Predictor.of(packaged.deployed()).probabilities(validation)
    assert found["validation"]["top1"] == top_k_accuracy(answers, validation.labels)
    assert found["validation"]["loss"] == pytest.approx(negative_log_likelihood(answers, validation.labels), rel=1e-4)


def test_its_card_is_of_its_figures(recipe):
    module = recipe("package_network")
    assert module.PAGE.read_text() == module.card(packaged.figures()), "run python recipes/package_network.py RUN"
