"""A layer and a hardware as the arrays that a search works on."""

from __future__ import annotations

import itertools
import math
from typing import NamedTuple

import numpy as np

from kcsim.cost.prices import DENSE, Prices, WeightCosts, build_machine
from kcsim.hardware.level import Level
from kcsim.hardware.schema import Hardware
from kcsim.kernels.layout import INPUTS, OUTPUTS, WEIGHTS, C, M, R, S
from kcsim.kernels.search import machine as columns
from kcsim.kernels.search.machine import Machine
from kcsim.kernels.search.problem import PLACE, SPLIT, STAGE, Problem
from kcsim.kernels.search.tilings import Lattice, cut_share
from kcsim.mapping.deadline import Deadline
from kcsim.mapping.limits import LevelLimit, Limits, build_allowed
from kcsim.mapping.space import (
    allowed_dimensions,
    constraint_of,
    find_splits,
    tiles_on_axes,
)
from kcsim.workload.layer import DIMENSIONS, TENSORS, ConvLayer

_UNSEEN = {WEIGHTS: "NPQ", INPUTS: "M", OUTPUTS: "CRS"}
_EVERY_TENSOR = 7
SLACK = 1 + 1e-12
"""What rooms may be more than full by: bits may be fractions where indexes are coded."""


class Built(NamedTuple):
    """A problem, with what only Python needs of it.

    Attributes
    ----------
    problem : Problem
    accounts : int
        Energy, and the ports that may bind.
    axes : list of (int64[:], int64[:])
        Tiles that may be spread along X and Y below each level.
    numbers : dict
        The stage of a level, of the tensors that it keeps and of those placed, as bits.
    filled : int
        Levels, from the outermost in, that hold all of the tensors that they keep.
    """

    problem: Problem
    accounts: int
    axes: list[list[np.ndarray]]
    numbers: dict[tuple[int, int, int], int]
    filled: int = 1


def build_problem(
    layer: ConvLayer,
    hardware: Hardware,
    lattice: Lattice,
    form: WeightCosts = DENSE,
    prices: Prices | None = None,
    *,
    even: bool = False,
    limits: Limits = (),
    filled: int = 1,
    deadline: Deadline | None = None,
) -> Built:
    """All mappings of a layer on a hardware, with what they cost.

    Parameters
    ----------
    layer : ConvLayer
    hardware : Hardware
    lattice : Lattice
    form : WeightCosts
    prices : Prices, optional
        What accesses cost, if not what the hardware says.
    even : bool
        Whether all tiles of a level change at the same place.
    limits : Limits
        What is left of each level.
    filled : int
        See `Built`.
    deadline : Deadline, optional

    Raises
    ------
    OutOfTime
        If the deadline passes.
    """
    deadline = deadline or Deadline()
    keeps = np.array([[t in level.kept_tensors for t in TENSORS] for level in hardware.levels])
    machine = build_machine(layer, hardware, keeps, form, prices)
    bare = build_machine(layer, hardware, np.zeros_like(keeps), form, prices)
    stages, entries, numbers = _stages(hardware, even, limits)
    axes = _axes(hardware, lattice, limits)
    places, splits = _places(hardware, lattice, entries, axes, limits, deadline)
    spreads = [splits["tile"][n["first_split"] : n["last_split"]] for n in places[:-1]]
    allowed = build_allowed(limits, hardware, lattice, machine.window.tolist(), spreads)
    places["start"][:-1] = allowed.starts
    store_port, accounts = 0, int(machine.port_ends[-1, 2]) + (machine.stall_account > 0)
    if machine.lookup_cycles > 0 or bare.lookup_cycles > 0:
        store_port, accounts = accounts, accounts + 1
    words, distinct = words_of_tiles(machine, lattice.extents)
    slides = np.array([layer.kernel_height > 1, layer.kernel_width > 1])
    unseen, along, lines = _left(machine, lattice.extents, slides)
    problem = Problem(
        lattice, machine,
        np.array([*bare.costs[-1, :, columns.TRANSFER_PJ], bare.lookup_pj]),
        float(bare.lookup_cycles), stages, places, splits, words, distinct,
        machine.macs / lattice.extents.astype(float).prod(axis=1), unseen, along, lines,
        _without(lattice, "M"), _mirror(lattice, machine, places, splits, limits), slides,
        store_port, max(form.unit_filters, *form.unit) == 1, float(layer.output_words),
        *allowed[:4], _spared(machine, layer.output_words),
    )  # fmt: skip
    return Built(problem, accounts, axes, numbers, filled)


def _spared(machine: Machine, outputs: int) -> np.ndarray:
    """The most that finished words spare further out than each level: float64[levels + 1]."""
    each = outputs * machine.finished[:, [columns.SPARED_PJ, columns.SPARED_TRANSFER_PJ]]
    return np.concatenate([[0.0], np.cumsum(each.sum(axis=1))])


