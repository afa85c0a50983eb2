"""What is left of the map space where a user fixes parts of a mapping, as arrays of a search."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from kcsim.hardware.level import Level
from kcsim.hardware.schema import Dataflow, Hardware
from kcsim.kernels.layout import INDEXES, SPATIAL_X, SPATIAL_Y
from kcsim.kernels.search import bounds
from kcsim.kernels.search.tilings import DIMENSION, LIMIT, PRIME, STRIDE, Lattice
from kcsim.mapping.automaton import (
    Automaton,
    Iterations,
    Pattern,
    Rule,
    build_automaton,
)
from kcsim.mapping.fixed import ANYTHING, Bound, FixedMapping, Item
from kcsim.mapping.nest import Loop, Mapping
from kcsim.mapping.placements import MeshLoops
from kcsim.mapping.space import allowed_dimensions, constraint_of
from kcsim.workload.layer import DIMENSIONS, TENSORS

Extents = tuple[int, ...]
Window = Sequence[tuple[int, int]]


@dataclass(frozen=True)
class LevelLimit:
    """What is left of one level.

    Attributes
    ----------
    bypass : int, optional
        Tensors that it leaves out, as bits; those that it may, when absent.
    named : int
        Tensors that it keeps, as bits.
    pattern : Pattern, optional
    iterations, tile : tuple of Bound
        Of all loops in time, and of the tiles of its tensors.
    along_x, along_y : tuple of Item, optional
        What is spread.
    kept, spread : optional
        Just this: tensors that are kept, as bits, and extents that are spread over the children.
    shapes : tuple of (Extents or None)
        Those of the tiles, by tensor; see `tile_shapes`.
    other_kept, other_spread, other_shapes : frozenset
        Nothing of this.
    """

    bypass: int | None = None
    named: int = 0
    pattern: Pattern | None = None
    iterations: tuple[Bound, ...] = ()
    tile: tuple[Bound, ...] = ()
    along_x: tuple[Item, ...] | None = None
    along_y: tuple[Item, ...] | None = None
    kept: int | None = None
    spread: Extents | None = None
    shapes: tuple[Extents | None, ...] = (None,) * len(TENSORS)
    other_kept: frozenset[int] = frozenset()
    other_spread: frozenset[Extents] = frozenset()
    other_shapes: tuple[frozenset[Extents], ...] = (frozenset(),) * len(TENSORS)

    @property
    def is_ordered(self) -> bool:
        """Whether it matters in which order things stand, or which tiles are held."""
        return self.pattern is not None or self.limits_tiles

    @property
    def limits_tiles(self) -> bool:
        """Whether it matters which tiles are held."""
        return bool(self.tile) or any(self.shapes) or any(self.other_shapes)

    @property
    def rules(self) -> list[Rule]:
        """What holds for the loops in time and the tensors."""
        found: list[Rule] = [] if self.pattern is None else [self.pattern]
        return [*found, *map(Iterations, self.iterations)]

    def may_keep(self, choices: Sequence[int], level: Level) -> list[int]:
        """What is left of the choices of a level, as bits."""
        if self.bypass is not None:
            every = sum(1 << TENSORS.index(t) for t in level.kept_tensors)
            choices = [every & ~self.bypass]
        return [
            kept
            for kept in choices
            if kept & self.named == self.named
            and kept not in self.other_kept
            and self.kept in (None, kept)
        ]

    def may_spread(self, extents: np.ndarray) -> np.ndarray:
        """Whether it may spread extents over all its children: bool[tiles]."""
        allowed = np.ones(len(extents), np.bool_)
        if self.spread is not None:
            allowed &= (extents == self.spread).all(axis=1)
        for each in self.other_spread:
            allowed &= (extents != each).any(axis=1)
        return allowed

    def may_lie(self, axis: int, extents: np.ndarray) -> np.ndarray:
        """Whether it may spread extents along X (0) or Y (1): bool[tiles]."""
        items, allowed = (self.along_x, self.along_y)[axis], np.ones(len(extents), np.bool_)
        if items is None:
            return allowed
        named = {item.axis: item for item in items if isinstance(item, Bound)}
        for d in range(len(DIMENSIONS)):
            column = extents[:, d]
            if d in named:
                allowed &= _admitted(named[d], column)
            elif ANYTHING not in items:
                allowed &= column == 1
        return allowed

    @property
    def is_placed(self) -> bool:
        """Whether the order of loops over children is fixed along an axis."""
        return self.along_x is not None or self.along_y is not None

    def may_stand(self, loops: MeshLoops) -> bool:
        """Whether loops over children along X and Y may stand in an order, from outside in."""
        for kind, items in ((SPATIAL_X, self.along_x), (SPATIAL_Y, self.along_y)):
            own = [Loop(DIMENSIONS[d], bound) for axis, d, bound in loops if axis == kind]
            if list(_sorted(own, items or ())) != own:
                return False
        return True

    def may_hold(self, extents: np.ndarray, window: Window) -> np.ndarray:
        """Whether tiles of each tensor may span extents: bool[3, tiles]."""
        allowed = np.ones((len(TENSORS), len(extents)), np.bool_)
        for bound in self.tile:
            allowed[INDEXES[:, bound.axis]] &= _admitted(bound, extents[:, bound.axis])
        for own, shapes, one, others in zip(
            allowed, tile_shapes(extents, window), self.shapes, self.other_shapes, strict=True
        ):
            if one is not None:
                own &= (shapes == one).all(axis=1)
            for each in others:
                own &= (shapes != each).any(axis=1)
        return allowed


def _admitted(bound: Bound, numbers: np.ndarray) -> np.ndarray:
    if bound.is_exact:
        return np.asarray(numbers == bound.number)
    return np.asarray(numbers <= bound.number) if bound.relation else np.ones(len(numbers), bool)


def tile_shapes(extents: np.ndarray, window: Window) -> tuple[np.ndarray, ...]:
    """Shapes of the tiles of weights, inputs and outputs in boxes: int64[tiles, 5] each.

    Weights by groups, filters, channels, rows and columns; inputs and outputs by images, groups,
    channels, rows and columns, of inputs with what windows skip.

    Parameters
    ----------
    extents : int64[tiles, 8]
    window : ((int, int), (int, int))
        Stride and dilation along rows and columns.
    """
    n, g, m, c, p, q, r, s = extents.T
    rows, columns = (
        stride * (outs - 1) + dilation * (taps - 1) + 1
        for (stride, dilation), outs, taps in zip(window, (p, q), (r, s), strict=True)
    )
    parts = (g, m, c, r, s), (n, g, c, rows, columns), (n, g, m, p, q)
    return tuple(np.stack(part, axis=1) for part in parts)


Limits = tuple[LevelLimit, ...]
"""Of every level of a hardware."""


def limits_of(fixed: FixedMapping | None, hardware: Hardware) -> Limits:
    """What something fixed leaves of every level; nothing where nothing is."""
    if fixed is None:
        return ()
    found = [LevelLimit()] * len(hardware.levels)
    for level in fixed.levels:
        index, pattern = hardware.level_index(level.level), None
        if level.pattern is not None:
            # Tensors of the outermost level are no nodes: they stand before all.
            items = [item for item in level.pattern if index or item not in TENSORS]
            pattern = Pattern(tuple(reversed(items)), level.nest is None)
        found[index] = LevelLimit(
            None if level.bypass is None else _bits(level.bypass), _bits(level.named), pattern,
            level.bounds, level.tile_bounds if index else (), *level.along,
        )  # fmt: skip
    return tuple(found)


def in_order(mapping: Mapping, limits: Limits) -> Mapping:
    """A mapping of all levels, with loops over children in the order of what is fixed."""
    levels = []
    for level, limit in zip(mapping.levels, limits, strict=True):
        along_x = _sorted(level.spatial_x, limit.along_x or ())
        along_y = _sorted(level.spatial_y, limit.along_y or ())
        levels.append(replace(level, spatial_x=along_x, spatial_y=along_y))
    return Mapping(tuple(levels))


def _sorted(loops: Sequence[Loop], items: Sequence[Item]) -> tuple[Loop, ...]:
    """Loops in the order of a pattern."""
    others = items.index(ANYTHING) if ANYTHING in items else len(items)
    places = {item.dimension: at for at, item in enumerate(items) if isinstance(item, Bound)}
    return tuple(sorted(loops, key=lambda loop: places.get(loop.dimension, others)))


def with_stationary(hardware: Hardware, fixed: FixedMapping | None) -> Hardware:
    """The hardware with what stays put at levels as part of its dataflow."""
    if fixed is None or not any(level.stationary for level in fixed.levels):
        return hardware
    levels = dict(hardware.dataflow.levels)
    for level in fixed.levels:
        if level.stationary:
            own = constraint_of(hardware, hardware.levels[hardware.level_index(level.level)])
            levels[level.level] = replace(own, stationary=level.stationary)  # type: ignore[arg-type]
    dataflow: Dataflow = replace(hardware.dataflow, levels=levels)
    return replace(hardware, dataflow=dataflow)


def _bits(tensors: Sequence[str]) -> int:
    return sum(1 << TENSORS.index(tensor) for tensor in tensors)


class Allowed(NamedTuple):
    """Limits as a `kcsim.kernels.search.problem.Problem` has them.

    Attributes
    ----------
    moves, ends, alive, may_hold
        See there.
    starts : list of int
        The first state of each level.
    """

    moves: np.ndarray
    ends: np.ndarray
    alive: np.ndarray
    may_hold: np.ndarray
    starts: list[int]


def nothing_limited(lattice: Lattice, levels: int) -> Allowed:
    """The arrays where nothing is."""
    none, few = np.zeros((0, 0), np.bool_), np.zeros((0, 0, 0), np.bool_)
    return Allowed(np.zeros((0, 0), np.int64), np.zeros(0, np.bool_), none, few, [0] * levels)


def build_allowed(
    limits: Limits,
    hardware: Hardware,
    lattice: Lattice,
    window: Window,
    spreads: Sequence[np.ndarray],
) -> Allowed:
    """What the limits of all levels allow.

    Parameters
    ----------
    limits : Limits
    hardware : Hardware
    lattice : Lattice
    window : ((int, int), (int, int))
        See `tile_shapes`.
    spreads : sequence of int64[:]
        Tiles that each level may spread.
    """
    if not limits:
        return nothing_limited(lattice, len(hardware.levels))
    factors = lattice.digits[:, [DIMENSION, PRIME]].tolist()
    parts, starts, count = [], [], 0
    for limit, level in zip(limits, hardware.levels, strict=True):
        may = allowed_dimensions(constraint_of(hardware, level))[0]
        part = build_automaton(limit.rules, [(d, p) for d, p in factors], may)
        parts.append(part)
        starts.append(count)
        count += len(part.ends)
    alive: list[np.ndarray] = []
    ending = np.zeros(len(lattice.extents), np.bool_)
    ending[-1] = True
    for index, part in enumerate(parts):
        if index:
            ending = _before_spread(lattice, spreads[index - 1], alive[-1][0])
        alive.append(_alive(lattice, part, ending))
    holds = np.zeros((0, 0, 0), np.bool_)
    if any(limit.limits_tiles for limit in limits):
        holds = np.array([limit.may_hold(lattice.extents, window) for limit in limits])
    return Allowed(
        np.concatenate(
            [np.where(p.moves < 0, -1, p.moves + n) for p, n in zip(parts, starts, strict=True)]
        ),
        np.concatenate([part.ends for part in parts]),
        np.concatenate(alive),
        holds,
        starts,
    )


def _before_spread(lattice: Lattice, tiles: np.ndarray, begins: np.ndarray) -> np.ndarray:
    """Boxes from which some spread leads to one where the level further out may begin."""
    found = np.empty(len(begins))
    values = np.where(begins, 0.0, np.inf)
    bounds.least_of_spreads(lattice, np.sort(tiles), values, found)
    return np.isfinite(found)


def may_grow_into(lattice: Lattice, some: np.ndarray) -> np.ndarray:
    """Tiles that divide one of some tiles: bool[tiles] of bool[tiles]."""
    found, numbers = some.copy(), np.arange(len(some))
    for _, _, limit, stride, _ in lattice.digits.tolist():
        exponents = numbers // stride % (limit + 1)
        for exponent in range(limit - 1, -1, -1):
            own = np.flatnonzero(exponents == exponent)
            found[own] |= found[own + stride]
    return found


def _alive(lattice: Lattice, part: Automaton, ending: np.ndarray) -> np.ndarray:
    """From which states and boxes a level can be completed: bool[states, tiles]."""
    digits, states, tiles = lattice.digits, len(part.ends), len(lattice.extents)
    alive = np.zeros((states + 1, tiles), np.bool_)
    numbers = np.arange(tiles)
    exponents = numbers[:, None] // digits[:, STRIDE] % (digits[:, LIMIT] + 1)
    left = exponents < digits[:, LIMIT]
    total = exponents.sum(axis=1)
    for count in range(int(total.max(initial=0)), -1, -1):
        own = np.flatnonzero(total == count)
        here = part.ends[:, None] & ending[own]
        for factor, (stride, after) in enumerate(
            zip(digits[:, STRIDE].tolist(), part.moves.T, strict=False)
        ):
            some = left[own, factor]
            here[:, some] |= alive[np.ix_(after, own[some] + stride)]
        for _, after in itertools.product(range(len(TENSORS)), part.moves[:, len(digits) :].T):
            here |= np.vstack([here, np.zeros_like(here[:1])])[after]
        alive[:-1, own] = here
    return alive[:-1]
