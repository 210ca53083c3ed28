"""Archives, each with one thing wrong: the message names the archive, and nothing is left in the data directory."""

import bz2
import gzip
import io
import lzma
import re
import shutil
import struct
import tarfile
import zipfile

import numpy as np
import pytest

from tiny_imagenet_tf.data import archives, splits

TOP = "tiny-imagenet-200"


def files_of(tree):
    return {str(path.relative_to(tree)): path.read_bytes() for path in sorted(tree.rglob("*")) if path.is_file()}


def zipped(files, key="tiny-imagenet-200/{}".format, method=zipfile.ZIP_DEFLATED):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as members:
        for name, data in files.items():
            info = zipfile.ZipInfo("x")
            info.filename, info.compress_type = key(name), method
            members.writestr(info, data)
    return out.getvalue()


def tarred(files, key="tiny-imagenet-200/{}".format, **changes):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as members:
        for name, data in files.items():
            info = tarfile.TarInfo(key(name))
            info.size = len(data)
            members.addfile(info, io.BytesIO(data))
        for name, kind in changes.items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            members.addfile(info)
    return out.getvalue()


def patched(data, at, change):
    """A zip whose local and central headers are changed at a place."""
    data = bytearray(data)
    for sign, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        place = -1
        while (place := data.find(sign, place + 1)) >= 0:
            change(data, place + offset + at)
    return bytes(data)


def flag(data, place):
    data[place] |= 1


def method(number):
    def change(data, place):
        data[place : place + 2] = struct.pack("<H", number)

    return change


def more(files, **added):
    return files | {name.replace("__", "/"): data for name, data in added.items()}


def flipped(data, place):
    data = bytearray(data)
    data[place] ^= 0xFF
    return bytes(data)


def header_of(split, data):
    """Where the header of a split's first file stands in a tar."""
    return data.index(f"{TOP}/{split}/".encode())


def npz(_):
    out = io.BytesIO()
    np.savez(out, x=np.zeros((2, 64, 64, 3), np.uint8))
    return out.getvalue()


def evil(name):
    return lambda files: zipped(
        files | {"evil": b"x"}, lambda key: name if key == "evil" else f"tiny-imagenet-200/{key}"
    )


def evil_tar(name):
    return lambda files: tarred(
        files | {"evil": b"x"}, lambda key: name if key == "evil" else f"tiny-imagenet-200/{key}"
    )


