"""Mappings whose bounds do not divide their dimension, from layers that are a little larger.

The best mapping of a larger layer is also a mapping of the layer itself, with short last
rounds. Which sizes are worth a try is found one dimension at a time, by counting the
mapping as it is, short rounds and all. The result is never worse than the best
mapping of bounds that divide; it is not proved to be the best.
"""

from __future__ import annotations

import dataclasses
import math
import time

import numpy as np

from kcsim.cost.weight_format import WeightFormat
from kcsim.errors import KcsimError
from kcsim.hardware.schema import Hardware
from kcsim.mapping.deadline import Deadline
from kcsim.mapping.nest import Loop, Mapping
from kcsim.mapping.search import SearchResult, objective_value, search_mapping
from kcsim.model.counts import count_layer
from kcsim.model.cycles import count_cycles
from kcsim.model.energy import energy_items
from kcsim.sums import exact_sum
from kcsim.workload.layer import ConvLayer

TRIES = 3
"""Larger sizes that are tried for each dimension."""
SLACK = 0.25
"""How much larger, as a share."""
MOST_SIZES = 1000
"""Sizes that are looked at, of those, and divisors of them."""
_NOTE = "of bounds that do not divide their dimension, only some were tried"


def improve_imperfectly(
    layer: ConvLayer,
    hardware: Hardware,
    form: WeightFormat,
    perfect: SearchResult,
    *,
    objective: str,
    time_limit: float = math.inf,
    even: bool = False,
) -> SearchResult:
    """Look for a mapping with short last rounds that beats the best one without.

    Parameters
    ----------
    layer : ConvLayer
    hardware : Hardware
    form : WeightFormat
        How the weights are stored.
    perfect : SearchResult
        The best mapping of bounds that divide.
    objective : {"edp", "energy", "cycles"}
    time_limit : float
        Seconds after which the best one so far is returned.
    even : bool
        Only try even mappings.

    Returns
    -------
    SearchResult
        `perfect`, or a better mapping; not proved to be optimal in either case.
    """
    started, best, sizes = time.monotonic(), perfect, dict(layer.dimensions)
    least, evaluated = (
        objective_value(objective, perfect.energy, perfect.cycles),
        perfect.evaluated,
    )
    deadline, note = Deadline(time_limit), _NOTE
    for dimension in "MCPQ":
        found = None
        for size in _larger_sizes(layer.dimensions[dimension]):
            if deadline.has_passed:
                note = f"{_NOTE}; the time limit ended the search"
                break
            larger = _resized(layer, {**sizes, dimension: size})
            try:
                result = search_mapping(
                    larger, hardware, objective=objective, weights=form.costs(hardware),
                    time_limit=max(deadline.left, 1e-3), even=even,
                )  # fmt: skip
                mapping = _without_idle_rounds(result.mapping, layer)
                placed = dataclasses.replace(form, codebook_level=result.codebook_level)
                energy, cycles = _costs(layer, hardware, mapping, placed)
            except KcsimError:
                # Too large to be searched or counted, or it cuts units of clustered weights.
                continue
            evaluated += result.evaluated
            if objective_value(objective, energy, cycles) < least * (1 - 1e-9):
                least, found = objective_value(objective, energy, cycles), size
                best = dataclasses.replace(
                    result, mapping=mapping, energy=energy, cycles=float(cycles)
                )
        sizes[dimension] = found or sizes[dimension]
    return dataclasses.replace(
        best, proved=False, gap=math.nan, mappings=perfect.mappings, evaluated=evaluated,
        seconds=perfect.seconds + time.monotonic() - started, note=note,
    )  # fmt: skip


def _costs(
    layer: ConvLayer, hardware: Hardware, mapping: Mapping, form: WeightFormat
) -> tuple[float, int]:
    counts = count_layer(layer, hardware, mapping, form)
    cycles = count_cycles(counts, form)
    return exact_sum(item.energy for item in energy_items(counts, form, cycles)), cycles.total


def _larger_sizes(size: int) -> list[int]:
    """Sizes somewhat above one that divide in more ways, the most divisible first."""
    if size < 3:
        return []
    most = min(math.ceil(size * (1 + SLACK)), size + MOST_SIZES)
    numbers = np.arange(size, most + 1)
    divisors = np.zeros(len(numbers), np.int64)
    for divisor in range(1, min(math.isqrt(most), MOST_SIZES) + 1):
        # Each divisor up to the root has a partner above it, but for the root itself.
        partner = numbers // divisor
        is_pair = 1 * (partner >= divisor) + (partner > divisor)
        divisors += np.where(numbers % divisor == 0, is_pair, 0)
    better = np.flatnonzero(divisors > divisors[0])
    return [int(numbers[i]) for i in sorted(better, key=lambda i: (-divisors[i], i))[:TRIES]]


def _resized(layer: ConvLayer, sizes: dict[str, int]) -> ConvLayer:
    """The layer with other numbers of channels in a group and other output maps."""
    heights = [
        stride * (sizes[output] - 1) + dilation * (sizes[tap] - 1) + 1
        for output, tap, stride, dilation in zip(
            "PQ", "RS", layer.stride, layer.dilation, strict=True
        )
    ]
    return dataclasses.replace(
        layer,
        in_channels=sizes["C"] * layer.groups,
        out_channels=sizes["M"] * layer.groups,
        in_height=heights[0],
        in_width=heights[1],
        padding=(0, 0, 0, 0),
    )


def _without_idle_rounds(mapping: Mapping, layer: ConvLayer) -> Mapping:
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
