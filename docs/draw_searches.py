"""Draws what the stored searches have tried, for docs/beyond.md (needs the extra report).

python docs/draw_searches.py
"""

import json
from pathlib import Path

from tiny_imagenet_tf.reports.figures import style, trials

ROOT = Path(__file__).parents[1]
TITLES = {
    "lite2_vanilla": "EfficientNet-Lite2, vanilla",
    "lite2_v2": "EfficientNet-Lite2, v2",
    "lite2_v3": "EfficientNet-Lite2, v3",
    "inception_vanilla": "Inception-v3, vanilla",
    "inception_v2": "Inception-v3, v2",
    "inception_v3": "Inception-v3, v3",
}


def main():
    found = {path.stem: json.loads(path.read_text())["trials"] for path in (ROOT / "results/search").glob("*.json")}
    searches = {title: found[name] for name, title in TITLES.items() if name in found}
    path = ROOT / "docs/figures/beyond_searches.svg"
    path.write_bytes(style.to_bytes(trials.accuracy_of_trials(searches), "svg"))
    print(f"wrote {path}")


if __name__ == "__main__":
    main()
