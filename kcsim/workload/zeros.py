"""How many of a layer's values are zero."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass, fields
from fractions import Fraction

from kcsim.errors import InputError, Problem


@dataclass(frozen=True)
class ZeroShares:
    """Shares of the values of a layer that are zero.

    Parameters
    ----------
    weights, inputs, outputs : float
        From 0 to below 1. Outputs are the finished ones; partial sums count as non-zero.

    Raises
    ------
    InputError
        If one of them is no such share; names every one.
    """

    weights: float = 0.0
    inputs: float = 0.0
    outputs: float = 0.0

    def __post_init__(self) -> None:
        problems = tuple(self._problems())
        if problems:
            raise InputError(problems)
        for field in fields(self):
            object.__setattr__(self, field.name, float(getattr(self, field.name)))

    def __bool__(self) -> bool:
        return any(vars(self).values())

    def fraction(self, tensor: str) -> Fraction:
        """The share of a tensor, exactly as it was written: 0.3 is 3/10."""
        return _exact(getattr(self, tensor))

    def _problems(self) -> Iterator[Problem]:
        for field in fields(self):
            problem = share_problem(field.name, getattr(self, field.name))
            if problem is not None:
                yield problem


@functools.lru_cache(1024)
def _exact(share: float) -> Fraction:
    return Fraction(str(share))


def share_problem(tensor: str, value: object) -> Problem | None:
    """What is wrong with a share of zeros, if anything is."""
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1:
        return None
    return Problem(f"the share of zero {tensor} is {value!r}", "a number from 0 to below 1")


NO_ZEROS = ZeroShares()
