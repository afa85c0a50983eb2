"""Which words of outputs are finished, and which are partial sums, that may be wider.

The level that adds to a word holds a partial sum, the last time as well. What it then sends up is
finished, if nothing further out adds to it: no loop over instances, and in time only those that
have come to their end. So the innermost level that keeps outputs accesses partial sums, unless
every sum is complete as it arrives. Further out each word arrives finished once, and what a level
has room for is finished if all that arrives is.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from kcsim.hardware.schema import Hardware
from kcsim.kernels.layout import OUTPUTS, TEMPORAL, C, R, S


class SumStates(NamedTuple):
    """What is known of the sums of some mappings: bool[mappings, levels] each.

    Attributes
    ----------
    complete : ndarray
        All sums that arrive at a level from below are finished: it holds no others.
    finish : ndarray
        Every word arrives there finished once.
    cross : ndarray
        Every word crosses the network below the level finished once.
    """

    complete: np.ndarray
    finish: np.ndarray
    cross: np.ndarray


def has_wide_sums(hardware: Hardware) -> bool:
    """Whether partial sums are wider than outputs anywhere."""
    return any(bits["partial_sums"] != bits["outputs"] for bits in hardware.level_bits)


def sum_states(hardware: Hardware, loops: np.ndarray, keeps: np.ndarray) -> SumStates:
    """What is known of the sums of mappings that keep the same tensors.

    Parameters
    ----------
    hardware : Hardware
    loops : LOOP[mappings, loops]
        See `kcsim.kernels.layout`.
    keeps : bool[levels, 3]
    """
    levels = len(keeps)
    adding = np.isin(loops["dimension"], (C, R, S)) & (loops["bound"] > 1)
    in_time, spread = (
        np.array([(adding & of_kind & (loops["level"] == i)).any(axis=1) for i in range(levels)])
        for of_kind in (loops["kind"] == TEMPORAL, loops["kind"] != TEMPORAL)
    )
    copies = _before(spread)
    outside = np.logical_or.accumulate(in_time) | copies
    found = SumStates(*(np.zeros_like(spread) for _ in range(3)))
    apart, returns = np.zeros_like(spread[0]), False
    for i in range(levels - 1, -1, -1):
        alone = ~copies[i] & ~apart
        found.cross[i] = alone & ~spread[i] & (~outside[i] | returns)
        if not hardware.levels[i].fanout.reduction:
            apart = apart | spread[i]
        found.complete[i] = ~outside[i] & ~apart
        found.finish[i] = ~copies[i] & ~apart & (found.complete[i] | returns)
        if keeps[i, OUTPUTS]:
            apart, returns = np.zeros_like(apart), True
    return SumStates(*(each.T for each in found))


def _before(spread: np.ndarray) -> np.ndarray:
    """Whether anything is spread over the children of a level further out."""
    found = np.zeros_like(spread)
    found[1:] = np.logical_or.accumulate(spread)[:-1]
    return found
