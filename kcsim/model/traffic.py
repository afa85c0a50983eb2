"""What is moved and computed once zeros are left out: counts as expected words and bits.

Counts stay those of the dense layer. What zeros save is an expectation, taken in
exact fractions and rounded up where accesses are paid for.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from fractions import Fraction
from typing import NamedTuple

from kcsim.cost.weight_format import WeightFormat
from kcsim.cost.zero_savings import (
    coding_of,
    left_of_cycles,
    left_of_macs,
    left_of_reads,
    spared_twice,
    value_bits,
)
from kcsim.hardware.level import Coding
from kcsim.model.counts import Counts, delivered_extent
from kcsim.workload.layer import TENSORS, Tensor


class MacsLeft(NamedTuple):
    """The MACs of a layer by what becomes of them; they add up to those of the dense layer.

    Attributes
    ----------
    computed : int
        Expected, rounded up.
    gated : int
        They take a cycle, and `gated_mac_pj`.
    skipped : int
        They take nothing.
    """

    computed: int
    gated: int
    skipped: int


class StoredTensor(NamedTuple):
    """A tensor at a level that may compress it.

    Attributes
    ----------
    level : str
    tensor : str
    coding : str or None
        ``None`` where plain values are smaller, or weights are indexes.
    value_bits : float
        Expected bits of one value in this coding; 0 for indexes.
    """

    level: str
    tensor: Tensor
    coding: Coding | None
    value_bits: float


def macs_left(counts: Counts) -> MacsLeft:
    """What becomes of the MACs of a layer."""
    compute, zeros = counts.hardware.compute, counts.layer.zeros
    computed = math.ceil(counts.macs * left_of_macs(compute, zeros))
    timed = math.ceil(counts.macs * left_of_cycles(compute, zeros))
    return MacsLeft(computed, timed - computed, counts.macs - timed)


def stored_tensors(counts: Counts, form: WeightFormat) -> tuple[StoredTensor, ...]:
    """How each tensor is stored wherever the hardware compresses."""
    hardware, zeros = counts.hardware, counts.layer.zeros
    found = []
    for index, level in enumerate(hardware.levels):
        for tensor in TENSORS:
            if tensor not in level.compression:
                continue
            if tensor == "weights" and form.is_indexed(index):
                found.append(StoredTensor(level.name, tensor, None, 0.0))
                continue
            width = hardware.level_bits[index][tensor]
            coding = coding_of(level, tensor, width, zeros)
            bits = float(value_bits(level, tensor, width, zeros))
            found.append(StoredTensor(level.name, tensor, coding, bits))
    return tuple(found)


def paid_words(counts: Counts, index: int, tensor: Tensor, action: str) -> int:
    """Words of an access that cost energy and time, as the level says what is counted there.

    Parameters
    ----------
    counts : Counts
    index : int
        Position of the level.
    tensor : {"weights", "inputs", "outputs"}
    action : {"reads", "fills", "updates"}
    """
    level = counts.hardware.levels[index]
    words = counts.words(level.name, tensor, action)
    if action == "fills" and not level.counted.fills:
        return 0
    if tensor != "outputs" or action != "reads":
        return words
    if level.counted.first_reads:
        words = counts.words(level.name, tensor, "updates")
    if level.counted.drains and index and counts.keeps[index, TENSORS.index(tensor)]:
        words += counts.moved(counts.hardware.levels[index - 1].name, tensor, "up")
    return words


def expected_words(
    counts: Counts, index: int, tensor: Tensor, action: str, *, gated: bool
) -> Fraction:
    """Words of an access that are left once the MAC units leave out zeros.

    Only the innermost level of the hardware serves MACs one by one: what other
    levels read may serve several, and is not spared. There a MAC that is left out
    spares its reads (`kcsim.cost.zero_savings.left_of_reads`) and adds nothing to
    its partial sum, unless it is the first: that one starts the sum.

    Parameters
    ----------
    counts : Counts
    index : int
        Position of the level.
    tensor : {"weights", "inputs", "outputs"}
    action : {"reads", "fills", "updates"}
    gated : bool
        Whether the accesses of gated MACs are left out as well as those of
        skipped ones; they spare energy, but no cycle.
    """
    hardware = counts.hardware
    words = Fraction(paid_words(counts, index, tensor, action))
    innermost = len(hardware.levels) - 1
    keeps = counts.keeps[innermost, TENSORS.index(tensor)]
    if index != innermost or not keeps or action not in _SPARED[tensor]:
        return words
    compute, zeros = hardware.compute, counts.layer.zeros
    left = left_of_reads(compute, zeros, tensor) if gated else left_of_cycles(compute, zeros)
    served = counts.macs
    if tensor == "outputs":
        # All MACs but the first of each sum, which reads nothing.
        served = counts.words(hardware.levels[index].name, tensor, "reads")
    return words - served * (1 - left)


_SPARED = {"weights": ("reads",), "inputs": ("reads",), "outputs": ("reads", "updates")}


def transferred_words(
    counts: Counts, index: int, tensor: Tensor, directions: Iterable[str]
) -> Fraction:
    """Words that cross the network below a level; what zeros spare there does not travel."""
    name = counts.hardware.levels[index].name
    words = Fraction(sum(counts.moved(name, tensor, direction) for direction in directions))
    action, direction = ("updates", "up") if tensor == "outputs" else ("reads", "down")
    if direction not in directions:
        return words
    spared = counts.words(name, tensor, action)
    return words - spared + expected_words(counts, index, tensor, action, gated=True)


def moved_bits(
    counts: Counts,
    form: WeightFormat,
    index: int,
    tensor: Tensor,
    action: str,
    *,
    gated: bool = False,
) -> Fraction:
    """Bits that the reads, fills or updates of a tensor at a level amount to.

    Clustered weights move as whole indexes: what is sent in one step, or a tile
    that is filled, needs the index of every unit it holds a part of. A level that
    compresses a tensor moves its expected size there; of outputs only those that
    are finished, since partial sums are seldom zero.
    """
    hardware = counts.hardware
    level, zeros = hardware.levels[index], counts.layer.zeros
    words = expected_words(counts, index, tensor, action, gated=gated)
    if not words:
        return words
    if tensor == "weights" and form.is_indexed(index):
        extent = counts.weight_extents[index]
        if action == "reads":
            extent = delivered_extent(counts, index)
        bits = words * form.bits_per_word(index, extent)
        if form.leaves_out_zeros and action == "reads" and index == len(hardware.levels) - 1:
            bits *= spared_twice(hardware.compute, zeros)
        return bits
    widths = hardware.level_bits[index]
    stored = value_bits(level, tensor, widths[tensor], zeros)
    if tensor != "outputs":
        return words * stored
    width = widths["partial_sums"]
    bits = words * width
    if action == "updates":
        bits -= finished_words(counts, index) * (width - stored)
    return bits


def finished_words(counts: Counts, index: int) -> int:
    """Words of outputs that arrive at a level finished."""
    widths = counts.hardware.level_bits[index]
    if counts.sums is None or widths["partial_sums"] == widths["outputs"]:
        reads, _, updates = counts.accesses[index, TENSORS.index("outputs")]
        return int(updates - reads)
    return int(counts.sums.arriving[index])


def entering_bits(
    counts: Counts, form: WeightFormat, index: int, tensor: Tensor, way: str
) -> Fraction:
    """Bits that pass the upper end of the network below a level, ``down`` or ``up``.

    What several children are given goes down once, and what is added up on its way comes up as
    one. Zeros spare none of that.
    """
    hardware, level = counts.hardware, counts.hardware.levels[index]
    bits, sums = hardware.network_bits(index), counts.sums
    kept = counts.keeps[index, TENSORS.index(tensor)]
    if kept:
        words = counts.words(level.name, tensor, "reads" if way == "down" else "updates")
        if way == "down" and index:
            # What a level reads for its neighbors goes to them.
            words -= counts.moved(hardware.levels[index - 1].name, tensor, "forwarded")
    else:
        words = counts.moved(hardware.levels[index - 1].name, tensor, way)
    if tensor == "weights" and form.is_indexed(index + 1):
        return words * form.bits_per_word(index, delivered_extent(counts, index))
    if tensor != "outputs":
        return words * Fraction(bits[tensor])
    if way == "down" and not counts.moved(level.name, tensor, "down"):
        # Sums do not go down to MAC units, which add to them at the level.
        return Fraction(0)
    crossing = words * Fraction(bits["partial_sums"])
    if way == "down" or sums is None:
        return crossing
    finished = int(sums.arriving[index] if kept else sums.crossing[index - 1])
    return crossing - finished * (bits["partial_sums"] - bits["outputs"])


def transferred_bits(
    counts: Counts, form: WeightFormat, index: int, tensor: Tensor, directions: Iterable[str]
) -> Fraction:
    """Bits that cross the network below a level; see `transferred_words`."""
    hardware = counts.hardware
    words, bits = transferred_words(counts, index, tensor, directions), hardware.network_bits(index)
    if tensor == "weights" and form.is_indexed(index + 1):
        # Indexes only travel to a level that holds indexes.
        return words * form.bits_per_word(index + 1, counts.weight_extents[index + 1])
    if tensor != "outputs":
        return words * bits[tensor]
    crossing = words * bits["partial_sums"]
    if words and counts.sums is not None and "up" in directions:
        crossing -= int(counts.sums.crossing[index]) * (bits["partial_sums"] - bits["outputs"])
    return crossing
