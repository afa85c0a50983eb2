"""Which layers can share on a hardware, and which of their filters can share an order."""

from __future__ import annotations

from collections.abc import Iterator

from kcsim.cost.padding import generates_padding
from kcsim.cost.standing import stalls_of
from kcsim.errors import MappingError
from kcsim.hardware.level import Level
from kcsim.hardware.schema import Hardware
from kcsim.sharing.places import can_order
from kcsim.sharing.plan import SharedLayer
from kcsim.sharing.tiles import Tile
from kcsim.workload.layer import ConvLayer


def possible_groups(shared: SharedLayer, home: int) -> tuple[int, ...]:
    """How many filters may share an order of their units; none where there can be no order.

    What is gathered with a scale or an offset of its own is no sum of several filters.
    """
    if not shared.listed or not can_order(shared.hardware, home, shared.sharing):
        return ()
    most = 1 if shared.has_factors else shared.hardware.compute.filter_group
    filters = shared.layer.out_channels // shared.layer.groups
    return tuple(n for n in range(1, min(most, filters) + 1) if filters % n == 0)


def check_shareable(shared: SharedLayer) -> None:
    """Raise a MappingError if a layer cannot share on a hardware, whatever the mapping."""
    what = f"{shared.layer.name} cannot {shared.sharing.verb}"
    if reason := shared.distinct.part.unshared:
        raise MappingError(f"{what}: {reason}")
    for uncounted in _uncounted(shared.layer, shared.hardware):
        raise MappingError(f"{what}: {uncounted} are not counted for that")
    if not shared.widths(Tile.whole(shared.layer)):
        raise MappingError(f"{what}: all of its weights are zero, and zeros are left out")


def _uncounted(layer: ConvLayer, hardware: Hardware) -> Iterator[str]:
    """What a hardware has that no phase counts."""
    for level in hardware.levels:
        yield from _uncounted_at(level)
    widths = hardware.level_bits
    if layer.precision_bits or any(bits != widths[-1] for bits in widths):
        yield "widths by level or layer"
    if stalls_of(hardware):
        yield "stalls and passes"
    if generates_padding(layer, hardware):
        yield "inputs without their padding"
    if hardware.slides == "repeated":
        yield "slides by repeated moves alone"


def _uncounted_at(level: Level) -> Iterator[str]:
    for has, name in ((level.fanout.hop_pj, "hops"), (level.fanout.forwarding, "forwarding")):
        if has:
            yield f"{name} below '{level.name}'"
    if level.fanout.words_per_cycle is not None:
        yield f"bandwidth of the network below '{level.name}'"
    if level.fanout.tensor_pj:
        yield f"energies by tensor of the network below '{level.name}'"
    if not level.counted.fills:
        yield f"fills that cost nothing, as of '{level.name}',"
