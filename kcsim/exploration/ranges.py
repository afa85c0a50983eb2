"""The values of one axis of a space: lists, ranges and what is drawn at random."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kcsim.errors import InputError, Problem, nearest
from kcsim.hardware.units import SPELLINGS, read_value
from kcsim.reading.scalars import describe

RANGES = ("log2", "log", "linear")
MOST_VALUES = 100_000
_SLACK = 1e-9
_UNITS = {"bits": "bits", "cycle": "words/cycle"}
_DIGITS = 6


@dataclass(frozen=True)
class Quantity:
    """A key and a value in its unit: ``capacity: 32 KiB`` is ``capacity_kib``, 32."""

    key: str
    value: Any


@dataclass(frozen=True)
class Span:
    """All values between two, for samples.

    Attributes
    ----------
    low, high : float
    is_log : bool
        Whether equal ratios are equally likely rather than equal differences.
    is_whole : bool
    """

    low: float
    high: float
    is_log: bool
    is_whole: bool

    def at(self, share: float) -> float | int:
        """The value at a share of the way, from 0 to 1."""
        if self.is_log:
            value = self.low * (self.high / self.low) ** share
        else:
            value = self.low + share * (self.high - self.low)
        value = min(max(value, self.low), self.high)
        return round(value) if self.is_whole else float(f"{value:.{_DIGITS}g}")


@dataclass(frozen=True)
class Values:
    """The values of an axis.

    Attributes
    ----------
    key : str
        The last step of the path, in the unit that values have.
    choices : tuple
        Empty where there is a `span`.
    span : Span, optional
    """

    key: str
    choices: tuple[Any, ...]
    span: Span | None = None

    @property
    def unit(self) -> str:
        """The unit that values have; empty for plain numbers, texts and others."""
        return next((unit for _, unit in _spelled(self.key)), "") or _UNITS.get(
            self.key.rpartition("_")[2], ""
        )


def quantity(key: str, value: Any) -> Quantity:
    """A value of a key without its unit.

    Raises
    ------
    InputError
        If the key wants a unit that the value has not.
    """
    for spellings in SPELLINGS.values():
        if key in spellings and value is not None:
            return Quantity(*read_value(spellings[key], key, value))
    return Quantity(key, value)


def spelled_value(key: str, values_key: str, value: Any) -> Any:
    """A value as a hardware file has it below a key: with its unit, where the key wants one."""
    unit = next((unit for name, unit in _spelled(values_key) if name == key), "")
    return f"{value!r} {unit}" if unit else value


def _spelled(target: str) -> Iterator[tuple[str, str]]:
    """Keys whose values carry a unit, and the unit, that may stand for a key."""
    for spellings in SPELLINGS.values():
        for name, spelling in spellings.items():
            for unit, (key, factor) in spelling.keys.items():
                if key == target and factor == 1.0:
                    yield name, unit


def read_values(key: str, data: Any) -> Values:
    """The values that a user gave for an axis.

    Parameters
    ----------
    key : str
        The last step of its path, which says what units mean.
    data : list or dict
        Values, or one of `RANGES` with its ends.

    Raises
    ------
    InputError
        If they are none; problems have paths below `data`.
    """
    if isinstance(data, list):
        if not data:
            raise InputError(Problem("there are no values", "one or more"))
        found = [_placed(quantity, key, each, (i,)) for i, each in enumerate(data)]
        _one_key(found)
        values = [each.value for each in found]
        for i, value in enumerate(values):
            if value in values[:i] and type(value) is type(values[values.index(value)]):
                raise InputError(Problem(f"the value {data[i]} stands there twice", path=(i,)))
        return Values(found[0].key, tuple(values))
    if not isinstance(data, dict):
        raise InputError(Problem(f"values are {describe(data)}", "a list, or a range"))
    kinds = [name for name in RANGES if name in data]
    if len(kinds) != 1:
        unknown = next(iter(data), "")
        raise InputError(
            Problem(
                f"a range has {' and '.join(kinds) or 'none of ' + ', '.join(RANGES)}",
                "one of " + ", ".join(RANGES),
                "" if kinds else nearest(unknown, RANGES),
            )
        )
    return _range(key, kinds[0], data)


def _range(key: str, kind: str, data: Mapping[str, Any]) -> Values:
    ends = data[kind]
    if not isinstance(ends, list) or len(ends) != 2:
        raise InputError(Problem(f"'{kind}' is {describe(ends)}", "[first, last]", path=(kind,)))
    found = [_placed(quantity, key, each, (kind, i)) for i, each in enumerate(ends)]
    _one_key(found)
    low, high = (each.value for each in found)
    for i, value in enumerate((low, high)):
        if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
            wrong = Problem(f"an end of a range is {describe(value)}", "a number", path=(kind, i))
            raise InputError(wrong)
    if not low < high:
        raise InputError(Problem(f"the range ends at {ends[1]}", f"more than {ends[0]}"))
    if kind != "linear" and low <= 0:
        raise InputError(Problem(f"a range by ratios starts at {ends[0]}", "more than 0"))
    is_whole = all(isinstance(each, int) for each in (low, high)) and not key_is_real(found[0].key)
    allowed = {"log2": (), "log": ("count",), "linear": ("count", "step")}[kind]
    for name in data:
        if name not in (kind, *allowed):
            near = nearest(name, allowed)
            wrong = Problem(f"unknown key '{name}' of a {kind} range", ", ".join(allowed), near)
            raise InputError(wrong)
    if kind == "log2":
        count = math.floor(math.log2(high / low) + _SLACK) + 1
        return Values(found[0].key, tuple(low * 2**i for i in range(count)))
    if "step" in data and "count" not in data:
        return Values(found[0].key, _steps(low, high, data["step"], key))
    if "count" not in data:
        return Values(found[0].key, (), Span(low, high, kind == "log", is_whole))
    count = data["count"]
    if type(count) is not int or not 2 <= count <= MOST_VALUES or "step" in data:
        expected = f"a whole number from 2 to {MOST_VALUES}, and no step"
        raise InputError(Problem(f"'count' is {describe(count)}", expected, path=("count",)))
    span = Span(low, high, kind == "log", is_whole)
    values = [low, *(span.at(i / (count - 1)) for i in range(1, count - 1)), high]
    return Values(found[0].key, tuple(dict.fromkeys(values)))


def key_is_real(key: str) -> bool:
    """Whether a key takes fractions although its ends may be whole."""
    return key.endswith(("_kib", "_pj", "_mhz", "_nm", "_v", "_k", "_mm2"))


def _steps(low: float, high: float, given: Any, key: str) -> tuple[Any, ...]:
    step = _placed(quantity, key, given, ("step",)).value
    if isinstance(step, bool) or not isinstance(step, int | float) or not step > 0:
        wrong = Problem(f"'step' is {describe(given)}", "a number above 0", path=("step",))
        raise InputError(wrong)
    count = math.floor((high - low) / step + _SLACK) + 1
    if count > MOST_VALUES:
        raise InputError(Problem(f"the range has {count} values", f"at most {MOST_VALUES}"))
    values = [low + i * step for i in range(count)]
    return tuple(v if isinstance(v, int) else float(f"{v:.12g}") for v in values)


def _one_key(found: list[Quantity]) -> None:
    keys = list(dict.fromkeys(each.key for each in found))
    if len(keys) > 1:
        raise InputError(Problem("values are of different kinds", f"all of {keys[0]}"))


def _placed(read: Any, key: str, value: Any, path: tuple[str | int, ...]) -> Quantity:
    """A value, or its problems with their path."""
    try:
        found: Quantity = read(key, value)
        return found
    except InputError as error:
        raise InputError(
            [Problem(p.message, p.expected, p.suggestion, path=path) for p in error.problems]
        ) from None
