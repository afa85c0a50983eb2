"""Bits of the values of a layer, where they are not those of the hardware."""

from __future__ import annotations

from dataclasses import dataclass, fields

from kcsim.errors import InputError, Problem

MOST_BITS = 65536


@dataclass(frozen=True)
class LayerBits:
    """Bits of one value of each tensor of a layer, and of a sum that is not finished.

    Parameters
    ----------
    weights, inputs, outputs, partial_sums : int, optional
        As the hardware says when absent.

    Raises
    ------
    InputError
        If one of them is no number of bits; names every one.
    """

    weights: int | None = None
    inputs: int | None = None
    outputs: int | None = None
    partial_sums: int | None = None

    def __post_init__(self) -> None:
        found = (bits_problem(field.name, getattr(self, field.name)) for field in fields(self))
        problems = tuple(problem for problem in found if problem is not None)
        if problems:
            raise InputError(problems)

    def __bool__(self) -> bool:
        return bool(self.given)

    @property
    def given(self) -> dict[str, int]:
        """The widths that are given."""
        return {name: bits for name, bits in vars(self).items() if bits is not None}


def bits_problem(name: str, value: object) -> Problem | None:
    """What is wrong with a number of bits, if anything is."""
    if value is None or (type(value) is int and 1 <= value <= MOST_BITS):
        return None
    shown = name.replace("_", " ")
    return Problem(f"the width of {shown} is {value!r}", f"a whole number from 1 to {MOST_BITS}")


AS_HARDWARE = LayerBits()
