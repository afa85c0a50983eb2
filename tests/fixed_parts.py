"""What may be fixed of a mapping, at random, and whether a mapping has it: an oracle of its own.

A level of a mapping is written as a text, one word for each loop and tensor, and what is fixed as
a regular expression for such texts.
"""

from __future__ import annotations

import itertools
import math
import re

from kcsim.hardware.schema import LevelConstraint
from kcsim.mapping.fixed import FixedLevel, FixedMapping
from kcsim.workload.layer import DIMENSIONS, TENSORS

SEEN_BY = {"weights": "GMCRS", "inputs": "NGCPQRS", "outputs": "NGMPQ"}
BLIND = {"weights": "NPQ", "inputs": "M", "outputs": "CRS"}


def has_fixed(mapping, fix, hardware):
    """Whether a mapping has what is fixed, or one with as many children along other axes."""
    extents = tiles_of(mapping, hardware)
    given = {level.level: level for level in fix.levels}
    for i, level in enumerate(mapping.levels):
        wanted = given.get(level.level)
        if wanted is None:
            continue
        if not level_has(level, wanted, hardware.levels[i], extents[i], i):
            return False
        limit = hardware.dataflow.levels.get(level.level, LevelConstraint())
        if not may_lie(level, wanted, hardware.levels[i].fanout, limit):
            return False
    return True


def tiles_of(mapping, hardware):
    """Extents of the tile of each tensor at each level."""
    found, below = [], dict.fromkeys(DIMENSIONS, 1)
    for level in reversed(mapping.levels):
        for loop in (*level.spatial_x, *level.spatial_y):
            below[loop.dimension] *= loop.bound
        here = []
        for height in level.heights:
            tile = dict(below)
            for loop in level.temporal[height:]:
                tile[loop.dimension] *= loop.bound
            here.append(tile)
        found.append(here)
        for loop in level.temporal:
            below[loop.dimension] *= loop.bound
    return found[::-1]


def level_has(level, wanted, storage, tiles, index):
    kept = [t for t in storage.kept_tensors if t not in level.bypass]
    if wanted.bypass is not None and set(wanted.bypass) != set(level.bypass):
        return False
    if any(name in TENSORS and name not in kept for name in wanted.nest or ()):
        return False
    made = {d: math.prod(n.bound for n in level.temporal if n.dimension == d) for d in DIMENSIONS}
    if not all(admits(text, made) for text in wanted.factors or ()):
        return False
    for text in wanted.tile or ():
        for tensor, tile in zip(TENSORS, tiles, strict=True):
            if tensor in kept and text[0] in SEEN_BY[tensor] and not admits(text, tile):
                return False
    if wanted.stationary:
        moved = [n.dimension not in BLIND[wanted.stationary] for n in level.temporal]
        if moved != sorted(moved, reverse=True):
            return False
    if wanted.temporal is not None:
        if any(level.heights[j] for j, t in enumerate(TENSORS) if t in kept):
            return False
        return any(matches(wanted.temporal, words) for words in texts(level, (), wanted.temporal))
    if wanted.nest is None:
        return True
    items = wanted.nest if index else [n for n in wanted.nest if n not in TENSORS]
    return any(matches(items, words) for words in texts(level, kept if index else (), items))


def admits(text, numbers):
    """Whether the number of a dimension is what ``C=8``, ``C<=8`` or ``C`` asks for."""
    dimension, relation, number = re.fullmatch(r"(\w)(<=|=|)(\d*)", text).groups()
    value = numbers[dimension]
    return {"": True, "=": value == int(number or 0), "<=": value <= int(number or 0)}[relation]


