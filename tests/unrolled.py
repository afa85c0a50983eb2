"""The definition of uneven mappings: a level of its own for every tensor that a level keeps."""

from __future__ import annotations

from dataclasses import replace

from kcsim.hardware.level import Fanout
from kcsim.mapping.nest import LevelLoops, Loop, Mapping


def unroll(hardware, mapping):
    """A hardware and an even mapping on it that move the same words.

    Each tensor that a level keeps stands in a level that keeps nothing else, in the order of their
    places; the last of these levels has the children, all others have one. The outermost level
    stays as it is.

    Returns
    -------
    hardware : Hardware
    mapping : Mapping
    owners : dict of str to str
        The level of the given hardware that each new level is a part of.
    """
    given = {level.level: level for level in mapping.levels}
    levels, nests = [hardware.levels[0]], []
    owners = {hardware.levels[0].name: hardware.levels[0].name}
    nests.append(given.get(hardware.levels[0].name, LevelLoops(hardware.levels[0].name)))
    for level in hardware.levels[1:]:
        own = given.get(level.name, LevelLoops(level.name))
        kept = [t for t in level.kept_tensors if t not in own.bypass]
        heights = dict(zip(("weights", "inputs", "outputs"), own.heights, strict=True))
        chain = [(heights[tensor], tensor) for tensor in kept]
        # Loops in front of all tensors, or of none, belong to a level that keeps nothing.
        ends = sorted(chain) if min(chain, default=(1, ""))[0] == 0 else [(0, ""), *sorted(chain)]
        for i, (start, tensor) in enumerate(ends):
            is_last = i + 1 == len(ends)
            end = len(own.temporal) if is_last else ends[i + 1][0]
            name = f"{level.name}, {tensor or 'nothing'}"
            keeps = (tensor,) if tensor else ()
            levels.append(
                replace(
                    level, name=name, keeps=keeps, partitions=(),
                    fanout=level.fanout if is_last else Fanout(),
                )
            )  # fmt: skip
            spread = (own.spatial_x, own.spatial_y) if is_last else ((), ())
            nests.append(LevelLoops(name, own.temporal[start:end], *spread))
            owners[name] = level.name
    return replace(hardware, levels=tuple(levels)), Mapping(tuple(nests)), owners


def with_places(level, text):
    """A level whose nest is given as in a mapping file, ``weights C=8 inputs``."""
    loops, heights = [], {}
    for word in text.split():
        if "=" in word:
            loops.append(Loop.parse(word))
        else:
            heights[word] = len(loops)
    places = tuple(heights.get(t, 0) for t in ("weights", "inputs", "outputs"))
    return LevelLoops(level, tuple(loops), heights=places)
