"""Where the codebook of a layer lies, and how often and how much of it is looked up."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from kcsim.cost.weight_format import WeightFormat
from kcsim.hardware.level import Level
from kcsim.kernels.count.lookups import lookup_words
from kcsim.model.counts import Counts, delivered_extent, used_bits
from kcsim.model.traffic import expected_words
from kcsim.workload.layer import TENSORS


@dataclass(frozen=True)
class CodebookPlace:
    """The memory that holds a codebook: its store, or a level where the store is too small.

    Attributes
    ----------
    index : int, optional
        Position of the level; ``None`` for the store.
    level : str, optional
        Its name.
    word_bits, access_bits : int
        Bits of a word, and of what one access reads or writes.
    read_pj, write_pj : float
        Energy of an access.
    """

    index: int | None
    level: str | None
    word_bits: int
    access_bits: int
    read_pj: float
    write_pj: float


@dataclass(frozen=True)
class Lookups:
    """What the decoder does for one layer.

    Attributes
    ----------
    count : int
        Entries that are looked up, whether or not zeros spare some.
    weights : int
        Weights that are handed on, likewise.
    paid_weights : Fraction
        Those that are paid for: less what zeros spare.
    timed_words : Fraction
        Words of the codebook that take time: less those of skipped MACs.
    """

    count: int
    weights: int
    paid_weights: Fraction
    timed_words: Fraction


def codebook_place(counts: Counts, weights: WeightFormat) -> CodebookPlace | None:
    """The store or, for a larger codebook, a level above it.

    That is the one that the mapper has chosen or, under a mapping that is given, the nearest with
    room beside its tiles. ``None`` where nothing is decoded.
    """
    store = counts.hardware.codebook
    if not weights.codebook_words or store is None:
        return None
    if weights.codebook_bits <= store.capacity_kib * 8192:
        width = store.word_bits
        return CodebookPlace(None, None, width, width, store.read_pj, store.write_pj)
    levels = counts.hardware.levels
    if weights.codebook_level is not None:
        return _place_in(levels[weights.codebook_level], weights.codebook_level)
    for i in range(weights.decode_level, 0, -1):
        level = levels[i]
        partition = level.partition_of("weights")
        sharing = partition.tensors if partition else TENSORS
        capacity = level.capacity_bits("weights")
        used = used_bits(counts, weights, i, sharing) + weights.codebook_bits
        if "weights" in level.kept_tensors and capacity is not None and used <= capacity:
            return _place_in(level, i)
    return _place_in(levels[0], 0)


def _place_in(level: Level, index: int) -> CodebookPlace:
    word_bits = level.word_bits_of("weights")
    return CodebookPlace(
        index, level.name, word_bits, word_bits * level.block_words,
        level.energy_pj("weights", "read"), level.energy_pj("weights", "write"),
    )  # fmt: skip


def count_lookups(counts: Counts, weights: WeightFormat, place: CodebookPlace) -> Lookups:
    """How often the decoder looks up an entry: once for every unit of what it hands on.

    A level that does not keep weights hands on all that arrives.
    """
    hardware, decoder = counts.hardware, weights.decode_level
    if counts.keeps[decoder, 0]:
        words = counts.words(hardware.levels[decoder].name, "weights", "reads")
        paid = expected_words(counts, decoder, "weights", "reads", gated=True)
        timed = expected_words(counts, decoder, "weights", "reads", gated=False)
    else:
        words = counts.moved(hardware.levels[decoder - 1].name, "weights", "down")
        paid = timed = Fraction(words)
    tile = delivered_extent(counts, decoder)
    extents = tile["C"], tile["R"], tile["S"]
    # The same rule as in the search, but on Python's integers.
    read = lookup_words.py_func(*extents, weights.unit, weights.entry_bits, place.word_bits)
    filter_words = tile["C"] * tile["R"] * tile["S"]
    units = weights.units_in(tile)
    return Lookups(
        words * units // (filter_words * tile["G"] * tile["M"]), words, paid,
        timed * read / filter_words,
    )  # fmt: skip
