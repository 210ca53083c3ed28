"""One experiment, or one tool, a file: ``python recipes/NAME.py``, or ``tiny-imagenet`` (see ``__main__.py``)."""
