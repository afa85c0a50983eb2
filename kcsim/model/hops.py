"""Links that words cross on the mesh below a level.

The children stand on a mesh that is fed at the child (0, 0). A word goes along
the first row to its column and then up the column: x + y links for the child at
(x, y). One that several children share is copied on the way and crosses every
link once; partial sums that are added up on their way go back likewise.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import numpy as np

from kcsim.cost.weight_format import WeightFormat
from kcsim.model.counts import Counts, tile_extents
from kcsim.model.traffic import transferred_bits, transferred_words
from kcsim.workload.layer import DIMENSIONS, ConvLayer, Tensor

_INDEXED = {"weights": "GMCRS", "outputs": "NGMPQ"}


def count_hops(counts: Counts, index: int, tensor: Tensor) -> Fraction:
    """Hops of all words of a tensor below a level: words times links, one by one.

    All children are given equally many words, so the links of one word for every
    child, over the number of children, are the hops of a word. Children share a
    word if their whole tiles are the same; a network that multicasts single words
    may need fewer hops.

    Parameters
    ----------
    counts : Counts
    index : int
        Position of the level.
    tensor : {"weights", "inputs", "outputs"}
    """
    return sum(
        (
            transferred_words(counts, index, tensor, (direction,)) * links
            for direction, links in _links_of_a_word(counts, index, tensor)
        ),
        Fraction(0),
    )


def hop_bits(counts: Counts, form: WeightFormat, index: int, tensor: Tensor) -> Fraction:
    """Bits that cross each link, added up over all links; see `count_hops`."""
    return sum(
        (
            transferred_bits(counts, form, index, tensor, (direction,)) * links
            for direction, links in _links_of_a_word(counts, index, tensor)
        ),
        Fraction(0),
    )


def _links_of_a_word(counts: Counts, index: int, tensor: Tensor) -> Iterator[tuple[str, Fraction]]:
    """Links that a word of each direction crosses, of those of one child."""
    fanout = counts.hardware.levels[index].fanout
    # Nothing is shared between the innermost level and its MAC units (rule 8).
    between_levels = index + 1 < len(counts.hardware.levels)
    places, tiles = _children(counts, index, tensor)
    for direction, shared in (("down", fanout.multicast != "none"), ("up", fanout.reduction)):
        groups = tiles if shared and between_levels else np.arange(len(tiles))
        yield direction, Fraction(_links(places, groups), len(tiles))


def _links(places: np.ndarray, groups: np.ndarray) -> int:
    """Links of one word for each group of children: to its last column, then up each column."""
    across = np.zeros(groups.max() + 1, np.int64)
    np.maximum.at(across, groups, places[:, 0])
    columns, column = np.unique(
        groups * (places[:, 0].max() + 1) + places[:, 0], return_inverse=True
    )
    up = np.zeros(len(columns), np.int64)
    np.maximum.at(up, column, places[:, 1])
    return int(across.sum() + up.sum())


def _children(counts: Counts, index: int, tensor: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Places of the children of one instance, int64[children, 2], and numbers of their tiles."""
    hardware, mapping = counts.hardware, counts.mapping
    name = hardware.levels[index].name
    nests = next((level for level in mapping.levels if level.level == name), None)
    steps = dict(tile_extents(mapping, hardware)[index + 1])
    places = np.zeros((1, 2), np.int64)
    starts = np.zeros((1, len(DIMENSIONS)), np.int64)
    # Innermost loops first: Y, then X, each from its end.
    for axis, nest in ((1, nests.spatial_y), (0, nests.spatial_x)) if nests else ():
        stride = 1
        for loop in reversed(nest):
            iteration = np.arange(loop.bound)[:, None]
            dimension = DIMENSIONS.index(loop.dimension)
            moves = iteration * stride * (np.arange(2) == axis)
            places = (moves[:, None] + places).reshape(-1, 2)
            moves = iteration * steps[loop.dimension] * (np.arange(len(DIMENSIONS)) == dimension)
            starts = (moves[:, None] + starts).reshape(-1, len(DIMENSIONS))
            stride *= loop.bound
            steps[loop.dimension] *= loop.bound
    first = _first_words(counts.layer, starts, tensor)
    tiles = np.unique(first, axis=0, return_inverse=True)[1]
    return places, tiles.reshape(-1)


def _first_words(layer: ConvLayer, starts: np.ndarray, tensor: Tensor) -> np.ndarray:
    """Coordinates of the first word of each tile: int64[children, axes]."""
    along = dict(zip(DIMENSIONS, starts.T, strict=True))
    if tensor != "inputs":
        return np.stack([along[dimension] for dimension in _INDEXED[tensor]], axis=1)
    rows = layer.stride[0] * along["P"] + layer.dilation[0] * along["R"]
    columns = layer.stride[1] * along["Q"] + layer.dilation[1] * along["S"]
    return np.stack([along["N"], along["G"], along["C"], rows, columns], axis=1)
