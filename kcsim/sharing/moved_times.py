"""How often the outermost level moves the tensors of a shared convolution at least."""

from __future__ import annotations

from typing import Any, NamedTuple

from kcsim.hardware.schema import Hardware
from kcsim.sharing.tiles import Tile
from kcsim.workload.layer import ConvLayer


class MovedTimes(NamedTuple):
    """How often all words of a tensor are read, updated and, of outputs, read back."""

    weights: Any
    inputs: Any
    updates: Any
    returned: Any


def moved_times(layer: ConvLayer, hardware: Hardware, home: int, tile: Tile) -> list[MovedTimes]:
    """How often the outermost level gives and takes all words of a tensor, in several ways.

    Loops of one level alone above the home leave one tensor where it is from tile to tile, and
    one at most: that which the innermost loops do not index. Where there are more levels, each
    tensor is moved once at least.

    Parameters
    ----------
    layer : ConvLayer
    hardware : Hardware
    home : int
        Position of the level.
    tile : Tile
        Of integers, or of arrays for many tiles.
    """
    rounds = tile.rounds(layer)
    images, again = rounds.N * rounds.P * rounds.Q, rounds.C - 1
    if home != 1 or hardware.levels[0].fanout.children > 1:
        return [MovedTimes(1, 1, 1, 0)]
    return [
        MovedTimes(images, rounds.M, 1, 0),
        MovedTimes(images, 1, 1 + again, again),
        MovedTimes(1, rounds.M, 1 + again, again),
    ]
