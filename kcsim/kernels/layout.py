"""A layer, a hardware and a mapped loop nest as arrays of records, for all kernels.

Tensors are numbered weights 0, inputs 1, outputs 2; dimensions N G M C P Q R S are 0 to 7. Network
`n` lies below level `n`; the MAC units are below the last level. All counts are of words.

A kernel asks for ``spans[level].extent[dimension]``, NumPy for ``spans["extent"]``. What only the
kernels of one folder use is described there.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy import bool_, int64

TEMPORAL, SPATIAL_X, SPATIAL_Y = 0, 1, 2
N, G, M, C, P, Q, R, S = range(8)
WEIGHTS, INPUTS, OUTPUTS = 0, 1, 2
NO_MULTICAST, TILE_MULTICAST, WORD_MULTICAST = 0, 1, 2

INDEXES = np.array(
    [
        [False, True, True, True, False, False, True, True],
        [True, True, False, True, True, True, True, True],
        [True, True, True, False, True, True, False, False],
    ]
)
"""Whether a dimension indexes a tensor: bool[tensors, dimensions]."""


def record(**fields: Any) -> np.dtype[np.void]:
    """A type of records; a field is a type, or a type and how many of it."""
    return np.dtype(list(fields.items()), align=True)


LOOP = record(level=int64, kind=int64, dimension=int64, bound=int64)
"""A loop of a mapping; *loops* holds them outermost first.

level, kind
    Storage level that it belongs to, 0 for the outermost; ``TEMPORAL``, ``SPATIAL_X`` or
    ``SPATIAL_Y``.
dimension, bound
    What it iterates over, and how often.
"""

STEP = record(step=int64, outer=int64)
"""What can be read off a loop; *steps* has one for each.

step
    Indices by which one iteration advances the dimension.
outer
    Product of the bounds of the temporal loops around it.
"""

BOX = record(low=(int64, 5), size=(int64, 5))
"""A part of a tensor: lowest coordinate and extent along each of its five axes.

These are ``[G, M, C, R, S]`` of weights, ``[N, G, C, H, W]`` of inputs with the padding around
them, ``[N, G, M, P, Q]`` of outputs.
"""

WINDOW = record(stride=int64, dilation=int64)
"""How windows lie along an axis of the image, in words; *window* has rows 0 and columns 1."""

RULE = record(
    keeps=(int64, 3), multicast=int64, reduces=bool_, forwards=(int64, 3), repeated=bool_,
    padding=(int64, (2, 2)),
)  # fmt: skip
"""What a level keeps and what the network below it can do; *rules* has one for each level.

keeps
    Whether the level stores a tensor.
multicast, reduces
    How the network shares reads; whether it adds up partial sums.
forwards
    Whether children take a tensor from their neighbors.
repeated
    Whether windows slide only by as much as the last time (all levels alike).
padding
    Lines of padding of inputs that are not moved to the level: rows and columns, before the image
    and behind it.
"""

SPAN = record(
    extent=(int64, 8), spatial=(int64, 8), children=int64, spread=(int64, 3), held=int64,
    above=int64, outside=(int64, 3), box=(int64, (3, 8)), instances=int64, tile=(int64, 3),
    moved=(int64, 3), covered=int64,
)  # fmt: skip
"""What a level spans; *spans* has one for each level, outermost first, and one for the MAC unit.

extent
    Indices of each dimension that one instance spans.
spatial, children
    Spatial bounds of the network below by dimension, and their product.
spread
    Words that the level sends for one word that each child is given (or receives for one from
    each), by tensor.
held
    Distinct words of outputs that one instance ever holds.
above
    Number of loops that belong to the levels above.
outside, box
    Of the place of each tensor in the nest: the number of loops outside of it, and the indices of
    each dimension that the loops inside span. *heights* (int64[levels, tensors]) says how many
    loops of the level stand outside; where these are none, the box is the extent, and need not be
    filled.
instances
    Instances in use.
tile
    Words of each tensor that one instance stores.
moved
    Words of each tensor that one instance is filled with, or of outputs sends up, in all.
covered
    Distinct words of inputs that all instances below one parent are filled with, step by step,
    where the network above carries words.
"""

COUNT = record(reads=int64, fills=int64, updates=int64, down=int64, up=int64, forwarded=int64)
"""What is counted of a tensor at a level, over all instances; *counts* is [levels, tensors].

reads, fills, updates
    Accesses of the level.
down, up, forwarded
    In the network below: words that arrive at the children, that leave them upwards, and that
    they take from neighbors.
"""


def count_columns(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same counts as int64[..., 3] each: reads, fills, updates; down, up, forwarded."""
    columns = counts.view((np.int64, 6))
    return columns[..., :3], columns[..., 3:]
