"""Cycles of a counted layer: computation, and transfers within each level's bandwidth."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

from kcsim.cost.access import CodebookPlace
from kcsim.cost.weight_format import WeightFormat
from kcsim.cost.zero_savings import left_of_cycles
from kcsim.hardware.level import Level
from kcsim.hardware.schema import Hardware
from kcsim.model.codebook import codebook_place, count_lookups
from kcsim.model.counts import Counts
from kcsim.model.traffic import moved_bits
from kcsim.workload.layer import TENSORS


@dataclass(frozen=True)
class Cycles:
    """Cycles of one layer.

    Attributes
    ----------
    compute : int
        Product of the temporal bounds times the cycles of a MAC; of the steps
        that are left, where zeros are skipped.
    transfer : dict of str to int
        Cycles that each level needs for its transfers, lookups in a codebook that lies there
        included; 0 where the hardware sets no bandwidth.
    lookup : int
        Cycles that the stores of the codebook need; 0 where the hardware sets no rate.
    total : int
        The largest of these, where transfers run beside the computation.
    bound_by : str
        ``compute``, ``codebook`` (its stores), or the level that decides.
    """

    compute: int
    transfer: dict[str, int]
    lookup: int
    total: int
    bound_by: str


def count_cycles(counts: Counts, form: WeightFormat, place: CodebookPlace | None = None) -> Cycles:
    """Cycles of a counted layer.

    A level's reads and its writes (fills and updates) each take ``words /
    bandwidth`` cycles at every instance, side by side. A level that buffers
    singly adds them to the computation; all others run beside it.

    Parameters
    ----------
    counts : Counts
    form : WeightFormat
    place : CodebookPlace, optional
        Where the codebook lies, if not where `kcsim.model.codebook.codebook_place` says.
    """
    place = place or codebook_place(counts, form)
    units = counts.hardware.compute
    # As if every unit met its share of zeros: at best.
    steps = math.ceil(counts.temporal_steps * left_of_cycles(units, counts.layer.zeros))
    compute = steps * units.cycles_per_mac
    transfer, total, bound_by = {}, compute, "compute"
    for i, level in enumerate(counts.hardware.levels):
        cycles = transfer_cycles(counts, form, place, i, level)
        transfer[level.name] = cycles
        needed = compute + cycles if level.buffering == "single" else cycles
        if needed > total:
            total, bound_by = needed, level.name
    lookup = lookup_cycles(counts, form, place)
    if lookup > total:
        total, bound_by = lookup, "codebook"
    return Cycles(compute, transfer, lookup, total, bound_by)


def transfer_cycles(
    counts: Counts, form: WeightFormat, place: CodebookPlace | None, index: int, level: Level
) -> int:
    """Cycles that a level, given with its position, needs for its reads and writes.

    Where the codebook lies there, lookups are reads like any other. Loading it is read at the
    outermost level, and written to every instance of the level that it lies in.
    """
    if level.read_words_per_cycle is None and level.write_words_per_cycle is None:
        return 0
    instances = int(counts.instances[index])
    reads, writes = (
        sum(
            (
                moved_bits(counts, form, index, t, a) / level.word_bits_of(t)
                for t in TENSORS
                for a in actions
            ),
            _NOTHING,
        )
        for actions in (("reads",), ("fills", "updates"))
    )
    if place is not None and place.index == index:
        reads += count_lookups(counts, form, place).timed_words
    if place is not None and form.loads_codebook and place.index != 0:
        codebook_words = Fraction(form.codebook_bits, level.word_bits_of("weights"))
        reads += codebook_words * (index == 0)
        writes += codebook_words * instances * (index == place.index)
    return max(
        cycles_at(rate, words / instances)
        for rate, words in (
            (level.read_words_per_cycle, reads),
            (level.write_words_per_cycle, writes),
        )
    )


def lookup_cycles(counts: Counts, form: WeightFormat, place: CodebookPlace | None) -> int:
    """Cycles that the stores of a codebook need, each instance of the decode level having one."""
    if place is None or place.index is not None:
        return 0
    words = count_lookups(counts, form, place).timed_words
    instances = int(counts.instances[form.decode_level])
    return cycles_at(place.read_words_per_cycle, words / instances)


def seconds_of(cycles: int, hardware: Hardware) -> float | None:
    """Time of some cycles, if the hardware names its clock."""
    return None if hardware.clock_mhz is None else cycles / (hardware.clock_mhz * 1e6)


def cycles_at(words_per_cycle: float | None, words: Fraction) -> int:
    """Cycles that words take at a rate; none where it is unlimited."""
    if words_per_cycle is None:
        return 0
    # Through its digits: 0.6 is meant to be 3/5, not the binary number just below.
    return math.ceil(words / Fraction(str(words_per_cycle)))


_NOTHING = Fraction(0)