def may_lie(level, wanted, fanout, limit):
    """Whether what is spread can lie along X and Y as is asked for."""
    both = dict.fromkeys(DIMENSIONS, 1)
    for loop in (*level.spatial_x, *level.spatial_y):
        both[loop.dimension] *= loop.bound
    choices = [[n for n in range(1, size + 1) if size % n == 0] for size in both.values()]
    for chosen in itertools.product(*choices):
        x = dict(zip(DIMENSIONS, chosen, strict=True))
        y = {d: both[d] // n for d, n in x.items()}
        if (
            lies(wanted.spatial_x, x, fanout.x, limit.spatial_x)
            and lies(wanted.spatial_y, y, fanout.y, limit.spatial_y)
        ):  # fmt: skip
            return True
    return False


def lies(items, made, room, allowed):
    """Whether so many children can lie along an axis, and are what is asked for."""
    used = [d for d, n in made.items() if n > 1]
    if math.prod(made.values()) > room or (allowed and not set(used) <= set(allowed)):
        return False
    if allowed == () and used:
        return False
    if items is None:
        return True
    named = {item[0] for item in items if item != "..."}
    if any(not admits(item, made) for item in items if item != "..."):
        return False
    return "..." in items or all(n == 1 for d, n in made.items() if d not in named)


def texts(level, kept, items=()):
    """The level in words, for every order of tensors that touch.

    Where a dimension comes again in what is asked for, one loop may stand for several that touch.
    """
    again = {item[0] for item in items if sum(n[0] == item[0] for n in items) > 1} & {*DIMENSIONS}
    groups = [
        [t for j, t in enumerate(TENSORS) if t in kept and level.heights[j] == position]
        for position in range(len(level.temporal) + 1)
    ]
    for orders in itertools.product(*map(itertools.permutations, groups)):
        words = []
        for position, order in enumerate(orders):
            words += [[each] for each in order]
            for loop in level.temporal[position : position + 1]:
                parts = split(loop.bound, 3) if loop.dimension in again else [(loop.bound,)]
                words.append([" ".join(f"{loop.dimension}={n}" for n in part) for part in parts])
        yield from itertools.product(*words)


def split(number, most):
    """All ways to write a number as a product of so many above 1 at most, in any order."""
    ways = [(number,)]
    if most > 1:
        firsts = [n for n in range(2, number) if number % n == 0]
        ways += [(n, *rest) for n in firsts for rest in split(number // n, most - 1)]
    return ways


def matches(items, words):
    """Whether a pattern describes words."""
    named = "".join(item[0] for item in items if item not in TENSORS and item != "...")
    free = "|".join(t for t in TENSORS if t not in items)
    gap = f"(?:(?:{free}) )*" if free else ""
    parts = [gap]
    for item in items:
        if item in TENSORS:
            parts.append(f"{item} ")
        elif item == "...":
            others = "".join(d for d in DIMENSIONS if d not in named)
            parts.append(f"(?:(?:[{others}]=\\d+|{free or 'none'}) )*" if others else "")
        else:
            dimension, relation, number = re.fullmatch(r"(\w)(<=|=|)(\d*)", item).groups()
            if relation == "=":
                parts.append(f"{dimension}={number} " if int(number) > 1 else "")
            elif relation:
                bounds = "|".join(map(str, range(2, int(number) + 1))) or "none"
                parts.append(f"(?:{dimension}=(?:{bounds}) )?")
            else:
                parts.append(f"(?:{dimension}=\\d+ )?")
        parts.append(gap)
    return re.fullmatch("".join(parts), "".join(f"{word} " for word in words)) is not None


def random_fix(rng, mapping, hardware):
    """Something that a mapping has, of some levels, mostly; sometimes what it has not."""
    extents, levels = tiles_of(mapping, hardware), []
    for i, level in enumerate(mapping.levels):
        if rng.random() < 0.4:
            continue
        parts = {}
        kept = [t for t in hardware.levels[i].kept_tensors if t not in level.bypass]
        if i and rng.random() < 0.3:
            parts["bypass"] = level.bypass
        if rng.random() < 0.5:
            parts |= random_nest(rng, level, kept if i else [])
        if rng.random() < 0.3:
            made = dict.fromkeys(rng.sample(DIMENSIONS, 2), 1)
            for loop in level.temporal:
                made[loop.dimension] = made.get(loop.dimension, 1) * loop.bound
            parts["factors"] = [loosened(rng, d, n) for d, n in made.items()]
        if i and kept and rng.random() < 0.3:
            tensor = rng.choice(kept)
            tile = extents[i][TENSORS.index(tensor)]
            chosen = rng.sample(SEEN_BY[tensor], 2)
            parts["tile"] = [loosened(rng, d, tile[d], exact=0.3) for d in chosen]
        for axis, loops in (("x", level.spatial_x), ("y", level.spatial_y)):
            if rng.random() < 0.3:
                items = [loosened(rng, n.dimension, n.bound) for n in loops]
                parts[f"spatial_{axis}"] = items + ["..."] * (rng.random() < 0.4)
        if rng.random() < 0.1 and not stationary_at(hardware, level.level):
            parts["stationary"] = rng.choice(TENSORS)
        levels.append(FixedLevel(level.level, **parts))
    return FixedMapping(tuple(levels))


def stationary_at(hardware, name):
    own = hardware.dataflow.levels.get(name)
    return own and own.stationary


def random_nest(rng, level, kept):
    """A pattern that the loops in time, with tensors among them, have."""
    is_even = not any(level.heights[TENSORS.index(t)] for t in kept)
    key = "temporal" if is_even and rng.random() < 0.4 else "nest"
    items = [str(loop) for loop in level.temporal]
    if key == "nest":
        items = list(next(texts(level, kept)))
        for tensor in [t for t in kept if rng.random() < 0.5]:
            items.remove(tensor)
    places = [loosened(rng, *n.split("=")) if "=" in n else n for n in items]
    for at in range(len(places), -1, -1):
        if rng.random() < 0.15:
            places[at : at + rng.randint(0, 2)] = ["..."]
    touching = any(
        a != "..." and a not in TENSORS and b not in TENSORS and a[0] == b[0]
        for a, b in itertools.pairwise(places)
    )
    return {} if touching else {key: places}


def loosened(rng, dimension, number, exact=0.6):
    """A bound that a number keeps; rarely one that it does not."""
    kind, number = rng.random(), int(number)
    if kind < exact:
        return f"{dimension}={number}"
    if kind < exact + 0.2:
        return f"{dimension}<={max(1, number + rng.randint(-1, 2))}"
    return dimension
