import io
import tarfile
import zipfile

import pytest

from tiny_imagenet_tf.data import splits
from tiny_imagenet_tf.data.archives import unpack
from tiny_imagenet_tf.data.official_layout import DatasetError


def make_zip(path, members):
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members:
            archive.writestr(name, data)
    return path


def make_tar(path, members):
    with tarfile.open(path, "w:gz") as archive:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


@pytest.mark.parametrize(("make", "name"), [(make_zip, "a.zip"), (make_tar, "a.tar.gz")])
def test_unpacks(tmp_path, make, name):
    archive = make(tmp_path / name, [("top/one.txt", b"1"), ("top/sub/two.txt", b"2")])
    unpack(archive, tmp_path / "out")
    assert (tmp_path / "out/top/one.txt").read_bytes() == b"1"
    assert (tmp_path / "out/top/sub/two.txt").read_bytes() == b"2"


@pytest.mark.parametrize("bad", ["../evil.txt", "/evil.txt", "top/../../evil.txt", "..\\evil.txt", "C:/evil.txt"])
@pytest.mark.parametrize(("make", "name"), [(make_zip, "a.zip"), (make_tar, "a.tar.gz")])
def test_a_member_outside_the_folder_is_refused_by_name(tmp_path, make, name, bad):
    archive = make(tmp_path / name, [("top/good.txt", b""), (bad, b"x")])
    with pytest.raises(DatasetError, match="would be written outside"):
        unpack(archive, tmp_path / "out")
    assert {path.name for path in tmp_path.rglob("*")} <= {name, "out", "top", "good.txt"}


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(("make", "name"), [(make_zip, "a.zip"), (make_tar, "a.tar.gz")])
def test_a_duplicate_is_refused_by_name(tmp_path, make, name):
    archive = make(tmp_path / name, [("top/one.txt", b"1"), ("top/one.txt", b"2")])
    with pytest.raises(DatasetError, match=r"top/one\.txt' is a duplicate"):
        unpack(archive, tmp_path / "out")


def test_a_link_is_refused(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        link = tarfile.TarInfo("top/link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    with pytest.raises(DatasetError, match=r"top/link' is neither file nor folder"):
        unpack(tmp_path / "a.tar", tmp_path / "out")


def test_a_cut_archive_is_refused_and_nothing_is_left(tmp_path):
    whole = make_tar(tmp_path / "a.tar.gz", [("top/one.txt", bytes(range(256)) * 500)]).read_bytes()
    (tmp_path / "a.tar.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DatasetError, match=r"a\.tar\.gz"):
        splits.prepare(tmp_path / "a.tar.gz", tmp_path / "data")
    assert [path for path in (tmp_path / "data").rglob("*") if path.is_file() and path.suffix != ".lock"] == []


def test_another_file_is_refused(tmp_path):
    (tmp_path / "page.zip").write_text("<html>404</html>")
    with pytest.raises(DatasetError, match=r"page\.zip is neither a zip nor a tar"):
        unpack(tmp_path / "page.zip", tmp_path / "out")


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_a_dataset_comes_from_an_archive_as_from_its_folder(tree, tmp_path, kind):
    members = [(str(file.relative_to(tree.parent)), file.read_bytes()) for file in tree.rglob("*") if file.is_file()]
    archive = {"zip": make_zip, "tar": make_tar}[kind](tmp_path / f"t.{kind}", members)
    packed = splits.load(splits.prepare(archive, tmp_path / "data"), "train")
    plain = splits.load(splits.prepare(tree, tmp_path / "data"), "train")
    assert packed.digest == plain.digest
    assert packed.file_names.tolist() == plain.file_names.tolist()
    assert not list((tmp_path / "data").rglob("unpacked"))
