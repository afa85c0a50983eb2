"""Words that are read from a codebook to decode a tile of weights."""

from __future__ import annotations

from kcsim.kernels.nest import helper


@helper
def lookup_words(filters, channels, rows, columns, unit, entry_bits, word_bits):
    """Words that one lookup for every unit in a tile reads.

    A lookup reads the values of its entry that the tile wants, in whole words: an entry of n
    values takes ``ceil(n * entry_bits / word_bits)``.

    Parameters
    ----------
    filters, channels, rows, columns : int
        Extents of the tile.
    unit : sequence of int
        Likewise, of an entry.
    entry_bits, word_bits : int
        Bits of one value of an entry, and of a word.
    """
    words = 0
    for corner in range(16):
        # All units that lie in the tile as a whole, then those that it cuts.
        deep = (filters % unit[0], 1) if corner & 8 else (unit[0], filters // unit[0])
        tall = (channels % unit[1], 1) if corner & 4 else (unit[1], channels // unit[1])
        high = (rows % unit[2], 1) if corner & 2 else (unit[2], rows // unit[2])
        wide = (columns % unit[3], 1) if corner & 1 else (unit[3], columns // unit[3])
        values = deep[0] * tall[0] * high[0] * wide[0]
        count = deep[1] * tall[1] * high[1] * wide[1]
        words += count * -(-values * entry_bits // word_bits)
    return words
