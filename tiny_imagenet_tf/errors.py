"""Errors that a person at the keyboard can cure; commands print them without a traceback."""


class UserError(ValueError):
    """An option, a file or a machine is unsuitable; the message says what was found, where, and what to do."""


class NonFiniteLoss(UserError):
    """The loss, or a weight, became NaN or infinite."""
