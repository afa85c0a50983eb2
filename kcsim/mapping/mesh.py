"""The ways to place children on the mesh below a level, where their places matter.

Loops along X or Y stand from outside in. Where words pay for every link of the mesh (hops), or come
from a neighbor (forwarding), it matters which factors lie along which axis, and in which order.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from kcsim.hardware.network import Fanout
from kcsim.kernels.layout import INDEXES, INPUTS, OUTPUTS, SPATIAL_X, SPATIAL_Y, P, Q, R, S
from kcsim.kernels.search.tilings import Lattice
from kcsim.mapping.deadline import Deadline
from kcsim.mapping.placements import MeshLoops, Placed, Placements, plain_placements

MayStand = Callable[[MeshLoops], bool]
"""Whether loops over children may stand as they do."""
_WINDOW = ((P, R), (Q, S))
MOST_PLACES, FEW_TRIED, FEW_PLACES = 8192, 16, 4
"""Ways to place children below a level of which all are kept; of a tile, then, those that are
tried, and kept."""
MOST_DIAGONAL = 4000
"""Ways to place children, some of which share inputs on a diagonal, that are looked at by tile."""


class Slant(NamedTuple):
    """How far inputs move from an output row to the next one, and from a tap to the next one.

    Of rows, and of columns, each without common factors: as far as children that are given equal
    tiles of inputs depend on the box that is spread.
    """

    rows: tuple[int, int]
    columns: tuple[int, int]


def forwarding_placements(
    lattice: Lattice,
    along_x: np.ndarray,
    axes: Sequence[np.ndarray],
    slides: np.ndarray,
    deadline: Deadline,
    own: MeshLoops = (),
    may_stand: MayStand | None = None,
) -> Placements:
    """As `plain_placements`, with all places of children that may take inputs from neighbors.

    Of two that differ in the names of the axes only, `own` is taken if it is one; but where not
    all of them may stand, both are.
    """
    found, orders = [], _Orders(lattice)
    plain = plain_placements(lattice, along_x)
    ends = np.cumsum(plain.counts).tolist()
    for tile, first, last in zip(plain.tiles.tolist(), [0, *ends], ends, strict=False):
        if not forwards(lattice.extents[tile], slides):
            found.append(Placed(tile, tuple(map(tuple, plain.loops[first:last].tolist()))))
            continue
        deadline.check()
        known: set[MeshLoops] = set()
        for loops in _places(lattice, tile, axes, orders):
            if may_stand and not may_stand(loops):
                continue
            turned = loops if may_stand else _turned(loops)
            if turned not in known:
                known.add(loops)
                found.append(Placed(tile, own if own == turned else loops))
    return Placements.of(found)


def _turned(loops: MeshLoops) -> MeshLoops:
    """The loops with X and Y exchanged, if neighbors are the same then; else as they are."""
    on = [{d for kind, d, _ in loops if kind == axis} for axis in (SPATIAL_X, SPATIAL_Y)]
    if on[0] & on[1]:
        return loops
    other = {SPATIAL_X: SPATIAL_Y, SPATIAL_Y: SPATIAL_X}
    return tuple(sorted(((other[k], d, n) for k, d, n in loops), key=lambda loop: loop[0]))


def forwards(extents: np.ndarray, slides: np.ndarray) -> bool:
    """Whether children of a spread may be given what a neighbor had: windows move from one on."""
    return any(
        slides[axis] and (extents[p] > 1 or extents[r] > 1) for axis, (p, r) in enumerate(_WINDOW)
    )


def hop_placements(
    lattice: Lattice,
    along_x: np.ndarray,
    axes: Sequence[np.ndarray],
    shared: Sequence[bool],
    slants: Sequence[Slant],
    deadline: Deadline,
    own: MeshLoops = (),
    may_stand: MayStand | None = None,
) -> tuple[list[Placed], bool]:
    """Every tile that can be spread, in the ways of which none takes more links for all tensors.

    Also whether these are all such ways. Where children on a diagonal share inputs, and there are
    more than `MOST_DIAGONAL`, those are left out that reach further where none shares them. From
    `MOST_PLACES` on, only a few with the fewest links are kept of each tile.

    Parameters
    ----------
    lattice, along_x
        See `plain_placements`.
    axes : sequence of int64[:]
        Tiles that may lie along X and Y.
    shared : sequence of bool
        See `shared_words`.
    slants : sequence of Slant
        Of all boxes.
    deadline : Deadline
    own : MeshLoops
        What is kept in any case, of a tile in place of all else.
    may_stand : callable, optional
        Whether loops may stand as they do, if not all may.

    Raises
    ------
    OutOfTime
        If the deadline passes.
    """
    found: list[Placed] = []
    every = True
    orders = _Orders(lattice)
    short = orders if may_stand else _ShortOrders(lattice, list(_seen(shared)))
    for tile in np.flatnonzero(along_x >= 0).tolist():
        deadline.check()
        extents = lattice.extents[tile].tolist()
        diagonal = shared[INPUTS] and any(extents[p] > 1 and extents[r] > 1 for p, r in _WINDOW)
        places: Iterable[MeshLoops] = _standing(_places(lattice, tile, axes, short), may_stand)
        if len(found) > MOST_PLACES:
            known = list(places)
            places, every = known[:: 1 + len(known) // FEW_TRIED], False
        elif diagonal:
            every_way = _standing(_places(lattice, tile, axes, orders), may_stand)
            tried = list(itertools.islice(every_way, MOST_DIAGONAL + 1))
            every = every and len(tried) <= MOST_DIAGONAL
            places = tried if len(tried) <= MOST_DIAGONAL else places
        if own and any(loops == own for loops in _places(lattice, tile, axes, orders)):
            places = [own]
        most = FEW_PLACES if len(found) > MOST_PLACES else math.inf
        own_slants = [_as_far_as(slant, extents) for slant in slants if diagonal]
        unique = list(dict.fromkeys(own_slants))
        ways = (_placed(tile, loops, shared, unique) for loops in places)
        kept, complete = _no_worse(ways, most)
        every = every and complete
        numbers = [unique.index(slant) for slant in own_slants]
        found += [way._replace(tilted=tuple(way.tilted[i] for i in numbers)) for way in kept]
    return found, every


def _standing(places: Iterable[MeshLoops], may_stand: MayStand | None) -> Iterator[MeshLoops]:
    return (loops for loops in places if may_stand is None or may_stand(loops))


def _as_far_as(slant: Slant, extents: Sequence[int]) -> Slant:
    """The slant, but for axes along which the children of a spread share no inputs."""
    steps = [
        step if step[1] < extents[p] and step[0] < extents[r] else (1, extents[p])
        for step, (p, r) in zip(slant, _WINDOW, strict=True)
    ]
    return Slant(*steps)


def shared_words(fanout: Fanout, *, innermost: bool) -> tuple[bool, ...]:
    """Whether children share words: of weights and inputs in, of outputs out and back.

    Nothing is shared where the children are MAC units, below the innermost level.
    """
    multicast = fanout.multicast != "none" and not innermost
    return multicast, multicast, fanout.reduction and not innermost, multicast


def _placed(tile: int, loops: MeshLoops, shared: Sequence[bool], slants: Sequence[Slant]) -> Placed:
    """A way to place children, with the links that words take."""
    weights, inputs, outputs, back = (_links(loops, seen) for seen in _seen(shared))
    if not slants:
        return Placed(tile, loops, (weights, inputs, outputs, back))
    tilted = tuple(_tilted_links(loops, slant) for slant in slants)
    return Placed(tile, loops, (weights, 0.0, outputs, back), tilted)


def _seen(shared: Sequence[bool]) -> Iterator[np.ndarray]:
    """For words of weights and inputs in, of outputs out and back: what tells children apart."""
    for i, tensor in enumerate((0, INPUTS, OUTPUTS, OUTPUTS)):
        yield INDEXES[tensor] if shared[i] else np.ones(8, np.bool_)


def _no_worse(ways: Iterable[Placed], most: float) -> tuple[list[Placed], bool]:
    """Ways of which no other is better in some links, and as good in all; and if these are all.

    Where there are more than `most`, those with the fewest links.
    """
    kept: list[tuple[tuple[float, ...], Placed]] = []
    costs = sorted((((*way.links, *way.tilted), way) for way in ways), key=lambda c: sum(c[0]))
    for cost, way in costs:
        if any(all(a <= b for a, b in zip(k, cost, strict=True)) for k, _ in kept):
            continue
        if len(kept) >= most:
            return [way for _, way in kept], False
        kept.append((cost, way))
    return [way for _, way in kept], True


def _links(loops: MeshLoops, seen: np.ndarray) -> float:
    """Links of a word for each child, where children that differ in what is seen have their own.

    A word goes along the first row to the last column that needs it, and up every such column.
    """
    reach, columns, rows = [0.0, 0.0], 1, 1
    for axis, kind in enumerate((SPATIAL_X, SPATIAL_Y)):
        stride = 1
        for _, dimension, bound in reversed([loop for loop in loops if loop[0] == kind]):
            reach[axis] += (bound - 1) * stride * (0.5 if seen[dimension] else 1.0)
            stride *= bound
            if not seen[dimension] and axis == 0:
                columns *= bound
            elif not seen[dimension]:
                rows *= bound
    return (reach[0] + columns * reach[1]) / (columns * rows)


def _tilted_links(loops: MeshLoops, slant: Slant) -> float:
    """Links of a word of inputs for each child, where rows or columns of the image meet."""
    places, starts = np.zeros((1, 2), np.int64), np.zeros((1, 8), np.int64)
    sizes, strides = np.ones(8, np.int64), [1, 1]
    for kind, dimension, bound in reversed(loops):
        axis, steps = int(kind == SPATIAL_Y), np.arange(bound)[:, None, None]
        places = (places + steps * strides[axis] * (np.arange(2) == axis)).reshape(-1, 2)
        starts = (starts + steps * sizes[dimension] * (np.arange(8) == dimension)).reshape(-1, 8)
        strides[axis] *= bound
        sizes[dimension] *= bound
    lines = [
        steps[0] * starts[:, p] + steps[1] * starts[:, r]
        for steps, (p, r) in zip((slant.rows, slant.columns), _WINDOW, strict=True)
    ]
    first = np.column_stack([starts[:, [0, 1, 3]], *lines])
    _, groups = np.unique(first, axis=0, return_inverse=True)
    across: dict[int, int] = {}
    up: dict[tuple[int, int], int] = {}
    for (x, y), group in zip(places.tolist(), groups.ravel().tolist(), strict=True):
        across[group] = max(x, across.get(group, 0))
        up[group, x] = max(y, up.get((group, x), 0))
    return (sum(across.values()) + sum(up.values())) / len(places)


def slants_of(lattice: Lattice, window: np.ndarray) -> tuple[list[Slant], np.ndarray]:
    """All slants, and which one each box has: int64[tiles]."""
    whole, numbers = lattice.extents[-1], np.zeros(len(lattice.extents), np.int64)
    known: dict[Slant, int] = {}
    for box, extent in enumerate(lattice.extents.tolist()):
        steps = []
        for axis, (p, r) in enumerate(_WINDOW):
            a = int(window[axis]["stride"]) * extent[p]
            b = int(window[axis]["dilation"]) * extent[r]
            divisor = math.gcd(a, b)
            a, b = a // divisor, b // divisor
            meets = b < whole[p] and a < whole[r]
            # What never meets may lie anywhere apart.
            steps.append((a, b) if meets else (1, int(whole[p]) * a + 1))
        slant = Slant(*steps)
        numbers[box] = known.setdefault(slant, len(known))
    return list(known), numbers


class _Orders:
    """The orders of a tile's factors, as loops from outside in: each once."""

    def __init__(self, lattice: Lattice) -> None:
        self._digits = [tuple(row[:4]) for row in lattice.digits.tolist()]
        self.of = functools.cache(self._of)

    def _of(self, tile: int) -> list[tuple[tuple[int, int], ...]]:
        """All loops (dimension, bound) along an axis; factors side by side are one loop."""
        if tile == 0:
            return [()]
        found: set[tuple[tuple[int, int], ...]] = set()
        for dimension, prime, limit, stride in self._digits:
            if tile // stride % (limit + 1) == 0:
                continue
            for inner in self.of(tile - stride):
                if inner and inner[0][0] == dimension:
                    found.add(((dimension, prime * inner[0][1]), *inner[1:]))
                else:
                    found.add(((dimension, prime), *inner))
        return sorted(found)


