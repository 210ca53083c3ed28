"""The command ``tiny-imagenet``: every recipe under one name."""

import difflib
import importlib
import re
import sys
from collections.abc import Sequence

import tiny_imagenet_tf
from tiny_imagenet_tf import interrupts

GROUPS = {
    "Data": {
        "prepare": ("prepare_data", "download or import the dataset, every file verified"),
        "corrupt": ("corrupt_images", "val as in Tiny-ImageNet-C, for evaluate --corrupted"),
        "doctor": ("doctor", "what is wrong with machine, data or a model"),
    },
    "Train": {
        "transfer vanilla": ("transfer_vanilla", "a linear layer on a frozen network's transfer values"),
        "transfer v2": ("transfer_v2", "with ten-crop testing and dropout"),
        "transfer v3": ("transfer_v3", "with augmented images and ten-crop testing"),
        "train baseline": ("inception_baseline", "Milani's compact Inception from scratch"),
        "train regularized": ("inception_regularized", "the same with dropout and augmentation"),
        "train modern": ("inception_modern", "the same network by today's methods"),
        "train convnet": ("convnets", "Le & Yang's nine networks"),
        "finetune": ("finetune", "trains a backbone's last blocks after a transfer run"),
        "extract": ("extract", "transfer values beforehand, by one process or by many"),
        "search": ("search_head", "a head's hyper-parameters, on training images alone"),
    },
    "Use": {
        "predict": ("predict", "names what pictures show"),
        "evaluate": ("evaluate", "a saved network on any split"),
        "ensemble": ("ensemble", "snapshots or runs combined"),
        "zero-shot": ("zero_shot", "an ImageNet network without any training"),
        "export": ("export", "SavedModel, ONNX, LiteRT, int8"),
        "labels": ("labels", "a model or predictions in another order of classes"),
        "report": ("report", "figures and one HTML page of finished runs"),
        "record": ("record_result", "copies a finished run into the tables of results"),
        "package": ("package_network", "puts a run's network into this package, for maintainers"),
        "list": ("list_models", "every network with its size and cost"),
    },
}
COMMANDS = {name: recipe for group in GROUPS.values() for name, (recipe, _) in group.items()}


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs a command; without one, lists them."""
    interrupts.end_at_once()
    from tiny_imagenet_tf.cli import command  # only now: it takes a third of a second

    arguments = list(sys.argv[1:] if arguments is None else arguments)
    for words in (2, 1):
        name = " ".join(arguments[:words])
        if name in COMMANDS:
            recipe = importlib.import_module(f"tiny_imagenet_tf.recipes.{COMMANDS[name]}")
            description = _as_commands(recipe.__doc__)
            command(recipe.Config, recipe.main, description, arguments[words:], f"tiny-imagenet {name}")
            return
    if arguments and arguments[0] == "--version":
        print(f"tiny_imagenet_tf {tiny_imagenet_tf.__version__}")
        return
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_overview())
        return
    started = [name for name in COMMANDS if name.startswith(f"{arguments[0]} ")]
    if started and arguments[1:2] in (["-h"], ["--help"]):
        print("\n".join(["usage: tiny-imagenet COMMAND [OPTIONS]", "", *map(_line, started)]))
        return
    given = " ".join(arguments[:2])
    near = started or difflib.get_close_matches(given, COMMANDS) or difflib.get_close_matches(arguments[0], COMMANDS)
    choices = "\n".join(f"  tiny-imagenet {name}" for name in near or COMMANDS)
    print(f"error: no command {given!r}; {'did you mean' if near else 'there are'}\n{choices}", file=sys.stderr)
    sys.exit(2)


def _as_commands(text: str | None) -> str:
    """A recipe's docstring, its examples as one who has no checkout types them; python -OO has none."""
    names = {recipe: name for name, recipe in COMMANDS.items()}
    return re.sub(r"python recipes/(\w+)\.py", lambda found: f"tiny-imagenet {names[found[1]]}", text or "")


def _line(name: str) -> str:
    words = next(commands[name][1] for commands in GROUPS.values() if name in commands)
    return f"  {name:18} {words}"


def _overview() -> str:
    lines = ["usage: tiny-imagenet COMMAND [OPTIONS]", "       tiny-imagenet COMMAND --help"]
    for group, commands in GROUPS.items():
        lines += ["", f"{group}:", *map(_line, commands)]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
