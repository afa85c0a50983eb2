"""Counting a mapped layer: how many words cross every boundary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property

import numpy as np

from kcsim.cost.partial_sums import FinishedSums, counted, has_wide_sums, sum_states
from kcsim.cost.prices import rule_array, window_array
from kcsim.cost.rooms import Room, rooms_of
from kcsim.cost.weight_format import WeightFormat, dense_format
from kcsim.errors import MappingError, OverflowedCountError, Problem
from kcsim.hardware.at_precision import at_precision
from kcsim.hardware.level import Level
from kcsim.hardware.schema import Compute, Hardware
from kcsim.kernels.compilation import run_beside
from kcsim.kernels.count.counting import count_mapping
from kcsim.kernels.imperfect.imperfect import count_imperfect
from kcsim.kernels.layout import COUNT, INDEXES, SPAN, TEMPORAL, count_columns
from kcsim.mapping.nest import LevelLoops, Mapping
from kcsim.model.walked import check_walked, forwards_pixels
from kcsim.reading.arguments import checked
from kcsim.workload.layer import DIMENSIONS, TENSORS, ConvLayer, Tensor

ACTIONS = ("reads", "fills", "updates")
DIRECTIONS = ("down", "up", "forwarded")


@dataclass(frozen=True, eq=False)
class Counts:
    """Everything counted for one mapped layer, in words.

    Attributes
    ----------
    layer, hardware, mapping
        What was counted.
    accesses : ndarray of int64, [levels, tensors, actions]
        Reads, fills and updates of weights, inputs and outputs at each level,
        over all instances.
    transfers : ndarray of int64, [levels, tensors, directions]
        Words that arrive at the children below a level, that leave them
        upwards, and that they take from their neighbors.
    tile_words : ndarray of int64, [levels, tensors]
        Words that one instance holds at one time.
    instances : ndarray of int64, [levels + 1]
        Instances in use; the last entry is the MAC units.
    temporal_steps : int
        Steps of the computation: product of the temporal bounds, less the iterations that have
        nothing left to do.
    executed_macs : int, optional
        MACs that the counts are of, where they are not of one run of the layer.
    finished : FinishedSums, optional
        Likewise, where the accesses do not tell; see `sums`.
    """

    layer: ConvLayer
    hardware: Hardware
    mapping: Mapping
    accesses: np.ndarray
    transfers: np.ndarray
    tile_words: np.ndarray
    instances: np.ndarray
    temporal_steps: int
    executed_macs: int | None = None
    finished: FinishedSums | None = None

    @property
    def macs(self) -> int:
        """Multiply-accumulates that are counted."""
        return self.layer.macs if self.executed_macs is None else self.executed_macs

    @cached_property
    def keeps(self) -> np.ndarray:
        """Which level stores which tensor: bool[levels, 3]."""
        return self.mapping.keeps_array(self.hardware)

    @cached_property
    def sums(self) -> FinishedSums | None:
        """Which words of outputs are finished; ``None`` where partial sums are no wider."""
        if self.finished is not None or not has_wide_sums(self.hardware):
            return self.finished
        mapping, hardware = self.mapping, self.hardware
        words = self.layer.output_words
        states = sum_states(
            hardware, mapping.loop_array(hardware)[None], mapping.heights_array(hardware)[None],
            self.keeps, counted(self.accesses, self.transfers)[None], words,
        )  # fmt: skip
        held, arriving, crossing = (each[0] for each in states)
        return FinishedSums(held, arriving * words, crossing * words)

    def with_sums(self) -> Counts:
        """The same, which know what is finished whatever becomes of their accesses."""
        return self if self.sums is self.finished else replace(self, finished=self.sums)

    @cached_property
    def weight_extents(self) -> tuple[dict[str, int], ...]:
        """Indices of each dimension that tiles of weights span; see `tile_extents`."""
        return tile_extents(self.mapping, self.hardware, "weights")

    @property
    def utilization(self) -> float:
        """Share of the MAC units in use."""
        return int(self.instances[-1]) / self.hardware.mac_units

    def words(self, level: str, tensor: str, action: str) -> int:
        """Words of a tensor read, filled or updated at a level.

        Parameters
        ----------
        level : str
        tensor : {"weights", "inputs", "outputs"}
        action : {"reads", "fills", "updates"}
        """
        place = TENSORS.index(tensor), ACTIONS.index(action)
        return int(self.accesses[self.hardware.level_index(level), *place])

    def moved(self, level: str, tensor: str, direction: str) -> int:
        """Words that cross the network below a level.

        Parameters
        ----------
        level : str
        tensor : {"weights", "inputs", "outputs"}
        direction : {"down", "up", "forwarded"}
        """
        place = TENSORS.index(tensor), DIRECTIONS.index(direction)
        return int(self.transfers[self.hardware.level_index(level), *place])


def tile_extents(
    mapping: Mapping, hardware: Hardware, tensor: Tensor | None = None
) -> tuple[dict[str, int], ...]:
    """Indices of each dimension that one instance of a level spans.

    Parameters
    ----------
    mapping : Mapping
    hardware : Hardware
    tensor : {"weights", "inputs", "outputs"}, optional
        Leaves out loops of a level that stand outside of the place of this tensor there.

    Returns
    -------
    tuple of dict
        One for each level, outermost first, and one for the MAC units.
    """
    running: dict[str, int] = dict.fromkeys(DIMENSIONS, 1)
    extents = [dict(running)]
    by_name = {level.level: level for level in mapping.levels}
    for name in reversed(hardware.level_names):
        level = by_name.get(name, LevelLoops(name))
        kept = tensor in hardware.levels[hardware.level_index(name)].kept_tensors
        height = level.heights[TENSORS.index(tensor)] if tensor and kept else 0
        inside = (*level.temporal[height:], *level.spatial_x, *level.spatial_y)
        for loop in inside:
            running[loop.dimension] *= loop.bound
        extents.append(dict(running))
        for loop in level.temporal[:height]:
            running[loop.dimension] *= loop.bound
    return tuple(reversed(extents))


def tile_changes(counts: Counts, index: int, tensor: Tensor) -> int:
    """How many tiles of weights or outputs one instance has, one after the other.

    Parameters
    ----------
    counts : Counts
    index : int
        Position of the level, behind the last one for the MAC units, that have single words.
    tensor : {"weights", "outputs"}
    """
    loops, j = counts.mapping.loop_array(counts.hardware), TENSORS.index(tensor)
    heights, changes, seen, outside = counts.mapping.heights_array(counts.hardware), 1, 0, []
    for level, kind, dimension, bound in loops.tolist():
        if kind != TEMPORAL or level > index:
            continue
        seen += level == index
        if bound > 1 and (level < index or seen <= heights[index, j]):
            outside.append((dimension, bound))
    while outside and not INDEXES[j, outside[-1][0]]:
        outside.pop()
    for _, bound in outside:
        changes *= bound
    return changes


def delivered_extent(counts: Counts, index: int) -> dict[str, int]:
    """Indices of each dimension that one instance of a level sends weights for in one step.

    Where the networks below share reads this spans the tiles of all children
    together, so that a unit of weights cut between them counts once. The
    network between the innermost level and its MAC units shares nothing.
    """
    hardware = counts.hardware
    keeps = counts.keeps[:, 0]
    below = (i for i in range(index + 1, len(keeps)) if keeps[i])
    reader = next(below, len(keeps))
    extent = dict(counts.weight_extents[reader])
    nests = {level.level: level for level in counts.mapping.levels}
    for level in hardware.levels[index : min(reader, len(keeps) - 1)]:
        if level.name in nests and level.fanout.multicast != "none":
            for loop in (*nests[level.name].spatial_x, *nests[level.name].spatial_y):
                extent[loop.dimension] *= loop.bound
    return extent


def used_bits(counts: Counts, form: WeightFormat, index: int, tensors: Sequence[str]) -> Fraction:
    """Bits that the tiles of some tensors occupy in one instance of a level."""
    bits, used = counts.hardware.level_bits[index], Fraction(0)
    for tensor in tensors:
        held = int(counts.tile_words[index, TENSORS.index(tensor)])
        if tensor == "weights" and form.is_indexed(index):
            used += held * form.bits_per_word(index, counts.weight_extents[index])
        elif tensor == "outputs" and counts.sums and not counts.sums.held[index]:
            used += held * bits["partial_sums"]
        else:
            used += held * bits[tensor]
    return used


@checked
def count_layer(
    layer: ConvLayer,
    hardware: Hardware,
    mapping: Mapping,
    weight_format: WeightFormat | None = None,
) -> Counts:
    """Count a mapped layer.

    Parameters
    ----------
    layer : ConvLayer
    hardware : Hardware
    mapping : Mapping
    weight_format : WeightFormat, optional
        How the weights are stored, for the capacities; dense when absent.

    Returns
    -------
    Counts

    Raises
    ------
    MappingError
        If the mapping does not cover the layer, or a level is too small for
        its tiles: what does not fit where, and by how much.
    OverflowedCountError
        If a count might not fit in 64 bits.
    """
    hardware = at_precision(hardware, layer)
    mapping.check(layer, hardware)
    check_range(layer)
    counts = _count(layer, hardware, mapping, weight_format)
    check_fit(counts, weight_format or dense_format(layer, hardware))
    return counts


def count_narrower(
    layer: ConvLayer, mapping: Mapping, counts: Counts, weight_format: WeightFormat
) -> Counts:
    """Counts of a smaller layer under loops that were cut for it; what it needs fits.

    Parameters
    ----------
    layer : ConvLayer
    mapping : Mapping
    counts : Counts
        Of the larger one.
    weight_format : WeightFormat
    """
    return _count(layer, counts.hardware, mapping, weight_format)


def _count(
    layer: ConvLayer, hardware: Hardware, mapping: Mapping, weight_format: WeightFormat | None
) -> Counts:
    """Counts of a layer that the mapping covers, whatever room there is."""
    levels = len(hardware.levels)
    loops, window = mapping.loop_array(hardware), window_array(layer, hardware)
    heights = mapping.heights_array(hardware)
    rules = rule_array(layer, hardware, mapping.keeps_array(hardware))
    spans, counted = np.zeros(levels + 1, SPAN), np.zeros((levels, 3), COUNT)
    if mapping.is_perfect(layer) and not forwards_pixels(layer, hardware):
        steps = count_mapping(loops, heights, window, rules, spans, counted)
    else:
        check_walked(mapping, layer, hardware, weight_format)
        sizes = np.array(list(layer.dimensions.values()), np.int64)
        steps = count_imperfect(loops, heights, sizes, window, rules, spans, counted)
    counts = Counts(
        layer, hardware, mapping, *count_columns(counted), spans["tile"][:-1], spans["instances"],
        temporal_steps=int(steps),
    )  # fmt: skip
    _check_sound(counts)
    return counts


def compile_kernels() -> None:
    """Let what counts mappings be compiled, if it is not yet."""
    hardware = Hardware(
        name="any", levels=(Level(name="any", read_pj=1, write_pj=1),), compute=Compute(mac_pj=1)
    )
    nest = LevelLoops("any")
    count_layer(ConvLayer("any", 1, 1, 1, 1, 1, 1), hardware, Mapping((nest,)))


def compile_beside() -> None:
    """Let another process compile what counts mappings, if this one has not done so."""
    if not count_mapping.signatures:
        run_beside("from kcsim.model.counts import compile_kernels; compile_kernels()")


def check_range(layer: ConvLayer) -> None:
    """Raise an OverflowedCountError if a count of a layer might not fit in 64 bits.

    Each fill of a tile is followed by all MACs of that tile, and a tile of
    inputs has at most ``(stride + dilation)`` words per MAC and window axis.
    """
    largest = 8 * layer.macs
    for stride, dilation in zip(layer.stride, layer.dilation, strict=True):
        largest *= stride + dilation
    if largest >= 2**63:
        raise OverflowedCountError(
            f"{layer.name} has {layer.macs} MACs: its counts may not fit in 64 bits"
        )


def check_fit(counts: Counts, form: WeightFormat, outermost: int = 0) -> None:
    """Raise a MappingError if the tiles of a level, from `outermost` on, need more than it has."""
    problems = []
    for i, level in enumerate(counts.hardware.levels):
        if i < outermost:
            continue
        held = {t: int(counts.tile_words[i, j]) for j, t in enumerate(TENSORS)}
        needed = {t: used_bits(counts, form, i, (t,)) for t in TENSORS}
        for room in rooms_of(level):
            if room.bits is None or room.holds(needed):
                continue
            tiles = " + ".join(f"{t} {held[t]}" for t in room.tensors if held[t])
            there = f"the {room.bits // room.word_bits} that it has"
            if level.buffering == "double":
                there = f"{room.bits // room.word_bits}, half of what it has (buffering: double)"
            problems.append(
                Problem(
                    f"level '{level.name}' is too small for its tiles: {tiles} take "
                    f"{-(-room.used(needed) // room.word_bits)} words{_width(counts, room)}",
                    f"at most {there}",
                    path=("levels", i),
                )
            )
    if problems:
        raise MappingError(problems)


def _width(counts: Counts, room: Room) -> str:
    """How wide words are, unless each is a value."""
    plain = all(
        room.word_bits == bits[tensor] == bits["partial_sums" if tensor == "outputs" else tensor]
        for bits in counts.hardware.level_bits
        for tensor in room.tensors
    )
    return "" if plain else f" of {room.word_bits} bits"


def _check_sound(counts: Counts) -> None:
    """Invariants that hold for every mapping; a failure is a defect of kcsim."""
    if counts.accesses.min() < 0 or counts.transfers.min() < 0:
        raise OverflowedCountError(f"a count of {counts.layer.name} is negative")
    slots = counts.temporal_steps * int(counts.instances[-1])
    if slots < counts.macs or (counts.mapping.is_perfect(counts.layer) and slots > counts.macs):
        raise OverflowedCountError(
            f"the loops of {counts.layer.name} do not amount to its {counts.macs} MACs"
        )
