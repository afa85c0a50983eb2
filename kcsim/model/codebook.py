"""Where the codebook of a layer lies, and how often and how much of it is looked up."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from fractions import Fraction

from kcsim.cost.access import CodebookPlace, codebook_places, place_in
from kcsim.cost.rooms import room_of
from kcsim.cost.weight_format import WeightFormat
from kcsim.kernels.count.lookups import lookup_words
from kcsim.model.counts import Counts, delivered_extent, used_bits
from kcsim.model.traffic import expected_words
from kcsim.workload.layer import TENSORS


@dataclass(frozen=True)
class Lookups:
    """What the decoder does for one layer.

    Attributes
    ----------
    count : int
        Entries that are looked up, one for each stage, whether or not zeros spare some.
    decoded_words : int
        Weights that are handed on, likewise.
    paid_words : Fraction
        Those that are paid for: less what zeros spare.
    timed_words : Fraction
        Words of the codebook that take time: less those of skipped MACs.
    """

    count: int
    decoded_words: int
    paid_words: Fraction
    timed_words: Fraction


def codebook_place(counts: Counts, form: WeightFormat) -> CodebookPlace | None:
    """The store or, for a larger codebook, a level above it.

    That is the one that the mapper has chosen or, under a mapping that is given, the nearest with
    room beside its tiles. ``None`` where nothing is decoded.
    """
    hardware = counts.hardware
    if not form.codebook_words or hardware.codebook is None:
        return None
    places = codebook_places(hardware, form.decode_level, form.codebook_bits)
    if form.codebook_level is not None and places[0].index is not None:
        return place_in(hardware, form.codebook_level)

    def has_room(index: int) -> bool:
        room = room_of(hardware.levels[index], "weights").beside(form.codebook_bits)
        fits: bool = room.holds({t: used_bits(counts, form, index, (t,)) for t in TENSORS})
        return fits

    return next(place for place in places if not place.index or has_room(place.index))


def count_lookups(counts: Counts, form: WeightFormat, place: CodebookPlace) -> Lookups:
    """How often the decoder looks up an entry: once for every unit of what it hands on.

    A level that does not keep weights hands on all that arrives.
    """
    hardware, decoder = counts.hardware, form.decode_level
    if counts.keeps[decoder, 0]:
        words = counts.words(hardware.levels[decoder].name, "weights", "reads")
        paid = expected_words(counts, decoder, "weights", "reads", gated=True)
        timed = expected_words(counts, decoder, "weights", "reads", gated=False)
    else:
        words = counts.moved(hardware.levels[decoder - 1].name, "weights", "down")
        paid = timed = Fraction(words)
    tile = delivered_extent(counts, decoder)
    extents = tile["M"], tile["C"], tile["R"], tile["S"]
    read = _words_read(extents, form.extents, form.entry_bits, place.word_bits)
    tile_words = math.prod(extents)
    units = form.stages * form.units_in(tile)
    return Lookups(
        words * units // (tile_words * tile["G"]), words, paid,
        timed * form.stages * read / tile_words,
    )  # fmt: skip


@functools.lru_cache(4096)
def _words_read(
    extents: tuple[int, ...], unit: tuple[int, ...], entry_bits: int, word_bits: int
) -> int:
    """Words that the lookups of a tile read: the same rule as in the search, on Python's ints."""
    read: int = lookup_words.py_func(*extents, unit, entry_bits, word_bits)
    return read
