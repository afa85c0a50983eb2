"""Replaying a mapped layer: its loop nest executed with real values, every access counted.

A second opinion on `kcsim.count_layer`, and a proof that the counted movements compute the
layer: see `kcsim.kernels.replay.walk`.
"""

from __future__ import annotations

import importlib
import math
from dataclasses import dataclass

import numpy as np

from kcsim.errors import InputError, Problem
from kcsim.hardware.schema import Hardware
from kcsim.kernels.layout import OUTPUTS, TEMPORAL, count_columns
from kcsim.kernels.replay.walk import replay_nest
from kcsim.mapping.nest import Mapping
from kcsim.model.counts import ACTIONS, DIRECTIONS, Counts
from kcsim.reading.arguments import checked
from kcsim.replay.setup import Shape, build_nest, build_state, held_words, load
from kcsim.workload.layer import TENSORS, ConvLayer

MAC_NANOSECONDS = 45.0
TILE_NANOSECONDS = 25.0
WORD_NANOSECONDS = 40.0
LARGEST_MEMORY = 4 * 2**30
SLOT_BYTES = 13
VALUE_BYTES = 8
INSTANCE_BYTES = 1100


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


def least_cost(layer: ConvLayer) -> ReplayCost:
    """What any replay of a layer takes at least: of its values and its MACs alone."""
    words = layer.input_words + layer.weight_words + layer.output_words
    return ReplayCost(layer.name, layer.macs, 0, 0, words * VALUE_BYTES)


def replay_cost(layer: ConvLayer, hardware: Hardware, mapping: Mapping) -> ReplayCost:
    """Estimate what `replay_layer` would take.

    Raises
    ------
    MappingError
        If the mapping does not run the layer.
    """
    mapping.check(layer, hardware)
    shape = Shape(layer, hardware, mapping)
    words, tiles = 0, 0
    steps = 1
    for i in range(1, shape.levels):
        steps *= shape.iterations(i - 1, TEMPORAL)
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
    memory += least_cost(layer).memory_bytes
    return ReplayCost(layer.name, layer.macs, words, tiles, memory)


@checked
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
    if seed < 0:
        raise InputError(Problem(f"seed is {seed}", "a whole number from 0 on"))
    random_inputs, random_weights = random_operands(layer, seed)
    inputs = random_inputs if inputs is None else np.asarray(inputs)
    weights = random_weights if weights is None else np.asarray(weights)
    _check_operand(layer, "inputs", inputs, random_inputs.shape)
    _check_operand(layer, "weights", weights, random_weights.shape)
    is_exact = all(array.dtype.kind in "iub" for array in (inputs, weights))
    values = np.int64 if is_exact else np.float64
    inputs, weights = inputs.astype(values), weights.astype(values)

    shape = Shape(layer, hardware, mapping)
    nest = build_nest(shape, hardware)
    state = build_state(shape, nest, values)
    load(shape, nest, state, inputs, weights)
    steps = int(replay_nest(nest, state))
    start = int(nest.banks["base"][0, OUTPUTS])
    outputs = state.values[start : start + shape.tiles[0][OUTPUTS]].copy()
    return Replay(
        layer, hardware, mapping, *count_columns(shape.folded(state.counts)),
        held_words(shape, nest, state), shape.instances_in_use, steps, inputs, weights,
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


def trusted_convolution(
    layer: ConvLayer, inputs: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, str]:
    """Outputs of a layer of integers by an independent convolution, and whose it is.

    torch's where torch is installed, else `direct_convolution`; see there for
    the shapes.
    """
    try:
        torch = importlib.import_module("torch")
    except ImportError:
        return direct_convolution(layer, inputs, weights), "a direct convolution"
    top, bottom, left, right = layer.padding
    functional = torch.nn.functional
    # Whole numbers as small as these sums are exact in float64, which is faster than int64.
    pixels, filters = (torch.from_numpy(array).double() for array in (inputs, weights))
    outputs = functional.conv2d(
        functional.pad(pixels, (left, right, top, bottom)),
        filters,
        stride=layer.stride,
        dilation=layer.dilation,
        groups=layer.groups,
    )
    return outputs.long().numpy(), "torch"


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


def _steps_that_move(shape: Shape, level: int, tensor: int) -> int:
    """How often the tile of a level changes at most."""
    steps = 1
    moves = False
    for loop in shape.loops[::-1]:
        if loop["level"] < level and loop["kind"] == TEMPORAL:
            moves = moves or bool(shape.coefficients[tensor, loop["dimension"]].any())
            steps *= int(loop["bound"]) if moves else 1
    return steps


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
