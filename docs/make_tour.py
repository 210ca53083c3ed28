"""Runs what docs/tour.md shows, in an empty folder on made-up images, and writes the page; three minutes.

python docs/make_tour.py
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

PAGE = Path(__file__).parent / "tour.md"
DATA = "--source runs/.demo-0/tiny-imagenet-200 --data-dir runs/.demo-0/datasets"
STEPS = (
    ("What there is", "tiny-imagenet"),
    (
        "Transfer learning on made-up images: ten shapes, a random backbone. Every step is the real one; only images, "
        "weights and some options are small",
        "tiny-imagenet transfer v3 --demo",
    ),
    ("The run as one page with figures", "tiny-imagenet report {run}"),
    (
        "What a picture shows",
        "tiny-imagenet predict {run} runs/.demo-0/tiny-imagenet-200/val/images/val_3.JPEG --top 3",
    ),
    ("The accuracy by the whole image instead of ten crops", f"tiny-imagenet evaluate {{run}} --crops whole {DATA}"),
    ("For other runtimes", f"tiny-imagenet export {{run}} --formats onnx litert {DATA}"),
    ("Is anything wrong", f"tiny-imagenet doctor --model {{run}} {DATA}"),
    ("Nine networks from scratch; this is the first", "tiny-imagenet train convnet --model 1 --demo --epochs 1"),
    ("What is mistyped", "tiny-imagenet transfer v3 --epoch 3"),
)


def main() -> None:
    """Runs the steps and writes the page."""
    parts = [
        "# A tour",
        "Commands on made-up images, with what they print within 80 columns. `docs/make_tour.py` runs them and\n"
        "writes this page.",
    ]
    with tempfile.TemporaryDirectory() as name:
        folder, run = Path(name), ""
        environment = os.environ | {"COLUMNS": "80", "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        for title, command in STEPS:
            command = command.format(run=run)
            print(command)
            options = {"cwd": folder, "env": environment, "text": True, "stdout": -1, "stderr": subprocess.STDOUT}
            done = subprocess.run(command.split(), **options)
            expected = 2 if "--epoch " in command else 0
            if done.returncode != expected:
                sys.exit(f"status {done.returncode}:\n{done.stdout}")
            made = sorted(folder.glob("runs/transfer_v3-*"))
            run = str(made[-1].relative_to(folder)) if made else run
            lines = [line.rstrip() for line in done.stdout.replace(str(folder), "...").splitlines()]
            shown = re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip("\n")
            parts.append(f"{title}:\n\n```text\n$ {command}\n{shown}\n```")
    PAGE.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    print(f"wrote {PAGE}")


if __name__ == "__main__":
    main()