class _ShortOrders(_Orders):
    """Those orders of which no other one reaches less far for each tensor.

    What is seen by a tensor reaches half as far, on average, as what is not.
    """

    def __init__(self, lattice: Lattice, seen: Sequence[np.ndarray]) -> None:
        self._seen = seen
        super().__init__(lattice)

    def _of(self, tile: int) -> list[tuple[tuple[int, int], ...]]:
        kept: list[tuple[tuple[float, ...], tuple[tuple[int, int], ...]]] = []
        reaches = {order: self._reach(order) for order in super()._of(tile)}
        for order in sorted(reaches, key=lambda order: reaches[order]):
            reach = reaches[order]
            if not any(all(a <= b for a, b in zip(k, reach, strict=True)) for k, _ in kept):
                kept.append((reach, order))
        return [order for _, order in kept]

    def _reach(self, order: tuple[tuple[int, int], ...]) -> tuple[float, ...]:
        found, stride = [0.0] * len(self._seen), 1
        for dimension, bound in reversed(order):
            for i, seen in enumerate(self._seen):
                found[i] += (bound - 1) * stride * (0.5 if seen[dimension] else 1.0)
            stride *= bound
        return tuple(found)


def _places(
    lattice: Lattice, tile: int, axes: Sequence[np.ndarray], orders: _Orders
) -> Iterator[MeshLoops]:
    """Every way to lay a tile along X and Y."""
    along_y = set(axes[1].tolist())
    digits = lattice.digits.tolist()
    for part in axes[0].tolist():
        fits = all(
            part // stride % (limit + 1) <= tile // stride % (limit + 1)
            for _, _, limit, stride, _ in digits
        )
        if part > tile or tile - part not in along_y or not fits:
            continue
        for x, y in itertools.product(orders.of(part), orders.of(tile - part)):
            yield (
                *((SPATIAL_X, dimension, bound) for dimension, bound in x),
                *((SPATIAL_Y, dimension, bound) for dimension, bound in y),
            )
