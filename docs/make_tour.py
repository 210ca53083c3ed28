"""Runs what docs/tour.md shows, in an empty folder on synthetic images, and writes the page; ten minutes.

python docs/make_tour.py
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

PAGE = Path(__file__).parent / "tour.md"
TREE = "runs/.demo-0/tiny-imagenet-200"
DATA = f"--source {TREE} --data-dir runs/.demo-0/datasets"
PICTURE = f"{TREE}/val/images/val_3.JPEG"
STEPS = (
    ("What there is", "tiny-imagenet"),
    (
        "Transfer learning on synthetic images: ten shapes, a random backbone. Every step is the real one; only "
        "images, weights and some options are small",
        "tiny-imagenet transfer v3 --demo",
    ),
    ("What a picture shows", f"tiny-imagenet predict {{run}} {PICTURE} --top 3"),
    ("The same by the network in the package, which knows no shapes", f"tiny-imagenet predict {PICTURE} --top 3"),
    ("The images, looked at one by one; they have been prepared already", f"tiny-imagenet prepare --verify {DATA}"),
    ("The accuracy on whole images instead of ten crops", "tiny-imagenet evaluate {run} --crops whole"),
    (
        "The same under corruptions, made as those of Tiny-ImageNet-C",
        f"tiny-imagenet corrupt --corruptions fog snow --severities 1 5 {DATA}",
    ),
    ("Its error under them, and without", "tiny-imagenet evaluate {run} --crops whole --corrupted corrupted"),
    ("For other runtimes", "tiny-imagenet export {run} --formats onnx litert"),
    ("A check-up", "tiny-imagenet doctor --model {run}"),
    (
        "A model in another order of classes",
        f"tiny-imagenet labels {{run}}/best.keras --from sorted --to {TREE}/wnids.txt --output other.keras",
    ),
    (
        "The backbone's last block learns, too; the start is measured again, from maps in half precision, so "
        "one image in forty may be classified differently",
        "tiny-imagenet finetune --demo",
    ),
    ("A search on training images alone", "tiny-imagenet search --demo --trials 4"),
    ("Nine networks from scratch; this is the first", "tiny-imagenet train convnet --model 1 --demo --epochs 2"),
    ("Its snapshots, joined", "tiny-imagenet ensemble {convnets}"),
    ("The compact Inception by today's methods", "tiny-imagenet train modern --demo"),
    ("A mistyped option", "tiny-imagenet transfer v3 --epoch 3"),
)


def main() -> None:
    """Runs the steps and writes the page."""
    parts = [
        "# A tour",
        "Commands on synthetic images, with what they print. In `loss 6.1 + 0.002` the second number is the L2\n"
        "penalty; `mixed0` is the layer at which the demo cuts the backbone; `*` marks the best size of an\n"
        "ensemble. `docs/make_tour.py` runs them and writes this page.",
    ]
    with tempfile.TemporaryDirectory() as name:
        folder, made = Path(name), {}
        environment = os.environ | {"COLUMNS": "80", "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        for title, command in STEPS:
            command = command.format(**made)
            print(command)
            options = {"cwd": folder, "env": environment, "text": True}
            options |= {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
            done = subprocess.run(command.split(), **options)
            expected = 2 if "--epoch " in command else 0
            if done.returncode != expected:
                sys.exit(f"status {done.returncode}:\n{done.stdout}")
            for word, recipe in (("run", "transfer_v3"), ("convnets", "convnets")):
                for path in folder.glob(f"runs/{recipe}-*"):
                    made[word] = str(path.relative_to(folder))
            lines = [line.rstrip() for line in done.stdout.replace(str(folder), "...").splitlines()]
            shown = re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip("\n")
            parts.append(f"{title}:\n\n```text\n$ {command}\n{shown}\n```")
    PAGE.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    print(f"wrote {PAGE}")


if __name__ == "__main__":
    main()
