"""Replaying a mapped layer: its loop nest executed with real values, every access counted.

A second opinion on `kcsim.count_layer`, and a proof that the counted movements compute the
layer: see `kcsim.kernels.replay`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from kcsim.errors import InputError, Problem
from kcsim.hardware import Hardware
from kcsim.hardware.schema import DIMENSIONS, TENSORS
from kcsim.kernels.replay import HEAD, PLACE_SIZE, SIZE, Nest, State, replay_nest
from kcsim.mapping import Mapping
from kcsim.mapping.costs import forwarding_array, multicast_array, reduction_array
from kcsim.model.counts import ACTIONS, DIRECTIONS, Counts
from kcsim.workload import ConvLayer

__all__ = [
    "Difference",
    "Replay",
    "ReplayCost",
    "compare",
    "direct_convolution",
    "random_operands",
    "replay_cost",
    "replay_layer",
]

MAC_NANOSECONDS = 30.0
TILE_NANOSECONDS = 100.0
WORD_NANOSECONDS = 10.0
LARGEST_MEMORY = 4 * 2**30
SLOT_BYTES = 13
INSTANCE_BYTES = 240

_AXES = {"weights": "GMCRS", "inputs": "NGC", "outputs": "NGMPQ"}


@dataclass(frozen=True, eq=False)
class Replay:
    """What was counted while a mapped layer was executed, and what it computed.

    Attributes
    ----------
    layer, hardware, mapping
        What was executed.
    accesses, transfers, tile_words, instances, temporal_steps
        As in `kcsim.Counts`, in the same shapes.
    inputs, weights : ndarray of int64 or float64
        What was given: [N, channels, H, W] without padding, [channels, channels of a group, R, S].
    outputs : ndarray of int64 or float64, [N, channels, P, Q]
        What the outermost level held at the end.
    """

    layer: ConvLayer
    hardware: Hardware
    mapping: Mapping
    accesses: np.ndarray
    transfers: np.ndarray
    tile_words: np.ndarray
    instances: np.ndarray
    temporal_steps: int
    inputs: np.ndarray
    weights: np.ndarray
    outputs: np.ndarray


@dataclass(frozen=True)
class Difference:
    """A number that was counted in two ways with two results.

    Attributes
    ----------
    level, tensor : str
        Where; empty for what belongs to no level or no tensor.
    action : str
        ``reads``, ``fills``, ``updates``, ``down``, ``up``, ``forwarded``, ``tile words``,
        ``instances`` or ``temporal steps``.
    counted, replayed : int
    """

    level: str
    tensor: str
    action: str
    counted: int
    replayed: int

    def __str__(self) -> str:
        what = " ".join(part for part in (self.level, self.tensor, self.action) if part)
        return f"{what}: counted {self.counted}, replayed {self.replayed}"


@dataclass(frozen=True)
class ReplayCost:
    """What a replay takes, estimated.

    Attributes
    ----------
    layer : str
    macs : int
        Multiply-accumulates to perform.
    words : int
        Words to move at most.
    tiles : int
        Tiles to look after: those of all instances at all their steps.
    memory_bytes : int
    """

    layer: str
    macs: int
    words: int
    tiles: int
    memory_bytes: int

    @property
    def seconds(self) -> float:
        """Time on the machine that this was written on, compilation aside."""
        return 1e-9 * (
            self.macs * MAC_NANOSECONDS
            + self.words * WORD_NANOSECONDS
            + self.tiles * TILE_NANOSECONDS
        )

    def check(self, limit_seconds: float) -> None:
        """Refuse what would take too long or too much memory.

        Raises
        ------
        InputError
            With the estimate and the limit.
        """
        if self.memory_bytes > LARGEST_MEMORY:
            raise InputError(
                Problem(
                    f"replaying {self.layer} would take {self.memory_bytes / 2**30:.1f} GiB of "
                    "memory",
                    f"at most {LARGEST_MEMORY / 2**30:.0f} GiB: a smaller layer",
                )
            )
        if self.seconds > limit_seconds:
            raise InputError(
                Problem(
                    f"replaying the {self.macs} MACs of {self.layer} would take about "
                    f"{_duration(self.seconds)}",
                    f"at most the limit of {_duration(limit_seconds)}: a smaller layer, or a "
                    f"limit (--limit) of {math.ceil(self.seconds)} seconds",
                )
            )


def replay_cost(layer: ConvLayer, hardware: Hardware, mapping: Mapping) -> ReplayCost:
    """Estimate what `replay_layer` would take.

    Raises
    ------
    MappingError
        If the mapping does not run the layer.
    """
    mapping.check(layer, hardware)
    shape = _Shape(layer, hardware, mapping)
    words, tiles = 0, 0
    steps = 1
    for i in range(1, shape.levels):
        steps *= math.prod(int(loop[3]) for loop in shape.loops if tuple(loop[:2]) == (i - 1, 0))
        for j in range(3):
            if shape.keeps[i, j]:
                tiles += steps * shape.instances[i]
                moved = _steps_that_move(shape, i, j)
                words += moved * shape.instances[i] * shape.tiles[i][j]
    slots = sum(
        count * words
        for count, level, keeps in zip(shape.instances, shape.tiles, shape.keeps, strict=False)
        for words, kept in zip(level, keeps, strict=True)
        if kept
    )
    memory = slots * SLOT_BYTES + sum(shape.instances) * INSTANCE_BYTES
    return ReplayCost(layer.name, layer.macs, words, tiles, memory)


def replay_layer(
    layer: ConvLayer,
    hardware: Hardware,
    mapping: Mapping,
    inputs: np.ndarray | None = None,
    weights: np.ndarray | None = None,
    seed: int = 0,
) -> Replay:
    """Execute a mapped layer with real values and count every access as it happens.

    Parameters
    ----------
    layer : ConvLayer
    hardware : Hardware
    mapping : Mapping
    inputs : ndarray, [N, channels, H, W], optional
        Without padding; small random integers when absent.
    weights : ndarray, [output channels, input channels of a group, R, S], optional
        Small random integers when absent.
    seed : int
        Of the random integers.

    Returns
    -------
    Replay
        Its outputs are integers if both inputs and weights are, else float64.

    Raises
    ------
    MappingError
        If the mapping does not run the layer.
    InputError
        If the inputs or weights have the wrong shape.
    """
    mapping.check(layer, hardware)
    random_inputs, random_weights = random_operands(layer, seed)
    inputs = random_inputs if inputs is None else np.asarray(inputs)
    weights = random_weights if weights is None else np.asarray(weights)
    _check_operand(layer, "inputs", inputs, random_inputs.shape)
    _check_operand(layer, "weights", weights, random_weights.shape)
    is_exact = all(array.dtype.kind in "iub" for array in (inputs, weights))
    values = np.int64 if is_exact else np.float64
    inputs, weights = inputs.astype(values), weights.astype(values)

    shape = _Shape(layer, hardware, mapping)
    nest = _nest(shape, hardware)
    state = _state(shape, nest, values)
    _load(shape, nest, state, inputs, weights)
    steps = replay_nest(nest, state)
    start = int(nest.bases[0, 2])
    outputs = state.values[start : start + int(nest.tiles[0, 2])].copy()
    return Replay(
        layer, hardware, mapping, state.accesses, state.transfers, _held_words(nest, state),
        nest.instances, int(steps), inputs, weights,
        outputs.reshape(layer.batch, layer.out_channels, layer.out_height, layer.out_width),
    )  # fmt: skip


def random_operands(layer: ConvLayer, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Inputs [N, channels, H, W] and weights [channels, channels of a group, R, S] from -8 to 8."""
    random = np.random.default_rng(seed)
    kernel = (layer.kernel_height, layer.kernel_width)
    inputs = random.integers(
        -8, 9, (layer.batch, layer.in_channels, layer.in_height, layer.in_width)
    )
    weights = random.integers(
        -8, 9, (layer.out_channels, layer.in_channels // layer.groups, *kernel)
    )
    return inputs, weights


def direct_convolution(layer: ConvLayer, inputs: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Outputs of a layer by the definition of a convolution: [N, channels, P, Q].

    Parameters
    ----------
    layer : ConvLayer
    inputs : ndarray, [N, channels, H, W]
        Without padding.
    weights : ndarray, [output channels, input channels of a group, R, S]
    """
    top, bottom, left, right = layer.padding
    padded = np.pad(inputs, ((0, 0), (0, 0), (top, bottom), (left, right)))
    shape = (layer.batch, layer.out_channels, layer.out_height, layer.out_width)
    outputs = np.zeros(shape, np.result_type(inputs, weights))
    ins, outs = layer.in_channels // layer.groups, layer.out_channels // layer.groups
    rows, columns = (
        layer.stride[0] * (layer.out_height - 1) + 1,
        layer.stride[1] * (layer.out_width - 1) + 1,
    )
    for group in range(layer.groups):
        pixels = padded[:, group * ins : (group + 1) * ins]
        target = outputs[:, group * outs : (group + 1) * outs]
        for r in range(layer.kernel_height):
            for s in range(layer.kernel_width):
                y, x = layer.dilation[0] * r, layer.dilation[1] * s
                seen = pixels[:, :, y : y + rows : layer.stride[0], x : x + columns]
                seen = seen[:, :, :, :: layer.stride[1]]
                filters = weights[group * outs : (group + 1) * outs, :, r, s]
                target += np.einsum("ncpq,mc->nmpq", seen, filters)
    return outputs


def compare(replay: Replay, counts: Counts) -> tuple[Difference, ...]:
    """Every number that a replay and the closed forms disagree on, outermost level first."""
    names = [*replay.hardware.level_names, "MAC units"]
    found = []
    for i, level in enumerate(replay.hardware.level_names):
        for j, tensor in enumerate(TENSORS):
            rows = [
                *zip(ACTIONS, counts.accesses[i, j], replay.accesses[i, j], strict=True),
                *zip(DIRECTIONS, counts.transfers[i, j], replay.transfers[i, j], strict=True),
                ("tile words", counts.tile_words[i, j], replay.tile_words[i, j]),
            ]
            found += [Difference(level, tensor, what, int(a), int(b)) for what, a, b in rows]
    for name, counted, replayed in zip(names, counts.instances, replay.instances, strict=True):
        found.append(Difference(name, "", "instances", int(counted), int(replayed)))
    steps = counts.temporal_steps, replay.temporal_steps
    found.append(Difference("", "", "temporal steps", *steps))
    return tuple(entry for entry in found if entry.counted != entry.replayed)


class _Shape:
    """A mapped layer, level by level: what there is and how large.

    Attributes
    ----------
    loops : int64[loops, 4]
        Level, kind, dimension, bound; see `Mapping.loop_array`.
    loop_steps : list of int
        Indices by which one iteration of each loop advances its dimension.
    coefficients : int64[3, 8, 5]
        How far one index of a dimension moves a tensor's box along its axes.
    sizes : int64[levels + 1, 3, 5]
        Extents of the tiles.
    tiles : list of list of int
        Words of the tiles, by level and tensor.
    children : list of int64[children, 8]
        Indices at which the children below an instance begin.
    instances : list of int
        Instances of each level, and MAC units.
    """

    def __init__(self, layer: ConvLayer, hardware: Hardware, mapping: Mapping) -> None:
        self.layer, self.levels = layer, len(hardware.levels)
        self.keeps = mapping.keeps_array(hardware)
        self.loops = mapping.loop_array(hardware)
        self.coefficients = _coefficients(layer)
        extent = np.ones(8, np.int64)
        extents, steps = [extent.copy()], []
        for level in reversed(range(self.levels)):
            for loop in self.loops[self.loops[:, 0] == level][::-1]:
                steps.append(int(extent[loop[2]]))
                extent[loop[2]] *= loop[3]
            extents.append(extent.copy())
        self.loop_steps = steps[::-1]
        # The last word of a tile lies where the last index along every dimension puts it.
        spans = np.array(extents[::-1]) - 1
        self.sizes = np.einsum("ld,tda->lta", spans, self.coefficients) + 1
        self.tiles = [[math.prod(map(int, size)) for size in level] for level in self.sizes]
        self.children = [self._children(level) for level in range(self.levels)]
        self.instances = [1]
        for children in self.children:
            self.instances.append(self.instances[-1] * len(children))

    def _children(self, level: int) -> np.ndarray:
        starts = np.zeros((1, 8), np.int64)
        for kind in (1, 2):
            for loop, step in zip(self.loops, self.loop_steps, strict=True):
                if tuple(loop[:2]) == (level, kind):
                    moves = np.zeros((loop[3], 8), np.int64)
                    moves[:, loop[2]] = step * np.arange(loop[3])
                    starts = (starts[:, None] + moves).reshape(-1, 8)
        return starts


def _coefficients(layer: ConvLayer) -> np.ndarray:
    coefficients = np.zeros((3, 8, 5), np.int64)
    for i, tensor in enumerate(TENSORS):
        for axis, name in enumerate(_AXES[tensor]):
            coefficients[i, DIMENSIONS.index(name), axis] = 1
    for i, (output, tap) in enumerate(("PR", "QS")):
        coefficients[1, DIMENSIONS.index(output), 3 + i] = layer.stride[i]
        coefficients[1, DIMENSIONS.index(tap), 3 + i] = layer.dilation[i]
    return coefficients


def _steps_that_move(shape: _Shape, level: int, tensor: int) -> int:
    """How often the tile of a level changes at most."""
    steps = 1
    moves = False
    for loop in shape.loops[::-1]:
        if loop[0] < level and loop[1] == 0:
            moves = moves or bool(shape.coefficients[tensor, loop[2]].any())
            steps *= int(loop[3]) if moves else 1
    return steps


def _nest(shape: _Shape, hardware: Hardware) -> Nest:
    levels, sizes = shape.levels, shape.sizes
    is_temporal = shape.loops[:, 1] == 0
    loops = shape.loops[is_temporal]
    loop_steps = np.array(shape.loop_steps, np.int64)[is_temporal]
    starts = [np.zeros((1, 8), np.int64)]
    for children in shape.children:
        starts.append((starts[-1][:, None] + children).reshape(-1, 8))
    offsets = [np.einsum("nd,tda->nta", start, shape.coefficients) for start in starts]
    tensors = np.zeros((3, PLACE_SIZE), np.int64)
    tensors[:, SIZE:HEAD] = sizes[0]
    parents = _parents(shape)
    tiles = np.array(shape.tiles[:levels], np.int64)
    bases, stage = _bases(shape)
    mac_words = np.stack([_linear(offsets[-1][:, j], sizes[0, j]) for j in range(3)], axis=1)
    mac_slots = np.empty_like(mac_words)
    for j in range(3):
        keeper = parents[levels, j]
        holder = np.arange(shape.instances[-1]) // (shape.instances[-1] // shape.instances[keeper])
        inside = offsets[-1][:, j] - offsets[keeper][holder, j]
        if j == 1:
            window = np.ascontiguousarray(inside[:, 3:])
            inside[:, 3:] = 0
        mac_slots[:, j] = bases[keeper, j] + holder * tiles[keeper, j]
        mac_slots[:, j] += _linear(inside, sizes[keeper, j])
    return Nest(
        loop_levels=np.ascontiguousarray(loops[:, 0]),
        bounds=np.ascontiguousarray(loops[:, 3]),
        steps=shape.coefficients[:, loops[:, 2]].transpose(1, 0, 2) * loop_steps[:, None, None],
        sizes=sizes,
        tiles=tiles,
        tensors=tensors,
        instances=np.array(shape.instances, np.int64),
        children=np.array([len(children) for children in shape.children], np.int64),
        columns=np.array([_along_y(shape, level) for level in range(levels)], np.int64),
        first=np.cumsum([0, *shape.instances[:-1]]),
        offsets=np.concatenate(offsets),
        parents=parents,
        bases=bases,
        stage=np.array([stage], np.int64),
        keeps=shape.keeps,
        forwarding=forwarding_array(hardware),
        multicast=multicast_array(hardware),
        reduction=reduction_array(hardware),
        mac_words=mac_words,
        mac_slots=mac_slots,
        mac_window=window,
    )


def _along_y(shape: _Shape, level: int) -> int:
    return math.prod(int(loop[3]) for loop in shape.loops if tuple(loop[:2]) == (level, 2))


def _parents(shape: _Shape) -> np.ndarray:
    """The nearest level above each level that keeps a tensor."""
    parents = np.zeros((shape.levels + 1, 3), np.int64)
    for level in range(1, shape.levels + 1):
        parents[level] = np.where(shape.keeps[level - 1], level - 1, parents[level - 1])
    return parents


def _bases(shape: _Shape) -> tuple[np.ndarray, int]:
    """Slots at which the buffers of each level and tensor begin, and the first one after them."""
    bases, position = np.zeros((shape.levels, 3), np.int64), 0
    for level in range(shape.levels):
        for j in range(3):
            bases[level, j] = position
            position += shape.instances[level] * shape.tiles[level][j] * int(shape.keeps[level, j])
    return bases, position


def _linear(coordinates: np.ndarray, extents: np.ndarray) -> np.ndarray:
    """Places of words within boxes, row by row."""
    place = np.zeros(len(coordinates), np.int64)
    for axis in range(5):
        place = place * extents[axis] + coordinates[:, axis]
    return place


def _state(shape: _Shape, nest: Nest, values: Any) -> State:
    levels, most = shape.levels, max(shape.instances)
    below = [
        shape.instances[level] * shape.tiles[level][j]
        for level in range(1, levels)
        for j in range(2)
        if nest.forwarding[level - 1, j] and shape.keeps[level, j]
    ]
    slots = int(nest.stage[0]) + max(below, default=0)
    largest = max((words for level in shape.tiles[1:] for words in level), default=1)
    return State(
        values=np.zeros(slots, values),
        tags=np.full(slots, -1, np.int32),
        status=np.zeros(slots, np.int8),
        indices=np.zeros(len(nest.bounds), np.int64),
        lows=np.zeros((levels + 1, 3, 5), np.int64),
        held=np.zeros((levels, 3, 5), np.int64),
        heads=np.zeros((levels, 3, 2), np.int64),
        is_held=np.zeros((levels, 3), np.bool_),
        given=np.zeros((levels, 3, 2, 5), np.int64),
        box=np.zeros((3, 5), np.int64),
        places=np.zeros((2, PLACE_SIZE), np.int64),
        slots=np.zeros((3, largest), np.int64),
        hashes=np.zeros(most, np.int64),
        counts=np.zeros(most, np.int64),
        alive=np.zeros(most, np.bool_),
        is_own=np.zeros(most, np.bool_),
        table=np.zeros((2 << max(map(len, shape.children)).bit_length(), 2), np.int64),
        seen=np.zeros(max(shape.tiles[0]), np.int64),
        clock=np.zeros(1, np.int64),
        starts=np.zeros((2, 3), np.int64),
        accesses=np.zeros((levels, 3, 3), np.int64),
        transfers=np.zeros((levels, 3, 3), np.int64),
    )


def _load(shape: _Shape, nest: Nest, state: State, inputs: np.ndarray, weights: np.ndarray) -> None:
    """Put the tensors into the outermost level; leave room there for the outputs."""
    layer = shape.layer
    top, bottom, left, right = layer.padding
    padded = np.pad(inputs, ((0, 0), (0, 0), (top, bottom), (left, right)))
    rows, columns = shape.sizes[0, 1, 3:]
    # A stride may leave rows and columns at the end unused.
    padded = padded[:, :, :rows, :columns]
    for j, tensor in enumerate((weights, padded, None)):
        start, words = int(nest.bases[0, j]), shape.tiles[0][j]
        state.tags[start : start + words] = np.arange(words)
        if tensor is not None:
            state.values[start : start + words] = tensor.ravel()


def _held_words(nest: Nest, state: State) -> np.ndarray:
    """Words that one instance held, by what was ever put into the slots of all."""
    held = np.zeros(nest.tiles.shape, np.int64)
    for level, kept in enumerate(nest.keeps):
        for j in np.flatnonzero(kept):
            start, count = int(nest.bases[level, j]), int(nest.instances[level])
            tags = state.tags[start : start + count * int(nest.tiles[level, j])]
            held[level, j] = np.count_nonzero(tags >= 0) // count
    return held


def _check_operand(layer: ConvLayer, name: str, array: np.ndarray, shape: tuple[int, ...]) -> None:
    if array.shape != shape or array.dtype.kind not in "iubf":
        raise InputError(
            Problem(
                f"the {name} given for {layer.name} are {array.dtype} of shape {array.shape}",
                f"integers or floats of shape {shape}",
            )
        )


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.3g} seconds"
    return f"{seconds / 60:.3g} minutes" if seconds < 7200 else f"{seconds / 3600:.3g} hours"
