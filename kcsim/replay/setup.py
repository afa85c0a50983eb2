"""Setting up a replay: a mapped layer as the arrays of `kcsim.kernels.replay.walk`."""

from __future__ import annotations

import math

import numpy as np

from kcsim.cost.prices import forwarding_array, multicast_array, reduction_array, window_array
from kcsim.hardware.schema import Hardware
from kcsim.kernels.nest import INDEXES
from kcsim.kernels.replay.state import (
    HEAD,
    HELD_SIZE,
    LOW,
    MAC_SIZE,
    PLACE_SIZE,
    ROOM,
    SIZE,
    SLOT,
    WINDOW,
    Nest,
    State,
)
from kcsim.mapping.nest import Mapping
from kcsim.workload.layer import DIMENSIONS, TENSORS, ConvLayer

_AXES = {"weights": "GMCRS", "inputs": "NGC", "outputs": "NGMPQ"}


class Shape:
    """A mapped layer, level by level: what there is and how large.

    Attributes
    ----------
    loops : int64[loops, 4]
        Level, kind, dimension, bound; see `Mapping.loop_array`.
    loop_steps : list of int
        Indices by which one iteration of each loop advances its dimension.
    window : int64[4]
        Strides and dilations.
    coefficients : int64[3, 8, 5]
        How far one index of a dimension moves a tensor's box along its axes.
    extents : int64[levels + 1, 8]
        Indices that a tile spans, if it is not short.
    sizes : int64[levels + 1, 3, 5]
        Extents of the tiles, if they are not short.
    tiles : list of list of int
        Words of the tiles, by level and tensor.
    children : list of int64[children, 8]
        Indices at which the children below an instance begin.
    starts : list of int64[instances, 8]
        Indices at which the instances of each level begin, and the MAC units.
    instances : list of int
        Their number, those included that are idle for ever.
    instances_in_use : int64[levels + 1]
        Their number without these.
    """

    def __init__(self, layer: ConvLayer, hardware: Hardware, mapping: Mapping) -> None:
        self.layer, self.levels = layer, len(hardware.levels)
        self.keeps = mapping.keeps_array(hardware)
        self.loops = mapping.loop_array(hardware)
        self.window = window_array(layer, hardware)
        self.coefficients = _coefficients(self.window)
        self.layer_sizes = np.array(list(layer.dimensions.values()), np.int64)
        extent = np.ones(8, np.int64)
        extents, steps = [extent.copy()], []
        for level in reversed(range(self.levels)):
            for loop in self.loops[self.loops[:, 0] == level][::-1]:
                steps.append(int(extent[loop[2]]))
                extent[loop[2]] *= loop[3]
            extents.append(extent.copy())
        self.loop_steps = steps[::-1]
        self.extents = np.minimum(extents[::-1], self.layer_sizes)
        # The last word of a tile lies where the last index along every dimension puts it.
        self.sizes = np.einsum("ld,tda->lta", self.extents - 1, self.coefficients) + 1
        self.tiles = [[math.prod(map(int, size)) for size in level] for level in self.sizes]
        self.children = [self._children(level) for level in range(self.levels)]
        self.starts = [np.zeros((1, 8), np.int64)]
        for children in self.children:
            self.starts.append((self.starts[-1][:, None] + children).reshape(-1, 8))
        self.instances = [len(starts) for starts in self.starts]
        self.instances_in_use = np.array(
            [(starts < self.layer_sizes).all(axis=1).sum() for starts in self.starts], np.int64
        )

    def _children(self, level: int) -> np.ndarray:
        starts = np.zeros((1, 8), np.int64)
        for kind in (1, 2):
            for loop, step in zip(self.loops, self.loop_steps, strict=True):
                if tuple(loop[:2]) == (level, kind):
                    moves = np.zeros((loop[3], 8), np.int64)
                    moves[:, loop[2]] = step * np.arange(loop[3])
                    starts = (starts[:, None] + moves).reshape(-1, 8)
        return starts


def _coefficients(window: np.ndarray) -> np.ndarray:
    coefficients = np.zeros((3, 8, 5), np.int64)
    for i, tensor in enumerate(TENSORS):
        for axis, name in enumerate(_AXES[tensor]):
            coefficients[i, DIMENSIONS.index(name), axis] = 1
    for i, (output, tap) in enumerate((("P", "R"), ("Q", "S"))):
        coefficients[1, DIMENSIONS.index(output), 3 + i] = window[i]
        coefficients[1, DIMENSIONS.index(tap), 3 + i] = window[2 + i]
    return coefficients


