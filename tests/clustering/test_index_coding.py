"""Indexes as bits, against walks of dictionaries and the textbook's construction."""

from __future__ import annotations

import heapq
import itertools
import math
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from kcsim.clustering.coding import (
    MAX_CODE_LENGTH,
    code_lengths,
    huffman_decode,
    huffman_encode,
    huffman_lengths,
    pack,
    unpack,
    worst_case_huffman,
)
from kcsim.clustering.scheme import Clustering
from kcsim.clustering.storage import network_storage, worst_case_entropy
from kcsim.errors import InputError
from kcsim.workload import zoo


def bits_of(packed):
    return [byte >> place & 1 for byte in packed.tolist() for place in range(8)]


@given(st.integers(0, 20), st.data())
def test_packed_words_bit_by_bit(bits, data):
    values = data.draw(st.lists(st.integers(0, 2**bits - 1), max_size=40))
    packed = pack(np.array(values, np.int64), bits)
    expected = [value >> place & 1 for value in values for place in range(bits)]
    assert packed.size == -(-len(expected) // 8)
    assert bits_of(packed) == expected + [0] * (8 * packed.size - len(expected))
    assert unpack(packed, bits, len(values)).tolist() == values


def test_packing_across_blocks():
    values = np.random.default_rng(0).integers(0, 2**13, (1 << 20) + 7)
    assert (unpack(pack(values, 13), 13, values.size) == values).all()


def test_words_of_no_bits_take_no_memory():
    assert unpack(np.empty(0, np.uint8), 0, 10**12).strides == (0,)


def heap_cost(counts):
    """Bits of an optimal code: every merge adds a bit to all that is below."""
    heap = [int(count) for count in counts if count]
    heapq.heapify(heap)
    cost = heap[0] if len(heap) == 1 else 0
    while len(heap) > 1:
        merged = heapq.heappop(heap) + heapq.heappop(heap)
        cost += merged
        heapq.heappush(heap, merged)
    return cost


COUNTS = arrays.arrays(np.int64, st.integers(2, 80), elements=st.integers(0, 10**6)).filter(
    lambda counts: counts.any()
)


@given(COUNTS)
def test_huffman_lengths_are_optimal_and_complete(counts):
    lengths = huffman_lengths(counts)
    used = lengths[lengths > 0]
    assert ((lengths > 0) == (counts > 0)).all()
    assert counts @ lengths == heap_cost(counts)
    kraft = sum(2.0**-length for length in used.tolist())
    assert kraft == (1 if used.size > 1 else 0.5)
    entropy = float(counts @ code_lengths(counts, "entropy"))
    assert entropy - 1e-6 <= counts @ lengths < entropy + counts.sum() or used.size == 1


def test_code_words_that_would_be_too_long():
    # Counts after Fibonacci give the deepest trees.
    fibonacci = [1, 1]
    while len(fibonacci) < 45:
        fibonacci.append(fibonacci[-1] + fibonacci[-2])
    lengths = huffman_lengths(np.array(fibonacci))
    assert lengths.max() <= MAX_CODE_LENGTH
    assert sum(2.0**-length for length in lengths.tolist()) == 1
    assert np.array(fibonacci) @ lengths < 1.01 * heap_cost(fibonacci)


def canonical_words(lengths):
    """Code words as texts, by the definition: numbers in order of length and entry."""
    words, code, before = {}, 0, 0
    for length, entry in sorted((n, i) for i, n in enumerate(lengths.tolist()) if n):
        code <<= length - before
        words[f"{code:0{length}b}"] = entry
        code, before = code + 1, length
    return words


@given(st.lists(st.integers(0, 30), min_size=1, max_size=200), st.integers(31, 40))
def test_huffman_against_a_walk_of_a_dictionary(indexes, clusters):
    indexes = np.array(indexes, np.int32)
    lengths = huffman_lengths(np.bincount(indexes, minlength=clusters))
    packed = huffman_encode(indexes, lengths)
    words, found, word = canonical_words(lengths), [], ""
    for bit in bits_of(packed):
        if len(found) == indexes.size:
            assert bit == 0
            continue
        word += str(bit)
        if word in words:
            found.append(words[word])
            word = ""
    assert found == indexes.tolist()
    assert huffman_decode(packed, lengths, indexes.size).tolist() == indexes.tolist()


def test_a_codebook_of_one_entry_needs_no_bits():
    indexes = np.zeros(9, np.int32)
    lengths = huffman_lengths(np.array([9]))
    assert lengths.tolist() == [0]
    packed = huffman_encode(indexes, lengths)
    assert packed.size == 0
    assert huffman_decode(packed, lengths, 9).tolist() == [0] * 9


@given(st.binary(max_size=40), st.lists(st.integers(0, 31), min_size=1, max_size=12))
def test_damaged_codes_are_refused_or_read(packed, lengths):
    packed, lengths = np.frombuffer(packed, np.uint8), np.array(lengths, np.uint8)
    try:
        indexes = huffman_decode(packed, lengths, 50)
    except InputError:
        return
    assert 0 <= indexes.min() <= indexes.max() < lengths.size
    assert lengths[indexes].all() or lengths.size == 1


def test_incomplete_and_overfull_codes():
    for lengths in ([1, 2], [1, 1, 1], [0, 0], [31]):
        with pytest.raises(InputError, match="no complete prefix code"):
            huffman_decode(np.zeros(2, np.uint8), np.array(lengths, np.uint8), 3)


def test_a_million_and_a_half_indexes_within_a_second():
    draws = np.random.default_rng(0).geometric(0.03, 1_600_000)
    indexes = np.minimum(draws - 1, 255).astype(np.int32)
    lengths = huffman_lengths(np.bincount(indexes, minlength=256))
    huffman_decode(huffman_encode(indexes[:8], lengths), lengths, 8)
    start = time.process_time()
    packed = huffman_encode(indexes, lengths)
    assert (huffman_decode(packed, lengths, indexes.size) == indexes).all()
    assert (unpack(pack(indexes, 8), 8, indexes.size) == indexes).all()
    assert time.process_time() - start < 1


@given(st.integers(1, 300), st.sampled_from([0.0, 0.3, 0.9]), st.integers(1, 10**6))
def test_the_worst_huffman_code_lies_between_entropy_and_one_bit_more(clusters, sparse, units):
    clusters = min(clusters, units)
    entropy = worst_case_entropy(clusters, sparse, units)
    others = min(clusters - 1, round((1 - sparse) * units))
    mean = worst_case_huffman(clusters, sparse, units)
    if clusters == 1:
        assert mean == 0
    elif others >= 1 and others == min(clusters - 1, (1 - sparse) * units):
        assert entropy - 1e-9 <= mean <= entropy + 1
    if sparse == 0:
        assert mean <= math.ceil(math.log2(clusters))


def test_huffman_storage_counts_the_table():
    layers = zoo.load("lenet5").layers
    fixed = network_storage(layers, Clustering("scalar", k=16))
    huffman = network_storage(layers, Clustering("scalar", k=16, index="huffman"))
    for one, other in itertools.zip_longest(fixed.layers, huffman.layers):
        assert other.codebook_bits == one.codebook_bits + 16 * 5
        assert other.indexes_bits == one.indexes_bits
        assert other.is_expectation
        assert not one.is_expectation
