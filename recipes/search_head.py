"""The search for a head's learning rate, decay and L2 (Milani section 4.2, "a thorough cross-validation").

Heads are trained on stored transfer values, several at a time as one batched product, and judged on training images
that were held out (a tenth of each class, or in folds); val stays unseen until the best is run by its recipe. Trials
are stored as they end: the same command goes on with a search that was stopped, and several processes can share one.
Needs the extra: pip install "tiny_imagenet_tf[search]"; with the extra report, all trials are drawn, too.

Paper: vanilla's values are printed (6.5e-4, 0.713, 0.0116), those of v2 and v3 are not.
Time, once the transfer values are stored: 60 trials in a quarter of an hour to an hour on 2 CPU cores.

    python recipes/search_head.py --variant v2
    python recipes/search_head.py --variant v3 --folds 5 --trials 30
    python recipes/search_head.py --demo
"""

from pathlib import Path

from tiny_imagenet_tf import extras
from tiny_imagenet_tf.cli import command
from tiny_imagenet_tf.runs.files import read_object, replacing
from tiny_imagenet_tf.search.options import SearchOptions as Config


def main(config: Config) -> Path:
    from tiny_imagenet_tf.search.search import run  # TensorFlow is loaded when the recipe runs

    stored = run(config)
    if extras.has("matplotlib"):
        draw(stored, config.variant)
    return stored


def draw(stored: Path, variant: str) -> None:
    """Draws the accuracy of all trials against L2 and rate, beside the file that holds them."""
    from tiny_imagenet_tf.reports.figures import style, trials

    found, path = read_object(stored)["trials"], stored.with_suffix(".svg")
    if any(each["state"] == "complete" for each in found):
        with replacing(path) as file:
            file.write(style.to_bytes(trials.accuracy_of_trials({variant: found}), "svg"))
        print(f"Drawn in {path}")


if __name__ == "__main__":
    command(Config, main, __doc__)
