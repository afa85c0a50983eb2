"""Setting up a replay: a mapped layer as the arrays of `kcsim.kernels.replay.walk`."""

from __future__ import annotations

import itertools
import math

import numpy as np

from kcsim.cost.prices import rule_array, window_array
from kcsim.hardware.schema import Hardware
from kcsim.kernels.layout import (
    COUNT,
    INDEXES,
    INPUTS,
    SPATIAL_X,
    SPATIAL_Y,
    TEMPORAL,
    TILE_MULTICAST,
    P,
    Q,
    R,
    S,
)
from kcsim.kernels.replay import records
from kcsim.kernels.replay.records import Nest, State
from kcsim.mapping.nest import Mapping
from kcsim.workload.layer import DIMENSIONS, TENSORS, ConvLayer

_AXES = {"weights": "GMCRS", "inputs": "NGC", "outputs": "NGMPQ"}


class Shape:
    """A mapped layer, level by level: what there is and how large.

    A level whose tensors stand at several places of its nest is as many levels here, one for each
    place, of which only the last one has more than one child and a network.

    Attributes
    ----------
    levels : int
        Their number, those included that are parts of one.
    keeps : bool[levels, 3]
    owners : int64[levels]
        The level of the hardware that a level is a part of.
    networks : int64[levels + 1]
        The last level above that has a network: the one through which tiles arrive.
    rules : RULE[levels]
    loops : LOOP[loops]
        See `kcsim.kernels.layout`.
    loop_steps : list of int
        Indices by which one iteration of each loop advances its dimension.
    window : WINDOW[2]
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
    instances_in_use : int64[levels of the hardware + 1]
        Their number without these.
    """

    def __init__(self, layer: ConvLayer, hardware: Hardware, mapping: Mapping) -> None:
        self.layer = layer
        self._unroll(layer, hardware, mapping)
        self.window = window_array(layer, hardware)
        self.coefficients = _coefficients(self.window)
        self.layer_sizes = np.array(list(layer.dimensions.values()), np.int64)
        extent = np.ones(8, np.int64)
        extents, steps = [extent.copy()], []
        for level in reversed(range(self.levels)):
            for loop in self.loops[self.loops["level"] == level][::-1]:
                steps.append(int(extent[loop["dimension"]]))
                extent[loop["dimension"]] *= loop["bound"]
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
        in_use = [(starts < self.layer_sizes).all(axis=1).sum() for starts in self.starts]
        firsts = np.unique(self.owners, return_index=True)[1]
        self.instances_in_use = np.array(in_use, np.int64)[[*firsts, -1]]

    def _unroll(self, layer: ConvLayer, hardware: Hardware, mapping: Mapping) -> None:
        """Make a level of every place at which tensors stand."""
        keeps, heights = mapping.keeps_array(hardware), mapping.heights_array(hardware)
        loops, rules = mapping.loop_array(hardware), rule_array(layer, hardware, keeps)
        places = [
            (level, height)
            for level in range(len(keeps))
            for height in sorted({0, *heights[level].tolist()})
        ]
        self.levels = len(places)
        self.owners, here = np.array(places, np.int64).T
        self.keeps = keeps[self.owners] & (heights[self.owners] == here[:, None])
        self.rules = rules[self.owners]
        self.rules["keeps"] = self.keeps
        has_network = np.append(self.owners[1:] != self.owners[:-1], True)
        # What a level cannot have in front of its last place: one child shares with no other.
        self.rules["multicast"][~has_network] = TILE_MULTICAST
        self.rules["forwards"][~has_network] = False
        last = np.maximum.accumulate(np.where(has_network, np.arange(self.levels), 0))
        self.networks = np.concatenate(([0], last))
        self.loops = loops.copy()
        for level in range(len(keeps)):
            own = np.flatnonzero(loops["level"] == level)
            parts = np.flatnonzero(self.owners == level)
            # Loops in time come first; those over the children belong to the last place.
            number = np.where(loops["kind"][own] == TEMPORAL, np.arange(len(own)), len(own))
            part = np.searchsorted(here[parts], number, side="right") - 1
            self.loops["level"][own] = parts[part]

    def folded(self, counts: np.ndarray) -> np.ndarray:
        """Counts of the levels of the hardware: COUNT[levels, 3]."""
        folded = np.zeros((self.owners[-1] + 1, 3), COUNT)
        for part, owner in enumerate(self.owners):
            for name in ("reads", "fills", "updates"):
                folded[name][owner] += counts[name][part]
            # The network is that of the last part.
            for name in ("down", "up", "forwarded"):
                folded[name][owner] = counts[name][part]
        return folded

    def _children(self, level: int) -> np.ndarray:
        starts = np.zeros((1, 8), np.int64)
        for kind in (SPATIAL_X, SPATIAL_Y):
            is_chosen = self._is_chosen(level, kind)
            steps = np.array(self.loop_steps, np.int64)[is_chosen]
            for loop, step in zip(self.loops[is_chosen], steps, strict=True):
                moves = np.zeros((loop["bound"], 8), np.int64)
                moves[:, loop["dimension"]] = step * np.arange(loop["bound"])
                starts = (starts[:, None] + moves).reshape(-1, 8)
        return starts

    def iterations(self, level: int, kind: int) -> int:
        """Product of the bounds of the loops of a kind at a level."""
        return math.prod(map(int, self.loops["bound"][self._is_chosen(level, kind)]))

    def _is_chosen(self, level: int, kind: int) -> np.ndarray:
        chosen: np.ndarray = (self.loops["level"] == level) & (self.loops["kind"] == kind)
        return chosen