BAD = {
    "empty.zip": (lambda files: b"", "neither a zip nor a tar"),
    "text.zip": (lambda files: b"<html>404</html>", "neither a zip nor a tar"),
    "cut.zip": (lambda files: zipped(files)[:-4000], "neither a zip nor a tar"),
    "flipped.zip": (lambda files: flipped(zipped(files, method=0), 5000), "damaged"),
    "bad_deflate.zip": (lambda files: flipped(zipped(files), 400), "damaged"),
    "encrypted.zip": (lambda files: patched(zipped(files), 0, flag), "encrypted"),
    "deflate64.zip": (lambda files: patched(zipped(files), 2, method(9)), "cannot be unpacked here"),
    "unknown_method.zip": (lambda files: patched(zipped(files), 2, method(77)), "cannot be unpacked here"),
    "no_dataset.zip": (lambda files: zipped({"readme.txt": b"x"}), "no wnids.txt"),
    "nothing.zip": (lambda files: zipped({}), "no wnids.txt"),
    "too_deep.zip": (lambda files: zipped(files, "a/b/c/d/{}".format), "no wnids.txt"),
    "arrays.npz": (npz, "NumPy's arrays"),
    "arrays.zip": (npz, "NumPy's arrays"),
    "slip.zip": (evil("../evil.txt"), "outside the folder"),
    "slip_within.zip": (evil("a/../../evil.txt"), "outside the folder"),
    "absolute.zip": (evil("/tmp/evil.txt"), "outside the folder"),
    "drive.zip": (evil("C:\\evil.txt"), "outside the folder"),
    "drive_slash.zip": (evil("C:/evil.txt"), "outside the folder"),
    "backslash_slip.zip": (evil("..\\evil.txt"), "outside the folder"),
    "network.zip": (evil("\\\\host\\evil.txt"), "outside the folder"),
    "twice.zip": (evil("tiny-imagenet-200/wnids.txt"), "duplicate"),
    "twice_dot.zip": (evil("tiny-imagenet-200/./wnids.txt"), "duplicate"),
    "twice_slash.zip": (evil("tiny-imagenet-200//wnids.txt"), "duplicate"),
    "twice_case.zip": (evil("tiny-imagenet-200/WNIDS.txt"), "duplicate"),
    "file_and_folder.zip": (evil("tiny-imagenet-200/wnids.txt/x"), "both a file and a folder"),
    "bad_image.zip": (lambda files: zipped(files | {"test/images/test_0.JPEG": b"x"}), "not a JPEG"),
    "cut.tar": (lambda files: tarred(files)[:5000], "no wnids.txt|damaged"),
    "cut_between.tar": (lambda files: tarred(files)[: header_of("val", tarred(files))], "damaged or cut short"),
    "header.tar": (lambda files: flipped(tarred(files), header_of("val", tarred(files)) + 150), "damaged or cut short"),
    "no_end.tar": (lambda files: tarred(files).rstrip(b"\0") + bytes(300), "damaged"),
    "slip.tar": (evil_tar("../evil.txt"), "outside the folder"),
    "absolute.tar": (evil_tar("/tmp/evil.txt"), "outside the folder"),
    "twice.tar": (evil_tar("tiny-imagenet-200/./wnids.txt"), "duplicate"),
    "link.tar": (lambda files: tarred(files, link=tarfile.SYMTYPE), "neither file nor folder"),
    "hard_link.tar": (lambda files: tarred(files, link=tarfile.LNKTYPE), "neither file nor folder"),
    "fifo.tar": (lambda files: tarred(files, pipe=tarfile.FIFOTYPE), "neither file nor folder"),
    "device.tar": (lambda files: tarred(files, device=tarfile.CHRTYPE), "neither file nor folder"),
    "block.tar": (lambda files: tarred(files, device=tarfile.BLKTYPE), "neither file nor folder"),
    "checksum.tar.gz": (lambda files: flipped(gzip.compress(tarred(files)), -8), "damaged"),
    "length.tar.gz": (lambda files: flipped(gzip.compress(tarred(files)), -2), "damaged"),
    "trailer.tar.gz": (lambda files: gzip.compress(tarred(files))[:-6], "damaged"),
    "cut.tar.gz": (lambda files: gzip.compress(tarred(files))[:-3000], "damaged"),
    "cut.tar.bz2": (lambda files: bz2.compress(tarred(files))[:-50], "neither a zip nor a tar|damaged"),
    "checksum.tar.bz2": (lambda files: flipped(bz2.compress(tarred(files)), -6), "damaged"),
    "cut.tar.xz": (lambda files: lzma.compress(tarred(files))[:-40], "damaged"),
    "checksum.tar.xz": (lambda files: flipped(lzma.compress(tarred(files)), -60), "damaged"),
    "text.tar.gz": (lambda files: gzip.compress(b"<html>404</html>"), "neither a zip nor a tar|damaged"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_archives(refusal, whole_tree, tmp_path, name):
    make, message = BAD[name]
    archive = tmp_path / name
    archive.write_bytes(make(files_of(whole_tree)))
    with refusal(tmp_path, name) as caught:
        splits.prepare(archive, tmp_path / "data")
    assert re.search(message, str(caught.value))


GOOD = {
    "plain.zip": zipped,
    "nested.zip": lambda files: zipped(files, "tiny-imagenet-200/tiny-imagenet-200/{}".format),
    "renamed.zip": lambda files: zipped(files, "tiny imagenet/{}".format),
    "no_top.zip": lambda files: zipped(files, str),
    "windows.zip": lambda files: zipped(files, lambda name: "tiny-imagenet-200\\" + name.replace("/", "\\")),
    "windows_folders.zip": lambda files: zipped({"train\\": b"", **files}),
    "macos.zip": lambda files: zipped(more(files, __MACOSX___x=b"x"), "tiny-imagenet-200/{}".format),
    "dot.tar.gz": lambda files: gzip.compress(tarred(files, "./{}".format)),
    "plain.tar.xz": lambda files: lzma.compress(tarred(files)),
    "plain.tar.bz2": lambda files: bz2.compress(tarred(files)),
}


@pytest.mark.parametrize("name", GOOD)
def test_good_archives(whole_tree, tmp_path, name):
    archive = tmp_path / name
    archive.write_bytes(GOOD[name](files_of(whole_tree)))
    assert splits.prepare(archive, tmp_path / "data").info.splits["train"].num_examples == 9
    kept = [path for path in (tmp_path / "data").rglob("*") if "unpacked" in path.name or ".part" in path.name]
    assert kept == []


def test_a_bomb_is_refused_before_it_is_unpacked(refusal, tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "MOST_BYTES", 10_000)
    for name, data in (
        ("bomb.zip", zipped({"x": bytes(20_000)})),
        ("bomb.tar.gz", gzip.compress(tarred({"x": bytes(20_000)}))),
    ):
        (tmp_path / name).write_bytes(data)
        with refusal(tmp_path, name, "more than 10,000 bytes"):
            splits.prepare(tmp_path / name, tmp_path / "data")


def test_many_files_are_refused(refusal, tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "MOST_FILES", 5)
    (tmp_path / "many.zip").write_bytes(zipped({str(number): b"" for number in range(9)}))
    with refusal(tmp_path, "many.zip", "9 files"):
        splits.prepare(tmp_path / "many.zip", tmp_path / "data")


def test_a_folder_that_is_none(refusal, tmp_path):
    shutil.copy(__file__, tmp_path / "x.txt")
    with refusal(tmp_path, str(tmp_path), "no wnids.txt"):
        splits.prepare(tmp_path, tmp_path / "data")
