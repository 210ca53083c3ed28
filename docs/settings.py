"""The settings of every recipe that trains, beside what the papers print, for docs/settings.md.

Lists the options that make another experiment, from the recipes themselves.

python docs/settings.py
"""

import dataclasses
import importlib
from pathlib import Path

from tiny_imagenet_tf import cli
from tiny_imagenet_tf.experiments.options import flag, in_words, rule_of
from tiny_imagenet_tf.reports import markers
from tiny_imagenet_tf.reports.table import grid

ROOT = Path(__file__).parents[1]
TABLES = {  # commands and their recipes
    "Heads on transfer values (Milani, section 4)": {
        "transfer vanilla": "transfer_vanilla", "v2": "transfer_v2", "v3": "transfer_v3",
    },
    "The compact Inception (Milani, section 3)": {
        "train baseline": "inception_baseline", "regularized": "inception_regularized",
    },
    "Nine convnets (Le & Yang, section 5)": {"train convnet": "convnets"},
    "The compact Inception by today's methods": {"train modern": "inception_modern"},
    "Fine-tuning; the rest is the transfer run's": {"finetune": "finetune"},
}  # fmt: skip
LENGTH = ("epochs", "stop_after_cuts")  # which make no other experiment, but a partial one


def table(recipes: dict[str, str]) -> str:
    """Returns a table: a row per option, with the default of each recipe and what the paper says."""
    configs = [importlib.import_module(f"tiny_imagenet_tf.recipes.{recipe}").Config for recipe in recipes.values()]
    inherited = getattr(configs[0], "INHERITED", ())
    rows = []
    for first, *others in zip(*map(dataclasses.fields, configs), strict=True):
        name = first.name
        if (rule_of(configs[0], name).departs or name in LENGTH) and name not in inherited:
            paper = cli.comment(configs[0], name).partition("Paper: ")[2].split(" Default: ")[0].rstrip(".")
            cells = (*(_value(field.default) for field in (first, *others)), paper)
            if any(cells):
                rows.append((f"`{flag(name)}`", *cells))
    columns = ("option", *(f"`{command}`" for command in recipes), "paper")
    if not any(paper for *_, paper in rows):  # it is in no paper
        columns, rows = columns[:-1], [row[:-1] for row in rows]
    return grid(columns, rows)


def _value(default: object) -> str:
    if isinstance(default, bool):
        return "on" if default else "off"
    return "" if default is None else in_words(default)


def section() -> str:
    """Returns all tables."""
    return "\n\n".join(f"## {title}\n\n{table(recipes)}" for title, recipes in TABLES.items())


if __name__ == "__main__":
    markers.replace(ROOT / "docs/settings.md", "settings", lambda _: section())