def build_nest(shape: Shape, hardware: Hardware) -> Nest:
    """The nest as the kernel takes it."""
    is_temporal = shape.loops[:, 1] == 0
    loops = shape.loops[is_temporal][:, [0, 3, 2, 0]]
    loops[:, 3] = np.array(shape.loop_steps, np.int64)[is_temporal]
    is_cut = _products(shape) > shape.layer_sizes
    tensors = np.zeros((3, PLACE_SIZE), np.int64)
    tensors[:, SIZE:HEAD] = tensors[:, ROOM:] = shape.sizes[0]
    buffers = _buffers(shape, hardware)
    return Nest(
        loops=loops,
        dimensions=np.vstack([INDEXES | is_cut, shape.layer_sizes]).astype(np.int64),
        spans=np.stack([shape.extents, [starts[-1] for starts in shape.starts]], axis=1),
        axes=_axes(shape),
        sizes=shape.sizes,
        tensors=tensors,
        levels=_levels(shape, hardware),
        buffers=buffers,
        offsets=np.concatenate(shape.starts),
        macs=_macs(shape, buffers),
        is_cut=bool(is_cut.any()),
        repeated=hardware.slides == "repeated",
    )


def _products(shape: Shape) -> np.ndarray:
    """Product of the bounds over each dimension: int64[8]."""
    products = np.ones(8, np.int64)
    np.multiply.at(products, shape.loops[:, 2], shape.loops[:, 3])
    return products


def _axes(shape: Shape) -> np.ndarray:
    """Two dimensions and their coefficients for every axis of a tensor: int64[3, 5, 4]."""
    table = np.zeros((3, 5, 4), np.int64)
    for j, axis in np.ndindex(3, 5):
        moving = np.flatnonzero(shape.coefficients[j, :, axis])
        table[j, axis, : 2 * len(moving) : 2] = moving
        table[j, axis, 1 : 2 * len(moving) : 2] = shape.coefficients[j, moving, axis]
    return table


def _levels(shape: Shape, hardware: Hardware) -> np.ndarray:
    """Instances, children, columns, first row, multicast, reduction: int64[levels + 1, 6]."""
    below = np.array([len(children) for children in shape.children])
    table = np.zeros((shape.levels + 1, 6), np.int64)
    table[:, 0] = shape.instances
    table[:-1, 1] = below
    table[:-1, 2] = [
        math.prod(int(loop[3]) for loop in shape.loops if tuple(loop[:2]) == (level, 2))
        for level in range(shape.levels)
    ]
    table[:, 3] = np.cumsum([0, *shape.instances[:-1]])
    table[:-1, 4] = multicast_array(hardware)
    table[:-1, 5] = reduction_array(hardware)
    return table


def _buffers(shape: Shape, hardware: Hardware) -> np.ndarray:
    """Tiles, levels above, first slots, keeps, forwarding: int64[levels + 1, 3, 5]."""
    table = np.zeros((shape.levels + 1, 3, 5), np.int64)
    table[..., 0] = shape.tiles
    table[:-1, :, 3] = shape.keeps
    table[:-1, :, 4] = forwarding_array(hardware)
    position = 0
    for level in range(shape.levels):
        table[level + 1, :, 1] = np.where(shape.keeps[level], level, table[level, :, 1])
        for j in range(3):
            table[level, j, 2] = position
            position += shape.instances[level] * shape.tiles[level][j] * int(shape.keeps[level, j])
    table[-1, :, 2] = position
    return table


def _macs(shape: Shape, buffers: np.ndarray) -> np.ndarray:
    """What each MAC unit reads where, at the start of the tiles: int64[macs, 8]."""
    count = shape.instances[-1]
    macs = np.zeros((count, MAC_SIZE), np.int64)
    offsets = [np.einsum("nd,tda->nta", start, shape.coefficients) for start in shape.starts]
    for j in range(3):
        keeper = buffers[-1, j, 1]
        holder = np.arange(count) // (count // shape.instances[keeper])
        inside = offsets[-1][:, j] - offsets[keeper][holder, j]
        if j == 1:
            macs[:, WINDOW:] = inside[:, 3:]
            inside[:, 3:] = 0
        macs[:, j] = _linear(offsets[-1][:, j], shape.sizes[0, j])
        macs[:, SLOT + j] = buffers[keeper, j, 2] + holder * buffers[keeper, j, 0]
        macs[:, SLOT + j] += _linear(inside, shape.sizes[keeper, j])
    return macs


