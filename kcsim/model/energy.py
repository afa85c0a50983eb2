"""Energy of a counted layer: count times energy per action, item by item."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import get_args

from kcsim.hardware.schema import TENSORS, Access
from kcsim.model.counts import ACTIONS, Counts, delivered_extent, tile_extents, used_bits
from kcsim.model.cycles import Cycles, moved_bits
from kcsim.model.weights import WeightFormat

__all__ = ["EnergyItem", "energy_items"]


@dataclass(frozen=True)
class EnergyItem:
    """One line of the energy account.

    Attributes
    ----------
    component : str
        A level, ``<level> network``, ``MAC``, ``codebook`` or ``static``.
    tensor : str
        ``weights``, ``inputs``, ``outputs``, or empty.
    action : str
        ``read``, ``fill``, ``update``, ``transfer``, ``forward``, ``compute``,
        ``lookup``, ``load`` or ``cycle``.
    count : int
        Words read, filled, updated or moved; MACs; lookups; cycles.
    bits : float
        Bits that the words amount to; 0 for MACs and cycles.
    accesses : int
        Accesses of a block that the bits take; what is paid for.
    energy_pj : float
        In the hardware's energy unit.
    """

    component: str
    tensor: str
    action: str
    count: int
    bits: float
    accesses: int
    energy_pj: float


def energy_items(counts: Counts, weights: WeightFormat, cycles: Cycles) -> tuple[EnergyItem, ...]:
    """The energy account of one layer; items with a count of zero are left out."""
    hardware = counts.hardware
    compute = hardware.compute
    items = [
        *_storage_items(counts, weights),
        *_network_items(counts, weights),
        EnergyItem("MAC", "", "compute", counts.macs, 0, counts.macs, counts.macs * compute.mac_pj),
        *_codebook_items(counts, weights),
        *_cycle_items(counts, cycles.total),
    ]
    return tuple(item for item in items if item.count)


def _ceiling(value: Fraction) -> int:
    return int(-(-value // 1))


def _storage_items(counts: Counts, weights: WeightFormat) -> Iterator[EnergyItem]:
    for i, level in enumerate(counts.hardware.levels):
        for tensor in TENSORS:
            for action, access in zip(ACTIONS, get_args(Access), strict=True):
                bits = moved_bits(counts, weights, i, tensor, action)
                accesses = _ceiling(bits / (level.word_bits * level.block_words))
                yield EnergyItem(
                    level.name,
                    tensor,
                    action.removesuffix("s"),
                    counts.words(level.name, tensor, action),
                    float(bits),
                    accesses,
                    accesses * level.energy_pj(tensor, access),
                )


def _network_items(counts: Counts, weights: WeightFormat) -> Iterator[EnergyItem]:
    hardware = counts.hardware
    extents = tile_extents(counts.mapping, hardware)
    for i, level in enumerate(hardware.levels):
        if level.fanout.children == 1 and not level.fanout.transfer_pj:
            continue
        for tensor in TENSORS:
            if tensor == "weights":
                per_word = weights.bits_per_word(i, extents[i + 1])
            else:
                per_word = Fraction(getattr(hardware.precision_bits, tensor))
            for action, directions in (("transfer", ("down", "up")), ("forward", ("forwarded",))):
                words = sum(counts.moved(level.name, tensor, d) for d in directions)
                bits = words * per_word
                accesses = _ceiling(bits / level.word_bits)
                yield EnergyItem(
                    f"{level.name} network",
                    tensor,
                    action,
                    words,
                    float(bits),
                    accesses,
                    accesses * level.fanout.transfer_pj,
                )


def _codebook_items(counts: Counts, weights: WeightFormat) -> Iterator[EnergyItem]:
    """Lookups at the output of the decode level, and bringing the codebook there.

    Every weight that the decoder hands on is one value of an entry, read from
    the store; a codebook too large for the store stays at the nearest level
    above that holds it, and is read there.
    """
    hardware = counts.hardware
    store = hardware.codebook
    if weights.unit is None or store is None:
        return
    keeps = counts.mapping.keeps_array(hardware)[:, 0]
    source = max(i for i in range(weights.decode_level + 1) if keeps[i])
    words = counts.words(hardware.levels[source].name, "weights", "reads")
    tile = delivered_extent(counts, source)
    tile_words = tile["G"] * tile["M"] * tile["C"] * tile["R"] * tile["S"]
    lookups = words * weights.units_in(tile) // tile_words
    value_bits = Fraction(weights.codebook_bits, weights.codebook_words)
    fits = weights.codebook_bits <= store.capacity_kib * 8192
    place, per_word, width = _lookup_place(counts, weights, fits)
    accesses = _ceiling(words * value_bits / width)
    yield EnergyItem(
        f"codebook ({place})" if not fits else "codebook",
        "weights", "lookup", lookups, float(words * value_bits), accesses, accesses * per_word,
    )  # fmt: skip
    if weights.loads_codebook:
        outer = hardware.levels[0]
        reads = _ceiling(Fraction(weights.codebook_bits, outer.word_bits * outer.block_words))
        writes = -(-weights.codebook_bits // store.word_bits)
        copies = int(counts.instances[source])
        energy = reads * outer.energy_pj("weights", "read")
        if fits:
            energy += writes * copies * store.write_pj
        yield EnergyItem(
            "codebook", "weights", "load", weights.codebook_words,
            float(weights.codebook_bits), reads, energy,
        )  # fmt: skip


def _lookup_place(counts: Counts, weights: WeightFormat, fits: bool) -> tuple[str, float, int]:
    """Name, energy of a read and bits of a read of the memory that holds the codebook."""
    hardware = counts.hardware
    store = hardware.codebook
    if fits and store is not None:
        return "store", store.read_pj, store.word_bits
    for i in range(weights.decode_level, -1, -1):
        level = hardware.levels[i]
        capacity = level.capacity_bits("weights")
        partition = level.partition_of("weights")
        sharing = partition.tensors if partition else TENSORS
        used = used_bits(counts, weights, i, sharing)
        if "weights" in level.kept_tensors and (
            capacity is None or used + weights.codebook_bits <= capacity
        ):
            break
    return level.name, level.energy_pj("weights", "read"), level.word_bits * level.block_words


def _cycle_items(counts: Counts, cycles: int) -> Iterator[EnergyItem]:
    hardware = counts.hardware
    leaks = [level.leakage_pj_per_cycle for level in hardware.levels]
    leaks.append(hardware.compute.leakage_pj_per_cycle)
    per_cycle = hardware.static_pj_per_cycle + sum(
        leak * int(used) for leak, used in zip(leaks, counts.instances, strict=True)
    )
    if per_cycle:
        yield EnergyItem("static", "", "cycle", cycles, 0, cycles, cycles * per_cycle)
