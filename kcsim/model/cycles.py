"""Cycles of a counted layer: computation, and transfers within each level's bandwidth."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

from kcsim.hardware import Level
from kcsim.hardware.zeros import left_of_cycles
from kcsim.model.counts import Counts
from kcsim.model.traffic import moved_bits
from kcsim.model.weights import WeightFormat
from kcsim.workload.layer import TENSORS

__all__ = ["Cycles", "count_cycles", "transfer_cycles"]


@dataclass(frozen=True)
class Cycles:
    """Cycles of one layer.

    Attributes
    ----------
    compute : int
        Product of the temporal bounds times the cycles of a MAC; of the steps
        that are left, where zeros are skipped.
    transfer : dict of str to int
        Cycles that each level needs for its transfers; 0 where the hardware
        sets no bandwidth.
    total : int
        The largest of these, where transfers run beside the computation.
    bound_by : str
        ``compute``, or the level that decides.
    """

    compute: int
    transfer: dict[str, int]
    total: int
    bound_by: str


def count_cycles(counts: Counts, weights: WeightFormat) -> Cycles:
    """Cycles of a counted layer.

    A level's reads and its writes (fills and updates) each take ``words /
    bandwidth`` cycles at every instance, side by side. A level that buffers
    singly adds them to the computation; all others run beside it.
    """
    units = counts.hardware.compute
    # As if every unit met its share of zeros: at best.
    steps = math.ceil(counts.temporal_steps * left_of_cycles(units, counts.layer.zeros))
    compute = steps * units.cycles_per_mac
    transfer, total, bound_by = {}, compute, "compute"
    for i, level in enumerate(counts.hardware.levels):
        cycles = transfer_cycles(counts, weights, i, level)
        transfer[level.name] = cycles
        needed = compute + cycles if level.buffering == "single" else cycles
        if needed > total:
            total, bound_by = needed, level.name
    return Cycles(compute, transfer, total, bound_by)


def transfer_cycles(counts: Counts, weights: WeightFormat, index: int, level: Level) -> int:
    """Cycles that a level, given with its position, needs for its reads and writes."""
    cycles = 0
    for bandwidth, actions in (
        (level.read_words_per_cycle, ("reads",)),
        (level.write_words_per_cycle, ("fills", "updates")),
    ):
        if bandwidth is None:
            continue
        words = sum(
            (
                moved_bits(counts, weights, index, t, a) / level.word_bits_of(t)
                for t in TENSORS
                for a in actions
            ),
            Fraction(0),
        )
        # Through its digits: 0.6 is meant to be 3/5, not the binary number just below.
        rate = Fraction(str(bandwidth)) * int(counts.instances[index])
        cycles = max(cycles, -(-words // rate))
    return int(cycles)
