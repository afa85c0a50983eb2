"""Words that are read from a codebook to decode a tile of weights."""

from __future__ import annotations

from kcsim.kernels.nest import helper


@helper
def lookup_words(channels, rows, columns, unit, entry_bits, word_bits):
    """Words that one lookup for every unit in a tile reads, of one filter.

    A lookup reads the values of its entry that the tile wants, in whole words: an entry of n
    values takes ``ceil(n * entry_bits / word_bits)``.

    Parameters
    ----------
    channels, rows, columns : int
        Extents of the tile.
    unit : sequence of int
        Channels, rows and columns of an entry, first of all.
    entry_bits, word_bits : int
        Bits of one value of an entry, and of a word.
    """
    words = 0
    for i in range(2):
        # All units that lie in the tile as a whole, then the one that it cuts.
        tall = (unit[0], channels // unit[0]) if i == 0 else (channels % unit[0], 1)
        for j in range(2):
            high = (unit[1], rows // unit[1]) if j == 0 else (rows % unit[1], 1)
            for k in range(2):
                wide = (unit[2], columns // unit[2]) if k == 0 else (columns % unit[2], 1)
                values = tall[0] * high[0] * wide[0]
                count = tall[1] * high[1] * wide[1]
                words += count * -(-values * entry_bits // word_bits)
    return words
