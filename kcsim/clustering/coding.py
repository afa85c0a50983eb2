"""Indexes as bits: words of fixed length, and Huffman codes.

Bits are counted from the lowest of the first byte on: bit i is bit i % 8 of byte i // 8.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kcsim.errors import InputError

TABLE_ENTRY_BITS = 5
"""Width of one code length in a stored table [bit]."""
MAX_CODE_LENGTH = 2**TABLE_ENTRY_BITS - 1
_BLOCK = 1 << 20

Bytes = NDArray[np.uint8]
Indexes = NDArray[np.int32]


def fixed_index_bits(clusters: int) -> int:
    """ceil(log2 K): bits of an index of fixed length; 0 for a single cluster, or none."""
    return max(clusters - 1, 0).bit_length()


def code_lengths(counts: NDArray[np.int64], index: str) -> NDArray[Any]:
    """Bits that the index of every entry takes.

    Parameters
    ----------
    counts : int64[K]
        How often each entry is used.
    index : {"fixed", "huffman", "entropy"}
        With ``entropy``, the lengths of an ideal code, -log2 of an entry's share; they are not
        whole, and their sum over all units is N H.

    Returns
    -------
    array, shape (K,)
        0 for entries that are never used, except at fixed length [bit].
    """
    if index == "fixed":
        return np.full(counts.size, fixed_index_bits(counts.size))
    if index == "huffman":
        return huffman_lengths(counts)
    used = counts > 0
    shares = counts[used] / counts.sum()
    lengths = np.zeros(counts.size)
    lengths[used] = -np.log2(shares)
    return lengths


def huffman_lengths(counts: NDArray[Any]) -> Bytes:
    """Lengths of an optimal prefix code, at most `MAX_CODE_LENGTH`.

    Parameters
    ----------
    counts : array, shape (K,)
        How often each entry is used, or its weight.

    Returns
    -------
    uint8[K]
        0 for entries that are never used; 1 for the only one that is. A codebook of one entry
        needs no bits [bit].

    Notes
    -----
    Huffman, A method for the construction of minimum-redundancy codes, Proc. IRE 40 (1952), with
    two queues in place of a heap. Where a code word would be too long, counts are halved until
    none is.
    """
    lengths = np.zeros(counts.size, np.uint8)
    used = np.flatnonzero(counts)
    if counts.size == 1 or not used.size:
        return lengths
    weights = np.sort(counts[used])
    order = used[np.argsort(counts[used], kind="stable")]
    while (depths := _depths(weights.tolist())).max() > MAX_CODE_LENGTH:
        weights = (weights + 1) // 2
    lengths[order] = depths
    return lengths


def _depths(weights: list[float]) -> NDArray[np.int64]:
    """Depths of the leaves of the Huffman tree over ascending weights."""
    leaves = len(weights)
    if leaves == 1:
        return np.ones(1, np.int64)
    nodes = [*weights]
    parents = [0] * (2 * leaves - 1)
    leaf, inner = 0, leaves
    for parent in range(leaves, 2 * leaves - 1):
        total = 0.0
        for _ in range(2):
            if leaf < leaves and (inner == parent or nodes[leaf] <= nodes[inner]):
                child, leaf = leaf, leaf + 1
            else:
                child, inner = inner, inner + 1
            parents[child] = parent
            total += nodes[child]
        nodes.append(total)
    depths = [0] * len(parents)
    for child in range(len(parents) - 2, -1, -1):
        depths[child] = depths[parents[child]] + 1
    return np.array(depths[:leaves])


@cache
def worst_case_huffman(clusters: int, sparse: float, units: int) -> float:
    """Mean length of a Huffman code for the worst distribution [bit per index].

    The distribution is that of `kcsim.clustering.storage.worst_case_entropy`.

    Parameters
    ----------
    clusters : int
        Entries K, the zero entry among them.
    sparse : float
        Share p of the units that is tied to zero.
    units : int
        Units N that share the codebook.
    """
    if sparse == 0:
        shares = np.full(clusters, 1 / clusters)
    else:
        others = max(1, min(clusters - 1, round((1 - sparse) * units)))
        shares = np.append(np.full(others, (1 - sparse) / others), sparse)
    return math.fsum(shares * huffman_lengths(shares)) if clusters > 1 else 0.0


def pack(values: NDArray[Any], bits: int) -> Bytes:
    """Pack numbers into words of `bits` bits, the lowest bit first.

    Parameters
    ----------
    values : array of integers
        From 0 to 2^bits - 1, in any shape.
    bits : int
        Width of a word, at most 32.

    Returns
    -------
    uint8[ceil(values.size * bits / 8)]
        The bits left over in the last byte are 0.
    """
    flat = values.ravel()
    places = np.arange(bits, dtype=np.uint32)
    # A block of a multiple of eight words ends at the end of a byte.
    blocks = [
        np.packbits(
            (flat[start : start + _BLOCK, None].astype(np.uint32) >> places).astype(np.uint8) & 1,
            bitorder="little",
        )
        for start in range(0, flat.size, _BLOCK)
    ]
    return np.concatenate([*blocks, np.empty(0, np.uint8)])


def unpack(packed: Bytes, bits: int, count: int) -> NDArray[np.uint32]:
    """Read what `pack` wrote.

    Parameters
    ----------
    packed : uint8[ceil(count * bits / 8)]
    bits : int
        Width of a word, at most 32.
    count : int
        Words.

    Returns
    -------
    uint32[count]
    """
    if bits == 0:
        return np.broadcast_to(np.uint32(0), (count,))
    values = np.empty(count, np.uint32)
    places = np.uint32(1) << np.arange(bits, dtype=np.uint32)
    for start in range(0, count, _BLOCK):
        words = min(_BLOCK, count - start)
        block = packed[start * bits // 8 : (start + words) * bits // 8 + 1]
        flags = np.unpackbits(block, count=words * bits, bitorder="little")
        values[start : start + words] = flags.reshape(words, bits).astype(np.uint32) @ places
    return values


def huffman_encode(indexes: Indexes, lengths: Bytes) -> Bytes:
    """Indexes in the canonical code with these lengths.

    Parameters
    ----------
    indexes : int32[N]
        Below K, of entries whose length is not 0 unless all lengths are.
    lengths : uint8[K]
        As of `huffman_lengths`.

    Returns
    -------
    uint8[ceil(bits / 8)]
        The bits left over in the last byte are 0.
    """
    from kcsim.kernels import coding

    total = int(lengths.astype(np.int64)[indexes].sum())
    packed = np.zeros(-(-total // 8), np.uint8)
    coding.encode(indexes, _words(lengths), lengths, packed)
    return packed


def huffman_decode(packed: Bytes, lengths: Bytes, count: int) -> Indexes:
    """Read what `huffman_encode` wrote.

    Parameters
    ----------
    packed : uint8[bytes]
    lengths : uint8[K]
    count : int
        Indexes N.

    Returns
    -------
    int32[count]

    Raises
    ------
    InputError
        If the lengths are those of no complete code, or the bits are not `count` code words and
        less than a byte of padding.
    """
    from kcsim.kernels import coding

    used = lengths[lengths > 0].astype(np.int64)
    if not used.size and lengths.size == 1 and not packed.size:
        return np.broadcast_to(np.int32(0), (count,))
    # Kraft's sum, in units of the longest possible code word.
    kraft = int((1 << (MAX_CODE_LENGTH - used)).sum())
    if used.size == 1:
        kraft *= 2
    if kraft != 1 << MAX_CODE_LENGTH or used.max() > MAX_CODE_LENGTH:
        raise InputError("the code lengths are those of no complete prefix code")
    if count > 8 * packed.size:
        raise InputError(f"{packed.size} bytes cannot hold {count} Huffman code words")
    indexes = np.empty(count, np.int32)
    read = coding.decode(packed, np.bincount(used, minlength=2), _code_order(lengths), indexes)
    if read < 0 or -(-read // 8) != packed.size:
        raise InputError(f"{packed.size} bytes are not {count} Huffman code words")
    return indexes


def _code_order(lengths: Bytes) -> Indexes:
    """Entries in the order of their canonical code words: by length, then by index."""
    order = np.argsort(lengths, kind="stable")
    return order[lengths[order] > 0].astype(np.int32)


def _words(lengths: Bytes) -> NDArray[np.uint64]:
    """The canonical code words, their first bit the lowest."""
    words = np.zeros(lengths.size, np.uint64)
    code, before = 0, 0
    for entry in _code_order(lengths).tolist():
        length = int(lengths[entry])
        code <<= length - before
        words[entry] = int(f"{code:0{length}b}"[::-1], 2)
        code, before = code + 1, length
    return words
