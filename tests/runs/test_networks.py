"""The classes inside a saved network."""

import zipfile

import keras
import pytest

from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.runs import networks
from tiny_imagenet_tf.runs.networks import Classes

CLASSES = Classes(("n01443537", "n01629819"), ("goldfish", "Feuersalamander, größer"))


@pytest.fixture
def saved(tmp_path):
    images = keras.Input((4,))
    model = keras.Model(images, keras.layers.Dense(2)(images))
    networks.save(model.save, tmp_path / "model.keras", CLASSES)
    return tmp_path / "model.keras"


def test_they_come_back_and_plain_keras_loads_the_network(saved):
    assert networks.classes_of(saved) == CLASSES
    assert keras.saving.load_model(saved).output_shape == (None, 2)


def test_a_network_without_and_a_file_of_another_kind_have_none(tmp_path):
    images = keras.Input((4,))
    keras.Model(images, images).save(tmp_path / "plain.keras")
    (tmp_path / "no.keras").write_bytes(b"no archive")
    assert networks.classes_of(tmp_path / "plain.keras") is networks.classes_of(tmp_path / "no.keras") is None


@pytest.mark.parametrize("byte", range(46))
def test_a_damaged_archive_is_named_or_left_to_whoever_loads_it(saved, byte):
    content = bytearray(saved.read_bytes())
    content[content.rindex(b"PK\x01\x02") + byte] ^= 255  # of the last file's entry, the classes'
    saved.write_bytes(content)
    try:
        assert networks.classes_of(saved) in (None, CLASSES)
    except UserError as error:
        assert "model.keras" in str(error)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"wnids": ["n01443537"], "names": []}', '{"wnids": 1, "names": 2}'])
def test_damaged_ones_are_refused_with_the_files_name(tmp_path, text):
    with zipfile.ZipFile(tmp_path / "x.keras", "w") as archive:
        archive.writestr("classes.json", text)
    with pytest.raises(UserError, match="x.keras"):
        networks.classes_of(tmp_path / "x.keras")


def test_what_a_terminal_would_obey_or_no_file_takes_is_replaced(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.keras", "w") as archive:
        archive.writestr("classes.json", r'{"wnids": ["a", "b"], "names": ["\u001b[2J", "x\ud800"]}')
    assert networks.classes_of(tmp_path / "x.keras").names == ("\ufffd[2J", "x\ufffd")


def test_the_first_name_is_taken_and_a_wnid_where_there_is_none():
    made = Classes.of(("n01443537", "n01629819"), {"n01443537": "goldfish, Carassius auratus"})
    assert made == Classes(("n01443537", "n01629819"), ("goldfish", "n01629819"))
