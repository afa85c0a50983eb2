"""Larger sizes of a layer, whose mappings are mappings of the layer with short last rounds.

A loop nest whose bounds over a dimension multiply to more than its size has a short last round:
it is a mapping of bounds that divide, of a layer that is larger by so much. What is worth a try
divides in many ways, or fills the array: a spread over so many children, and as few rounds.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence

import numpy as np

from kcsim.hardware.schema import Hardware
from kcsim.mapping.nest import Loop, Mapping
from kcsim.mapping.space import constraint_of
from kcsim.workload.layer import DIMENSIONS, ConvLayer

Sizes = tuple[int, ...]
"""Sizes of all dimensions, in the order of `DIMENSIONS`."""
LARGER = 4 / 3
"""How much larger a dimension may become, at most: more of the last round than that is idle."""
SMOOTH = 0.04
"""How much larger what is left to loops in time may become, so that it divides better."""
SPREADS_KEPT = 512
"""Spreads over an axis, or over all children, that are combined with others."""
NEAREST = 6
"""Sizes of a dimension that are tried beside those of other dimensions."""
MOST_SIZES = 1000
"""Sizes of a dimension that are looked at."""
_FIXED = DIMENSIONS.index("G")


def spreads_of(layer: ConvLayer, hardware: Hardware) -> tuple[np.ndarray, np.ndarray, bool]:
    """Spreads of a layer over all children, those with the fewest steps first.

    Parameters
    ----------
    layer : ConvLayer
    hardware : Hardware

    Returns
    -------
    spreads : int64[spreads, 8]
        Indices of each dimension that run at once.
    steps : float64[spreads]
        Steps that the layer takes with them at least, short last rounds counted as steps.
    every : bool
        Whether no spread has been left out.
    """
    sizes = np.array(list(layer.dimensions.values()), np.int64)
    found, every = np.ones((1, len(sizes)), np.int64), True
    for level in hardware.levels:
        constraint = constraint_of(hardware, level)
        for room, allowed in (
            (level.fanout.x, constraint.spatial_x), (level.fanout.y, constraint.spatial_y),
        ):  # fmt: skip
            along = _along_axis(sizes, room, allowed)
            along, all_kept = _fewest_steps(along, sizes)
            products = (found[:, None] * along).reshape(-1, len(sizes))
            found, all_found = _fewest_steps(products, sizes)
            every = every and all_kept and all_found
    return found, _steps(found, sizes), every


def _along_axis(sizes: np.ndarray, room: int, allowed: Sequence[str] | None) -> np.ndarray:
    """Spreads along one axis: of each dimension no more than shortens it."""
    found = np.ones((1, len(sizes)), np.int64)
    for i, (name, size) in enumerate(zip(DIMENSIONS, sizes.tolist(), strict=True)):
        if size == 1 or (allowed is not None and name not in allowed):
            continue
        rounds = {-(-size // n) for n in range(1, min(size, room) + 1)}
        counts = np.array(sorted(-(-size // n) for n in rounds))
        more = np.ones((len(counts), len(sizes)), np.int64)
        more[:, i] = counts
        found = (found[:, None] * more).reshape(-1, len(sizes))
        found = found[found.prod(axis=1) <= room]
    return found


def _fewest_steps(spreads: np.ndarray, sizes: np.ndarray) -> tuple[np.ndarray, bool]:
    """Some spreads with the fewest steps, of equal ones those over the fewest children."""
    spreads = np.unique(np.minimum(spreads, sizes), axis=0)
    order = np.lexsort((spreads.prod(axis=1), _steps(spreads, sizes)))
    return spreads[order[:SPREADS_KEPT]], len(spreads) <= SPREADS_KEPT


def _steps(spreads: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    steps: np.ndarray = (-(-sizes // spreads)).astype(float).prod(axis=1)
    return steps


def filling_sizes(layer: ConvLayer, spreads: np.ndarray) -> Iterator[Sizes]:
    """For every spread the least sizes that it divides, and others that divide in more ways."""
    sizes, seen = list(layer.dimensions.values()), set()
    for spread in spreads.tolist():
        rounds = [-(-size // s) for size, s in zip(sizes, spread, strict=True)]
        for chosen in ([_smooth(n) for n in rounds], rounds):
            found = [n * s for n, s in zip(chosen, spread, strict=True)]
            found[_FIXED] = sizes[_FIXED]
            key = tuple(found)
            fits = all(n <= _most(size) for n, size in zip(key, sizes, strict=True))
            if fits and key not in seen and list(key) != sizes:
                seen.add(key)
                yield key


def sizes_beside(layer: ConvLayer, sizes: Sizes, room: int) -> Iterator[Sizes]:
    """The sizes with one dimension changed, or rows and columns alike.

    Parameters
    ----------
    layer : ConvLayer
    sizes : tuple of int
    room : int
        Children along an axis at most.
    """
    own = list(layer.dimensions.values())
    groups: list[tuple[int, ...]] = [(i,) for i in range(len(own)) if i != _FIXED]
    for pair in ("PQ", "RS"):
        i, j = (DIMENSIONS.index(d) for d in pair)
        if own[i] == own[j]:
            groups.insert(0, (i, j))
    for group in groups:
        for size in _near(own[group[0]], room):
            found = list(sizes)
            for i in group:
                found[i] = size
            if tuple(found) != tuple(sizes):
                yield tuple(found)


def every_sizes(layer: ConvLayer, most: int) -> list[Sizes] | None:
    """All sizes that bounds multiply to of which none could be less; its own come first.

    A bound could be less if as many rounds of it were left. ``None`` if there are more than some.
    """
    found: list[Sizes] = [()]
    for i, size in enumerate(layer.dimensions.values()):
        choices = [size] if i == _FIXED else _chained(size, 1)
        found = [(*known, choice) for known in found for choice in sorted(set(choices))]
        if len(found) > most:
            return None
    return found


def _chained(rounds: int, product: int) -> list[int]:
    """Products of bounds that leave one round of so many in the end."""
    if rounds == 1:
        return [product]
    fewer = {-(-rounds // bound) for bound in range(2, rounds + 1)}
    return [size for left in fewer for size in _chained(left, product * -(-rounds // left))]


def _near(size: int, room: int) -> list[int]:
    """The size itself, and larger ones that divide in more ways, the most first."""
    most = _most(size)
    divisors = {n: _divisors(n) for n in range(size, most + 1)}
    filling = {s * -(-size // s) for s in range(2, room + 1)}
    better = [n for n in divisors if n > size and (divisors[n] > divisors[size] or n in filling)]
    return [size, *sorted(better, key=lambda n: (-divisors[n], n))[:NEAREST]]


def _most(size: int) -> int:
    return size if size < 3 else min(math.floor(size * LARGER), size + MOST_SIZES)


def _smooth(size: int) -> int:
    """What divides in the most ways, of a number and those a little larger."""
    most = size + max(1, math.floor(size * SMOOTH)) if size > 2 else size
    return max(range(size, min(most, size + MOST_SIZES) + 1), key=lambda n: (_divisors(n), -n))


def _divisors(number: int) -> int:
    found, factor = 1, 2
    while factor * factor <= number:
        exponent = 0
        while number % factor == 0:
            number //= factor
            exponent += 1
        found *= exponent + 1
        factor += 1
    return found * (2 if number > 1 else 1)


def resized(layer: ConvLayer, sizes: Sizes) -> ConvLayer:
    """The layer with other sizes of its dimensions, all but its groups."""
    n, groups, m, c, p, q, r, s = sizes
    height, width = (
        stride * (outputs - 1) + dilation * (taps - 1) + 1
        for outputs, taps, stride, dilation in zip(
            (p, q), (r, s), layer.stride, layer.dilation, strict=True
        )
    )
    return dataclasses.replace(
        layer, in_channels=c * groups, out_channels=m * groups, in_height=height, in_width=width,
        kernel_height=r, kernel_width=s, padding=(0, 0, 0, 0), batch=n,
    )  # fmt: skip


def without_idle_rounds(mapping: Mapping, layer: ConvLayer) -> Mapping:
    """Shorten the outermost loops of a mapping of a larger layer to what the layer needs."""
    rest = {dimension: mapping.bound(dimension) for dimension in layer.dimensions}
    opened: set[str] = set()

    def shortened(loop: Loop) -> Loop:
        dimension = loop.dimension
        if dimension in opened or loop.bound == 1:
            return loop
        rest[dimension] //= loop.bound
        needed = -(-layer.dimensions[dimension] // rest[dimension])
        if needed > 1:
            opened.add(dimension)
        return Loop(dimension, needed)

    levels = []
    for level in mapping.levels:
        levels.append(level.with_loops([tuple(map(shortened, nest)) for nest in level.nests]))
    return Mapping(tuple(levels))
