"""Constraints of Timeloop on mappings, as what a dataflow allows and levels keep."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from kcsim.hardware.foreign.converted import TENSORS_OF_TIMELOOP, Converted
from kcsim.hardware.foreign.timeloop_nodes import Node
from kcsim.reading.foreign_yaml import listed
from kcsim.reading.source import Document
from kcsim.workload.layer import DIMENSIONS, TENSORS

_TENSORS = {name.lower(): tensor for tensor, name in TENSORS_OF_TIMELOOP.items()}
_FACTOR = re.compile(r"([A-Za-z]+)\s*(<=|=)?\s*(\d+)")
_SPATIAL = re.compile(r"^inter_(.+)_spatial$")
_NAMES = {"K": "M"}


def _factors(value: Any) -> dict[str, tuple[str, int]]:
    parts = value if isinstance(value, list) else [value]
    text = " ".join(str(part) for part in parts if part is not None)
    return {name: (sign or "=", int(bound)) for name, sign, bound in _FACTOR.findall(text)}


def permutation_of(value: Any) -> list[str]:
    """Dimensions, innermost first, from ``RSPQ``, ``R S P Q`` or a list."""
    if isinstance(value, list):
        return [str(each).strip() for each in value]
    text = str(value or "").replace(",", " ")
    return text.split() if " " in text.strip() else list(text.strip())


class Constraints:
    """Collects what constraints say of the levels of a hardware.

    Parameters
    ----------
    made : Converted
        Takes what is not carried over.
    """

    def __init__(self, made: Converted) -> None:
        self._made = made
        self._allowed: dict[str, dict[str, list[str]]] = {}
        self._keeps: dict[str, dict[str, bool]] = {}
        self._level_of = made.levels
        self._last = ""

    def of_node(self, node: Node) -> None:
        """Take what stands with a level, and with containers above it."""
        for container in node.containers:
            self._level_of[container] = self._last
        self._level_of[node.name] = node.name
        for name, constraints in node.constraints:
            target = node.name if name == node.name else self._last
            self._take(target, constraints, node.containers.get(name))
        self._last = node.name

    def of_mac(self, mac: Node, above: Node) -> None:
        """Take what stands between the innermost level and the MAC units."""
        for container in (*mac.containers, mac.name):
            self._level_of[container] = above.name
        for name, constraints in mac.constraints:
            if name != mac.name:
                self._take(above.name, constraints, mac.containers.get(name))

    def of_document(self, document: Document) -> None:
        """Take lists of targets."""
        data = document.data if isinstance(document.data, dict) else {}
        for key in ("architecture_constraints", "mapspace_constraints", "constraints", "mapspace"):
            part = data.get(key)
            targets = part.get("targets") if isinstance(part, dict) else part
            for target in targets if isinstance(targets, list) else []:
                if isinstance(target, dict):
                    self._target(target)

    def finish(self, levels: list[dict[str, Any]]) -> None:
        """Write it into the levels and the dataflow of the data."""
        for i, level in enumerate(levels):
            keeps = self._keeps.get(level["name"], {})
            kept = [tensor for tensor in TENSORS if keeps.get(tensor, not any(keeps.values()))]
            if not i:
                kept = list(TENSORS)
            if kept != list(TENSORS):
                level["keeps"] = kept
            # What neither stays nor passes by decree is up to the mapper.
            free = [tensor for tensor in kept if tensor not in keeps]
            if keeps and free and i:
                level["may_bypass"] = free
        allowed = {
            level["name"]: self._allowed[level["name"]]
            for level in levels if self._allowed.get(level["name"])
        }  # fmt: skip
        if allowed:
            self._made.data["dataflow"] = {"name": "flexible", "levels": allowed}

    def _target(self, target: Mapping[str, Any]) -> None:
        name, kind = str(target.get("target", "")), str(target.get("type", ""))
        match = _SPATIAL.match(name)
        level = self._level_of.get(match[1] if match else name)
        if level is None:
            self._made.lose(f"constraints on {name!r}, which is no level")
        elif kind in ("bypass", "datatype", "dataspace", "bypassing"):
            self._take(level, {"dataspace": target})
        elif kind in ("spatial", "temporal"):
            self._take(level, {kind: target})
        elif kind in ("max_overbooked_proportion", "utilization", "parallelism"):
            self._made.lose(f"{name}: constraint of {kind}")

    def _take(
        self, level: str, constraints: Mapping[str, Any], mesh: tuple[int, int] | None = None
    ) -> None:
        """Take constraints on a level, or of a container with instances along one axis or both."""
        for kind, given in constraints.items():
            if kind in ("dataspace", "datatype", "bypass") and isinstance(given, dict):
                self._dataspace(level, given)
            elif kind == "temporal" and isinstance(given, dict):
                self._temporal(level, given)
            elif kind == "spatial" and isinstance(given, dict):
                self._spatial(level, given, mesh or (2, 2))
            elif kind not in ("!", "target", "type"):
                self._made.lose(f"{level}: constraint of {kind}")

    def _dataspace(self, level: str, given: Mapping[str, Any]) -> None:
        for key, keeps in (("keep", True), ("bypass", False)):
            for name in listed(given.get(key)):
                tensor = _TENSORS.get(str(name).lower())
                if tensor:
                    self._keeps.setdefault(level, {})[tensor] = keeps
                else:
                    self._made.lose(f"{level}: keeping {name}, which is no tensor of a layer")

    def _temporal(self, level: str, given: Mapping[str, Any]) -> None:
        excluded = set(self._ones(level, given, "temporal"))
        if excluded:
            self._allow(level, "temporal", [d for d in DIMENSIONS if d not in excluded])
        if given.get("permutation"):
            self._made.lose(f"{level}: order of loops (permutation of temporal)")

    def _spatial(self, level: str, given: Mapping[str, Any], mesh: tuple[int, int]) -> None:
        excluded = set(self._ones(level, given, "spatial"))
        order = [d for d in map(_own, permutation_of(given.get("permutation"))) if d]
        split = given.get("split")
        if isinstance(split, int) and not isinstance(split, bool) and order:
            # Dimensions that are not named stand behind the others, so along Y.
            named = [d for d in order if d in DIMENSIONS]
            rest = [d for d in DIMENSIONS if d not in named]
            along_x, along_y = named[:split], [*named[split:], *rest]
            if split > len(named):
                along_x, along_y = [*named, *rest], []
        else:
            along_x, along_y = [*DIMENSIONS], [*DIMENSIONS]
        for axis, dimensions, count in (
            ("spatial_x", along_x, mesh[0]),
            ("spatial_y", along_y, mesh[1]),
        ):
            if count == 1:
                continue
            allowed: list[str] = [d for d in DIMENSIONS if d in dimensions and d not in excluded]
            if len(allowed) < len(DIMENSIONS):
                self._allow(level, axis, allowed)

    def _ones(self, level: str, given: Mapping[str, Any], kind: str) -> Iterator[str]:
        for name, (sign, bound) in _factors(given.get("factors")).items():
            dimension = _own(name)
            if not dimension:
                self._made.lose(f"{level}: factor of {name}, which is no loop of a layer")
            elif sign == "=" and bound == 1:
                yield dimension
            elif bound != 0:
                self._made.lose(f"{level}: factor {name}{sign}{bound} of {kind}")

    def _allow(self, level: str, kind: str, dimensions: list[str]) -> None:
        entry = self._allowed.setdefault(level, {})
        before = entry.get(kind)
        entry[kind] = [d for d in dimensions if before is None or d in before]


def _own(name: str) -> str:
    """The loop variable of a dimension; empty if it is none."""
    name = _NAMES.get(name, name)
    return name if name in DIMENSIONS else ""
