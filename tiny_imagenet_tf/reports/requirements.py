"""Whether what a report needs is installed. Imports none of it."""

import importlib.util

from tiny_imagenet_tf.errors import UserError

NEEDED = {"matplotlib": "matplotlib", "sklearn": "scikit-learn", "scipy": "scipy", "jinja2": "jinja2", "PIL": "pillow"}


def require() -> None:
    """Raises UserError, naming the extra and the command, where a package of it is missing."""
    missing = [package for module, package in NEEDED.items() if importlib.util.find_spec(module) is None]
    if missing:
        raise UserError(
            f"a report needs the extra 'report' ({', '.join(missing)} missing): "
            'pip install "tiny_imagenet_tf[report]"'
        )
