"""What no closed form counts: short tiles, and inputs without padding that neighbors pass on."""

from __future__ import annotations

import math

import numpy as np

from kcsim.cost.padding import generates_padding
from kcsim.cost.prices import rule_array, window_array
from kcsim.cost.weight_format import WeightFormat
from kcsim.errors import MappingError, Problem
from kcsim.hardware.schema import Hardware
from kcsim.kernels.layout import TEMPORAL
from kcsim.mapping.nest import Mapping
from kcsim.workload.layer import TENSORS, ConvLayer

MOST_VISITS = 10**8
"""Tiles that may be walked, which takes about ten seconds."""
MOST_PIXELS = 10**8
"""Pixels of an image that may be marked, one byte each."""


def forwards_pixels(layer: ConvLayer, hardware: Hardware) -> bool:
    """Whether neighbors pass inputs on without padding, of which no closed form is known."""
    forwards = any("inputs" in level.fanout.forwarding for level in hardware.levels)
    return forwards and generates_padding(layer, hardware)


def check_walked(
    mapping: Mapping, layer: ConvLayer, hardware: Hardware, form: WeightFormat | None
) -> None:
    """Refuse what is not counted by a closed form where it cannot be, or not in reasonable time."""
    if not mapping.is_perfect(layer):
        _check_imperfect(mapping, layer, hardware, form)
    elif hardware.slides == "repeated":
        message = "inputs that neighbors pass on without padding are not counted"
        message += " where windows slide by repeated moves alone"
        raise MappingError(Problem(message, "slides: any, or padding: moved"))
    visits = _walked_visits(mapping, layer, hardware)
    if visits > MOST_VISITS:
        message = f"forwarding of short tiles has to be walked, here for {visits} tiles"
        expected = f"at most {MOST_VISITS} tiles, or factors that divide their dimension"
        if generates_padding(layer, hardware):
            message = f"short or forwarded tiles without padding have to be walked, here {visits}"
            expected += ", or padding: moved"
        raise MappingError(Problem(message, expected))


def _check_imperfect(
    mapping: Mapping, layer: ConvLayer, hardware: Hardware, form: WeightFormat | None
) -> None:
    """Refuse imperfect factors where they cannot be counted, or not in reasonable time."""
    cut = {d: n for d, n in layer.dimensions.items() if mapping.bound(d) != n}
    factors = ", ".join(f"factors of {d} that multiply to {n}" for d, n in cut.items())
    unit = dict(zip("MCRS", form.extents, strict=True)) if form and form.unit else {}
    for d in cut:
        if unit.get(d, 1) > 1:
            message = f"a short tile of {d} would cut units of clustered weights, that span {d}"
            raise MappingError(Problem(message, factors))
    for level in hardware.levels:
        if level.fanout.hop_pj:
            message = f"hops of short tiles are not counted, as of those below '{level.name}'"
            raise MappingError(Problem(message, factors))
    if hardware.slides == "repeated":
        message = "windows of short tiles are not counted where they slide by repeated moves alone"
        raise MappingError(Problem(message, f"slides: any, or {factors}"))
    pixels = _pixels(layer, hardware)
    if pixels > MOST_PIXELS and any(each.fanout.multicast == "word" for each in hardware.levels):
        message = f"words that short tiles share are marked in an image, here of {pixels} pixels"
        raise MappingError(Problem(message, f"at most {MOST_PIXELS} pixels, or {factors}"))


def _pixels(layer: ConvLayer, hardware: Hardware) -> int:
    """Rows times columns that windows reach over."""
    sizes = layer.dimensions
    extents = [
        stride * (sizes[output] - 1) + dilation * (sizes[tap] - 1) + 1
        for (stride, dilation), output, tap in zip(
            window_array(layer, hardware).tolist(), "PQ", "RS", strict=True
        )
    ]
    return math.prod(extents)


def _walked_visits(mapping: Mapping, layer: ConvLayer, hardware: Hardware) -> int:
    """Tiles that are looked at where a level forwards, or is filled without padding, at most."""
    keeps, visits = mapping.keeps_array(hardware), 0
    loops, heights = mapping.loop_array(hardware), mapping.heights_array(hardware)
    rules = rule_array(layer, hardware, keeps)
    padded = [bool(rule["padding"].any()) for rule in rules]
    for i, level in enumerate(hardware.levels[:-1]):
        is_spatial = (loops["level"] == i) & (loops["kind"] != TEMPORAL)
        children = math.prod(map(int, loops["bound"][is_spatial]))
        for j, tensor in enumerate(TENSORS[:2]):
            walks = tensor in level.fanout.forwarding and children > 1
            walks = walks or (tensor == "inputs" and padded[i + 1])
            if walks and keeps[i + 1, j]:
                outside = np.sum(loops["level"] <= i) + heights[i + 1, j]
                visits += math.prod(map(int, loops["bound"][:outside]))
    return visits
