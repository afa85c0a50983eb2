"""Sums and quotients that users read: the same on every Python, in whatever order."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable
from typing import TypeVar, overload

Name = TypeVar("Name", bound=Hashable)


@overload
def exact_sum(values: Iterable[int]) -> int: ...
@overload
def exact_sum(values: Iterable[float]) -> float: ...
def exact_sum(values: Iterable[float]) -> float:
    """The exact sum of whole numbers, or the float next to the exact sum of floats.

    The built-in ``sum`` rounds floats in another way from Python 3.12 on.

    Parameters
    ----------
    values : iterable of int or float
    """
    values = tuple(values)
    return sum(values) if all(isinstance(v, int) for v in values) else math.fsum(values)


def exact_sums(items: Iterable[tuple[Name, float]]) -> dict[Name, float]:
    """The total of all values of the same name, names in the order in which they come up.

    Parameters
    ----------
    items : iterable of tuple
        Name and value.
    """
    values: dict[Name, list[float]] = {}
    for name, value in items:
        values.setdefault(name, []).append(value)
    return {name: exact_sum(each) for name, each in values.items()}


def quotient(over: float, under: float) -> float | None:
    """A quotient, or ``None`` where one of the two is zero."""
    return over / under if over and under else None
