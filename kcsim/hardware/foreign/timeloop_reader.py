"""Architectures of Timeloop as hardware files."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

from kcsim.errors import InputError, Problem
from kcsim.hardware.foreign.converted import TENSORS_OF_TIMELOOP, Converted
from kcsim.hardware.foreign.timeloop_constraints import Constraints
from kcsim.hardware.foreign.timeloop_nodes import Node, nodes_of, number_of
from kcsim.reading.foreign_yaml import read_foreign_yaml
from kcsim.reading.source import Document
from kcsim.workload.layer import TENSORS

_MACS = re.compile(r"mac|multiplier|fpmul|compute", re.IGNORECASE)
_NETWORKS = re.compile(r"network|wire|router|noc", re.IGNORECASE)
_KINDS = (
    (re.compile(r"dram|ddr|hbm|main_?memory", re.IGNORECASE), "dram"),
    (re.compile(r"sram|smartbuffer$|buffer_sram|cacti", re.IGNORECASE), "sram"),
    (re.compile(r"_rf$|regfile|register_?file", re.IGNORECASE), "register_file"),
    (re.compile(r"reg", re.IGNORECASE), "registers"),
)
_TENSORS = {name.lower(): tensor for tensor, name in TENSORS_OF_TIMELOOP.items()}
_SAID = {
    "network_read_bandwidth": "bandwidth of networks",
    "network_fill_bandwidth": "bandwidth of networks",
    "network_drain_bandwidth": "bandwidth of networks",
    "power_gated_at": "",
    "num_ports": "several ports",
    "n_rdwr_ports": "several ports",
    "min_utilization": "least utilization",
    "multiple_buffering": "",
    "update_fifo_depth": "",
}
_DRAM_TYPES = ("LPDDR4", "LPDDR", "DDR3", "DDR4", "GDDR5", "HBM2")


def read_timeloop_architecture(
    path: str | os.PathLike[str], constraints: str | os.PathLike[str] | None = None
) -> Converted:
    """The data of a hardware file for an architecture of Timeloop, of version 0.3 or 0.4.

    Energies come from an ``ERT`` in the same file; without one they follow from what the
    components are and how large.

    Parameters
    ----------
    path : str or path
    constraints : str or path, optional
        A file of constraints on the mapping beside those of the architecture.

    Raises
    ------
    InputError
        If the file is none, branches, or has sizes that are expressions.
    """
    document = read_foreign_yaml(path)
    others = [read_foreign_yaml(constraints)] if constraints is not None else []
    return architecture_of(document, others)


def architecture_of(document: Document, others: list[Document] | None = None) -> Converted:
    """The data of a hardware file for the architecture in a document."""
    return _Reader(document).result(others or [])


class _Reader:
    """Understands one architecture."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._energies = dict(_energies(document))
        self._problems: list[Problem] = []
        nodes = nodes_of(document)
        self._mac = next((n for n in reversed(nodes) if _MACS.search(n.kind)), None)
        if self._mac is None:
            raise InputError(document.problem(
                ("architecture",), "no component is a MAC unit", expected="a class as intmac"
            ))  # fmt: skip
        self._levels = [
            node for node in nodes
            if node is not self._mac and not _MACS.search(node.kind)
            and not _NETWORKS.search(node.kind)
        ]  # fmt: skip
        self._others = [n for n in nodes if n not in self._levels and n is not self._mac]

    def result(self, others: list[Document]) -> Converted:
        made = Converted({})
        if not self._levels:
            raise self._fail(self._mac, "there is no level of storage", "DRAM, at least")
        levels = [self._level(node, made) for node in self._levels]
        self._fanouts(levels, made)
        for node in self._others:
            made.lose(f"{node.name} ({node.kind}): no level and no MAC unit")
        if self._problems:
            raise InputError(self._problems)
        data = self._document.data
        name = data.get("name") if isinstance(data, dict) else None
        stem = os.path.splitext(os.path.basename(self._document.file))[0]
        made.data = {"name": str(name or stem), "description": "From an architecture of Timeloop"}
        made.data |= self._chip(made)
        made.data["precision_bits"] = self._precision(levels)
        made.data["padding"] = "moved"
        made.data["levels"] = levels
        made.data["compute"] = self._compute()
        constraints = Constraints(made)
        for node in self._levels:
            constraints.of_node(node)
        assert self._mac is not None
        constraints.of_mac(self._mac, self._levels[-1])
        for document in (self._document, *others):
            constraints.of_document(document)
        constraints.finish(levels)
        for level in levels:
            for tensor in level.get("keeps", TENSORS):
                bits = made.data["precision_bits"][tensor]
                if bits != level["word_bits"]:
                    made.lose(f"{level['name']}: {tensor} of {bits} bits in words of "
                              f"{level['word_bits']}; Timeloop counts a word for each")  # fmt: skip
        if not self._energies:
            made.lose("energies: they follow from kinds and sizes, as the file has no ERT")
        return made

    def _fail(self, node: Node | None, message: str, expected: str = "") -> InputError:
        place = node.place if node else ("architecture",)
        return InputError(self._document.problem(place, message, expected=expected))

    def _chip(self, made: Converted) -> dict[str, Any]:
        """Technology and clock."""
        found: dict[str, Any] = {}
        for node in (self._mac, *reversed(self._levels)):
            assert node is not None
            text = str(node.attributes.get("technology", "")).lower().removesuffix("nm").strip()
            nanometers = number_of(text)
            if nanometers and nanometers > 0 and "technology_nm" not in found:
                found["technology_nm"] = _short(nanometers)
            seconds = number_of(node.attributes.get("global_cycle_seconds"))
            if seconds and seconds > 0 and "clock_mhz" not in found:
                found["clock_mhz"] = _short(round(1e-6 / seconds, 6))
        if "technology_nm" not in found and not self._energies:
            found["technology_nm"] = 45
            made.lose("technology: 45 nm assumed, as the file names none")
        return found

    def _level(self, node: Node, made: Converted) -> dict[str, Any]:
        given = node.attributes
        word = self._number(node, ("word_bits", "datawidth", "data_width", "word_width"), 16)
        width = self._number(node, ("width", "memory_width"), None)
        clusters = self._number(node, ("cluster_size",), 1)
        block = self._number(node, ("block_size",), None)
        if block is None:
            block = max(1, width // (word * clusters)) if width else 1
        depth = self._number(node, ("depth", "memory_depth"), None)
        entries = self._number(node, ("entries", "sizeKB"), None)
        level: dict[str, Any] = {"name": node.name, **self._kind(node, made), "word_bits": word}
        if block > 1:
            level["block_words"] = block
        if "sizeKB" in given and entries:
            level["capacity_kib"] = entries
        elif entries:
            level["capacity_words"] = entries
        elif depth:
            level["capacity_words"] = depth * block * clusters
        if level["kind"] == "sram" and _is_small(level):
            level["kind"] = "register_file"
        banks = self._number(node, ("n_banks",), 1)
        if banks > 1 and level["kind"] == "sram":
            level["banks"] = banks
        buffers = number_of(given.get("multiple_buffering"))
        if buffers and buffers > 1:
            level["buffering"] = "double"
            if buffers != 2:
                made.lose(f"{node.name}: buffering {buffers:g} times, taken as twice")
        self._rates(level, node, made)
        self._price(level, node)
        return level

    def _kind(self, node: Node, made: Converted) -> dict[str, str]:
        """What a memory is."""
        kind = next((name for pattern, name in _KINDS if pattern.search(node.kind)), None)
        if kind is None:
            made.lose(f"{node.name}: the class {node.kind} is taken for SRAM")
        if kind != "dram":
            return {"kind": kind or "sram"}
        dram = str(node.attributes.get("type", ""))
        return {"kind": kind, "dram_type": dram if dram in _DRAM_TYPES else "LPDDR4"}

    def _rates(self, level: dict[str, Any], node: Node, made: Converted) -> None:
        """Words of a cycle; what is not said of ports."""
        for key, name in (
            ("read_bandwidth", "read_words_per_cycle"),
            ("write_bandwidth", "write_words_per_cycle"),
        ):
            rate = number_of(node.attributes.get(key))
            if rate and rate > 0:
                level[name] = _short(rate)
        shared = number_of(node.attributes.get("shared_bandwidth"))
        if shared and shared > 0:
            both = [level.pop(f"{way}_words_per_cycle", None) for way in ("read", "write")]
            level["shared_bandwidth"] = _short(shared)
            if any(rate is not None and rate < shared for rate in both):
                made.lose(f"{node.name}: bandwidths below the shared one")
        for key, words in _SAID.items():
            if words and node.attributes.get(key) not in (None, 0, "0"):
                made.lose(f"{node.name}: {words} ({key})")

    def _price(self, level: dict[str, Any], node: Node) -> None:
        energies = self._energies.get(node.name)
        if energies is None:
            return
        level.pop("kind"), level.pop("dram_type", None), level.pop("banks", None)
        level["read_pj"] = energies.get("read", 0.0)
        level["write_pj"] = energies.get("write", energies.get("read", 0.0))
        if energies.get("update", level["write_pj"]) != level["write_pj"]:
            level["update_pj"] = energies["update"]
        if energies.get("leak"):
            level["leakage_pj_per_cycle"] = energies["leak"]

    def _fanouts(self, levels: list[dict[str, Any]], made: Converted) -> None:
        assert self._mac is not None
        nodes = [*self._levels, self._mac]
        for level, (node, below) in zip(levels, pairwise(nodes), strict=True):
            if below.x % node.x or below.y % node.y:
                what = f"{below.name}: {below.x}x{below.y} instances below {node.x}x{node.y}"
                self._problems.append(self._document.problem(below.place, what,
                                      expected="multiples of these"))  # fmt: skip
                continue
            fanout: dict[str, Any] = {}
            if below.x > node.x:
                fanout["x"] = below.x // node.x
            if below.y > node.y:
                fanout["y"] = below.y // node.y
            if str(node.attributes.get("reduction_supported", True)).lower() == "false":
                fanout["reduction"] = False
            if fanout:
                level["fanout"] = fanout
        if self._levels[0].x * self._levels[0].y > 1:
            made.lose(f"{self._levels[0].name}: {self._levels[0].x * self._levels[0].y} of them, "
                      "taken as one")  # fmt: skip

    def _precision(self, levels: list[dict[str, Any]]) -> dict[str, int]:
        """Bits of values: of the words of the innermost level that names the tensor, or any."""
        bits: dict[str, int] = {}
        for node, level in zip(reversed(self._levels), reversed(levels), strict=True):
            named = {_TENSORS.get(str(each).lower()) for _, constraints in node.constraints
                     for each in _kept(constraints)}  # fmt: skip
            for tensor in TENSORS:
                if tensor in named:
                    bits.setdefault(tensor, level["word_bits"])
        return {tensor: bits.get(tensor, levels[-1]["word_bits"]) for tensor in TENSORS}

    def _compute(self) -> dict[str, Any]:
        assert self._mac is not None
        energies = self._energies.get(self._mac.name)
        if energies is None:
            return {"kind": "mac"}
        name = next((n for n in ("compute", "mac_random", "mac") if n in energies), None)
        compute: dict[str, Any] = {"mac_pj": energies[name] if name else 0.0}
        if energies.get("leak"):
            compute["leakage_pj_per_cycle"] = energies["leak"]
        return compute

    def _number(self, node: Node, keys: tuple[str, ...], default: Any) -> Any:
        """A whole number among the attributes."""
        for key in keys:
            if key in node.attributes and node.attributes[key] is not None:
                value = node.attributes[key]
                number = number_of(value)
                if number is None or number <= 0 or number != int(number) or number > 2**40:
                    what = f"{key} of {node.name!r} is {value!r}"
                    self._problems.append(self._document.problem(
                        (*node.place, "attributes", key), what,
                        expected="a whole number above 0; expressions are not computed",
                    ))  # fmt: skip
                    return default or 1
                return int(number)
        return default


def _is_small(level: Mapping[str, Any]) -> bool:
    """Whether a memory is below the smallest SRAM that there are numbers of."""
    words, block = level.get("capacity_words"), level.get("block_words", 1)
    return words is not None and (words < 32 * block or words * level["word_bits"] < 512)


def _kept(constraints: Mapping[str, Any]) -> list[Any]:
    space = constraints.get("dataspace")
    kept = space.get("keep") if isinstance(space, dict) else None
    return kept if isinstance(kept, list) else []


def _short(number: float) -> float | int:
    return int(number) if number == int(number) else number


def _energies(document: Document) -> Iterator[tuple[str, dict[str, float]]]:
    """Energies of actions by component, from tables of Accelergy."""
    data = document.data if isinstance(document.data, dict) else {}
    for key, inner in (("ERT_summary", "table_summary"), ("ERT", "tables")):
        table = data.get(key)
        rows = table.get(inner) if isinstance(table, dict) else None
        for row in rows if isinstance(rows, list) else []:
            if not isinstance(row, dict) or not isinstance(row.get("actions"), list):
                continue
            name = re.sub(r"\[\d+(\.\.\d+)?\]", "", str(row.get("name", ""))).rpartition(".")[2]
            found: dict[str, float] = {}
            for action in row["actions"]:
                energy = number_of(action.get("energy")) if isinstance(action, dict) else None
                if energy is not None and energy >= 0:
                    found.setdefault(str(action.get("name")), energy)
            yield name, found
