"""The ways to spread factors over children, as a search looks at them."""

from __future__ import annotations

import numpy as np

from kcsim.kernels.search.labels import Spreads, Ways
from kcsim.kernels.search.problem import Problem


def build_ways(problem: Problem) -> Ways:
    """All ways to spread factors over children, and bundles of them; see `Ways`."""
    splits, places = problem.splits, problem.places[:-1]
    choices = int((places["last_stage"] - places["first_stage"]).max())
    level = np.repeat(np.arange(len(places)), places["last_split"] - places["first_split"])
    begins = np.append(True, (np.diff(level) != 0) | (np.diff(splits["bundle"]) != 0))
    first = np.flatnonzero(begins[: len(splits)])
    each = _spreads(
        splits["shares"].T, splits["copies"] * places["most_copies"][level],
        splits["children"].astype(float), choices,
    )  # fmt: skip
    bundled = _spreads(
        np.minimum.reduceat(each.shares, first, axis=1), np.maximum.reduceat(each.copies, first),
        np.maximum.reduceat(each.units, first), choices,
    )  # fmt: skip
    bounds = np.searchsorted(level[first], np.arange(len(places) + 1))
    tiles = splits["tile"].copy()
    return Ways(
        each, bundled, tiles, problem.lattice.exponents[tiles], np.append(first, len(splits)),
        np.array([bounds[:-1], bounds[1:]]).T.copy(), np.zeros(len(first), np.bool_),
    )  # fmt: skip


def _spreads(shares: np.ndarray, copies: np.ndarray, units: np.ndarray, choices: int) -> Spreads:
    return Spreads(
        np.ascontiguousarray(shares), copies, units, np.zeros((choices, len(copies))),
        *np.zeros((3, len(copies))),
    )  # fmt: skip
