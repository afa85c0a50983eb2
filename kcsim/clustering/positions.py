"""Which units have an index where zero units have none: relative positions and bitmasks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kcsim.errors import InputError

MOST_POSITION_BITS = 16
COUNT_BITS = 32
"""Width of the number of indexes that relative positions are stored with, once for each layer."""


def padding_entries(zero: NDArray[np.bool_], bits: int) -> int:
    """Indexes of zero that relative positions need, where more units are zero than fit them.

    Parameters
    ----------
    zero : bool array
        Which units are zero, in their order.
    bits : int
        Width of a position [bit]; one holds up to 2^bits - 1 zero units before its own.
    """
    return int((_gaps(zero) >> bits).sum())


def expected_padding(units: int, zero_share: float, bits: int) -> float:
    """As `padding_entries`, where each unit is zero by chance: n p^T / (1 - p^T), T = 2^bits.

    A run of zero units before one of the n others is g or longer by p^g; each T of them need one
    index.

    Parameters
    ----------
    units : int
    zero_share : float
        Probability p.
    bits : int
    """
    longer: float = zero_share ** (2**bits)
    return round(units * (1 - zero_share)) * longer / (1 - longer)


def to_relative(
    indexes: NDArray[np.int32], bits: int
) -> tuple[NDArray[np.int32], NDArray[np.uint32]]:
    """Indexes other than 0, and padding, each with the number of zeros before it.

    Parameters
    ----------
    indexes : int32[N]
        0 for zero units.
    bits : int
        Width of a position [bit].

    Returns
    -------
    stored : int32[entries]
        Indexes; padding is 0.
    gaps : uint32[entries]
    """
    gaps = _gaps(indexes == 0)
    padding = gaps >> bits
    places = np.cumsum(padding + 1) - 1
    total = int(places[-1]) + 1 if len(places) else 0
    stored = np.zeros(total, np.int32)
    stored[places] = indexes[indexes != 0]
    spread = np.full(total, 2**bits - 1, np.uint32)
    spread[places] = gaps & (2**bits - 1)
    return stored, spread


def from_relative(
    stored: NDArray[np.int32], gaps: NDArray[np.uint32], units: int
) -> NDArray[np.int32]:
    """Read what `to_relative` wrote.

    Parameters
    ----------
    stored : int32[entries]
    gaps : uint32[entries]
    units : int
        Units N of the layer.

    Returns
    -------
    int32[N]

    Raises
    ------
    InputError
        If the positions lead beyond the last unit.
    """
    places = np.cumsum(gaps.astype(np.int64) + 1) - 1
    if len(places) and places[-1] >= units:
        raise InputError(f"relative positions lead to unit {places[-1]} of {units}")
    indexes = np.zeros(units, np.int32)
    indexes[places] = stored
    return indexes


def _gaps(zero: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Zero units before each other one."""
    places = np.flatnonzero(~zero.ravel())
    return np.diff(places, prepend=-1) - 1