def _coefficients(window: np.ndarray) -> np.ndarray:
    coefficients = np.zeros((3, 8, 5), np.int64)
    for i, tensor in enumerate(TENSORS):
        for axis, name in enumerate(_AXES[tensor]):
            coefficients[i, DIMENSIONS.index(name), axis] = 1
    for i, (output, tap) in enumerate((("P", "R"), ("Q", "S"))):
        coefficients[INPUTS, DIMENSIONS.index(output), 3 + i] = window["stride"][i]
        coefficients[INPUTS, DIMENSIONS.index(tap), 3 + i] = window["dilation"][i]
    return coefficients


def build_nest(shape: Shape, hardware: Hardware) -> Nest:
    """The nest as the kernel takes it."""
    is_cut = _products(shape) > shape.layer_sizes
    dimensions = np.zeros(8, records.DIMENSION)
    dimensions["size"], dimensions["moves"] = shape.layer_sizes, (INDEXES | is_cut).T
    tensors = np.zeros(3, records.PLACE)
    tensors["size"] = tensors["room"] = shape.sizes[0]
    banks = _banks(shape)
    return Nest(
        loops=_temporal_loops(shape),
        dimensions=dimensions,
        axes=_axes(shape),
        rules=shape.rules,
        levels=_levels(shape),
        banks=banks,
        tensors=tensors,
        offsets=np.concatenate(shape.starts),
        macs=_macs(shape, banks),
        is_cut=bool(is_cut.any()),
    )


def _products(shape: Shape) -> np.ndarray:
    """Product of the bounds over each dimension: int64[8]."""
    products = np.ones(8, np.int64)
    np.multiply.at(products, shape.loops["dimension"], shape.loops["bound"])
    return products


def _temporal_loops(shape: Shape) -> np.ndarray:
    is_temporal = shape.loops["kind"] == TEMPORAL
    loops = np.zeros(is_temporal.sum(), records.TEMPORAL_LOOP)
    for name in ("level", "bound", "dimension"):
        loops[name] = shape.loops[name][is_temporal]
    loops["step"] = np.array(shape.loop_steps, np.int64)[is_temporal]
    return loops


