"""Sums that filters need whose units come in one sorted order, where there are no weights.

The filters of a group share one order (Hegde et al., UCNN, ISCA 2018, Section III): by the entry of
the first, those with the same one by that of the second, and so on. As in
`kcsim.clustering.entry_use`, each filter draws the shares of its entries from a Dirichlet
distribution and its units from these, filters independently: a unit has given entries in some
filters with the product of their shares, each of which is distributed as Beta(a, (K - 1) a).
Expectations over these are Gauss-Jacobi sums.
"""

from __future__ import annotations

import math
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kcsim.clustering.entry_use import EntryUse

Floats = NDArray[np.float64]
MOST_NODES, NODES_IN_ALL = 128, 15_000
"""Points at which a share is looked at, and of the product of several shares."""
_ALMOST_ALL = 1 - 1e-16


class ExpectedSums(NamedTuple):
    """What a group of filters needs for the units of one table.

    Attributes
    ----------
    sums : tuple of float
        Sums of each filter that are multiplied by an entry.
    passed : float
        Sums that a filter passes on to the one before it.
    """

    sums: tuple[float, ...]
    passed: float


def expected_sums(
    kinds: int, units: int, use: EntryUse, zero_share: float, filters: int, most: int = 0
) -> ExpectedSums:
    """Expected sums of a group of filters.

    Parameters
    ----------
    kinds : int
        Entries that there are, at least 1.
    units : int
        Of each filter, zero units included.
    use : EntryUse
    zero_share : float
        Share of the units of a filter that have no entry.
    filters : int
        In the group.
    most : int
        Units in one sum, after which a new one begins; 0 for any number. Cuts are taken to be
        anywhere alike among the units of an entry.
    """
    sums, passed = [0.0] * filters, 0.0
    one, weight = _shares(kinds, use.concentration, 1)
    for leader in range(filters):
        # The first filter that has an entry; those before it have none.
        share = zero_share**leader * (1 - zero_share) * one
        weights, groups = kinds * weight, _used(units, share)
        cuts = _cuts(units, share, most) if most else 0 * share
        sums[leader] += float(weights @ (groups + cuts))
        for own in range(leader + 1, filters):
            every, with_entry = 0 * share, 0 * share
            for entries in range(own - leader + 1):
                zeros = own - leader - entries
                others, chance = _shares(kinds, use.concentration, entries)
                others = zero_share**zeros * (1 - zero_share) ** entries * others
                found = float(kinds) ** entries * _used(units, np.outer(share, others)) @ chance
                every = every + math.comb(own - leader, entries) * found
                if entries:
                    with_entry = with_entry + math.comb(own - leader - 1, entries - 1) * found
            # A cut that falls between two runs divides neither.
            between = (every - groups) / np.maximum(units * share - groups, 1e-300)
            divided = cuts * (1 - np.clip(between, 0.0, 1.0))
            passed += float(weights @ (every + divided))
            sums[own] += float(weights @ (with_entry + (1 - zero_share) * divided))
    return ExpectedSums(tuple(sums), passed)


def _used(units: int, share: Floats) -> Floats:
    """Probability that units that each are one of some share are not none."""
    return np.asarray(-np.expm1(units * np.log1p(-np.minimum(share, _ALMOST_ALL))))


def _cuts(units: int, share: Floats, most: int) -> Floats:
    """Expected cuts after every `most` units that each are one of some share."""
    number = np.arange(units)
    with np.errstate(divide="ignore"):
        odds = np.log(share) - np.log1p(-np.minimum(share, _ALMOST_ALL))
    steps = np.log((units - number) / (number + 1)) + odds[:, None]
    logs = np.concatenate([np.zeros((len(share), 1)), np.cumsum(steps, axis=1)], axis=1)
    chances = np.exp(logs - logs.max(axis=1, keepdims=True))
    found = chances @ (np.maximum(np.arange(units + 1) - 1, 0) // most)
    return np.where(share > 0, found / chances.sum(axis=1), 0.0)


def _shares(kinds: int, concentration: float, count: int) -> tuple[Floats, Floats]:
    """Values and probabilities of the product of the shares of an entry in so many filters."""
    values, weights = np.ones(1), np.ones(1)
    if not count:
        return values, weights
    nodes = min(MOST_NODES, int(NODES_IN_ALL ** (1 / count)))
    for _ in range(count):
        one, weight = _nodes(kinds, concentration, nodes)
        values, weights = np.outer(values, one).ravel(), np.outer(weights, weight).ravel()
    return values, weights


@cache
def _nodes(kinds: int, concentration: float, count: int) -> tuple[Floats, Floats]:
    """Gauss-Jacobi nodes and weights of Beta(a, (K - 1) a) (Golub, Welsch, Math. Comp. 1969)."""
    if kinds == 1 or math.isinf(concentration):
        return np.full(1, 1 / kinds), np.ones(1)
    a, b = (kinds - 1) * concentration - 1, concentration - 1
    n = np.arange(count, dtype=float)
    both = 2 * n + a + b
    with np.errstate(invalid="ignore", divide="ignore"):
        diagonal = (b * b - a * a) / (both * (both + 2))
    diagonal[0] = (b - a) / (a + b + 2)
    n, both = n[1:], both[1:]
    with np.errstate(invalid="ignore", divide="ignore"):
        beside = 4 * n * (n + a) * (n + b) * (n + a + b) / (both**2 * (both + 1) * (both - 1))
    beside[0] = 4 * (1 + a) * (1 + b) / ((2 + a + b) ** 2 * (3 + a + b))
    between = np.sqrt(beside)
    at = np.linalg.eigvalsh(np.diag(diagonal) + np.diag(between, 1) + np.diag(between, -1))
    # Weights by the orthonormal polynomials at the nodes: 1 over the sum of their squares.
    before, now = np.zeros_like(at), np.ones_like(at)
    squares = now.copy()
    for i, step in enumerate(between):
        below = between[i - 1] if i else 0.0
        before, now = now, ((at - diagonal[i]) * now - below * before) / step
        squares += now**2
    return np.clip((1 + at) / 2, 0.0, 1.0), 1 / squares
