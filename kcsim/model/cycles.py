"""Cycles of a counted layer: computation, and transfers within each level's bandwidth."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from kcsim.cost.access import CodebookPlace
from kcsim.cost.biases import biases_of
from kcsim.cost.ports import exact_rate, network_paths, ports_of, start_cycles
from kcsim.cost.standing import stalls_of
from kcsim.cost.weight_format import WeightFormat
from kcsim.cost.zero_savings import left_of_cycles
from kcsim.hardware.level import Level
from kcsim.hardware.schema import Hardware
from kcsim.model.codebook import codebook_place, count_lookups
from kcsim.model.counts import Counts, tile_changes
from kcsim.model.traffic import entering_bits, moved_bits
from kcsim.workload.layer import TENSORS, Tensor


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
        included; 0 where the hardware sets no bandwidth. Of networks with a bandwidth, likewise.
    lookup : int
        Cycles that the stores of the codebook need; 0 where the hardware sets no rate.
    total : int
        The largest of these, where transfers run beside the computation, after latencies.
    bound_by : str
        ``compute``, ``codebook`` (its stores), or the level or network that decides.
    standing : int
        Cycles that the array stands still, beside those of ``compute``.
    latency : int
        Cycles until the first word has come to the array.
    """

    compute: int
    transfer: dict[str, int]
    lookup: int
    total: int
    bound_by: str
    standing: int = 0
    latency: int = 0


def count_cycles(counts: Counts, form: WeightFormat, place: CodebookPlace | None = None) -> Cycles:
    """Cycles of a counted layer.

    What passes a port takes ``words / rate`` cycles at every instance; ports work side by side, as
    do the two directions of a network. A level runs beside all that is further in, unless it
    buffers singly: then they take turns. A layer begins with the latencies on the way in.

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
    standing = standing_cycles(counts, form)
    transfer = {}
    for i, level in enumerate(counts.hardware.levels):
        transfer[level.name] = transfer_cycles(counts, form, place, i, level)
        if level.fanout.words_per_cycle is not None:
            transfer[network_name(level)] = network_cycles(counts, form, i)
    lookup = lookup_cycles(counts, form, place)
    total, bound_by = in_turns(counts.hardware, compute + standing, "compute", transfer)
    if lookup > total:
        total, bound_by = lookup, "codebook"
    latency = math.ceil(start_cycles(counts.hardware))
    return Cycles(compute, transfer, lookup, total + latency, bound_by, standing, latency)


def standing_cycles(counts: Counts, form: WeightFormat) -> int:
    """Cycles that the array stands still for loads, dumps and passes; see `kcsim.cost.standing`."""
    hardware, cycles = counts.hardware, _NOTHING
    for stall in stalls_of(hardware):
        index, tensor = stall.level, stall.tensor
        if index < len(counts.keeps) and not counts.keeps[index, TENSORS.index(tensor)]:
            continue
        cycles += Fraction(str(stall.tile_cycles)) * tile_changes(counts, index, tensor)
        if index == len(hardware.levels):
            continue
        level, instances = hardware.levels[index], int(counts.instances[index])
        word_bits, widths = level.word_bits_of(tensor), hardware.level_bits[index]
        rate = {action: exact_rate(level, tensor, action) for action in ("fills", "reads")}
        if stall.loads and rate["fills"]:
            words = moved_bits(counts, form, index, tensor, "fills") / word_bits
            cycles += words / rate["fills"] / instances
        if stall.dumps and rate["reads"]:
            left = counts.moved(hardware.levels[index - 1].name, tensor, "up") if index else 0
            cycles += Fraction(left * widths["partial_sums"], word_bits) / rate["reads"] / instances
    return math.ceil(cycles)


def in_turns(
    hardware: Hardware,
    compute: int,
    bound_by: str,
    transfer: Mapping[str, int],
    least: Mapping[str, int] | None = None,
) -> tuple[int, str]:
    """Cycles of levels that work side by side or, where they buffer singly, in turns.

    Where some of the transfers of a level are among `compute`, `least` are those of all.

    Returns
    -------
    cycles : int
    bound_by : str
        The last that makes it longer: `bound_by`, or the name of a level or network.
    """
    total = compute
    for level in reversed(hardware.levels):
        for name in (network_name(level), level.name):
            cycles = transfer.get(name, 0)
            needed = cycles
            if name == level.name and level.buffering == "single":
                needed = total + cycles
            needed = max(needed, (least or {}).get(name, 0))
            if needed > total:
                total, bound_by = needed, name
    return total, bound_by


def network_name(level: Level) -> str:
    """How the network below a level is called."""
    return f"{level.name} network"


def transfer_cycles(
    counts: Counts, form: WeightFormat, place: CodebookPlace | None, index: int, level: Level
) -> int:
    """Cycles that a level, given with its position, needs for its reads and writes.

    Where the codebook lies there, lookups are reads like any other. Loading it is read at the
    outermost level, and written to every instance of the level that it lies in.
    """
    return max(
        (
            math.ceil(
                sum(
                    (
                        _passing_words(counts, form, place, index, *key) / rate
                        for key, rate in path.rates.items()
                    ),
                    _NOTHING,
                )
                / int(counts.instances[index])
            )
            for path in ports_of(level)
        ),
        default=0,
    )


def _passing_words(
    counts: Counts,
    form: WeightFormat,
    place: CodebookPlace | None,
    index: int,
    tensor: Tensor,
    action: str,
) -> Fraction:
    """Words of an access at all instances of a level, those of a codebook included."""
    level = counts.hardware.levels[index]
    words = moved_bits(counts, form, index, tensor, action) / level.word_bits_of(tensor)
    if (index, tensor, action) == (0, "outputs", "reads"):
        biases = biases_of(counts.layer, counts.hardware)
        return words + biases.reads if biases else words
    if tensor != "weights" or place is None:
        return words
    if place.index == index and action == "reads":
        words += count_lookups(counts, form, place).timed_words
    if form.loads_codebook and place.index != 0:
        codebook_words = Fraction(form.codebook_bits, level.word_bits_of("weights"))
        words += codebook_words * (index == 0 and action == "reads")
        copied = index == place.index and action == "fills"
        words += codebook_words * int(counts.instances[index]) * copied
    return words


def network_cycles(counts: Counts, form: WeightFormat, index: int) -> int:
    """Cycles that the network below a level needs, for what passes its upper end."""
    level = counts.hardware.levels[index]
    return max(
        math.ceil(
            sum(
                (
                    entering_bits(counts, form, index, tensor, way) / level.word_bits / rate
                    for (tensor, way), rate in path.rates.items()
                ),
                _NOTHING,
            )
            / int(counts.instances[index])
        )
        for path in network_paths(level)
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
