"""Arguments of public functions: one of a wrong type is an `InputError` that says what it may be.

What a type leaves open (ranges, names, shapes) is for the functions to check.
"""

from __future__ import annotations

import functools
import inspect
import numbers
import os
import reprlib
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ParamSpec, TypeVar, Union, get_args, get_origin

from kcsim.errors import InputError, Problem

P = ParamSpec("P")
R = TypeVar("R")

_NUMBERS: dict[Any, type] = {int: numbers.Integral, float: numbers.Real}
_WORDS = {
    str: "a text",
    int: "a whole number",
    float: "a number",
    bool: "True or False",
    dict: "a dict",
    os.PathLike: "a path",
    Callable: "a function",
}
_UNIONS = (Union, types.UnionType)


def checked(function: Callable[P, R]) -> Callable[P, R]:
    """Let a function refuse arguments that are not of the types of its parameters.

    Parameters
    ----------
    function : callable
        Fully annotated, with names that its module has at run time.
    """
    signature = inspect.signature(function)

    @functools.wraps(function)
    def checking(*args: P.args, **kwargs: P.kwargs) -> R:
        given = signature.bind(*args, **kwargs).arguments
        check_types(given, _hints(function))
        return function(*args, **kwargs)

    return checking


def check_types(given: Mapping[str, object], hints: Mapping[str, Any]) -> None:
    """Raise an InputError with all values that are not of their types.

    Parameters
    ----------
    given : mapping
        Values by name.
    hints : mapping
        Annotations by name.
    """
    wrong = [
        Problem(f"{name} is {_shown(value)}", _described(hints[name]))
        for name, value in given.items()
        if not _fits(value, hints[name])
    ]
    if wrong:
        raise InputError(wrong)


@functools.cache
def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    return typing.get_type_hints(function)


def _shown(value: object) -> str:
    plain = value is None or isinstance(value, str | int | float | list | tuple | dict)
    return reprlib.repr(value) if plain else f"of the type {type(value).__name__}"


def _fits(value: object, hint: Any) -> bool:
    """Whether a value is of a type; in doubt it is."""
    origin, arguments, is_array = _parts(hint)
    if value is None and types.NoneType in arguments:
        return True
    if is_array:
        return hasattr(value, "__array__") or isinstance(value, list | tuple | numbers.Number)
    if origin in _UNIONS:
        return any(_fits(value, choice) for choice in arguments)
    if origin in _NUMBERS:
        return isinstance(value, _NUMBERS[origin]) and not isinstance(value, bool)
    if not isinstance(origin, type):
        return True
    try:
        if not isinstance(value, origin):
            return False
    except TypeError:
        # Protocols that cannot be looked at.
        return True
    return _contents_fit(value, origin, arguments)


def _contents_fit(value: Any, origin: type, arguments: tuple[Any, ...]) -> bool:
    """Whether what a collection holds is of the types that stand in brackets."""
    if hasattr(origin, "_fields"):
        hints = _hints(origin)
        return all(_fits(part, hints[name]) for name, part in value._asdict().items())
    if issubclass(origin, Mapping) and arguments:
        key, item = arguments
        return all(_fits(k, key) and _fits(v, item) for k, v in value.items())
    if issubclass(origin, Sequence) and origin is not str and arguments:
        return not isinstance(value, str | bytes) and all(
            _fits(part, arguments[0]) for part in value
        )
    return True


@functools.cache
def _parts(hint: Any) -> tuple[Any, tuple[Any, ...], bool]:
    """What a type is of, what stands in its brackets, and whether it is an array."""
    return get_origin(hint) or hint, get_args(hint), _is_array(hint)


def _is_array(hint: Any) -> bool:
    """Whether a type is NumPy's arrays, or what it makes arrays of."""
    choices = get_args(hint) if get_origin(hint) in _UNIONS else ()
    names = [getattr(get_origin(choice) or choice, "__name__", "") for choice in (hint, *choices)]
    # From Python 3.12 on, newer versions of NumPy have names for these types in place of unions.
    return names[0] in ("ndarray", "NDArray", "ArrayLike") or "_SupportsArray" in names


def _described(hint: Any) -> str:
    """A type in words, without the `None` of what may be left out."""
    if _is_array(hint):
        return "an array"
    origin, arguments = get_origin(hint) or hint, get_args(hint)
    if origin in _UNIONS:
        choices = [_described(choice) for choice in arguments if choice is not types.NoneType]
        choices = list(dict.fromkeys(choice for choice in choices if choice))
        return " or ".join(filter(None, [", ".join(choices[:-1]), choices[-1]]))
    if origin in _WORDS:
        return _WORDS[origin]
    if not isinstance(origin, type):
        return ""
    if issubclass(origin, Mapping) and arguments:
        return f"a mapping of {_plural(arguments[0])} to {_plural(arguments[1])}"
    if issubclass(origin, Sequence) and arguments:
        return f"a sequence of {_plural(arguments[0])}"
    return f"{'an' if origin.__name__[0] in 'AEIOU' else 'a'} {origin.__name__}"


def _plural(hint: Any) -> str:
    words = _described(hint).removeprefix("an ").removeprefix("a ")
    return words if words[:1].isupper() else f"{words}s"
