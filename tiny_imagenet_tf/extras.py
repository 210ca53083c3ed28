"""What ``pip install "tiny_imagenet_tf[EXTRA]"`` brings beside the core, and whether it is there. It imports none."""

import importlib.util

from tiny_imagenet_tf.errors import UserError

EXTRAS = {
    "openvino": ("openvino", "nncf"),
    "search": ("optuna",),
    "export": ("tf2onnx", "onnx", "onnxruntime", "ai_edge_litert"),
    "report": ("matplotlib", "sklearn", "scipy", "jinja2"),
    "tensorboard": ("tensorboard",),
    "corrupt": ("scipy",),
    "cluster": ("ray",),
    "track": ("mlflow", "wandb"),
}
"""The modules of each."""
_PACKAGES = {"sklearn": "scikit-learn", "ai_edge_litert": "ai-edge-litert"}


def has(*modules: str) -> bool:
    """Whether all of some modules can be imported."""
    return all(importlib.util.find_spec(module) is not None for module in modules)


def installed(extra: str) -> bool:
    """Whether an extra is there; of ``track`` one module is enough."""
    found = map(has, EXTRAS[extra])
    return any(found) if extra == "track" else all(found)


def require(what: str, extra: str, *modules: str) -> None:
    """Raises UserError where a module is missing.

    Args:
        what: the option or product that needs it, for the message.
        extra: the extra that installs it.
        *modules: the modules needed; by default all of the extra's.
    """
    lacking = [_PACKAGES.get(module, module) for module in modules or EXTRAS[extra] if not has(module)]
    if lacking:
        are = "is" if len(lacking) == 1 else "are"
        raise UserError(f'{what}: {", ".join(lacking)} {are} not installed; pip install "tiny_imagenet_tf[{extra}]"')
