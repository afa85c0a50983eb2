"""What a hardware makes of zeros: work that is not done, and values stored in fewer bits.

Everything here is an expectation over values of which a share is zero, each
independently of all others.
"""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache

from kcsim.hardware.level import Coding, Level
from kcsim.hardware.schema import Compute, Operand
from kcsim.workload.layer import Tensor
from kcsim.workload.zeros import ZeroShares

PAIRS_PER_PACKET = 3
LOOKED_AT: tuple[Operand, ...] = ("inputs", "weights")
"""Operands in the order in which a MAC unit that gates both looks at them."""


@lru_cache(maxsize=4096)
def run_length_bits(width: int, zero_share: Fraction, run_bits: int = 5) -> Fraction:
    """Expected bits of one value under the run-length coding of Eyeriss.

    A packet holds three pairs and a bit that marks the last packet: 64 bits for
    runs of 5 and values of 16 bits (JSSC 2017). A pair is a run of 0 to ``m =
    2^run_bits - 1`` zeros and the value that follows it. A longer run is cut: the
    value after `m` zeros is then itself a zero.

    A pair codes k + 1 values or more if the first k of them are zero, which has the
    probability z^k for k up to m. So it codes ``sum(z^k, k = 0..m) = (1 - z^(m+1)) /
    (1 - z)`` values on average. Pairs are independent of each other, so a long
    stream takes the bits of a pair over this length for each value (renewal theorem).

    Parameters
    ----------
    width : int
        Bits of a plain value.
    zero_share : Fraction
        Share z of zeros, from 0 to below 1.
    run_bits : int
        Bits of the length of a run.
    """
    pair_bits = run_bits + width + Fraction(1, PAIRS_PER_PACKET)
    longest: Fraction = zero_share ** (2**run_bits)
    return pair_bits * (1 - zero_share) / (1 - longest)


def bitmask_bits(width: int, zero_share: Fraction) -> Fraction:
    """Expected bits of one value where a bit says whether it is zero, and only others follow."""
    return 1 + (1 - zero_share) * width


def _coded_bits(level: Level, tensor: Tensor, width: int, zeros: ZeroShares) -> Fraction | None:
    match level.compression.get(tensor):
        case "run_length":
            return run_length_bits(width, zeros.fraction(tensor), level.run_bits)
        case "bitmask":
            return bitmask_bits(width, zeros.fraction(tensor))
    return None


def coding_of(level: Level, tensor: Tensor, width: int, zeros: ZeroShares) -> Coding | None:
    """The coding in which a level stores a tensor; ``None`` for plain values.

    A tensor of a layer is stored plain where its coding would not make it smaller.
    """
    coded = _coded_bits(level, tensor, width, zeros)
    return None if coded is None or coded >= width else level.compression[tensor]


def value_bits(level: Level, tensor: Tensor, width: int, zeros: ZeroShares) -> Fraction:
    """Expected bits of one value where a level stores it.

    Parameters
    ----------
    level : Level
    tensor : {"weights", "inputs", "outputs"}
    width : int
        Bits of a plain value.
    zeros : ZeroShares
    """
    coded = _coded_bits(level, tensor, width, zeros)
    return Fraction(width) if coded is None else min(coded, Fraction(width))


def left_of_macs(compute: Compute, zeros: ZeroShares) -> Fraction:
    """Expected share of the MACs that are computed: no checked operand is zero."""
    left = Fraction(1)
    for tensor in compute.zeros:
        left *= 1 - zeros.fraction(tensor)
    return left


def left_of_cycles(compute: Compute, zeros: ZeroShares) -> Fraction:
    """Expected share of the MACs that take a cycle: no operand is zero whose zeros are skipped."""
    left = Fraction(1)
    for tensor, treatment in compute.zeros.items():
        if treatment == "skip":
            left *= 1 - zeros.fraction(tensor)
    return left


def spared_twice(compute: Compute, zeros: ZeroShares) -> Fraction:
    """Times the reads of weights that are left, where zero weights have no index to be read.

    An index that is read is whole then, and not a share of one for each weight.
    """
    if compute.zeros.get("weights") != "skip":
        return Fraction(1)
    return 1 / (1 - zeros.fraction("weights"))


def left_of_reads(compute: Compute, zeros: ZeroShares, tensor: Tensor) -> Fraction:
    """Expected share of the MACs that read an operand, or read and update their partial sum.

    A partial sum is left alone if the MAC is not computed. An operand is not read
    for a MAC that is skipped, nor if an operand that is looked at before it is
    zero. What is gated is looked at before all else, inputs before weights.
    """
    if tensor == "outputs":
        return left_of_macs(compute, zeros)
    left = left_of_cycles(compute, zeros)
    for operand in LOOKED_AT:
        gated = compute.zeros.get(operand) == "gate"
        if operand != tensor and gated:
            left *= 1 - zeros.fraction(operand)
        elif operand == tensor and gated:
            break
    return left
