"""A layer and a hardware as the arrays that a search works on."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from kcsim.cost.prices import DENSE, Prices, WeightCosts, build_machines
from kcsim.hardware.level import Level
from kcsim.hardware.schema import Hardware
from kcsim.kernels.layout import (
    INPUTS,
    NO_MULTICAST,
    OUTPUTS,
    WEIGHTS,
    WORD_MULTICAST,
    C,
    M,
    P,
    R,
    S,
)
from kcsim.kernels.search import machine as columns
from kcsim.kernels.search.machine import Machine
from kcsim.kernels.search.problem import PLACE, STAGE, Problem
from kcsim.kernels.search.tilings import Lattice, cut_share
from kcsim.mapping.deadline import Deadline
from kcsim.mapping.limits import LevelLimit, Limits, build_allowed
from kcsim.mapping.margins import clip_tiles, no_margins
from kcsim.mapping.placements import MeshLoops
from kcsim.mapping.space import (
    allowed_dimensions,
    constraint_of,
    tiles_on_axes,
)
from kcsim.mapping.spreads import (
    UNSEEN,
    include_least_links,
    link_prices,
    list_splits,
    most_spared,
    place_children,
    without,
)
from kcsim.workload.layer import TENSORS, ConvLayer

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
    every_place : bool
        Whether children may stand at all places that matter; see `kcsim.mapping.mesh`.
    filled : int
        Levels, from the outermost in, that hold all of the tensors that they keep.
    """

    problem: Problem
    accounts: int
    axes: list[list[np.ndarray]]
    numbers: dict[tuple[int, int, int], int]
    every_place: bool
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
    spreads: Sequence[MeshLoops] | None = None,
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
    spreads : sequence of MeshLoops, optional
        How children are placed below each level, to be among the ways.

    Raises
    ------
    OutOfTime
        If the deadline passes.
    """
    deadline = deadline or Deadline()
    keeps = np.array([[t in level.kept_tensors for t in TENSORS] for level in hardware.levels])
    machine, bare = build_machines(layer, hardware, keeps, form, prices)
    stages, entries, numbers = _stages(hardware, even, limits)
    axes = _axes(hardware, lattice, limits)
    slides = np.array([layer.kernel_height > 1, layer.kernel_width > 1])
    levels, every_place = place_children(
        hardware, lattice, machine, axes, slides, limits, deadline, spreads
    )
    inputs = without(lattice, "M")
    by_level, mesh_loops, tilted = list_splits(lattice, levels, machine, slides, inputs)
    places = _places(hardware, entries, by_level, limits)
    link_pj, finished_link_pj, bare_pj = link_prices(hardware, machine, bare)
    spared_pj = most_spared(machine, by_level, finished_link_pj, layer.output_words)
    include_least_links(by_level, machine, link_pj, finished_link_pj, bare_pj)
    allowed = build_allowed(
        limits, hardware, lattice, machine.window.tolist(), [own["tile"] for own in by_level]
    )
    places["start"][:-1] = allowed.starts
    splits = np.concatenate(by_level)
    store_port, accounts = 0, int(machine.port_ends[-1, 2]) + (machine.stall_account > 0)
    if machine.lookup_cycles > 0 or bare.lookup_cycles > 0:
        store_port, accounts = accounts, accounts + 1
    words, distinct = words_of_tiles(machine, lattice.extents)
    unseen, along, lines = _left(machine, lattice.extents, slides)
    clipped = clip_tiles(machine, lattice.extents, slides)
    margins = no_margins(len(hardware.levels)) if hardware.padding == "generated" else None
    if clipped:
        distinct, along = clipped.distinct, np.maximum(along, clipped.along)
        meets = _may_meet(machine, lattice, by_level, clipped.margins.lines)
        margins = clipped.margins._replace(meets=meets)
    unseen[INPUTS] *= along
    problem = Problem(
        lattice, machine, np.array([*bare_pj, bare.lookup_pj]), bare.lookup_cycles,
        stages, places, splits, words, distinct,
        machine.macs / lattice.extents.astype(float).prod(axis=1), unseen, along,
        _resumed(machine, lattice.extents, clipped.margins.touched if clipped else lines), lines,
        inputs, _mirror(lattice, machine, places, splits, hardware, limits), slides,
        store_port, max(form.unit_filters, *form.unit) == 1, float(layer.output_words),
        *allowed[:4], spared_pj, mesh_loops, link_pj, finished_link_pj, tilted,
        bare.costs[:, INPUTS, columns.READ_PJ].copy(),
        bare.costs[:, INPUTS, columns.READ_CYCLES].copy(), margins,
    )  # fmt: skip
    if clipped and margins:
        fits = fits_outermost(problem, with_padding=True)
        problem = problem._replace(margins=margins._replace(bare_fits=fits))
    return Built(problem, accounts, axes, numbers, every_place, filled)


def fits_outermost(problem: Problem, *, with_padding: bool = False) -> bool:
    """Whether the outermost level has room for the whole layer."""
    machine, extent = problem.machine, problem.lattice.extents[-1]
    bits = problem.words[:, -1] * machine.costs[0, :, columns.VALUE_BITS]
    margins = problem.margins
    if margins and len(margins.held) and not with_padding:
        bits[INPUTS] *= margins.held[-1] / problem.words[INPUTS, -1]
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
    choices: list[tuple[int, ...]] = [(_EVERY_TENSOR,)]
    for index, level in enumerate(hardware.levels[1:], 1):
        choices.append(tuple(kept_choices(level, limits[index] if limits else None)))
    table, entries, numbers = _stages_of(tuple(choices), even)
    return table.copy(), entries, numbers


@functools.lru_cache(64)
def _stages_of(
    choices: tuple[tuple[int, ...], ...], even: bool
) -> tuple[np.ndarray, list[tuple[int, int]], dict[tuple[int, int, int], int]]:
    """Likewise, of levels that may keep some tensors, as bits."""
    found: list[tuple[int, int, int]] = []
    entries = [(0, 0)] * len(choices)
    for index in range(len(choices) - 1, -1, -1):
        kepts = choices[index]
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
    entries: list[tuple[int, int]],
    splits: list[np.ndarray],
    limits: Limits,
) -> np.ndarray:
    """All levels."""
    levels = hardware.levels
    places, count = np.zeros(len(levels) + 1, PLACE), 0
    for i, level in enumerate(levels):
        row, constraint = places[i], constraint_of(hardware, level)
        row["dimensions"] = allowed_dimensions(constraint)[0]
        stationary = constraint.stationary
        row["stationary"] = -1 if stationary is None else TENSORS.index(stationary)
        row["first_stage"], row["last_stage"] = entries[i]
        if limits:
            row["limited"], row["ordered"] = True, limits[i].is_ordered
        row["first_split"], row["last_split"] = count, count + len(splits[i])
        count += len(splits[i])
    _count_instances(places, np.concatenate(splits))
    return places


def _count_instances(places: np.ndarray, splits: np.ndarray) -> None:
    """Fill ``most_units`` and ``most_copies`` of all levels."""
    places[0]["most_units"] = places[0]["most_copies"] = 1
    for place, child in itertools.pairwise(places):
        own = splits[place["first_split"] : place["last_split"]]
        child["most_units"] = place["most_units"] * own["children"].max(initial=1)
        child["most_copies"] = place["most_copies"] * own["copies"].max(initial=1)


def _mirror(
    lattice: Lattice,
    machine: Machine,
    places: np.ndarray,
    splits: np.ndarray,
    hardware: Hardware,
    limits: Limits,
) -> np.ndarray:
    """Every tile with rows and columns exchanged, if a search cannot tell these apart; or none."""
    nothing, numbers = np.empty(0, np.int64), np.arange(len(lattice.extents))
    factors = {tuple(row[:2]): tuple(row[2:4]) for row in lattice.digits.tolist()}
    unit, swapped, mirror = machine.unit, [0, 1, 2, 3, 5, 4, 7, 6], np.zeros_like(numbers)
    alike = not limits and machine.window[0] == machine.window[1] and unit[1] == unit[2]
    placed = any(n.fanout.hop_pj or "inputs" in n.fanout.forwarding for n in hardware.levels)
    padding = machine.rules["padding"]
    alike = alike and bool((padding[:, 0] == padding[:, 1]).all())
    if placed or not alike or not (places["dimensions"] == places["dimensions"][:, swapped]).all():
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
    unseen = np.array([ratio[:, UNSEEN[t]].prod(axis=1) for t in range(3)])
    along, lines = np.ones(len(extents)), np.ones(2)
    for axis in range(2):
        stride, dilation = machine.window[axis].item()
        outs, taps = extents[:, 4 + axis], extents[:, 6 + axis]
        lines[axis] = _positions(stride, dilation, outs[-1:], taps[-1:])[0]
        if slides[axis]:
            hull = stride * (outs - 1) + dilation * (taps - 1) + 1
            left = ratio[:, 4 + axis] * ratio[:, 6 + axis]
            along = np.maximum(along, left * np.minimum(1.0, hull / lines[axis]))
    return unseen, along, lines


def _resumed(machine: Machine, extents: np.ndarray, lines: np.ndarray) -> np.ndarray:
    """See `Problem`; ``lines`` are those of the image that windows touch."""
    found = np.zeros((2, len(extents)))
    for axis, (stride, dilation) in enumerate(machine.window.tolist()):
        outs, taps = extents[:, P + axis], extents[:, R + axis]
        kept = max(0, dilation * (taps[-1] - 1) + 1 - stride)
        # Lines of a tile's rounds are at least an equal part of those of the layer.
        share = np.minimum(1.0, kept * (outs[-1] / outs) / max(lines[axis], 1.0))
        found[axis] = np.where(taps == taps[-1], np.where(outs == outs[-1], 0.0, share), 1.0)
    return found


def _may_meet(
    machine: Machine, lattice: Lattice, splits: list[np.ndarray], lines: np.ndarray
) -> bool:
    """See `kcsim.kernels.search.padding.Margins`."""
    for rule, own in zip(machine.rules[:-1], splits, strict=False):
        extents = lattice.extents[own["tile"]]
        for axis in np.flatnonzero(lines.any(axis=1)):
            outs, taps = extents[:, P + axis] > 1, extents[:, R + axis] > 1
            both = outs | taps if rule["multicast"] == WORD_MULTICAST else outs & taps
            if rule["multicast"] != NO_MULTICAST and both.any():
                return True
    return False
