"""Every mapping of a tiny layer with bounds that need not divide, each counted as it is: an oracle.

Bounds over a dimension may multiply to anything from its size to just below twice of that: what is
more is idle, and could be left out.
"""

from __future__ import annotations

import itertools
import random

from small_problems import layer_of
from uneven_problems import random_hardware
from uneven_space import count_all, spaces_of

from kcsim import MappingError, evaluate
from kcsim.mapping.larger import resized, without_idle_rounds


def imperfect_problem(seed, most=4000):
    """A layer, a hardware that counts short rounds, and how many mappings with any bounds."""
    rng = random.Random(seed)
    while True:
        hardware = random_hardware(rng, True)
        dimensions = rng.sample("NMMCCPPQRS", rng.choice((1, 2, 2, 3)))
        sizes = {d: rng.choice((2, 3) if d in "RS" else (2, 3, 3, 4, 5, 5, 7)) for d in dimensions}
        window = [tuple(rng.choice((1, 1, 1, 2)) for _ in "RC") for _ in range(2)]
        layer = layer_of(sizes, *window)
        if len(hardware.levels) > 3:
            continue
        count = 0
        for larger in every_size(layer):
            count += count_all(resized(layer, larger), hardware)
            if count > most:
                break
        if 0 < count <= most:
            return layer, hardware


def every_size(layer):
    """All sizes of all dimensions, up to twice its own."""
    ranges = [range(size, max(size + 1, 2 * size)) for size in layer.dimensions.values()]
    return itertools.product(*ranges)


def imperfect_costs(layer, hardware):
    """Energy and cycles of every mapping that fits, by mapping."""
    found = {}
    for sizes in every_size(layer):
        for space in spaces_of(resized(layer, sizes), hardware):
            for block in space.blocks():
                for index in range(len(block.loops)):
                    mapping = without_idle_rounds(block.mapping(index, hardware), layer)
                    if mapping in found:
                        continue
                    try:
                        estimate = evaluate(layer, hardware, mapping)
                    except MappingError:
                        found[mapping] = None
                        continue
                    found[mapping] = estimate.energy, estimate.cycles.total
    return [costs for costs in found.values() if costs]
