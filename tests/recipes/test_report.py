"""The recipe's own words: help, no run, an unfinished run, a missing extra."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest

from tiny_imagenet_tf.errors import UserError

ROOT = Path(__file__).parents[2]
RECIPE = str(ROOT / "recipes" / "report.py")


def test_help_lists_the_options():
    done = subprocess.run([sys.executable, RECIPE, "--help"], capture_output=True, text=True)
    assert done.returncode == 0
    assert all(option in done.stdout for option in ("--out", "--classes", "--source", "--data-dir", "--results"))


@pytest.mark.parametrize("package", ["jinja2", "sklearn"])
def test_a_missing_extra_is_named_with_its_command(tmp_path, recipe, monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    module = recipe("report")
    with pytest.raises(UserError, match=r'a report: .*pip install "tiny_imagenet_tf\[report\]"') as caught:
        module.main(module.Config((tmp_path,)))
    assert ("scikit-learn" if package == "sklearn" else package) in str(caught.value)


def test_without_a_run_nothing_is_reported(tiny_imagenet):
    done = tiny_imagenet("report")
    assert done.returncode == 2
    assert "no run directory was given" in done.stderr


def test_an_unfinished_run_is_named(tmp_path, tiny_imagenet):
    done = tiny_imagenet("report", tmp_path)
    assert done.returncode == 2
    assert f"{tmp_path}: not a finished run (no summary.json); if it was stopped, --resume it first" in done.stderr


def test_a_page_of_somebodys_is_not_overwritten(tmp_path, recipe):
    from tiny_imagenet_tf.reports import page

    module, site = recipe("report"), tmp_path / "site"
    (site / "figures").mkdir(parents=True)
    with pytest.raises(UserError, match="--out .*site: holds a page or figures that this command did not write"):
        module.main(module.Config((tmp_path / "run",), site))
    (site / "figures").rmdir()
    (site / "index.html").write_text("my page")
    with pytest.raises(UserError, match="--out .*site: holds a page or figures that this command did not write"):
        module.main(module.Config((tmp_path / "run",), site))
    assert (site / "index.html").read_text() == "my page"
    (site / "index.html").write_text(f"<html>{page.GENERATOR}</html>")
    with pytest.raises(UserError, match="no such folder"):  # next
        module.main(module.Config((tmp_path / "run",), site))


def test_a_page_without_the_marks_is_told_before_any_figure(tmp_path, recipe):
    module, page = recipe("report"), tmp_path / "page.md"
    page.write_text("my page")
    with pytest.raises(UserError, match="page.md needs <!-- report:begin"):
        module.main(module.Config((tmp_path / "run",), docs=page))
    assert page.read_text() == "my page"


def test_what_is_asked_for_reaches_the_report(tmp_path, recipe, monkeypatch):
    from tiny_imagenet_tf.reports import markers, report

    module, given = recipe("report"), {}
    run, page = tmp_path / "run", tmp_path / "page.md"
    run.mkdir()
    (run / "summary.json").touch()
    page.touch()

    def write(runs, out, **options):
        given.update(options, runs=runs, out=out)
        return page

    monkeypatch.setattr(report, "write", write)
    monkeypatch.setattr(markers, "replaced", lambda *_: b"")
    monkeypatch.setattr(module.records, "read", lambda folder: [folder])
    images = {"source": tmp_path, "data_dir": tmp_path}
    config = module.Config((run,), tmp_path / "out", ("plunger",), docs=page, results=tmp_path, **images)
    module.main(config)
    assert given.pop("network_sizes") and [each.path for each in given.pop("runs")] == [run]
    expected = {"out": tmp_path / "out", "classes": ("plunger",), "docs": page, "results": [tmp_path], **images}
    assert given == expected
    with pytest.raises(UserError, match="--classes: name at least one"):
        module.main(dataclasses.replace(config, classes=()))
