"""Huffman codes: indexes to bits and back.

Bit i of a packed array is bit i % 8, counted from the lowest, of byte i // 8. A code word starts
with its first bit, the one next to the root of the code tree.
"""

import numpy as np

from kcsim.kernels.compilation import kernel


@kernel
def encode(indexes, words, lengths, packed):
    """Write the code word of every index.

    Parameters
    ----------
    indexes : int32[N]
    words : uint64[K]
        Code words, their first bit the lowest.
    lengths : uint8[K]
        Their lengths [bit].
    packed : uint8[bytes]
        All zero; filled.

    Returns
    -------
    int
        Bits written.
    """
    position = 0
    for i in range(indexes.size):
        word = words[indexes[i]]
        for _ in range(lengths[indexes[i]]):
            packed[position >> 3] |= np.uint8(word & np.uint64(1)) << np.uint8(position & 7)
            word >>= np.uint64(1)
            position += 1
    return position


@kernel
def decode(packed, counts, symbols, indexes):
    """Read indexes of a canonical code.

    Parameters
    ----------
    packed : uint8[bytes]
    counts : int64[L + 1]
        Number of code words of every length from 0 to L; none of length 0.
    symbols : int32[words]
        Indexes in the order of their code words.
    indexes : int32[N]
        Filled.

    Returns
    -------
    int
        Bits read, or -1 if the bits end early or are no code words.
    """
    position = 0
    end = packed.size * 8
    for i in range(indexes.size):
        # Code words of one length are consecutive numbers, so a word is told by the offset from
        # the first of its length.
        offset = 0
        before = 0
        found = False
        for length in range(1, counts.size):
            if position == end:
                return -1
            offset = 2 * offset + ((packed[position >> 3] >> np.uint8(position & 7)) & 1)
            position += 1
            if offset < counts[length]:
                indexes[i] = symbols[before + offset]
                found = True
                break
            offset -= counts[length]
            before += counts[length]
        if not found:
            return -1
    return position
