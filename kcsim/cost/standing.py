"""How long the array stands still: for loads, dumps, and at the beginning and end of passes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from kcsim.cost.access import rates
from kcsim.hardware.schema import Hardware
from kcsim.workload.layer import TENSORS, Tensor


class Stall(NamedTuple):
    """What one tensor at one level is waited for.

    Attributes
    ----------
    level : int
        Position of the level, behind the last one for the MAC units.
    tensor : str
    loads, dumps : bool
        Whether words that fill it are waited for, or that leave it.
    tile_cycles : float
        Cycles for each new tile.
    """

    level: int
    tensor: Tensor
    loads: bool
    dumps: bool
    tile_cycles: float


def stalls_of(hardware: Hardware) -> tuple[Stall, ...]:
    """All that the array of a hardware stands still for."""
    found = []
    for i, level in enumerate(hardware.levels):
        for tensor in TENSORS:
            loads = tensor in level.stalls.loads and level.counted.fills
            dumps = level.stalls.dumps and tensor == "outputs"
            waits: Mapping[Any, float] = level.stalls.cycles_per_tile
            cycles = waits.get(tensor, 0.0)
            if loads or dumps or cycles:
                found.append(Stall(i, tensor, loads, dumps, cycles))
        array = level.fanout.systolic
        if array is not None:
            x, y = level.fanout.x, level.fanout.y
            cycles = float(array.fill * (x + y - 2) + array.drain * y)
            found.append(Stall(i + 1, array.stationary, False, False, cycles))
    return tuple(found)


def stall_rates(hardware: Hardware, stall: Stall) -> tuple[float, float]:
    """Cycles of a value that is waited for as it is loaded, and as it is dumped."""
    if stall.level == len(hardware.levels):
        return 0.0, 0.0
    level, widths = hardware.levels[stall.level], hardware.level_bits[stall.level]
    bits = widths["partial_sums" if stall.tensor == "outputs" else stall.tensor]
    reading, filling, _ = rates(level, stall.tensor)
    return stall.loads * bits / filling, stall.dumps * bits / reading
