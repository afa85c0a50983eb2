"""Whether what is fixed of a mapping can hold at all: for a hardware, and for a layer on it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

from kcsim.errors import MappingError, Problem, nearest
from kcsim.hardware.schema import Hardware, LevelConstraint
from kcsim.mapping.fixed import ANYTHING, Bound, FixedLevel, FixedMapping, Item
from kcsim.mapping.space import constraint_of
from kcsim.workload.layer import DIMENSIONS, TENSORS, ConvLayer

_SPREADS = ("spatial_x", "spatial_y")
_LOOPS = ("temporal", "nest", *_SPREADS)


def check_fixed(fixed: FixedMapping, layer: ConvLayer, hardware: Hardware) -> None:
    """Refuse what no mapping of a layer can have, whatever else it is.

    Raises
    ------
    MappingError
        With everything that is wrong.
    """
    found = list(_level_problems(fixed, hardware))
    if not found:
        found = list(_bound_problems(fixed, layer, hardware))
    if found:
        raise MappingError([fixed.marked(problem) for problem in found])


def _level_problems(fixed: FixedMapping, hardware: Hardware) -> Iterator[Problem]:
    """What is wrong whatever the layer is."""
    names = hardware.level_names
    for index, level in enumerate(fixed.levels):
        path = ("levels", index)
        if level.level not in names:
            message = f"{hardware.name} has no level '{level.level}'"
            expected, near = "one of " + ", ".join(names), nearest(level.level, names)
            yield Problem(message, expected, near, path=(*path, "level"))
            continue
        if level.level in [each.level for each in fixed.levels[:index]]:
            message = f"level '{level.level}' comes twice"
            yield Problem(message, "each level once", path=(*path, "level"))
        yield from _tensor_problems(level, hardware, path)
        yield from _pattern_problems(level, hardware, path)
        yield from _dataflow_problems(level, hardware, path)


def _tensor_problems(
    level: FixedLevel, hardware: Hardware, path: tuple[str | int, ...]
) -> Iterator[Problem]:
    """Tensors that cannot be kept, or left out."""
    index, name = hardware.level_index(level.level), level.level
    kept = hardware.levels[index].kept_tensors
    for tensor in level.bypass or ():
        if not index:
            message = f"{tensor} cannot bypass the outermost level '{name}'"
            yield Problem(message, path=(*path, "bypass"))
        elif tensor not in kept:
            message = f"level '{name}' does not keep {tensor} in the first place"
            yield Problem(message, "one of " + ", ".join(kept), path=(*path, "bypass"))
    for at, tensor in enumerate(level.nest or ()):
        where = (*path, "nest", at)
        if tensor not in TENSORS:
            continue
        if tensor not in kept:
            yield Problem(f"level '{name}' does not keep {tensor}", path=where)
        elif tensor in (level.bypass or ()):
            message = f"{tensor} stand in the nest of level '{name}' and bypass it"
            yield Problem(message, "one of both", path=where)
        elif tensor in (level.nest or ())[:at]:
            message = f"{tensor} stand twice in the nest of level '{name}'"
            yield Problem(message, "once", path=where)
    if level.tile and not index:
        message = f"the tiles of the outermost level '{name}' are the whole layer"
        yield Problem(message, "a level further in", path=(*path, "tile"))


def _pattern_problems(
    level: FixedLevel, hardware: Hardware, path: tuple[str | int, ...]
) -> Iterator[Problem]:
    """Patterns that say the same thing twice, or what mappings never do."""
    name, index = level.level, hardware.level_index(level.level)
    if level.temporal is not None and level.nest is not None:
        message = f"level '{name}' has both 'temporal' and 'nest'"
        yield Problem(message, "one of them", path=(*path, "nest"))
        return
    pattern: Sequence[Item] = level.pattern or ()
    key = "temporal" if level.nest is None else "nest"
    for at, (item, after) in enumerate(pairwise(pattern)):
        if isinstance(item, Bound) and isinstance(after, Bound) and item.axis == after.axis:
            message = f"two loops over {item.dimension} touch at level '{name}'"
            yield Problem(message, "one loop of both", path=(*path, key, at + 1))
    kept = {t for t in hardware.levels[index].kept_tensors if t not in (level.bypass or ())}
    first = pattern[0] if pattern else ""
    outside = isinstance(first, Bound) and first.is_exact and first.number > 1
    if index and outside and kept and kept <= set(level.named):
        message = f"the loop {first} stands before all that level '{name}' keeps"
        expected = "a tensor first: loops before all are those of the level above"
        yield Problem(message, expected, path=(*path, key, 0))
    if not index and any(item in TENSORS for item in pattern[len(level.named) :]):
        message = f"loops of the outermost level '{name}' stand before tensors"
        expected = "all tensors first: it keeps them as a whole"
        yield Problem(message, expected, path=(*path, key))
    for key, items in zip(_SPREADS, level.along, strict=True):
        bounds = [item for item in items or () if isinstance(item, Bound)]
        for at, bound in enumerate(bounds):
            if bound.axis in [each.axis for each in bounds[:at]]:
                message = f"{bound.dimension} comes twice along {key[-1].upper()} below '{name}'"
                yield Problem(message, "once, with all children", path=(*path, key))
    for key in ("factors", "tile"):
        dimensions = [Bound.parse(text).dimension for text in getattr(level, key) or ()]
        for dimension in sorted({d for d in dimensions if dimensions.count(d) > 1}):
            message = f"{dimension} comes twice in the {key} of level '{name}'"
            yield Problem(message, "once", path=(*path, key))


def _dataflow_problems(
    level: FixedLevel, hardware: Hardware, path: tuple[str | int, ...]
) -> Iterator[Problem]:
    """What the dataflow or the array of the hardware does not let a level do."""
    at = hardware.levels[hardware.level_index(level.level)]
    constraint = constraint_of(hardware, at)
    own = constraint.stationary
    if level.stationary and own not in (None, level.stationary):
        message = f"the dataflow of {hardware.name} keeps {own} stationary at level '{at.name}'"
        yield Problem(message, str(own), path=(*path, "stationary"))
    for key, place, bound in _exact_loops(level):
        if not _allows(constraint, key, bound):
            axis = f" along {key[-1].upper()} below" if key in _SPREADS else " at"
            message = f"the dataflow of {hardware.name} lets no loop go over {bound.dimension}"
            yield Problem(f"{message}{axis} '{at.name}'", path=(*path, key, place))
    rooms = (at.fanout.x, at.fanout.y)
    for key, items, room in zip(_SPREADS, level.along, rooms, strict=True):
        exact = [n for n in items or () if isinstance(n, Bound) and n.is_exact]
        needed = math.prod(bound.number for bound in exact)
        if needed > room:
            message = f"the loops along {key[-1].upper()} below '{at.name}' need {needed} children"
            expected = f"at most the {room} that {hardware.name} has"
            yield Problem(message, expected, path=(*path, key))


def _exact_loops(level: FixedLevel) -> Iterator[tuple[str, int, Bound]]:
    """Loops of one number above 1: the key, the place, and the bound."""
    for key in (*_LOOPS, "factors"):
        for place, text in enumerate(getattr(level, key) or ()):
            if text in TENSORS or text == ANYTHING:
                continue
            bound = Bound.parse(text)
            if bound.is_exact and bound.number > 1:
                yield key, place, bound


def _allows(constraint: LevelConstraint, key: str, bound: Bound) -> bool:
    allowed = getattr(constraint, key if key in _SPREADS else "temporal")
    return allowed is None or bound.dimension in allowed


def _bound_problems(fixed: FixedMapping, layer: ConvLayer, hardware: Hardware) -> Iterator[Problem]:
    """Numbers that do not divide the dimensions of a layer, alone or together."""
    sizes: dict[str, int] = dict(layer.dimensions.items())
    together: dict[str, int] = dict.fromkeys(DIMENSIONS, 1)
    for index, level in enumerate(fixed.levels):
        counted = {n.dimension for n in level.bounds if n.is_exact}
        every = [*_exact_loops(level), *_exact_tiles(level)]
        for key, place, bound in every:
            d, size, path = bound.dimension, sizes[bound.dimension], ("levels", index, key, place)
            if size % bound.number:
                message = f"{bound} at level '{level.level}': {bound.number} does not divide "
                expected = f"a divisor of {size}, as {_near_divisor(bound.number, size)}"
                yield Problem(f"{message}the {d} = {size} of {layer.name}", expected, path=path)
                return
            if key == "tile" or (key in ("temporal", "nest") and d in counted):
                continue
            together[d] *= bound.number
            if size % together[d]:
                message = f"the loops over {d} that are fixed down to level '{level.level}' "
                message += f"multiply to {together[d]}, which does not divide the {d} = {size} "
                yield Problem(f"{message}of {layer.name}", f"divisors of {size}", path=path)
                return


def _exact_tiles(level: FixedLevel) -> Iterator[tuple[str, int, Bound]]:
    for place, bound in enumerate(level.tile_bounds):
        if bound.is_exact:
            yield "tile", place, bound


def _near_divisor(number: int, size: int) -> int:
    divisors = (n for n in range(1, size + 1) if size % n == 0)
    return min(divisors, key=lambda n: abs(n - number))
