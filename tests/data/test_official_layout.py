import pytest

from tiny_imagenet_tf.data import official_layout
from tiny_imagenet_tf.data.official_layout import DatasetError, read

FIRST = "train/n99990000/images/n99990000_0.JPEG"


def test_reads_everything(tree):
    layout = read(tree)
    assert {split: len(found) for split, found in layout.examples.items()} == {"train": 24, "validation": 12, "test": 5}
    assert layout.wnids == ("n99990000", "n99990001", "n99990002", "n99990003")
    assert layout.words["n99990001"] == "plain square"
    assert layout.missing == ()
    assert layout.grayscale == {"train": 4, "validation": 1, "test": 0}


def test_labels_follow_the_sorted_wnids_whatever_the_file_says(tree):
    listed = (tree / "wnids.txt").read_text().split()
    assert listed != sorted(listed)
    for example in read(tree).examples["train"]:
        assert example.path.name.startswith(f"n9999000{example.label}_")


def test_val_labels_are_in_the_order_of_the_train_labels(tree):
    rows = dict(line.split()[:2] for line in (tree / "val" / "val_annotations.txt").read_text().splitlines())
    layout = read(tree)
    for example in layout.examples["validation"]:
        assert layout.wnids[example.label] == rows[example.path.name]


def test_boxes_and_the_test_split(tree):
    layout = read(tree)
    line = (tree / "train/n99990002/n99990002_boxes.txt").read_text().splitlines()[4].split()
    example = next(each for each in layout.examples["train"] if each.path.name == line[0])
    assert example.box == tuple(map(int, line[1:]))
    assert {(each.label, each.box) for each in layout.examples["test"]} == {(-1, (-1, -1, -1, -1))}


def test_examples_are_in_the_order_of_their_numbers(tree):
    (tree / "test/images/test_10.JPEG").write_bytes((tree / "test/images/test_0.JPEG").read_bytes())
    names = [each.path.name for each in read(tree).examples["test"]]
    assert names == [f"test_{number}.JPEG" for number in (0, 1, 2, 3, 4, 10)]


def test_the_folder_around_it_will_do(tree):
    assert official_layout.find_root(tree.parent) == tree
    assert read(tree.parent) == read(tree)


def test_a_partial_tree_is_accepted_and_says_what_is_missing(tree):
    (tree / FIRST).unlink()
    (tree / "val/images/val_3.JPEG").unlink()
    layout = read(tree)
    assert len(layout.examples["train"]) == 23
    assert set(layout.missing) == {FIRST, "val/images/val_3.JPEG"}


def test_the_digest_tells_contents_apart(tree):
    before = read(tree).digests
    (tree / FIRST).write_bytes((tree / "train/n99990000/images/n99990000_1.JPEG").read_bytes())
    after = read(tree).digests
    assert before["train"] != after["train"]
    assert before["validation"] == after["validation"]


def test_the_digest_tells_labels_and_boxes_apart(tree):
    before, notes = read(tree).digests, tree / "val/val_annotations.txt"
    lines = [line.split("\t") for line in notes.read_text().splitlines()]
    lines[0][1], lines[-1][1] = lines[-1][1], lines[0][1]
    notes.write_text("".join("\t".join(words) + "\n" for words in lines))
    after = read(tree).digests
    assert before["validation"] != after["validation"] and before["train"] == after["train"]
    boxes = tree / "train/n99990000/n99990000_boxes.txt"
    (name, *_), *others = (line.split("\t") for line in boxes.read_text().splitlines())
    boxes.write_text("".join("\t".join(words) + "\n" for words in [[name, "1", "2", "30", "40"], *others]))
    assert read(tree).digests["train"] != after["train"]


def damaged(tree, file, change):
    path = tree / file
    path.write_bytes(change(path.read_bytes()))
    return pytest.raises(DatasetError, match=path.name)


