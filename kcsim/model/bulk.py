"""Counting many mappings of one layer at once: arrays in, arrays out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from kcsim.cost.partial_sums import SumStates, has_wide_sums, sum_states
from kcsim.cost.prices import rule_array, window_array
from kcsim.cost.rooms import rooms_of
from kcsim.errors import MappingError, Problem
from kcsim.hardware.at_precision import at_precision
from kcsim.hardware.schema import Hardware
from kcsim.kernels.count.bulk import count_mappings as count_nests
from kcsim.kernels.count.bulk import find_fault
from kcsim.kernels.layout import COUNT, LOOP, OUTPUTS, TEMPORAL, count_columns
from kcsim.mapping.nest import Mapping
from kcsim.model.counts import check_range
from kcsim.model.walked import forwards_pixels
from kcsim.reading.arguments import checked
from kcsim.workload.layer import DIMENSIONS, TENSORS, ConvLayer


@dataclass(frozen=True, eq=False)
class BulkCounts:
    """What `count_mappings` counted, one entry for each mapping along the first axis.

    Attributes
    ----------
    accesses : ndarray of int64, [mappings, levels, tensors, actions]
        Reads, fills and updates of weights, inputs and outputs.
    transfers : ndarray of int64, [mappings, levels, tensors, directions]
        Words down, up and between neighbors in the network below a level.
    tile_words : ndarray of int64, [mappings, levels, tensors]
        Words that one instance holds at one time.
    instances : ndarray of int64, [mappings, levels + 1]
        Instances in use; the last entry is the MAC units.
    temporal_steps : ndarray of int64, [mappings]
        Steps of the computation.
    fits : ndarray of bool, [mappings]
        Whether all tiles, with dense weights, fit their levels.
    """

    accesses: np.ndarray
    transfers: np.ndarray
    tile_words: np.ndarray
    instances: np.ndarray
    temporal_steps: np.ndarray
    fits: np.ndarray


@checked
def stack_mappings(mappings: Sequence[Mapping], hardware: Hardware) -> np.ndarray:
    """Mappings as `count_mappings` takes them: int64[mappings, loops, 4]."""
    arrays = [mapping.loop_array(hardware) for mapping in mappings]
    stacked = np.empty((len(arrays), max(map(len, arrays), default=0), 4), np.int64)
    # A loop of one iteration at the innermost level changes nothing.
    stacked[:] = len(hardware.levels) - 1, 0, 0, 1
    for row, array in zip(stacked, arrays, strict=True):
        row[: len(array)] = array.view((np.int64, 4))
    return stacked


@checked
def stack_heights(mappings: Sequence[Mapping], hardware: Hardware) -> np.ndarray:
    """Where tensors stand, as `count_mappings` takes it: int64[mappings, levels, 3]."""
    stacked = np.zeros((len(mappings), len(hardware.levels), len(TENSORS)), np.int64)
    for i, mapping in enumerate(mappings):
        stacked[i] = mapping.heights_array(hardware)
    return stacked


@checked
def count_mappings(
    layer: ConvLayer,
    hardware: Hardware,
    loops: np.ndarray,
    bypass: Mapping | None = None,
    heights: np.ndarray | None = None,
) -> BulkCounts:
    """Count many mappings of one layer, about a million in a second.

    Parameters
    ----------
    layer : ConvLayer
    hardware : Hardware
    loops : ndarray of int, [mappings, loops, 4]
        Loops from the outermost to the innermost level: level (0 for the outermost), kind (0 in
        time, 1 and 2 along X and Y of the network below), dimension (position in N, G, M, C, P,
        Q, R, S), bound. Bounds of 1 are allowed anywhere, to fill up shorter mappings.
    bypass : Mapping, optional
        Says which levels do not keep which tensors; its loops do not matter. By default each
        level keeps what it can.
    heights : ndarray of int, [mappings, levels, 3], optional
        How many loops of a level in time, those of one iteration included, stand outside of the
        place of weights, inputs and outputs there: the first ones of the level. By default none;
        what stands at a tensor that is not kept does not matter.

    Returns
    -------
    BulkCounts
        Equal to what `kcsim.count_layer` counts for each mapping. Tiles may be too large: see
        `fits`.

    Raises
    ------
    MappingError
        If a mapping is no mapping of this layer on this hardware: the first one, and why. The
        bounds over a dimension must multiply to its size; `kcsim.count_layer` counts others.
    OverflowedCountError
        If a count might not fit in 64 bits.
    """
    check_range(layer)
    hardware = at_precision(hardware, layer)
    if forwards_pixels(layer, hardware):
        message = "inputs that neighbors pass on without padding are counted one mapping at a time"
        raise MappingError(Problem(message, "padding: moved, or kcsim.count_layer"))
    loops = _checked(layer, hardware, loops)
    count, levels = len(loops), len(hardware.levels)
    keeps = (bypass or Mapping(())).keeps_array(hardware)
    if heights is None:
        places = np.zeros((1, levels, len(TENSORS)), np.int64)
    else:
        places = _checked_heights(hardware, loops, keeps, heights)
    tiles = np.empty((count, levels, len(TENSORS)), np.int64)
    instances, steps = np.empty((count, levels + 1), np.int64), np.empty(count, np.int64)
    counts = np.empty((count, levels, len(TENSORS)), COUNT)
    count_nests(
        loops, places, window_array(layer, hardware), rule_array(layer, hardware, keeps), tiles,
        instances, counts, steps,
    )  # fmt: skip
    fits = _fits(tiles, hardware, lambda: sum_states(
        hardware, loops, np.broadcast_to(places, (count, *places.shape[1:])), keeps, counts,
        layer.output_words,
    ))  # fmt: skip
    return BulkCounts(*count_columns(counts), tiles, instances, steps, fits)


def _checked_heights(
    hardware: Hardware, loops: np.ndarray, keeps: np.ndarray, heights: np.ndarray
) -> np.ndarray:
    """Heights of what is kept: int64[mappings, levels, 3]."""
    heights, shape = np.asarray(heights), (len(loops), *keeps.shape)
    if heights.shape != shape or heights.dtype.kind not in "iu":
        raise MappingError(
            Problem(
                f"heights are {heights.dtype}[{', '.join(map(str, heights.shape))}]",
                f"integers [{', '.join(map(str, shape))}]: mappings, levels, tensors",
            )
        )
    heights = np.where(keeps, heights, 0).astype(np.int64)
    for i, level in enumerate(hardware.levels):
        own, spatial = loops["level"] == i, loops["kind"] != TEMPORAL
        # Only loops before those over the children can stand outside of a tensor.
        most = (own & ~np.logical_or.accumulate(own & spatial, axis=1)).sum(axis=1) * (i > 0)
        wrong = (heights[:, i] < 0) | (heights[:, i] > most[:, None])
        if wrong.any():
            mapping, tensor = np.argwhere(wrong)[0]
            text = f"height {heights[mapping, i, tensor]} of {TENSORS[tensor]} at '{level.name}'"
            expected = f"0 to the {most[mapping]} loops in time before any over children there"
            if i == 0:
                expected = "0: the outermost level keeps tensors as a whole"
            raise MappingError(Problem(f"mapping {mapping}: {text}", expected))
    return heights


def _checked(layer: ConvLayer, hardware: Hardware, loops: np.ndarray) -> np.ndarray:
    """Loops as records: LOOP[mappings, loops]."""
    loops = np.asarray(loops)
    if loops.ndim != 3 or loops.shape[2] != 4 or loops.dtype.kind not in "iu":
        raise MappingError(
            Problem(
                f"loops are {loops.dtype}[{', '.join(map(str, loops.shape))}]",
                "integers [mappings, loops, 4]: level, kind, dimension, bound",
            )
        )
    loops = np.ascontiguousarray(loops, np.int64).view(LOOP)[..., 0]
    sizes = np.array(list(layer.dimensions.values()), np.int64)
    room = np.array([(1, level.fanout.x, level.fanout.y) for level in hardware.levels], np.int64)
    mapping, fault, place = find_fault(loops, sizes, room)
    if mapping < 0:
        return loops
    names = ("level", "kind", "dimension", "bound")
    if fault < len(names):
        value = loops[names[fault]][mapping, place]
        text = f"{names[fault]} {value} of loop {place} is out of range"
    elif fault == 4:
        text = f"loop {place} belongs to a level outside the one before"
    elif fault == 5:
        name = DIMENSIONS[place]
        text = f"its loops over {name} do not multiply to the {sizes[place]} of {layer.name}"
    else:
        level, axis = hardware.levels[place // 3], " XY"[place % 3]
        text = f"it needs more than the {room[place // 3, place % 3]} children along {axis} "
        text += f"of '{level.name}'"
    raise MappingError(Problem(f"mapping {mapping}: {text}"))


def _fits(tiles: np.ndarray, hardware: Hardware, sums: Callable[[], SumStates]) -> np.ndarray:
    widths = hardware.level_bits[:-1]
    bits = tiles * np.array([[each[tensor] for tensor in TENSORS] for each in widths])
    if has_wide_sums(hardware):
        wide = tiles[..., OUTPUTS] * np.array([each["partial_sums"] for each in widths])
        bits[..., OUTPUTS] = np.where(sums().holds_finished, bits[..., OUTPUTS], wide)
    fits = np.ones(len(tiles), np.bool_)
    for i, level in enumerate(hardware.levels):
        for room in rooms_of(level):
            fits &= room.holds(dict(zip(TENSORS, bits[:, i].T, strict=True)))
    return fits
