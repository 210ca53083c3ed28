"""Errors that a person at the keyboard can cure; commands print them without a traceback."""


class UserError(ValueError):
    """An option, a file or a machine is unsuitable; the message says what was found, where, and what to do."""


class NonFiniteLoss(UserError):
    """The loss, or a weight, became NaN or infinite."""


def first_line(error: BaseException) -> str:
    """Returns the first line of an error's message, cut to 200 characters, to be quoted in another's."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
