"""Accelerators of ZigZag: read, and written.

An access of a memory is one of its port's `bandwidth_max` bits; ``r_cost`` and ``w_cost`` are of
that. Memories stand innermost first, and those of one accelerator have to form a tree here.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from kcsim.errors import InputError
from kcsim.hardware.foreign.converted import Converted
from kcsim.hardware.foreign.lost import lost_of_chip, lost_of_level
from kcsim.hardware.foreign.zigzag_ports import (
    OPERANDS,
    TENSORS_OF,
    listed_ports,
    port_widths,
    ports_of_zigzag,
)
from kcsim.hardware.level import Access, Level
from kcsim.hardware.schema import Hardware
from kcsim.reading.foreign_yaml import listed, read_foreign_yaml
from kcsim.reading.source import Document, Path_
from kcsim.workload.layer import DIMENSIONS, TENSORS

_DIMENSIONS = {"B": "N", "G": "G", "K": "M", "C": "C", "OY": "P", "OX": "Q", "FY": "R", "FX": "S"}
_UNLIMITED_BITS = 10**13
_ENERGY_UNITS = ("pJ", "MAC")


def read_zigzag(path: str | os.PathLike[str], energy_unit: str = "pJ") -> Converted:
    """The data of a hardware file for an accelerator of ZigZag.

    Parameters
    ----------
    path : str or path
    energy_unit : {"pJ", "MAC"}
        The unit of its costs, which the file does not say.

    Raises
    ------
    InputError
        If the file is none, or its memories form no tree.
    """
    return zigzag_of(read_foreign_yaml(path), energy_unit)


def zigzag_of(document: Document, energy_unit: str = "pJ") -> Converted:
    """The data of a hardware file for the accelerator in a document."""
    if energy_unit not in _ENERGY_UNITS:
        raise InputError(f"the energy unit is {energy_unit!r}; expected pJ or MAC")
    return _Reader(document, energy_unit).result()


class _Reader:
    """Understands one accelerator."""

    def __init__(self, document: Document, energy_unit: str) -> None:
        self._document = document
        self._unit = energy_unit
        self._made = Converted({})

    def result(self) -> Converted:
        data = self._document.data if isinstance(self._document.data, dict) else {}
        memories, array = data.get("memories"), data.get("operational_array")
        if not isinstance(memories, dict) or not isinstance(array, dict) or not memories:
            raise self._fail((), "no accelerator of ZigZag", "'memories' and 'operational_array'")
        if array.get("is_imc") or "imc_type" in array:
            raise self._fail(("operational_array",), "an array that computes in memory",
                             "one of digital MAC units")  # fmt: skip
        sizes = self._sizes(array)
        width = self._precision(array)
        served = {name: self._served(name, memory, sizes) for name, memory in memories.items()}
        # Outermost first; of those that serve the same, the last one.
        order = sorted(memories, key=lambda name: len(served[name]))[::-1]
        for outer, inner in pairwise(order):
            if not served[inner] <= served[outer]:
                raise self._fail(
                    ("memories", inner), f"{inner} serves {_names(served[inner])} and {outer} "
                    f"{_names(served[outer])}: no tree", "memories of which each serves what is "
                    "below another",
                )  # fmt: skip
        levels = []
        for i, name in enumerate(order):
            below = served[order[i + 1]] if i + 1 < len(order) else frozenset()
            level = self._level(name, memories[name], width, outermost=not i)
            fanout = self._fanout(served[name] - below, sizes)
            levels.append(level | ({"fanout": fanout} if fanout else {}))
        # Memories whose instances are fewer than the array's outermost one are not replicated.
        left = set(sizes) - served[order[0]]
        if any(sizes[each] > 1 for each in left):
            self._made.lose(f"{order[0]}: one for each of {_names(frozenset(left))}, taken as one")
        cost = self._cost(array.get("unit_energy"), ("operational_array", "unit_energy"))
        if cost is None:
            self._made.lose("unit_energy is missing: MACs are taken as free")
        title = data.get("name")
        self._made.data = {
            "name": str(title) if title else "zigzag",
            "description": "From an accelerator of ZigZag",
            "energy_unit": self._unit,
            "precision_bits": width,
            "padding": "moved",
            "levels": levels,
            "compute": {"mac_pj": cost or 0.0},
        }
        self._dataflow(data, array, sizes, levels)
        return self._made

    def _fail(self, place: Path_, message: str, expected: str = "") -> InputError:
        return InputError(self._document.problem(place, message, expected=expected))

    def _sizes(self, array: Mapping[str, Any]) -> dict[str, int]:
        place = ("operational_array", "sizes")
        names, sizes = array.get("dimensions"), array.get("sizes")
        if not isinstance(names, list) or not isinstance(sizes, list) or len(names) != len(sizes):
            raise self._fail(place, "'dimensions' and 'sizes' are no lists of one length")
        return {str(name): self._count(size, place, f"the size of {name}")
                for name, size in zip(names, sizes, strict=True)}  # fmt: skip

    def _precision(self, array: Mapping[str, Any]) -> dict[str, int]:
        given = array.get("input_precision")
        if isinstance(given, list) and len(given) == 2:
            place = ("operational_array", "input_precision")
            inputs, weights = (self._count(each, place, "a precision") for each in given)
            self._made.lose(
                f"width of outputs: {inputs} bits, as inputs; workloads of ZigZag say it"
            )
            return {"weights": weights, "inputs": inputs, "outputs": inputs}
        self._made.lose("widths of values: 8 bits assumed; workloads of ZigZag say them")
        return dict.fromkeys(TENSORS, 8)

    def _served(self, name: str, memory: Any, sizes: Mapping[str, int]) -> frozenset[str]:
        place = ("memories", name)
        if not isinstance(memory, dict):
            raise self._fail(place, f"memory {name!r} is no mapping")
        given = memory.get("served_dimensions") or []
        if not isinstance(given, list) or any(str(each) not in sizes for each in given):
            raise self._fail((*place, "served_dimensions"), f"{name!r} serves {given}",
                             f"some of {', '.join(sizes)}")  # fmt: skip
        return frozenset(map(str, given))

    def _level(
        self, name: str, memory: Mapping[str, Any], width: Mapping[str, int], outermost: bool
    ) -> dict[str, Any]:
        place = ("memories", name)
        operands = memory.get("operands")
        if not isinstance(operands, list) or any(str(each) not in TENSORS_OF for each in operands):
            raise self._fail((*place, "operands"), f"operands of {name!r} are {operands}",
                             "some of I1, I2, O")  # fmt: skip
        kept = [tensor for tensor in TENSORS if OPERANDS[tensor] in operands]
        word = max(width[tensor] for tensor in kept) if kept else 8
        read, write, ports = self._ports(name, memory, word)
        bits = read or write or word
        # An access of fewer bits than a word costs for each of them.
        block = max(1, bits // word)
        scale = block * word / bits
        level: dict[str, Any] = {"name": name, "word_bits": word}
        if block > 1:
            level["block_words"] = block
        if kept != list(TENSORS):
            level["keeps"] = kept
        size = self._count(memory.get("size"), (*place, "size"), f"the size of {name!r}")
        if not (outermost and size >= 10**10):
            level["capacity_kib"] = size / 8192
        for key, other, rate in (("read_pj", "r_cost", read), ("write_pj", "w_cost", write)):
            cost = self._cost(memory.get(other), (*place, other))
            if cost is None:
                self._made.lose(f"{name}: {other} is missing and taken as 0 (ZigZag asks CACTI)")
            level[key] = (cost or 0.0) * scale * (bits / rate if rate else 1)
            if rate and "ports" not in ports:
                level[f"{key[:-3]}_words_per_cycle"] = rate / word
        level |= ports
        if memory.get("force_double_buffering"):
            level["buffering"] = "double"
        if memory.get("area"):
            self._made.lose(f"{name}: area, whose unit the file does not say")
        return level

    def _ports(
        self, name: str, memory: Mapping[str, Any], word: int
    ) -> tuple[int, int, dict[str, Any]]:
        """Bits that reading and writing ports move in a cycle at most, and what else is said."""
        place = ("memories", name, "ports")
        ports = memory.get("ports")
        if not isinstance(ports, list) or not ports:
            raise self._fail(place, f"{name!r} has no ports", "a list, as later versions have it")
        read: list[int] = []
        write: list[int] = []
        for i, port in enumerate(ports):
            kind = port.get("type") if isinstance(port, dict) else None
            if kind not in ("read", "write", "read_write"):
                raise self._fail((*place, i), f"the type of a port of {name!r} is {kind!r}",
                                 "read, write or read_write")  # fmt: skip
            most = self._count(port.get("bandwidth_max"), (*place, i, "bandwidth_max"),
                               "bandwidth_max")  # fmt: skip
            if kind != "write":
                read.append(most)
            if kind != "read":
                write.append(most)
            if port.get("bandwidth_min") not in (None, most):
                self._made.lose(f"{name}: accesses of fewer bits than {most} (bandwidth_min)")
        keys: dict[str, Any] = {}
        if len(ports) == 1 and read and write:
            keys = {"shared_port": True}
        elif len(read) > 1 or len(write) > 1:
            found = listed_ports(ports, word)
            keys = {"ports": found} if found else {}
            if not found:
                self._made.lose(f"{name}: ports by tensor; the widest one is taken for all")
        return max(read, default=0), max(write, default=0), keys

    def _fanout(self, dimensions: frozenset[str], sizes: Mapping[str, int]) -> dict[str, int]:
        first = next(iter(sizes))
        x = sizes[first] if first in dimensions else 1
        y = math.prod(sizes[each] for each in dimensions if each != first)
        return {axis: count for axis, count in (("x", x), ("y", y)) if count > 1}

    def _dataflow(
        self,
        data: Mapping[str, Any],
        array: Mapping[str, Any],
        sizes: Mapping[str, int],
        levels: list[dict[str, Any]],
    ) -> None:
        flows = data.get("dataflows") or array.get("dataflows")
        if not isinstance(flows, dict):
            return
        with_both = [level for level in levels if "fanout" in level]
        if len(with_both) != 1:
            self._made.lose("dataflows: more than one level has a fanout")
            return
        first = next(iter(sizes))
        allowed: dict[str, list[str]] = {}
        for name, loops in flows.items():
            axis = "spatial_x" if name == first else "spatial_y"
            own = [_DIMENSIONS.get(str(loop).split(",")[0].strip()) for loop in listed(loops)]
            names = [d for d in DIMENSIONS if d in own]
            allowed[axis] = [*allowed.get(axis, []), *names]
        self._made.data["dataflow"] = {
            "name": "flexible", "levels": {with_both[0]["name"]: allowed}
        }  # fmt: skip

    def _cost(self, value: Any, place: Path_) -> float | None:
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e12:
            raise self._fail(place, f"{place[-1]} is {value!r}", "a number from 0 on")
        return float(value)

    def _count(self, value: Any, place: Path_, what: str) -> int:
        if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value) \
                or not 1 <= value <= 10**15:  # fmt: skip
            raise self._fail(place, f"{what} is {value!r}", "a whole number above 0")
        return int(value)


def _names(served: frozenset[str]) -> str:
    return ", ".join(sorted(served)) or "nothing"


def zigzag_accelerator(hardware: Hardware) -> Converted:
    """A hardware as what an accelerator file of ZigZag holds.

    Parameters
    ----------
    hardware : Hardware
    """
    made = Converted({})
    _lose(hardware, made)
    sizes: dict[str, int] = {}
    below: dict[int, list[str]] = {}
    for i, level in enumerate(hardware.levels):
        for count in (level.fanout.x, level.fanout.y):
            if count > 1:
                name = f"D{len(sizes) + 1}"
                sizes[name] = count
                for outer in range(i + 1):
                    below.setdefault(outer, []).append(name)
    memories: dict[str, Any] = {}
    for i, level in reversed(list(enumerate(hardware.levels))):
        ports = ports_of_zigzag(level)
        read, write = (port_widths(ports, without) for without in ("write", "read"))
        bits = level.block_words * level.word_bits
        size = _size_bits(level)
        operands = [OPERANDS[tensor] for tensor in TENSORS if tensor in level.kept_tensors]
        operands.sort()
        memories[level.name] = {
            "size": _UNLIMITED_BITS if size is None else size,
            "r_cost": _price(level, "read") * read / bits,
            "w_cost": _price(level, "write") * write / bits,
            "area": 0,
            "latency": 1,
            "operands": operands,
            "ports": ports,
            "served_dimensions": below.get(i, []),
            **({"force_double_buffering": True} if level.buffering == "double" else {}),
        }
    bits_ = hardware.precision_bits
    made.data = {
        "name": hardware.name,
        "memories": memories,
        "operational_array": {
            "input_precision": [bits_.inputs, bits_.weights],
            "unit_energy": float(hardware.compute.mac_pj),
            "unit_area": 0,
            "dimensions": list(sizes) or ["D1"],
            "sizes": list(sizes.values()) or [1],
        },
    }
    return made


def _price(level: Level, action: Access) -> float:
    """Energy of an access, the highest one of its tensors."""
    return float(max((level.price(tensor, action) for tensor in level.kept_tensors), default=0.0))


def _size_bits(level: Level) -> int | None:
    """Bits of all parts together; ``None`` if unlimited."""
    if not level.kept_tensors:
        return 1
    halves = 2 if level.buffering == "double" else 1
    if level.partitions:
        held = [level.capacity_bits(part.tensors[0]) or 0 for part in level.partitions]
        return halves * sum(held)
    size = level.capacity_bits(level.kept_tensors[0])
    return None if size is None else halves * size


def _lose(hardware: Hardware, made: Converted) -> None:
    """Say what an accelerator of ZigZag has no place for."""
    bits = hardware.precision_bits
    leaks = hardware.static_pj_per_cycle or any(n.leakage_pj_per_cycle for n in hardware.levels)
    of_all: tuple[tuple[object, str], ...] = (
        (
            bits.outputs != bits.inputs,
            f"width of outputs: {bits.outputs} bits; workloads of ZigZag say it",
        ),
        (hardware.codebook, "the codebook and its store"),
        (hardware.dataflow.levels, "the dataflow: mappings of ZigZag say it"),
        (leaks, "leakage and static energy"),
        (hardware.compute.zeros, "gating and skipping of zeros"),
    )
    for said, what in of_all:
        if said:
            made.lose(what)
    for lost in lost_of_chip(hardware):
        made.lose(lost)
    for level in hardware.levels:
        fanout, network = level.fanout, "how its network delivers and adds up"
        unlimited = level.read_words_per_cycle is None or level.write_words_per_cycle is None
        of_level: tuple[tuple[object, str], ...] = (
            (level.partitions, "partitions: tensors share the sum of their sizes"),
            (level.update_pj not in (None, level.write_pj), "the energy of updates"),
            (fanout.has_prices or fanout.hop_pj, "energies of its network"),
            (fanout.multicast != "tile" or fanout.forwarding or not fanout.reduction, network),
            (level.compression, "compression"),
            (unlimited and not level.shares_port, "unlimited bandwidth becomes a block a cycle"),
            (
                any(port.words_per_cycle * level.word_bits < 1 for port in level.port_list),
                "a port of less than a bit a cycle becomes one of a bit",
            ),
            (
                level.shares_port
                and not unlimited
                and level.read_words_per_cycle != level.write_words_per_cycle,
                "reads and writes that share a port",
            ),
        )
        for said, what in of_level:
            if said:
                made.lose(f"{level.name}: {what}")
        for lost in lost_of_level(level, has_ports=True):
            made.lose(lost)
