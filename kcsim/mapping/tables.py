"""Tables of lower bounds for one layer on one hardware, level by level from inside out."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from kcsim.kernels.layout import NO_MULTICAST, WEIGHTS
from kcsim.kernels.search import bounds
from kcsim.kernels.search import machine as columns
from kcsim.kernels.search.machine import Machine
from kcsim.kernels.search.optimum import Tables
from kcsim.kernels.search.tilings import MapSpace
from kcsim.mapping.deadline import Deadline
from kcsim.mapping.space import TooLarge, in_cuts
from kcsim.workload.layer import ConvLayer

MOST_ENTRIES = 8_000_000
"""Splits of blocks that are kept in memory at one time, about 100 bytes each."""


class Floor(NamedTuple):
    """What every mapping costs at least, beside what the tables say.

    Attributes
    ----------
    outputs : float
        Words of outputs.
    cycles : float64[3]
        Least energy of the cycles, and number; see `kcsim.kernels.search.stages.start`.
    """

    outputs: float
    cycles: np.ndarray


def bound_mappings(
    layer: ConvLayer, machine: Machine, space: MapSpace, deadline: Deadline | None = None
) -> tuple[Tables, Floor] | None:
    """Bounds of every block and every tile of every level; ``None`` if no mapping fits.

    Raises
    ------
    OutOfTime
        If the deadline passes.
    TooLarge
        If there are too many to be kept.
    """
    deadline = deadline or Deadline()
    levels, tiles = space.fits.shape
    spreads = [
        space.lattice.extents[space.splits[first:last, 0]].astype(np.float64)
        for first, last in zip(space.split_start, space.split_start[1:], strict=False)
    ]
    most = np.array([spread.prod(axis=1).max() for spread in spreads])
    shares = np.array([_least_shares(spread) for spread in spreads])
    floor = _floor(layer, machine, most, shares[:, WEIGHTS])
    outside = np.zeros((levels, 11))
    bounds.look_outside(machine, most, shares, floor.outputs, outside)
    idle = np.column_stack([np.full(levels, floor.cycles[0]), most])
    inside = np.full((levels + 1, tiles, 3), np.inf)
    inside[:, :, bounds.MOST_UNITS] = 0
    inside[levels, 0] = 0, 0, 1
    parts: list[tuple[np.ndarray, ...]] = []
    total = 0
    for level in range(levels - 1, -1, -1):
        reachable = np.flatnonzero(np.isfinite(inside[level + 1, :, 0]))
        if not len(reachable):
            return None
        counts = np.zeros(tiles, np.int64)
        for first, last, cut in _cuts(space, level, reachable, deadline):
            bounds.count_entries(first, last, space, cut, counts)
        total += int(counts.sum())
        if total > MOST_ENTRIES:
            raise TooLarge(f"{layer.name} has more tilings than can be searched")
        starts = np.cumsum(counts) - counts
        splits, entries = np.empty(counts.sum(), np.int64), np.empty((counts.sum(), 6))
        filled = starts.copy()
        for first, last, cut in _cuts(space, level, reachable, deadline):
            bounds.bound_level(
                level, first, last, machine, space, outside, idle[level], cut, inside, filled,
                splits, entries,
            )  # fmt: skip
        blocks = np.flatnonzero(counts)
        blocks = blocks[np.argsort(inside[level, blocks, bounds.WITH_CYCLES], kind="stable")]
        parts.insert(
            0, (blocks, inside[level, blocks], starts[blocks], counts[blocks], splits, entries)
        )
        bounds.bound_tiles(level, space, inside)
    if not space.fits[0, -1]:
        return None
    return _join(parts, outside, inside, idle), floor


def _cuts(
    space: MapSpace, level: int, tiles: np.ndarray, deadline: Deadline
) -> Iterator[tuple[int, int, np.ndarray]]:
    """Splits of a level with tiles below it, all of them, a few at a time."""
    first, last = space.split_start[level : level + 2]
    for at, end, cut in in_cuts(int(last - first), tiles, deadline):
        yield int(first) + at, int(first) + end, cut


def _least_shares(spread: np.ndarray) -> np.ndarray:
    """Least share of the children that are served apart: float64[3], by tensor.

    Parameters
    ----------
    spread : ndarray of float64, [splits, 8]
        Children along each dimension.
    """
    n, _, m, c, p, q, r, s = spread.T
    # Windows meet along an axis: then the longer of its two loops is served apart, at least.
    windows = np.minimum(p, r) * np.minimum(q, s)
    return np.array([(1 / shared).min() for shared in (n * p * q, m * windows, c * r * s)])


def _join(
    parts: list[tuple[np.ndarray, ...]], outside: np.ndarray, inside: np.ndarray, idle: np.ndarray
) -> Tables:
    """Put the blocks of all levels one after the other, each with its entries."""
    sizes = np.array([len(part[0]) for part in parts])
    counts = np.concatenate([part[3] for part in parts])
    blocks = np.zeros((len(counts) + 1, 2), np.int64)
    blocks[:-1, 0] = np.concatenate([part[0] for part in parts])
    blocks[1:, 1] = np.cumsum(counts)
    order = [_ranges(part[2], part[3]) for part in parts]
    return Tables(
        outside,
        inside,
        idle,
        np.concatenate([[0], np.cumsum(sizes)]),
        blocks,
        np.concatenate([part[1] for part in parts]),
        np.concatenate([part[4][rows] for part, rows in zip(parts, order, strict=True)]),
        np.concatenate([part[5][rows] for part, rows in zip(parts, order, strict=True)]),
    )


def _ranges(starts: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """``range(start, start + count)`` of all, one after the other."""
    ends = np.cumsum(counts)
    rows: np.ndarray = np.arange(ends[-1]) + np.repeat(starts - ends + counts, counts)
    return rows


def _floor(
    layer: ConvLayer, machine: Machine, most: np.ndarray, weight_shares: np.ndarray
) -> Floor:
    """See `Floor`.

    Parameters
    ----------
    layer : ConvLayer
    machine : Machine
    most : float64[levels]
        Children that one instance of each level uses at most.
    weight_shares : float64[levels]
        Least share of them that is sent weights apart, where the network shares.
    """
    computing = machine.macs * machine.cycles_per_mac
    static_pj = machine.static_pj * computing / most.prod()
    # An instance leaks for as long as its own share of the computation takes, at least.
    leaks = machine.cycles[:, columns.LEAK_PJ]
    leaking = (leak * computing / most[level:].prod() for level, leak in enumerate(leaks))
    looking_up = _least_lookups(layer, machine, weight_shares) * machine.lookup_cycles
    # As many copies as there are instances of the level that has them, at most.
    copies = most[: max(0, int(machine.unit[columns.STORE]))].prod()
    busy = max(_outermost_cycles(layer, machine, looking_up), looking_up / copies)
    return Floor(float(layer.output_words), np.array([static_pj, math.fsum(leaking), busy]))


def _least_lookups(layer: ConvLayer, machine: Machine, shares: np.ndarray) -> float:
    """Fewest words of codebooks that are read, over all copies.

    Each weight is decoded once, or for every MAC where no level holds it decoded, less what
    networks share.
    """
    decoder, levels = int(machine.unit[columns.DECODER]), len(machine.rules)
    if decoder < 0:
        return 0.0
    decoded = float(layer.weight_words)
    if not machine.rules["keeps"][decoder + 1 :, WEIGHTS].any():
        decoded = machine.macs
        for level in range(decoder, levels - 1):
            if machine.rules["multicast"][level] != NO_MULTICAST:
                decoded *= shares[level]
    return float(decoded * machine.unit[columns.ENTRY_BITS] / machine.unit[columns.WORD_BITS])


def least_of_any(layer: ConvLayer, machine: Machine, units: int) -> tuple[float, float]:
    """Energy and cycles that no mapping undercuts, whatever levels keep, at once.

    Parameters
    ----------
    units : int
        MAC units of the hardware.
    """
    cycles = machine.macs * machine.cycles_per_mac / units
    cycles = max(cycles, _outermost_cycles(layer, machine))
    energy = machine.mac_pj + machine.static_pj * cycles
    if len(machine.rules) > 1:
        costs, outputs = machine.costs[0], float(layer.output_words)
        energy += math.fsum(_operand_words(layer, machine) * costs[:2, columns.READ_PJ])
        energy += outputs * costs[2, columns.UPDATE_PJ]
    return energy, cycles


def _outermost_cycles(layer: ConvLayer, machine: Machine, looking_up: float = 0.0) -> float:
    """Cycles of the outermost level, which moves each word once, whatever the mapping.

    Parameters
    ----------
    looking_up : float
        Cycles that all lookups take at least, which are its own where the codebook lies there.
    """
    costs = machine.costs[0]
    reading = math.fsum(_operand_words(layer, machine) * costs[:2, columns.READ_CYCLES])
    reading += machine.load_cycles + looking_up * bool(machine.unit[columns.PORT] == 0)
    return max(reading, layer.output_words * float(costs[2, columns.WRITE_CYCLES]))


def _operand_words(layer: ConvLayer, machine: Machine) -> tuple[float, float]:
    """Words of weights, and words of inputs that windows cover."""
    covered = layer.batch * layer.in_channels
    for axis, (positions, taps) in enumerate(
        ((layer.out_height, layer.kernel_height), (layer.out_width, layer.kernel_width))
    ):
        step, spread = machine.window[axis].item()
        divisor = math.gcd(step, spread)
        # Two taps meet in one pixel where they differ by a multiple of this.
        twice = max(0, positions - spread // divisor) * max(0, taps - step // divisor)
        covered *= positions * taps - (twice if min(positions, taps) > 1 else 0)
    return float(layer.weight_words), float(covered)
