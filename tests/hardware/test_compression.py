"""Expected sizes of compressed values against coded streams, and against all short streams."""

import dataclasses
import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kcsim.cost.zero_savings import bitmask_bits, coding_of, run_length_bits, value_bits
from kcsim.errors import InputError
from kcsim.hardware.level import Level
from kcsim.hardware.reader import load_hardware
from kcsim.hardware.schema import Compute, Hardware
from kcsim.workload.zeros import ZeroShares


def pairs(stream, longest):
    """Run-length pairs of a stream: zeros before a value, and whether that value is a zero."""
    found, run = [], 0
    for is_zero in stream:
        if is_zero and run < longest:
            run += 1
        else:
            found.append((run, is_zero))
            run = 0
    # Zeros at the end: the last of them is the value of a pair.
    return [*found, (run - 1, True)] if run else found


def decoded(coded):
    return [bit for run, is_zero in coded for bit in [True] * run + [is_zero]]


def expectation(count, share, size):
    """The expected size of all streams of a length, each weighted by its probability."""
    total = Fraction(0)
    for stream in itertools.product((False, True), repeat=count):
        zeros = sum(stream)
        total += share**zeros * (1 - share) ** (count - zeros) * size(stream)
    return total


@pytest.mark.parametrize("run_bits", [1, 2, 5])
@pytest.mark.parametrize("share", [0, 0.1, 0.5, 0.9, 0.98])
def test_run_lengths_of_long_streams(share, run_bits):
    stream = (np.random.default_rng(1).random(100_000) < share).tolist()
    coded = pairs(stream, 2**run_bits - 1)
    assert decoded(coded) == stream
    packets = math.ceil(len(coded) / 3)
    bits = packets * (3 * (run_bits + 16) + 1)
    expected = run_length_bits(16, Fraction(str(share)), run_bits) * len(stream)
    # Lengths of pairs scatter by no more than their mean: five standard deviations.
    assert bits == pytest.approx(float(expected), rel=5 / math.sqrt(len(coded)) if share else 1e-4)


@pytest.mark.parametrize("run_bits", [1, 2, 3])
@pytest.mark.parametrize("share", [Fraction(0), Fraction(1, 3), Fraction(7, 8)])
def test_values_of_a_pair_are_those_of_all_streams(share, run_bits):
    longest = 2**run_bits - 1
    values = expectation(longest + 1, share, lambda stream: pairs(stream, longest)[0][0] + 1)
    assert run_length_bits(16, share, run_bits) * values == run_bits + 16 + Fraction(1, 3)


@pytest.mark.parametrize("share", [Fraction(1, 4), Fraction(2, 3), Fraction(9, 10)])
def test_short_streams_take_hardly_more_pairs(share):
    # By Wald's equation the pairs that begin within n values reach to n..n + longest values.
    count, longest = 12, 3
    expected = expectation(count, share, lambda stream: len(pairs(stream, longest)))
    rate = run_length_bits(16, share, 2) / (2 + 16 + Fraction(1, 3))
    assert rate * count <= expected <= rate * (count + longest)


def test_a_packet_of_eyeriss_has_64_bits():
    assert 3 * run_length_bits(16, Fraction(0), 5) == 64


@pytest.mark.parametrize("share", [Fraction(0), Fraction(1, 3), Fraction(9, 10)])
def test_bitmasks_are_those_of_all_streams(share):
    bits = expectation(6, share, lambda stream: sum(1 if zero else 9 for zero in stream))
    assert 6 * bitmask_bits(8, share) == bits


def level(**compression):
    return Level(name="DRAM", read_pj=1, write_pj=1, compression=compression)


def test_plain_where_a_coding_would_not_be_smaller():
    compressed = level(inputs="run_length", weights="bitmask")
    for share, run_length in ((0, None), (0.24, None), (0.26, "run_length")):
        zeros = ZeroShares(inputs=share)
        assert coding_of(compressed, "inputs", 16, zeros) == run_length
    # A bit of 16 saved for each bit of the mask: no more than the plain size, and plain.
    assert coding_of(compressed, "weights", 16, ZeroShares(weights=0.0625)) is None
    assert coding_of(compressed, "weights", 16, ZeroShares(weights=0.063)) == "bitmask"
    assert value_bits(compressed, "outputs", 16, ZeroShares(outputs=0.9)) == 16


@given(
    st.sampled_from(["run_length", "bitmask"]),
    st.integers(1, 64),
    st.integers(1, 8),
    st.floats(0, 1, exclude_max=True),
    st.floats(0, 1, exclude_max=True),
)
def test_more_zeros_take_no_more_bits(coding, width, run_bits, one, other):
    compressed = dataclasses.replace(level(inputs=coding), run_bits=run_bits)
    fewer, more = (
        value_bits(compressed, "inputs", width, ZeroShares(inputs=share))
        for share in sorted((one, other))
    )
    assert 0 < more <= fewer <= width


def test_partial_sums_are_not_compressed():
    outer, inner = level(), dataclasses.replace(level(outputs="bitmask"), name="buffer")
    inner = dataclasses.replace(inner, capacity_words=8)
    with pytest.raises(InputError, match="level 'buffer' compresses outputs, which it holds as pa"):
        Hardware(name="x", levels=(outer, inner), compute=Compute(mac_pj=1))
    Hardware(name="x", levels=(level(outputs="bitmask"),), compute=Compute(mac_pj=1))


def test_only_what_is_kept_is_compressed():
    with pytest.raises(InputError, match="level 'pads' compresses weights but does not keep them"):
        Level(
            name="pads", read_pj=1, write_pj=1, keeps=("inputs",),
            compression={"weights": "bitmask"},
        )  # fmt: skip


def test_overrides_reach_zeros():
    changed = load_hardware(
        "simple",
        ["compute.zeros.inputs=skip", "levels.DRAM.compression.weights=bitmask",
         "levels.DRAM.run_bits=4"],
    )  # fmt: skip
    assert changed.compute.zeros == {"inputs": "skip"}
    assert (changed.levels[0].compression, changed.levels[0].run_bits) == (
        {"weights": "bitmask"}, 4,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("compute.zeros.outputs=gate", "unknown key 'compute.zeros.outputs'; expected 'inputs'"),
        ("compute.zeros.inputs=skp", "'compute.zeros.inputs' is 'skp'; expected 'gate' or 'skip';"
         " did you mean 'skip'?"),
        ("compute.gated_mac_pj=.nan", "'compute.gated_mac_pj'"),
        ("levels.DRAM.compression.inputs=runlength", "did you mean 'run_length'?"),
        ("levels.DRAM.compression.input=bitmask", "did you mean 'inputs'?"),
        ("levels.DRAM.run_bits=9", "expected a number <= 8"),
    ],
)  # fmt: skip
def test_broken_zeros_of_a_hardware(override, message):
    with pytest.raises(InputError) as caught:
        load_hardware("simple", [override])
    (problem,) = caught.value.problems
    assert message in str(problem)
