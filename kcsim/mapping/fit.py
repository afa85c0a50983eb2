"""Why no mapping of a layer fits on a hardware: the level, the tensors, needed and available."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from kcsim.cost.prices import WeightCosts, build_machine
from kcsim.hardware.level import Level
from kcsim.hardware.schema import Hardware, LevelConstraint
from kcsim.kernels.search.machine import CAPACITY, DECODER, GROUP, VALUE_BITS, Machine
from kcsim.kernels.search.tilings import cut_share
from kcsim.workload.layer import DIMENSIONS, TENSORS, ConvLayer

_INDEXED_BY = {"weights": "GMCRS", "inputs": "NGC", "outputs": "NGMPQ"}
_SLACK = 1 + 1e-12
"""As in `kcsim.kernels.search.tilings.fitting_tiles`."""


def why_nothing_fits(layer: ConvLayer, hardware: Hardware, weights: Sequence[WeightCosts]) -> str:
    """Why no mapping fits, in one line.

    Every mapping has at each level tiles of at least what levels above can neither iterate over
    nor spread, and of what no level may leave out: where the smallest such tiles are too large,
    all are.

    Parameters
    ----------
    layer : ConvLayer
    hardware : Hardware
    weights : sequence of WeightCosts
        The forms that the weights may take; see `kcsim.mapping.search.search_mapping`.
    """
    keeps = np.array(
        [[t in e.kept_tensors and t not in e.may_bypass for t in TENSORS] for e in hardware.levels]
    )
    machines = [build_machine(layer, hardware, keeps, form) for form in weights]
    reasons = [next(_reasons(layer, hardware, machine), "") for machine in machines]
    reason = reasons[0] if all(reasons) else "no mapping that its dataflow allows fits"
    return f"{layer.name} has no mapping on {hardware.name}: {reason}"


def _reasons(layer: ConvLayer, hardware: Hardware, machine: Machine) -> Iterator[str]:
    """What does not fit, from the outermost level on."""
    for index, level in enumerate(hardware.levels):
        tile = _least_tile(layer, hardware, index)
        needed = [_bits(tensor, tile, machine, index) for tensor in range(len(TENSORS))]
        for group in range(len(TENSORS)):
            held = [
                j
                for j in range(len(TENSORS))
                if machine.rules["keeps"][index, j] and machine.rooms[index, GROUP + j] == group
            ]
            room, sum_ = machine.rooms[index, CAPACITY + group], sum(needed[j] for j in held)
            if held and sum_ > room * _SLACK:
                yield _reason([TENSORS[j] for j in held], sum_, room, level, tile, index)


def _least_tile(layer: ConvLayer, hardware: Hardware, index: int) -> dict[str, int]:
    """Extents that the tiles of a level have at least, as factors divide their dimension."""
    return {
        name: _least_extent(name, size, hardware, index) for name, size in layer.dimensions.items()
    }


def _least_extent(name: str, size: int, hardware: Hardware, index: int) -> int:
    spread = 1
    for level in hardware.levels[:index]:
        constraint = hardware.dataflow.levels.get(level.name, LevelConstraint())
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
        words *= cut_share.py_func(machine.unit, tile["C"], tile["R"], tile["S"])
    return words * float(machine.costs[index, tensor, VALUE_BITS])


def _reason(
    tensors: Sequence[str],
    needed: float,
    room: float,
    level: Level,
    tile: dict[str, int],
    index: int,
) -> str:
    whose = "its " + (" and ".join(filter(None, [", ".join(tensors[:-1]), tensors[-1]])))
    if index and all(extent == 1 for extent in tile.values()):
        whose = f"not even tiles of one value fit: {whose}"
    elif index:
        parts = ", ".join(f"{d}={tile[d]}" for d in DIMENSIONS if tile[d] > 1)
        whose = f"its dataflow leaves tiles of at least {parts} to '{level.name}': {whose}"
    together = " together" if len(tensors) > 1 else ""
    holder = level.partition_of(tensors[0]) or level
    in_words = holder.capacity_words is not None
    there, here = (
        (f"{math.ceil(bits / holder.word_bits):,} words" if in_words else _size(bits))
        for bits in (needed, room)
    )
    if there == here:
        there, here = f"{math.ceil(needed):,} bits", f"{math.floor(room):,} bits"
    half = ", half of its size (buffering: double)" if level.buffering == "double" else ""
    return f"{whose} need {there}{together}, and level '{level.name}' has {here} for them{half}"


def _size(bits: float) -> str:
    """A size for people, as 781 KiB."""
    size, units = max(bits, 0) / 8, ["B", "KiB", "MiB", "GiB", "TiB"]
    while size >= 1000 and len(units) > 1:
        size /= 1024
        units.pop(0)
    return f"{size:.3g} {units[0]}" if size < 1000 else f"{size:,.0f} {units[0]}"
