"""Values at the width in which they are stored."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kcsim.errors import InputError, Problem

FLOATS: dict[int, type[np.floating[Any]]] = {16: np.float16, 32: np.float32}
"""Widths that are stored as floating point; all others are integers times one step."""

_STEP_BITS = 32


@dataclass(frozen=True, eq=False)
class StoredValues:
    """An array of values of which each takes the same number of bits.

    Attributes
    ----------
    codes : array
        What is stored: float16, float32, or int32 from -(2^(bits-1) - 1) to 2^(bits-1) - 1.
        Read-only.
    bits : int
        Width of one value [bit].
    step : float or None
        What an integer is multiplied by, a float32; ``None`` for floating point.
    """

    codes: NDArray[Any]
    bits: int
    step: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "codes", read_only(self.codes))

    @cached_property
    def values(self) -> NDArray[np.float32]:
        """The values, in the shape of `codes`."""
        values = self.codes.astype(np.float32)
        return read_only(values if self.step is None else values * np.float32(self.step))


def read_only(values: NDArray[Any]) -> NDArray[Any]:
    """A view that cannot be written through.

    What is derived from an array once, and what others share, must not change by accident.

    Parameters
    ----------
    values : array
    """
    view = np.asarray(values).view()
    view.flags.writeable = False
    return view


def values_bits(count: int, bits: int) -> int:
    """Size of that many values and of their step [bit].

    Parameters
    ----------
    count : int
        Values.
    bits : int
        Width of one value [bit].
    """
    has_step = bits not in FLOATS and bits < 32
    return count * bits + (_STEP_BITS if has_step and count else 0)


def quantize(values: ArrayLike, bits: int, what: str) -> StoredValues:
    """Round values to the width in which they are stored.

    Parameters
    ----------
    values : array of floats
    bits : int
        32 for float32, 16 for float16, else 2 to 31 for integers: the step is the largest
        magnitude over 2^(bits-1) - 1, so that 0 stays 0.
    what : str
        What the values are, for messages, as ``"the codebook of layer 'conv1'"``.

    Raises
    ------
    InputError
        If there is no such width, or a value does not fit it.
    """
    values = np.asarray(values, np.float32)
    if bits in FLOATS:
        with np.errstate(over="ignore"):
            codes = values.astype(FLOATS[bits])
        if not np.isfinite(codes).all():
            largest = float(np.abs(values).max())
            raise InputError(Problem(f"{what} holds {largest:.4g}", f"what fits {bits} bits"))
        return StoredValues(codes, bits)
    if not 2 <= bits <= 31:
        raise InputError(Problem(f"{what} cannot be stored in {bits} bits", "2 to 32 bits"))
    largest = float(np.abs(values).max(initial=0))
    limit = 2 ** (bits - 1) - 1
    # A step that rounds to 0 would lose what it multiplies.
    step = max(np.float32(largest / limit), np.finfo(np.float32).tiny) if largest else 1.0
    codes = np.rint(values / np.float64(step)).clip(-limit, limit).astype(np.int32)
    return StoredValues(codes, bits, float(step))
