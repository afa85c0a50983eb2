"""Whether a tile of a shared convolution fits the level that is its home."""

from __future__ import annotations

import math

from kcsim.cost.rooms import rooms_of
from kcsim.errors import MappingError, Problem
from kcsim.sharing.plan import SharedLayer, SharedMapping


def check_home(shared: SharedLayer, mapping: SharedMapping, width: int) -> int:
    """Bits of all tiles in the home; raise a MappingError if they do not fit."""
    tile, home = mapping.tile, shared.hardware.level_index(mapping.home)
    order = mapping.order
    level, index_bits = shared.hardware.levels[home], shared.index_bits(tile, order)
    value_bits, widest = shared.arithmetic(tile, order).bits, shared.room(tile, order)
    needed = shared.home_bits(shared.shapes(tile), home, index_bits, width, widest, value_bits)
    for room in rooms_of(level):
        if room.bits is not None and not room.holds(needed):
            raise MappingError(
                Problem(
                    f"level '{level.name}' is too small for the tile of {shared.layer.name}, "
                    "products or sums included: "
                    f"{-(-room.used(needed) // room.word_bits)} words",
                    f"at most the {room.bits // room.word_bits} that it has for "
                    + ", ".join(room.tensors),
                )
            )
    bits: int = math.ceil(sum(needed.values()))
    return bits