def _linear(coordinates: np.ndarray, extents: np.ndarray) -> np.ndarray:
    """Places of words within boxes, row by row."""
    place = np.zeros(len(coordinates), np.int64)
    for axis in range(5):
        place = place * extents[axis] + coordinates[:, axis]
    return place


def build_state(shape: Shape, nest: Nest, values: type[np.int64] | type[np.float64]) -> State:
    """Empty buffers for values of a type."""
    levels, most = shape.levels, max(shape.instances)
    waiting = [
        shape.instances[level] * shape.tiles[level][j]
        for level in range(1, levels)
        for j in range(2)
        if nest.buffers[level - 1, j, 4] and shape.keeps[level, j]
    ]
    slots = int(nest.buffers[-1, 0, 2]) + max(waiting, default=0)
    largest = max(words for level in shape.tiles[1:] for words in level)
    starts = np.zeros((levels + 1, 4, 8), np.int64)
    starts[:, :3] = -1
    return State(
        values=np.zeros(slots, values),
        tags=np.full(slots, -1, np.int32),
        status=np.zeros(slots, np.int8),
        indices=np.zeros(len(nest.loops), np.int64),
        starts=starts,
        progress=np.zeros((levels + 1, 2), np.int64),
        active=np.ones(len(nest.offsets), np.bool_),
        held=_held(shape, nest),
        boxes=np.zeros((most + 1, 4, 5), np.int64),
        stage=np.zeros(PLACE_SIZE, np.int64),
        slots=np.zeros((3, largest), np.int64),
        streams=np.zeros((most, 5), np.int64),
        table=np.zeros((2 << max(map(len, shape.children)).bit_length(), 3), np.int64),
        seen=np.zeros(max(shape.tiles[0]), np.int64),
        clock=np.zeros(1, np.int64),
        operands=np.zeros((3, 4), np.int64),
        counted=np.zeros((levels, 3, 6), np.int64),
    )


def _held(shape: Shape, nest: Nest) -> np.ndarray:
    """The buffers, of which only those of the outermost level hold anything: int64[rows, 3, 34]."""
    held = np.zeros((sum(shape.instances[:-1]), 3, HELD_SIZE), np.int64)
    row = 0
    for level, count in enumerate(shape.instances[:-1]):
        places = held[row : row + count]
        places[..., 0] = nest.buffers[level, :, 2]
        places[..., 0] += np.arange(count)[:, None] * nest.buffers[level, :, 0]
        places[..., ROOM:PLACE_SIZE] = shape.sizes[level]
        places[..., LOW:SIZE] = -1
        row += count
    held[0, :, LOW:SIZE] = 0
    held[0, :, SIZE:HEAD] = shape.sizes[0]
    return held


def load(shape: Shape, nest: Nest, state: State, inputs: np.ndarray, weights: np.ndarray) -> None:
    """Put the tensors into the outermost level; leave room there for the outputs."""
    layer = shape.layer
    top, bottom, left, right = layer.padding
    padded = np.pad(inputs, ((0, 0), (0, 0), (top, bottom), (left, right)))
    rows, columns = (_used(shape, axis) for axis in range(2))
    padded = padded[:, :, rows][:, :, :, columns]
    for j, tensor in enumerate((weights, padded, None)):
        start, words = int(nest.buffers[0, j, 2]), shape.tiles[0][j]
        state.tags[start : start + words] = np.arange(words)
        if tensor is not None:
            state.values[start : start + words] = tensor.ravel()


def _used(shape: Shape, axis: int) -> np.ndarray:
    """Rows (0) or columns (1) of the padded inputs that the outermost level holds.

    A stride may leave some at the end unused, and others between the windows left out.
    """
    stride, held = shape.layer.stride[axis], np.arange(shape.sizes[0, 1, 3 + axis])
    used: np.ndarray = held // shape.window[axis] * stride + held % shape.window[axis]
    return used


def held_words(shape: Shape, nest: Nest, state: State) -> np.ndarray:
    """Words that the first instance held, by what was ever put into its slots."""
    held = np.zeros((shape.levels, 3), np.int64)
    for level, j in np.argwhere(shape.keeps):
        start = int(nest.buffers[level, j, 2])
        held[level, j] = np.count_nonzero(state.tags[start : start + shape.tiles[level][j]] >= 0)
    return held