def _axes(shape: Shape) -> np.ndarray:
    """What moves the boxes of tensors along their axes: AXIS[3, 5]."""
    axes = np.zeros((3, 5), records.AXIS)
    for j, i in np.ndindex(3, 5):
        moving = np.flatnonzero(shape.coefficients[j, :, i])
        axes["dimension"][j, i, : len(moving)] = moving
        axes["step"][j, i, : len(moving)] = shape.coefficients[j, moving, i]
    return axes


def _levels(shape: Shape) -> np.ndarray:
    """Instances and extents: LEVEL[levels + 1]."""
    levels = np.zeros(shape.levels + 1, records.LEVEL)
    levels["instances"], levels["extent"] = shape.instances, shape.extents
    levels["reach"] = [starts[-1] for starts in shape.starts]
    levels["children"][:-1] = [len(children) for children in shape.children]
    levels["columns"][:-1] = [shape.iterations(i, SPATIAL_Y) for i in range(shape.levels)]
    levels["first"] = np.cumsum([0, *shape.instances[:-1]])
    levels["network"] = shape.networks
    return levels


def _banks(shape: Shape) -> np.ndarray:
    """Tiles, levels above and first slots: BANK[levels + 1, 3]."""
    banks = np.zeros((shape.levels + 1, 3), records.BANK)
    banks["words"], banks["size"] = shape.tiles, shape.sizes
    position = 0
    for level, keeps in enumerate(shape.keeps):
        banks["parent"][level + 1] = np.where(keeps, level, banks["parent"][level])
        words = shape.instances[level] * banks["words"][level] * keeps
        banks["base"][level] = position + np.cumsum(words) - words
        position += words.sum()
    banks["base"][-1] = position
    return banks


def _macs(shape: Shape, banks: np.ndarray) -> np.ndarray:
    """What each MAC unit reads where, at the start of the tiles: MAC[macs]."""
    count = shape.instances[-1]
    macs = np.zeros(count, records.MAC)
    offsets = [np.einsum("nd,tda->nta", start, shape.coefficients) for start in shape.starts]
    for j in range(3):
        keeper = banks[-1, j]["parent"]
        holder = np.arange(count) // (count // shape.instances[keeper])
        inside = offsets[-1][:, j] - offsets[keeper][holder, j]
        if j == INPUTS:
            macs["row"], macs["column"] = inside[:, 3:].T
            inside[:, 3:] = 0
        macs["word"][:, j] = _linear(offsets[-1][:, j], shape.sizes[0, j])
        macs["slot"][:, j] = banks[keeper, j]["base"] + holder * banks[keeper, j]["words"]
        macs["slot"][:, j] += _linear(inside, shape.sizes[keeper, j])
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
        if nest.rules["forwards"][shape.networks[level], j] and shape.keeps[level, j]
    ]
    slots = int(nest.banks["base"][-1, 0]) + max(waiting, default=0)
    largest = max(words for level in shape.tiles[1:] for words in level)
    progress = np.zeros(levels + 1, records.PROGRESS)
    progress["seen"] = -1
    return State(
        values=np.zeros(slots, values),
        tags=np.full(slots, -1, np.int32),
        status=np.zeros(slots, np.int8),
        indices=np.zeros(len(nest.loops), np.int64),
        progress=progress,
        active=np.ones(len(nest.offsets), np.bool_),
        buffers=_buffers(shape, nest),
        tiles=np.zeros(most + 1, records.TILE),
        stage=np.zeros(1, records.PLACE),
        sources=np.zeros(largest, np.int64),
        targets=np.zeros(largest, np.int64),
        words=np.zeros(largest, np.int64),
        streams=np.zeros(most, records.STREAM),
        table=np.zeros(2 << max(map(len, shape.children)).bit_length(), records.ENTRY),
        seen=np.zeros(max(shape.tiles[0]), np.int64),
        clock=np.zeros(1, np.int64),
        operands=np.zeros(3, records.OPERAND),
        counts=np.zeros((levels, 3), COUNT),
    )


