"""Single values of YAML 1.2: from text to data, and from data to words."""

from __future__ import annotations

import re

MAX_DIGITS = 40
SCALAR_KINDS = ("null", "bool", "int", "float", "str")

_NULL = re.compile(r"~|null|Null|NULL|")
_BOOL = re.compile(r"true|True|TRUE|false|False|FALSE")
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(
    r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
)
_Scalar = str | int | float | bool | None


def convert(text: str, kinds: tuple[str, ...]) -> _Scalar:
    """The value of a scalar, by the YAML 1.2 core schema.

    Parameters
    ----------
    text : str
        The scalar without quotes.
    kinds : tuple of str
        What it may be, out of `SCALAR_KINDS`: all for a plain scalar, one for
        a quoted or tagged one.

    Raises
    ------
    ValueError
        If the text is none of `kinds`, or a number out of bounds.
    """
    if "null" in kinds and _NULL.fullmatch(text):
        return None
    if "bool" in kinds and _BOOL.fullmatch(text):
        return text.lower() == "true"
    if "int" in kinds and _INT.fullmatch(text):
        return _integer(text)
    if "float" in kinds and _FLOAT.fullmatch(text):
        return _real(text)
    if "str" in kinds:
        return text
    raise ValueError(f"{describe(text)} does not fit the tag !!{kinds[0]}")


def _integer(text: str) -> int:
    if len(text.lstrip("+-")) > MAX_DIGITS:
        raise ValueError(f"the number {text[:10]}... has more than {MAX_DIGITS} digits")
    base = {"0o": 8, "0x": 16}.get(text[:2], 10)
    return int(text, base)


def _real(text: str) -> float:
    if text[-1].isalpha():
        return float(text.replace(".", ""))
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError(f"the number {text[:20]} is too large")
    return value


def shown(text: str) -> str:
    """The text on one line, cut where it gets long, for use in a message."""
    line = text.replace("\n", "\\n")
    return line if len(line) <= 60 else line[:57] + "..."


def describe(value: object) -> str:
    """A value in words, to be read after 'not': ``the text 'big'``, ``a list``."""
    if value is None:
        return "nothing (null)"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return f"the number {value:.15g}" if isinstance(value, float) else f"the number {value}"
    if isinstance(value, str):
        return f"the text '{shown(value)}'"
    return "a mapping" if isinstance(value, dict) else "a list"