def fits_outermost(problem: Problem) -> bool:
    """Whether the outermost level has room for the whole layer."""
    machine, extent = problem.machine, problem.lattice.extents[-1]
    bits = problem.words[:, -1] * machine.costs[0, :, columns.VALUE_BITS]
    bits[OUTPUTS] -= problem.words[OUTPUTS, -1] * machine.finished[0, columns.SPARED_BITS]
    if machine.unit[columns.DECODER] >= 0:
        bits[WEIGHTS] *= cut_share.py_func(machine.unit, extent[M], extent[C], extent[R], extent[S])
    capacity, groups = machine.rooms[0, : columns.GROUP], machine.rooms[0, columns.GROUP :]
    used = np.bincount(groups.astype(int), bits, minlength=len(capacity))
    return bool((used <= capacity * SLACK).all())


def has_ways(problem: Problem) -> bool:
    """Whether what is limited leaves something at every level, and of the factors together."""
    places = problem.places[:-1]
    if (places["first_stage"] == places["last_stage"]).any():
        return False
    if (places["first_split"] == places["last_split"]).any():
        return False
    last = places[-1]
    tiles = problem.splits["tile"][last["first_split"] : last["last_split"]]
    return not last["limited"] or bool(problem.alive[last["start"], tiles].any())


def kept_choices(level: Level, limit: LevelLimit | None = None) -> list[int]:
    """What a level may keep, as bits, most first."""
    must = sum(
        1 << j
        for j, t in enumerate(TENSORS)
        if t in level.kept_tensors and t not in level.may_bypass
    )
    may = [1 << j for j, t in enumerate(TENSORS) if t in level.may_bypass]
    subsets = (c for n in range(len(may) + 1) for c in itertools.combinations(may, n))
    found = sorted({must | sum(chosen) for chosen in subsets}, reverse=True)
    return found if limit is None else limit.may_keep(found, level)


def _axes(hardware: Hardware, lattice: Lattice, limits: Limits) -> list[list[np.ndarray]]:
    """See `Built`."""
    found = [tiles_on_axes(hardware, level, lattice) for level in hardware.levels]
    if not limits:
        return found
    return [
        [tiles[limit.may_lie(i, lattice.extents[tiles])] for i, tiles in enumerate(axes)]
        for limit, axes in zip(limits, found, strict=True)
    ]


def _stages(
    hardware: Hardware, even: bool, limits: Limits
) -> tuple[np.ndarray, list[tuple[int, int]], dict[tuple[int, int, int], int]]:
    """All stages, the first ones of each level, and the numbers of all."""
    found: list[tuple[int, int, int]] = []
    entries = [(0, 0)] * len(hardware.levels)
    for index in range(len(hardware.levels) - 1, -1, -1):
        limit = limits[index] if limits else None
        kepts = kept_choices(hardware.levels[index], limit) if index else [_EVERY_TENSOR]
        entries[index] = len(found), len(found) + len(kepts)
        found += [(index, kept, 0) for kept in kepts]
        for size in range(1, 4 if index else 1):
            for kept, placed in itertools.product(kepts, range(1, 8)):
                if placed & ~kept == 0 and placed.bit_count() == size:
                    found.append((index, kept, placed))
    numbers = {stage: i for i, stage in enumerate(found)}
    table = np.zeros(len(found), STAGE)
    for row, (index, kept, placed) in zip(table, found, strict=True):
        row["level"], row["kept"], row["placed"] = index, kept, placed
        after = [numbers.get((index, kept, placed | 1 << t), -1) for t in range(3)]
        left = [kept & ~placed & 1 << t for t in range(3)]
        row["after"] = [n if may else -1 for n, may in zip(after, left, strict=True)]
        row["loops"] = (placed != kept or not kept) and not (even and placed)
    return table, entries, numbers


def _places(
    hardware: Hardware,
    lattice: Lattice,
    entries: list[tuple[int, int]],
    axes: list[list[np.ndarray]],
    limits: Limits,
    deadline: Deadline,
) -> tuple[np.ndarray, np.ndarray]:
    """All levels, and the ways to spread factors below them."""
    levels = hardware.levels
    places, splits = np.zeros(len(levels) + 1, PLACE), []
    count = 0
    for i, level in enumerate(levels):
        row, constraint = places[i], constraint_of(hardware, level)
        row["dimensions"] = allowed_dimensions(constraint)[0]
        stationary = constraint.stationary
        row["stationary"] = -1 if stationary is None else TENSORS.index(stationary)
        row["first_stage"], row["last_stage"] = entries[i]
        along_x = find_splits(lattice, axes[i], deadline)
        if limits:
            along_x[~limits[i].may_spread(lattice.extents)] = -1
            row["limited"], row["ordered"] = True, limits[i].is_ordered
        own = _splits(lattice, along_x)
        splits.append(own)
        row["first_split"], row["last_split"] = count, count + len(own)
        count += len(own)
    every = np.concatenate(splits)
    _count_instances(places, every)
    return places, every


