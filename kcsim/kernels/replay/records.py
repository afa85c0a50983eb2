"""The arrays of a replay: buffers, the boxes that they hold, and their words.

A *word* is numbered by its place in the tensor. See `kcsim.kernels.layout` for what other kernels
have, too.

The arrays are few, of records: every array that a kernel is given costs compilation.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy import bool_, int64

from kcsim.kernels.layout import BOX, record

AXES, ROW, COLUMN = 5, 3, 4
"""Axes of a tensor; those of inputs that windows slide along."""
EMPTY, HELD, AWAY = 0, 1, 2
"""Of a partial sum: never accumulated, here, sent down to be continued there, or up."""

PLACE = record(
    base=int64, low=(int64, AXES), size=(int64, AXES), head=(int64, 2), room=(int64, AXES)
)
"""A buffer.

base
    Slot of its first word.
low, size
    The box that it holds.
head
    Row and column of the buffer at which the lowest row and column lie, as rows and columns of
    inputs are kept in rings.
room
    Extents of the buffer, of which a short tile uses less.
"""

BUFFER = record(place=PLACE, given=BOX, given_at=int64, move=(int64, AXES))
"""The buffer of one instance for one tensor.

given, given_at
    The box that it was given last, and at which step.
move
    What the next move has to repeat, zeros for any.
"""

TILE = record(moved=BOX, whole=BOX)
"""Of the tile of an instance: what moves now, and all of it."""

TEMPORAL_LOOP = record(level=int64, bound=int64, dimension=int64, step=int64)
"""A temporal loop; one iteration advances its dimension by `step` indices."""

DIMENSION = record(size=int64, moves=(int64, 3))
"""A dimension of the layer: its size; whether it moves the tiles of a tensor, or has instances
idle or tiles short."""

AXIS = record(dimension=(int64, 2), step=(int64, 2))
"""Up to two dimensions that move a box along an axis, and how far one index of each does."""

LEVEL = record(
    instances=int64, children=int64, columns=int64, first=int64, network=int64,
    extent=(int64, 8), reach=(int64, 8),
)  # fmt: skip
"""A level; behind the last one the MAC units.

instances
    Their number; they are numbered parent by parent.
children, columns
    Children in use below each, and how many of them lie along Y.
first
    Row at which its instances begin, where there is one for every instance of every level.
network
    The level below which the network lies through which its tiles arrive: the next one above,
    unless that is another place in the nest of the same level.
extent, reach
    Indices that a tile spans; how far the last instance lies from the first one.
"""

BANK = record(base=int64, words=int64, parent=int64, size=(int64, AXES))
"""All buffers of a level for a tensor; behind the last level what a MAC unit takes.

base
    Slot at which they begin; behind the last level, where words wait that neighbors have handed
    over.
words, size
    Words and extents of a tile that is not short.
parent
    The nearest level above that keeps the tensor.
"""

MAC = record(word=(int64, 3), slot=(int64, 3), row=int64, column=int64)
"""Operands of a MAC unit at the start of the tiles that it reads: their words; their slots, rows
and columns of inputs left out; row and column of its input."""

OPERAND = record(word=int64, shift=int64, row=int64, column=int64)
"""An operand of the first MAC unit now: its word, how far its slot lies from the start of the tile,
and, of inputs, row and column in the ring."""

PROGRESS = record(step=int64, is_short=bool_, now=(int64, 8), seen=(int64, (3, 8)))
"""How far a level has come.

step
    Steps so far.
is_short
    Whether instances are idle or tiles short now.
now, seen
    Indices at which the first instance begins, and those when it was last looked at for each
    tensor.
"""

STREAM = record(
    hash=int64, count=int64, asks=bool_, is_alive=bool_, is_own=bool_, word=int64
)  # fmt: skip
"""What an instance of a level exchanges now.

hash, count
    A hash of which words, and how many are moved.
asks
    Whether there are any words, be they padding that is not moved.
is_alive, is_own
    Whether the stream of a leaf has not been merged into another's so far, and just now.
word
    Of a MAC unit, the word.
"""

ENTRY = record(key=int64, time=int64, instance=int64)
"""An entry of a hash table: when and by which instance it was entered."""


class Nest(NamedTuple):
    """A mapped layer as the replay takes it.

    Attributes
    ----------
    loops : TEMPORAL_LOOP[loops]
        Outermost first.
    dimensions : DIMENSION[8]
    axes : AXIS[3, 5]
    rules : RULE[levels]
    levels : LEVEL[levels + 1]
    banks : BANK[levels + 1, 3]
    tensors : PLACE[3]
        The tensors as places: a word's slot in them is its number.
    offsets : int64[rows, 8]
        Indices by which an instance begins after the first one.
    macs : MAC[macs]
    is_cut : bool
        Whether the bounds over some dimension multiply to more than its size.
    """

    loops: np.ndarray
    dimensions: np.ndarray
    axes: np.ndarray
    rules: np.ndarray
    levels: np.ndarray
    banks: np.ndarray
    tensors: np.ndarray
    offsets: np.ndarray
    macs: np.ndarray
    is_cut: bool


class State(NamedTuple):
    """Everything that changes during a replay.

    Attributes
    ----------
    values : int64[slots] or float64[slots]
    tags : int32[slots]
        The word in each slot, -1 for none yet.
    status : int8[slots]
        ``EMPTY``, ``HELD`` or ``AWAY``; of partial sums only.
    indices : int64[loops]
    progress : PROGRESS[levels + 1]
    active : bool[rows]
        Whether an instance has something to do now.
    buffers : BUFFER[rows, 3]
    tiles : TILE[instances + 1]
        Of the instances of a level; the last one is of an instance that is looked at in between.
    stage : PLACE[1]
        Where words wait that a neighbor has handed over.
    sources, targets, words : int64[words]
        Lists of slots, and of words.
    streams : STREAM[instances]
        Of the instances of a level.
    table : ENTRY[places]
    seen : int64[words]
        When a word was last seen.
    clock : int64[1]
    operands : OPERAND[3]
    counts : COUNT[levels, 3]
    """

    values: np.ndarray
    tags: np.ndarray
    status: np.ndarray
    indices: np.ndarray
    progress: np.ndarray
    active: np.ndarray
    buffers: np.ndarray
    tiles: np.ndarray
    stage: np.ndarray
    sources: np.ndarray
    targets: np.ndarray
    words: np.ndarray
    streams: np.ndarray
    table: np.ndarray
    seen: np.ndarray
    clock: np.ndarray
    operands: np.ndarray
    counts: np.ndarray
