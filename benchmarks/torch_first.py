"""Imports PyTorch, where it is installed, ahead of TensorFlow.

PyTorch 2.14's compiler, imported after TensorFlow and OpenVINO, ends the process with a segmentation fault.
"""

import contextlib

with contextlib.suppress(ImportError):
    import torch._dynamo  # noqa: F401
