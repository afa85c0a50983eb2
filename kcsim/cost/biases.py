"""Biases: each is read once from the outermost level, and added to all outputs of its channel."""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple

from kcsim.cost.access import block_bits
from kcsim.cost.ports import exact_rate
from kcsim.hardware.schema import Hardware
from kcsim.workload.layer import ConvLayer


class Biases(NamedTuple):
    """What the biases of a layer take.

    Attributes
    ----------
    words, bits : int
        As wide as partial sums of the outermost level.
    accesses, adds : int
    read_pj, add_pj : float
        Energy of reading and adding all of them.
    reads : Fraction
        Words of the outermost level that are read.
    """

    words: int
    bits: int
    accesses: int
    adds: int
    read_pj: float
    add_pj: float
    reads: Fraction


def biases_of(layer: ConvLayer, hardware: Hardware) -> Biases | None:
    """What the biases of a layer take; ``None`` if it has none, or the hardware leaves them out."""
    if not layer.bias or hardware.biases == "left_out":
        return None
    outermost, words = hardware.levels[0], layer.out_channels
    bits = words * hardware.level_bits[0]["partial_sums"]
    accesses = -(-bits // block_bits(outermost, "outputs"))
    adds = layer.output_words
    return Biases(
        words, bits, accesses, adds, accesses * outermost.price("outputs", "read"),
        adds * hardware.add_pj, Fraction(bits, outermost.word_bits_of("outputs")),
    )  # fmt: skip


def bias_cycles(layer: ConvLayer, hardware: Hardware) -> float:
    """Cycles of reading them."""
    found, rate = biases_of(layer, hardware), exact_rate(hardware.levels[0], "outputs", "reads")
    return float(found.reads / rate) if found and rate else 0.0


def bias_pj(layer: ConvLayer, hardware: Hardware) -> float:
    """Energy of reading and adding them, accesses not rounded up to whole ones."""
    found, outermost = biases_of(layer, hardware), hardware.levels[0]
    if not found:
        return 0.0
    accesses = found.bits / block_bits(outermost, "outputs")
    return accesses * outermost.price("outputs", "read") + found.add_pj