def _buffers(shape: Shape, nest: Nest) -> np.ndarray:
    """The buffers, of which only those of the outermost level hold anything: BUFFER[rows, 3]."""
    buffers = np.zeros((sum(shape.instances[:-1]), 3), records.BUFFER)
    row, places = 0, buffers["place"]
    places["low"] = -1
    for banks, count in zip(nest.banks, shape.instances[:-1], strict=False):
        rows = places[row : row + count]
        rows["base"] = banks["base"] + np.arange(count)[:, None] * banks["words"]
        rows["room"] = banks["size"]
        row += count
    places["low"][0], places["size"][0] = 0, shape.sizes[0]
    return buffers


def load(shape: Shape, nest: Nest, state: State, inputs: np.ndarray, weights: np.ndarray) -> None:
    """Put the tensors into the outermost level; leave room there for the outputs."""
    layer = shape.layer
    top, bottom, left, right = layer.padding
    padded = np.pad(inputs, ((0, 0), (0, 0), (top, bottom), (left, right)))
    rows, columns = (_used(shape, axis) for axis in range(2))
    padded = padded[:, :, rows][:, :, :, columns]
    for j, tensor in enumerate((weights, padded, None)):
        start, words = int(nest.banks["base"][0, j]), shape.tiles[0][j]
        state.tags[start : start + words] = np.arange(words)
        if tensor is not None:
            state.values[start : start + words] = tensor.ravel()


def _used(shape: Shape, axis: int) -> np.ndarray:
    """Rows (0) or columns (1) of the padded inputs that the outermost level holds.

    A stride may leave some at the end unused, and others between the windows left out.
    """
    stride, held = shape.layer.stride[axis], np.arange(shape.sizes[0, 1, 3 + axis])
    step = shape.window["stride"][axis]
    used: np.ndarray = held // step * stride + held % step
    return used


def held_words(shape: Shape, nest: Nest, state: State) -> np.ndarray:
    """Words that the first instance held, by what was ever put into its slots."""
    held = np.zeros((shape.owners[-1] + 1, 3), np.int64)
    for level, j in np.argwhere(shape.keeps):
        if j == INPUTS and _holds_no_padding(shape, level):
            held[shape.owners[level], j] = _most_pixels(shape, level)
            continue
        start = int(nest.banks["base"][level, j])
        tags = state.tags[start : start + shape.tiles[level][j]]
        held[shape.owners[level], j] = np.count_nonzero(tags >= 0)
    return held


def _next_rule(shape: Shape, level: int) -> np.ndarray | None:
    """The rule of the next level inwards that keeps inputs."""
    inside = np.flatnonzero(shape.keeps[level + 1 :, INPUTS])
    return shape.rules[level + 1 + inside[0]] if len(inside) else None


def _holds_no_padding(shape: Shape, level: int) -> bool:
    rule = _next_rule(shape, level)
    return rule is not None and bool(rule["padding"].any())


def _most_pixels(shape: Shape, level: int) -> int:
    """Words of inputs in the image, of the tile of a level that has most."""
    rule, most, all_of = _next_rule(shape, level), shape.tiles[level][INPUTS], shape.layer_sizes
    assert rule is not None
    for axis, (outs, taps) in enumerate(((P, R), (Q, S))):
        size, whole = shape.sizes[level, INPUTS, 3 + axis], shape.sizes[0, INPUTS, 3 + axis]
        step, extent = shape.coefficients[INPUTS, :, 3 + axis], shape.extents[level]
        before, behind = rule["padding"][axis]
        lines = []
        for out, tap in itertools.product(*(range(0, all_of[d], extent[d]) for d in (outs, taps))):
            first = {outs: out, taps: tap}
            low = sum(step[d] * first[d] for d in first)
            # The last tile of a dimension may be short.
            cut = {
                d: min(extent[d], all_of[d]) - min(extent[d], all_of[d] - first[d]) for d in first
            }
            high = low + size - sum(step[d] * cut[d] for d in cut)
            lines.append(len(range(max(low, before), min(high, whole - behind))))
        most = most // size * max(lines)
    return int(most)
