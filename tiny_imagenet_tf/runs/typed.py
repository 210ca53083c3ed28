"""Plain data, as JSON gives it, against the types that it should have."""

import dataclasses
import math
import types
import typing
from collections.abc import Mapping
from typing import Any, Literal, Union, get_args, get_origin


def misfit(value: Any, hint: Any, name: str) -> str | None:
    """Returns what keeps a value from being of a type, in words; None where it is.

    A whole number is a float, too; no boolean is a number, nor is NaN or infinity.

    Args:
        value: of JSON, or dataclasses made of it.
        hint: a class, dataclass, union, literal, tuple or dict of such.
        name: of the value, for the words.
    """
    origin, parts = get_origin(hint), get_args(hint)
    wrong = f"{name} is {str(value)[:60]!r}"
    if hint is Any:
        return None
    if origin in (Union, types.UnionType):
        found = [misfit(value, part, name) for part in parts]
        return None if None in found else max(found, key=len)  # the one that looked deepest
    if origin is Literal:
        return None if value in parts else wrong
    if origin is tuple:
        hints = parts if parts[-1] is not ... else parts[:1] * len(value) if isinstance(value, tuple | list) else ()
        if not isinstance(value, tuple | list) or len(value) != len(hints):
            return wrong
        return _first(
            misfit(each, part, f"{name}[{n}]") for n, (each, part) in enumerate(zip(value, hints, strict=True))
        )
    if origin is dict:
        if not isinstance(value, dict):
            return wrong
        return _first(
            misfit(key, parts[0], name) or misfit(each, parts[1], f"{name}.{key}") for key, each in value.items()
        )
    if dataclasses.is_dataclass(hint):
        return misfits(vars(value), typing.get_type_hints(hint), name) if isinstance(value, hint) else wrong
    if hint in (int, float):
        right = isinstance(value, int | hint) and not isinstance(value, bool) and math.isfinite(value)
    else:
        right = value is None if hint is types.NoneType else isinstance(value, hint)
    return None if right else wrong


def misfits(values: Mapping[str, Any], hints: Mapping[str, Any], name: str) -> str | None:
    """Returns what is wrong with the first of some named values; those that are not there are not looked at."""
    return _first(misfit(values[key], hint, f"{name}.{key}") for key, hint in hints.items() if key in values)


def _first(found: Any) -> str | None:
    return next((words for words in found if words), None)
