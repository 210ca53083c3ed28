"""What can be installed beside the core, and what is said where it is missing."""

import configparser
import re
import sys
from pathlib import Path

import pytest

from tiny_imagenet_tf import extras


def test_every_module_comes_with_its_extra():
    told = configparser.ConfigParser()
    told.read(Path(__file__).parents[1] / "setup.cfg")
    for extra, modules in extras.EXTRAS.items():
        listed = re.findall(r"^[\w.-]+", told["options.extras_require"][extra], re.MULTILINE)
        packages = {extras._PACKAGES.get(module, module) for module in modules}
        assert packages <= {name.lower() for name in listed}, extra


def test_what_is_missing_is_named_by_its_package(monkeypatch):
    for module in ("sklearn", "jinja2"):
        monkeypatch.setitem(sys.modules, module, None)
    assert not extras.installed("report") and not extras.has("jinja2")
    message = r'a report: scikit-learn, jinja2 are not installed; pip install "tiny_imagenet_tf\[report\]"'
    with pytest.raises(ValueError, match=message):
        extras.require("a report", "report")
    with pytest.raises(ValueError, match="--it: jinja2 is not installed"):
        extras.require("--it", "report", "matplotlib", "jinja2")


def test_one_tracker_is_enough(monkeypatch):
    monkeypatch.setattr(extras, "has", lambda module: module == "wandb")
    assert extras.installed("track") and not extras.installed("search")
