"""Draws what the stored searches have tried, for docs/beyond.md (needs the extra report).

python docs/draw_searches.py
"""

import json
from pathlib import Path

from tiny_imagenet_tf.reports.figures import style, trials

ROOT = Path(__file__).parents[1]
BACKBONES = {"lite2": "EfficientNet-Lite2", "inception": "Inception-v3"}
VARIANTS = ("vanilla", "v2", "v3")
LEAST = 0.7  # the few trials below would press the others together


def main():
    found = {path.stem: json.loads(path.read_text())["trials"] for path in (ROOT / "results/search").glob("*.json")}
    for name, backbone in BACKBONES.items():
        searches = {f"{backbone}, {variant}": found[f"{name}_{variant}"] for variant in VARIANTS}
        path = ROOT / f"docs/figures/beyond_searches_{name}.svg"
        path.write_bytes(style.to_bytes(trials.accuracy_of_trials(searches, LEAST), "svg"))
        print(f"wrote {path}")


if __name__ == "__main__":
    main()
