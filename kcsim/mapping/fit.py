"""Why no mapping of a layer fits on a hardware: the level, the tensors, needed and available."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from kcsim.cost.prices import WeightCosts, build_machine, free_rooms
from kcsim.cost.rooms import Room
from kcsim.hardware.level import Level
from kcsim.hardware.schema import Hardware
from kcsim.kernels.search.machine import DECODER, SPARED_BITS, VALUE_BITS, Machine
from kcsim.kernels.search.tilings import cut_share
from kcsim.mapping.space import constraint_of
from kcsim.workload.layer import DIMENSIONS, TENSORS, ConvLayer

_INDEXED_BY = {"weights": "GMCRS", "inputs": "NGC", "outputs": "NGMPQ"}
_SLACK = 1e-12
"""As in `kcsim.mapping.problem`: bits may be fractions where indexes are coded."""


def why_nothing_fits(
    layer: ConvLayer, hardware: Hardware, weights: Sequence[WeightCosts], *, even: bool = False
) -> str:
    """Why no mapping fits, in one line.

    Every mapping has at each level tiles of at least what levels above can neither iterate over
    nor spread, and of what no level may leave out; all but one of them, unless it is even, of at
    least what the level itself cannot iterate over either. Where the smallest such tiles are too
    large, all are.

    Parameters
    ----------
    layer : ConvLayer
    hardware : Hardware
    weights : sequence of WeightCosts
        The forms that the weights may take; see `kcsim.mapping.search.search_mapping`.
    even : bool
        Likewise.
    """
    keeps = np.array(
        [[t in e.kept_tensors and t not in e.may_bypass for t in TENSORS] for e in hardware.levels]
    )
    machines = [(build_machine(layer, hardware, keeps, form), form) for form in weights]
    reasons = [next(_reasons(layer, hardware, *each, even), "") for each in machines]
    reason = reasons[0] if all(reasons) else "no mapping that its dataflow allows fits"
    return f"{layer.name} has no mapping on {hardware.name}: {reason}"


def _reasons(
    layer: ConvLayer, hardware: Hardware, machine: Machine, weights: WeightCosts, even: bool
) -> Iterator[str]:
    """What does not fit, from the outermost level on."""
    for index, level in enumerate(hardware.levels):
        # Factors divide their dimension.
        sizes = layer.dimensions.items()
        tile = {name: _least_extent(name, size, hardware, index) for name, size in sizes}
        inside = tile
        if index and not even:
            may = constraint_of(hardware, level).temporal
            inside = {d: 1 if may is None or d in may else size for d, size in tile.items()}
        kept = [t for t in level.kept_tensors if t not in level.may_bypass]
        # Any tensor may stand first, also one that could be left out, if not all could.
        choices = level.kept_tensors if kept and inside != tile else kept[:1]
        found = []
        for first in choices:
            here = {*kept, first}
            needed = {
                tensor: _bits(j, tile if tensor == first else inside, machine, index)
                if tensor in here
                else 0.0
                for j, tensor in enumerate(TENSORS)
            }
            rooms = free_rooms(level, index, weights)
            full = [r for r in rooms if r.used(needed) and not r.holds(needed, _SLACK)]
            if full:
                used = full[0].used(needed)
                held = [t for t in TENSORS if t in here and t in full[0].tensors]
                what = "tiles" if len(choices) == 1 else "one tile"
                text = _reason(held, full[0], used, level, tile, index, what)
                found.append((used - (full[0].bits or 0), text))
        if found and len(found) == len(choices):
            yield min(found)[1]


def _least_extent(name: str, size: int, hardware: Hardware, index: int) -> int:
    """Extent that the tiles of a level have at least along a dimension."""
    spread = 1
    for level in hardware.levels[:index]:
        constraint = constraint_of(hardware, level)
        choices = constraint.temporal, constraint.spatial_x, constraint.spatial_y
        for choice, room in zip(choices, (size, level.fanout.x, level.fanout.y), strict=True):
            spread *= room if choice is None or name in choice else 1
    return next(size // parts for parts in range(min(spread, size), 0, -1) if size % parts == 0)


def _bits(tensor: int, tile: dict[str, int], machine: Machine, index: int) -> float:
    """Bits that the tile of a tensor takes at a level."""
    words = float(math.prod(tile[d] for d in _INDEXED_BY[TENSORS[tensor]]))
    if TENSORS[tensor] == "inputs":
        for axis, (output, tap) in enumerate((("P", "R"), ("Q", "S"))):
            stride, dilation = machine.window[axis].item()
            words *= stride * (tile[output] - 1) + dilation * (tile[tap] - 1) + 1
    if TENSORS[tensor] == "weights" and index <= machine.unit[DECODER]:
        words *= cut_share.py_func(machine.unit, tile["M"], tile["C"], tile["R"], tile["S"])
    bits = float(machine.costs[index, tensor, VALUE_BITS])
    if TENSORS[tensor] == "outputs":
        # They may arrive finished.
        bits -= float(machine.finished[index, SPARED_BITS])
    return words * bits


def _reason(
    tensors: Sequence[str],
    room: Room,
    needed: float,
    level: Level,
    tile: dict[str, int],
    index: int,
    what: str,
) -> str:
    whose = "its " + (" and ".join(filter(None, [", ".join(tensors[:-1]), tensors[-1]])))
    if index and all(extent == 1 for extent in tile.values()):
        whose = f"not even tiles of one value fit: {whose}"
    elif index:
        parts = ", ".join(f"{d}={tile[d]}" for d in DIMENSIONS if tile[d] > 1)
        whose = f"its dataflow leaves {what} of at least {parts} to '{level.name}': {whose}"
    together = " together" if len(tensors) > 1 else ""
    in_words = (level.partition_of(tensors[0]) or level).capacity_words is not None
    bits = room.bits or 0
    there, here = (
        (f"{math.ceil(size / room.word_bits):,} words" if in_words else _size(size))
        for size in (needed, bits)
    )
    if there == here:
        there, here = f"{math.ceil(needed):,} bits", f"{bits:,} bits"
    half = ", half of its size (buffering: double)" if level.buffering == "double" else ""
    return f"{whose} need {there}{together}, and level '{level.name}' has {here} for them{half}"


def _size(bits: float) -> str:
    """A size for people, as 781 KiB."""
    size, units = max(bits, 0) / 8, ["B", "KiB", "MiB", "GiB", "TiB"]
    while size >= 1000 and len(units) > 1:
        size /= 1024
        units.pop(0)
    return f"{size:.3g} {units[0]}" if size < 1000 else f"{size:,.0f} {units[0]}"
