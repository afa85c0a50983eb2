"""Levels, their partitions, stores and MAC units as parts of a library of components."""

from __future__ import annotations

from typing import Any

from kcsim.errors import InputError, Problem
from kcsim.hardware.codebook_store import CodebookStore
from kcsim.hardware.components.names import ROOM_TEMPERATURE_K
from kcsim.hardware.components.part import Part
from kcsim.hardware.description import DESCRIBING, Described
from kcsim.hardware.level import Level, Partition
from kcsim.hardware.schema import Hardware

MAC, STORE = "MAC", "codebook"
"""How MAC units and the store of the codebook are called."""


def part_name(level: Level, partition: Partition | None) -> str:
    """The name of a level, or of a partition as ``scratchpads (weights)``."""
    return level.name if partition is None else f"{level.name} ({', '.join(partition.tensors)})"


def level_part(hardware: Hardware, level: Level, partition: Partition | None = None) -> Part:
    """A level, or a partition of it, as a part.

    Parameters
    ----------
    hardware : Hardware
    level : Level
    partition : Partition, optional

    Raises
    ------
    InputError
        If it says nothing of its kind, or of its size.
    """
    holder = partition or level
    word = level.block_words * holder.word_bits
    name = part_name(level, partition)
    return _memory_part(hardware, (holder, level), _capacity_bits(holder), word, name)


def store_name(hardware: Hardware, store: CodebookStore) -> str:
    """``codebook``, or of a store that is in its place with a moved decoder where that is."""
    own = hardware.codebook
    return STORE if own is None or own.level == store.level else f"{STORE} at {store.level}"


def store_part(hardware: Hardware, store: CodebookStore) -> Part:
    """One copy of the store of the codebook as a part."""
    bits, name = store.capacity_kib * 8192, store_name(hardware, store)
    return _memory_part(hardware, (store,), bits, store.word_bits, name)


def mac_part(hardware: Hardware) -> Part:
    """A MAC unit at the precision of the hardware."""
    compute, bits = hardware.compute, hardware.precision_bits
    return Part(
        "mac",
        technology_nm=compute.technology_nm or hardware.technology_nm,
        width_bits=bits.weights,
        other_width_bits=bits.inputs,
        accumulator_bits=compute.accumulator_bits,
        number=compute.number,
        voltage_v=compute.voltage_v or hardware.voltage_v,
        name=MAC,
    )


def physical_accesses(level: Level, partition: Partition | None, width_bits: int) -> float:
    """Physical accesses of an access of a block, by the words of one that are used."""
    holder = partition or level
    used = holder.used_words_per_access or level.used_words_per_access
    return _accesses(level.name, level.block_words, holder.word_bits, width_bits, used)


def store_accesses(store: CodebookStore, width_bits: int) -> float:
    """Likewise, of an access of a word of the codebook's store."""
    used = store.used_words_per_access
    return _accesses("codebook", 1, store.word_bits, width_bits, used)


def _accesses(
    name: str, block_words: int, word_bits: int, width_bits: int, used: float | None
) -> float:
    if used is None:
        return float(-(-block_words * word_bits // width_bits))
    most = max(1, width_bits // word_bits)
    if used > most:
        raise InputError(
            Problem(f"used_words_per_access of '{name}' is {used:g}",
                    f"at most {most}: words of {word_bits} bits in {width_bits}")
        )  # fmt: skip
    return block_words / used


def _capacity_bits(holder: Level | Partition) -> float | None:
    if holder.capacity_words is not None:
        return float(holder.capacity_words * holder.word_bits)
    return None if holder.capacity_kib is None else holder.capacity_kib * 8192


def _memory_part(
    hardware: Hardware,
    chain: tuple[Described, ...],
    capacity_bits: float | None,
    word_bits: int,
    name: str,
) -> Part:
    """The first of a chain that says something decides; then the chip."""
    told: dict[str, Any] = {}
    for key in DESCRIBING:
        value = None
        for each in chain:
            value = getattr(each, key)
            if value is not None:
                break
        told[key] = getattr(hardware, key, None) if value is None else value
    kind, width = told["kind"], int(told["width_bits"] or word_bits)
    if kind is None:
        raise InputError(Problem(f"'{name}' does not say its kind", "kind"))
    if kind == "dram":
        return Part("dram", width_bits=width, dram_type=told["dram_type"] or "", name=name)
    ports = told["ports"]
    if capacity_bits is None:
        raise InputError(Problem(f"'{name}' has no size for its energy to follow from"))
    return Part(
        kind,
        technology_nm=told["technology_nm"],
        width_bits=width,
        depth=capacity_bits / width,
        cell=told["cell"],
        ports="1RW" if ports is None or isinstance(ports, tuple) else ports,
        banks=told["banks"] or 1,
        temperature_k=told["temperature_k"] or ROOM_TEMPERATURE_K,
        voltage_v=told["voltage_v"],
        name=name,
    )