def test_a_truncated_jpeg_is_named(tree):
    with damaged(tree, FIRST, lambda data: data[: len(data) // 2]) as caught:
        read(tree)
    assert "truncated JPEG" in str(caught.value)


def test_a_text_file_named_jpeg_is_named(tree):
    with damaged(tree, FIRST, lambda _: b"<html>not found</html>") as caught:
        read(tree)
    assert "not a JPEG file" in str(caught.value)


def test_a_jpeg_without_a_frame_is_named(tree):
    with damaged(tree, FIRST, lambda _: b"\xff\xd8\xff\xd9") as caught:
        read(tree)
    assert "damaged JPEG" in str(caught.value)


def test_an_image_of_another_size_is_named(tree):
    import tensorflow as tf

    with damaged(tree, FIRST, lambda _: tf.io.encode_jpeg(tf.zeros((32, 48, 3), tf.uint8)).numpy()) as caught:
        read(tree)
    assert "48x32 pixels" in str(caught.value)


def test_an_image_without_an_annotation_line_is_named(tree):
    boxes = tree / "train/n99990000/n99990000_boxes.txt"
    boxes.write_text("".join(boxes.read_text().splitlines(keepends=True)[1:]))
    with pytest.raises(DatasetError, match=r"n99990000_0\.JPEG: no annotation line"):
        read(tree)


def test_a_duplicate_annotation_is_named(tree):
    annotations = tree / "val/val_annotations.txt"
    first = annotations.read_text().splitlines()[0]
    annotations.write_text(annotations.read_text() + first + "\n")
    with pytest.raises(DatasetError, match=r"val_annotations\.txt, line 13: val_0\.JPEG is a duplicate"):
        read(tree)


def test_an_unknown_wnid_is_named(tree):
    annotations = tree / "val/val_annotations.txt"
    annotations.write_text(annotations.read_text().replace("n99990001", "n12345678", 1))
    with pytest.raises(DatasetError, match=r"val_1\.JPEG: annotated with unknown wnid n12345678"):
        read(tree)
    (tree / "train/n99990001").rename(tree / "train/n00000001")
    with pytest.raises(DatasetError, match="n00000001: unknown wnid"):
        read(tree)


def test_a_bad_line_is_named(tree):
    boxes = tree / "train/n99990000/n99990000_boxes.txt"
    boxes.write_text(boxes.read_text() + "n99990000_9.JPEG\t1\t2\n")
    with pytest.raises(DatasetError, match=r"n99990000_boxes\.txt, line 7"):
        read(tree)


def test_many_faults_are_one_error(tree):
    for file in sorted((tree / "train").rglob("*.JPEG")):
        file.write_bytes(b"")
    with pytest.raises(DatasetError, match=r"24 fault\(s\)") as caught:
        read(tree)
    assert str(caught.value).count(".JPEG") == 20 and "and 4 more" in str(caught.value)


def test_another_folder_is_refused(tmp_path):
    with pytest.raises(DatasetError, match=r"no wnids\.txt"):
        official_layout.find_root(tmp_path)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("n99990000\tdisc\nn99990001 plain square\n", "words.txt, line 2: no tab between wnid and words: 'n99990001 p"),
        ("n99990000\tdisc\n\nn99990000\tsquare\n", "words.txt, line 3: other words for n99990000 than before"),
        ("n99990000\tdisc\tround\n", "words.txt, line 1: a tab or another control character in 'disc"),
    ],
)
def test_words_that_would_be_lost_are_named(tree, lines, message):
    (tree / "words.txt").write_text(lines)
    with pytest.raises(DatasetError, match=message):
        read(tree)


def test_words_of_other_classes_may_be_there_twice(tree):
    words = (tree / "words.txt").read_text()
    (tree / "words.txt").write_text(words + "n00000001\tone\nn00000001\tanother\n")
    assert read(tree).words["n99990001"] == "plain square"


@pytest.mark.parametrize(("files", "wnids"), [(["../x_1.JPEG"], []), (["val_1.JPEG"], ["../n99990000"])])
def test_foreign_records_name_no_file_outside(files, wnids):
    with pytest.raises(DatasetError, match="no name of an image or class"):
        official_layout.check_names(files, wnids, "records")