def _count_instances(places: np.ndarray, splits: np.ndarray) -> None:
    """Fill ``most_units`` and ``most_copies`` of all levels."""
    places[0]["most_units"] = places[0]["most_copies"] = 1
    for place, child in itertools.pairwise(places):
        own = splits[place["first_split"] : place["last_split"]]
        child["most_units"] = place["most_units"] * own["children"].max(initial=1)
        child["most_copies"] = place["most_copies"] * own["copies"].max(initial=1)


def _splits(lattice: Lattice, along_x: np.ndarray) -> np.ndarray:
    """The ways to spread factors below a level, bundle by bundle: SPLIT[splits]."""
    found = np.flatnonzero(along_x >= 0)
    extents = lattice.extents[found]
    rows = np.zeros(len(found), SPLIT)
    rows["tile"], rows["along_x"] = found, along_x[found]
    rows["children"] = extents.prod(axis=1)
    rows["copies"] = extents[:, [DIMENSIONS.index(d) for d in _UNSEEN[OUTPUTS]]].prod(axis=1)
    rows["inputs"] = _without(lattice, "M")[found]
    shared = [extents[:, [DIMENSIONS.index(d) for d in _UNSEEN[t]]].prod(axis=1) for t in range(3)]
    _, rows["bundle"] = np.unique(np.floor(np.log2(shared)), axis=1, return_inverse=True)
    return rows[np.lexsort((-rows["children"], rows["bundle"]))]


def _without(lattice: Lattice, dimensions: str) -> np.ndarray:
    """Every tile without its extent in some dimensions: int64[tiles]."""
    tiles = np.arange(len(lattice.extents))
    found = tiles.copy()
    for dimension, _, limit, stride, _ in lattice.digits.tolist():
        if DIMENSIONS[dimension] in dimensions:
            found -= tiles // stride % (limit + 1) * stride
    return found


def _mirror(
    lattice: Lattice, machine: Machine, places: np.ndarray, splits: np.ndarray, limits: Limits
) -> np.ndarray:
    """Every tile with rows and columns exchanged, if a search cannot tell these apart; or none."""
    nothing, numbers = np.empty(0, np.int64), np.arange(len(lattice.extents))
    factors = {tuple(row[:2]): tuple(row[2:4]) for row in lattice.digits.tolist()}
    unit, swapped, mirror = machine.unit, [0, 1, 2, 3, 5, 4, 7, 6], np.zeros_like(numbers)
    alike = not limits and machine.window[0] == machine.window[1] and unit[1] == unit[2]
    if not alike or not (places["dimensions"] == places["dimensions"][:, swapped]).all():
        return nothing
    for (dimension, prime), (limit, stride) in factors.items():
        other, other_stride = factors.get((swapped[dimension], prime), (0, 0))
        if other != limit:
            return nothing
        mirror += numbers // stride % (limit + 1) * other_stride
    for place in places:
        tiles = splits["tile"][place["first_split"] : place["last_split"]]
        if not np.isin(mirror[tiles], tiles).all():
            return nothing
    return mirror


def words_of_tiles(machine: Machine, extents: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Words of tiles by tensor, and of inputs those that windows touch: [3, tiles] and [tiles]."""
    n, g, m, c, p, q, r, s = extents.T
    hull, touched = np.ones(len(extents)), np.ones(len(extents))
    for axis, (outs, taps) in enumerate(((p, r), (q, s))):
        stride, dilation = machine.window[axis].item()
        hull *= stride * (outs - 1) + dilation * (taps - 1) + 1
        touched *= _positions(stride, dilation, outs, taps)
    images = (n * g * c).astype(float)
    weights, outputs = (g * m * c * r * s).astype(float), (n * g * m * p * q).astype(float)
    return np.array([weights, images * hull, outputs]), images * touched


def _positions(stride: int, dilation: int, outs: np.ndarray, taps: np.ndarray) -> np.ndarray:
    """Rows or columns that windows touch."""
    divisor = math.gcd(stride, dilation)
    # Two taps meet in one pixel where they differ by a multiple of this.
    twice = np.maximum(0, outs - dilation // divisor) * np.maximum(0, taps - stride // divisor)
    touched: np.ndarray = outs * taps - np.where(np.minimum(outs, taps) > 1, twice, 0)
    return touched.astype(float)


def _left(
    machine: Machine, extents: np.ndarray, slides: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """``unseen``, ``along`` and ``lines`` of a `Problem`."""
    ratio = extents[-1] / extents
    unseen = np.array(
        [ratio[:, [DIMENSIONS.index(d) for d in _UNSEEN[t]]].prod(axis=1) for t in range(3)]
    )
    along, lines = np.ones(len(extents)), np.ones(2)
    for axis in range(2):
        stride, dilation = machine.window[axis].item()
        outs, taps = extents[:, 4 + axis], extents[:, 6 + axis]
        lines[axis] = _positions(stride, dilation, outs[-1:], taps[-1:])[0]
        if slides[axis]:
            hull = stride * (outs - 1) + dilation * (taps - 1) + 1
            left = ratio[:, 4 + axis] * ratio[:, 6 + axis]
            along = np.maximum(along, left * np.minimum(1.0, hull / lines[axis]))
    unseen[INPUTS] *= along
    return unseen, along, lines
