"""Which words of outputs are finished, and which are partial sums, that may be wider.

The level that adds to a word holds a partial sum, the last time as well. What it then sends up is
finished, if nothing further out adds to it: no loop over instances, and in time only those that
have come to their end. So the innermost level that keeps outputs accesses partial sums, unless
each arrives once and complete. To every level further out each word comes finished once. A level
has room for finished words alone where each comes once, and no loop outside of their place adds.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from kcsim.hardware.schema import Hardware
from kcsim.kernels.layout import COUNT, OUTPUTS, TEMPORAL, C, R, S


class SumStates(NamedTuple):
    """What is known of the sums of some mappings: bool[mappings, levels] each.

    Attributes
    ----------
    holds_finished : ndarray
        A level has no partial sums.
    finish : ndarray
        Every word arrives there finished once.
    cross : ndarray
        Every word crosses the network below the level finished once.
    """

    holds_finished: np.ndarray
    finish: np.ndarray
    cross: np.ndarray


class FinishedSums(NamedTuple):
    """What of the outputs of one mapping is finished, at each level.

    Attributes
    ----------
    held : bool[levels]
        Whether a level has no partial sums.
    arriving : int64[levels]
        Words that arrive there finished.
    crossing : int64[levels]
        Words that cross the network below finished.
    """

    held: np.ndarray
    arriving: np.ndarray
    crossing: np.ndarray


def has_wide_sums(hardware: Hardware) -> bool:
    """Whether partial sums are wider than outputs anywhere."""
    return any(bits["partial_sums"] != bits["outputs"] for bits in hardware.level_bits)


def sum_states(
    hardware: Hardware,
    loops: np.ndarray,
    heights: np.ndarray,
    keeps: np.ndarray,
    counts: np.ndarray,
    words: int,
) -> SumStates:
    """What is known of the sums of mappings that keep the same tensors.

    Parameters
    ----------
    hardware : Hardware
    loops : LOOP[mappings, loops]
        See `kcsim.kernels.layout`.
    heights : int64[mappings, levels, 3]
        Likewise.
    keeps : bool[levels, 3]
    counts : COUNT[mappings, levels, 3]
        What is counted of them.
    words : int
        Words of outputs.
    """
    adding = np.isin(loops["dimension"], (C, R, S)) & (loops["bound"] > 1)
    in_time = loops["kind"] == TEMPORAL
    once = counts["updates"][..., OUTPUTS] == words
    crosses_once = counts["up"][..., OUTPUTS] == words
    found = SumStates(*(np.zeros_like(once) for _ in range(3)))
    apart, returns = np.zeros_like(once[:, 0]), False
    for i in range(len(keeps) - 1, -1, -1):
        own, before = loops["level"] == i, loops["level"] < i
        alone = ~(adding & ~in_time & before).any(axis=1) & ~apart
        spread = (adding & ~in_time & own).any(axis=1)
        found.cross[:, i] = alone & ~spread & (crosses_once[:, i] | returns)
        if not hardware.levels[i].fanout.reduction:
            apart, alone = apart | spread, alone & ~spread
        found.finish[:, i] = alone & (once[:, i] | returns)
        rank = np.cumsum(own & in_time, axis=1) - 1
        outside = before | (own & in_time & (rank < heights[:, i, OUTPUTS, None]))
        found.holds_finished[:, i] = once[:, i] & ~(adding & outside).any(axis=1)
        if keeps[i, OUTPUTS]:
            apart, returns = np.zeros_like(apart), True
    return found


def counted(accesses: np.ndarray, transfers: np.ndarray) -> np.ndarray:
    """The inverse of `kcsim.kernels.layout.count_columns`."""
    columns = np.concatenate([accesses, transfers], axis=-1)
    return np.ascontiguousarray(columns).view(COUNT)[..., 0]
