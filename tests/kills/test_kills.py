"""Work that is killed at random moments, by SIGKILL, SIGTERM and SIGINT, ends as work that nobody disturbed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HARNESS = Path(__file__).parent / "harness.py"


@pytest.mark.parametrize(
    ("kills", "works"),
    [("1", ["preparation", "extraction", "training"]), pytest.param("200", [], marks=pytest.mark.slow)],
    ids=["a few", "many"],
)
def test_work_goes_on_after_kills(tmp_path, kills, works):
    environment = os.environ | {"PYTHONPATH": str(HARNESS.parents[2])}
    done = subprocess.run(
        [sys.executable, HARNESS, kills, tmp_path, *works], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "every end equal, nothing left over" in done.stdout
