"""Architectures of Timeloop, of version 0.3 and 0.4, as one list of levels.

Version 0.4 has a flat list of nodes in which containers multiply what follows; in 0.3, subtrees
do, by ranges behind names. Both become `Node`, outermost first.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kcsim.errors import InputError
from kcsim.reading.foreign_yaml import TAG, listed
from kcsim.reading.source import Document, Path_

_RANGE = re.compile(r"^(.*?)\[(\d+)(?:\.\.(\d+))?\]$")
_SPATIAL = re.compile(r"^inter_(.+)_spatial$")
_INHERITED = ("technology", "global_cycle_seconds", "datawidth")
_MAX_DEPTH = 30


@dataclass
class Node:
    """A component of an architecture.

    Attributes
    ----------
    name : str
    kind : str
        Its class.
    attributes : dict
        Its own, and what containers hand down.
    x, y : int
        All its instances along either axis.
    containers : dict of str to (int, int)
        Containers with a fanout right above it, and their instances along X and Y.
    constraints : list of dict
        Those that stand with it, or with these containers.
    place : path
        Where it stands in the document.
    """

    name: str
    kind: str
    attributes: dict[str, Any]
    x: int
    y: int
    containers: dict[str, tuple[int, int]] = field(default_factory=dict)
    constraints: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    place: Path_ = ()


class _Walk:
    """One pass over an architecture."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self.nodes: list[Node] = []
        self._x = self._y = 1
        self._containers: dict[str, tuple[int, int]] = {}
        self._constraints: list[tuple[str, dict[str, Any]]] = []

    def fail(self, place: Path_, message: str, expected: str = "") -> InputError:
        """An error at a place."""
        return InputError(self._document.problem(place, message, expected=expected))

    def flat(self, entries: Any, place: Path_, inherited: Mapping[str, Any], depth: int) -> None:
        """Take the nodes of version 0.4."""
        if not isinstance(entries, list) or depth > _MAX_DEPTH:
            raise self.fail(place, "'nodes' is no list of components and containers")
        known = dict(inherited)
        for i, entry in enumerate(entries):
            here = (*place, i)
            if not isinstance(entry, dict):
                raise self.fail(here, "a node is no mapping", "!Component or !Container")
            tag = entry.get(TAG, "Component" if "class" in entry else "Container")
            if tag == "Nothing":
                continue
            if "nodes" in entry:
                # Parallel, pipelined and hierarchical parts are levels one after the other.
                self.flat(entry["nodes"], (*here, "nodes"), known, depth + 1)
                continue
            attributes = self._attributes(entry, here)
            name = self._name(entry, here)
            spatial = entry.get("spatial") or {}
            if not isinstance(spatial, dict):
                raise self.fail((*here, "spatial"), f"'spatial' of {name!r} is no mapping")
            x = self.count(spatial.get("meshX", 1), here, f"meshX of {name!r}")
            y = self.count(spatial.get("meshY", 1), here, f"meshY of {name!r}")
            self._x, self._y = self._x * x, self._y * y
            constraints = entry.get("constraints")
            if isinstance(constraints, dict):
                self._constraints.append((name, constraints))
            if tag == "Container":
                known |= {key: attributes[key] for key in _INHERITED if key in attributes}
                if x * y > 1:
                    self._containers[name] = (x, y)
            else:
                self._add(name, entry, {**known, **attributes}, here)

    def tree(self, entry: Any, place: Path_, inherited: Mapping[str, Any], depth: int) -> None:
        """Take a subtree of version 0.3."""
        if not isinstance(entry, dict) or depth > _MAX_DEPTH:
            raise self.fail(place, "a subtree is no mapping", "'name', 'local' and 'subtree'")
        known = dict(inherited) | {
            key: value for key, value in self._attributes(entry, place).items()
            if key in _INHERITED
        }  # fmt: skip
        name, times = _counted(str(entry.get("name", "")))
        outer = self._x, self._y
        total = outer[0] * outer[1] * times
        for i, local in enumerate(listed(entry.get("local"))):
            here = (*place, "local", i)
            if not isinstance(local, dict):
                raise self.fail(here, "a component is no mapping")
            own, instances = _counted(self._name(local, here))
            attributes = self._attributes(local, here)
            count = total * instances
            mesh = attributes.get("meshX")
            # Ranges of version 0.4 as its front end writes them, [1..n], count all of them.
            if re.search(r"\[1\.\.\d+\]$", str(local["name"])) and times == 1:
                count = instances
            self._x, self._y = self._split(count, mesh, here, own)
            self._add(own, local, {**known, **attributes}, here)
        if not entry.get("local"):
            self._x, self._y = self._split(total, None, place, name)
        for i, inner in enumerate(listed(entry.get("subtree"))):
            if i:
                raise self.fail((*place, "subtree", i), "a second subtree beside the first",
                                "one: branches are not modeled")  # fmt: skip
            mesh = self._x, self._y
            self._x, self._y = (total, 1) if mesh[0] * mesh[1] != total else mesh
            self.tree(inner, (*place, "subtree", i), known, depth + 1)

    def _split(self, count: int, mesh: Any, place: Path_, name: str) -> tuple[int, int]:
        """Instances along either axis, from their number and `meshX`."""
        if mesh is None:
            # As many along X as before, if that divides them.
            if count % (self._x * self._y) == 0 and count >= self._x * self._y:
                return self._x * (count // (self._x * self._y)), self._y
            return count, 1
        x = self.count(mesh, place, f"meshX of {name!r}")
        if count % x:
            raise self.fail(
                place, f"meshX of {name!r} is {x}", f"a divisor of its {count} instances"
            )
        return x, count // x

    def _add(self, name: str, entry: Mapping[str, Any], attributes: Any, place: Path_) -> None:
        kind = entry.get("class", "")
        if not isinstance(kind, str) or not kind:
            raise self.fail(place, f"component {name!r} has no class")
        sub = entry.get("subclass")
        kind = str(sub) if isinstance(sub, str) and kind == "storage" else kind
        if kind == "dummy_storage":
            # What the front end of version 0.4 makes of a container with a fanout.
            match = _SPATIAL.match(name)
            self._containers[match[1] if match else name] = (self._x, self._y)
            return
        self.nodes.append(
            Node(name, kind, attributes, self._x, self._y, self._containers,
                 self._constraints, place)
        )  # fmt: skip
        self._containers, self._constraints = {}, []

    def _name(self, entry: Mapping[str, Any], place: Path_) -> str:
        name = entry.get("name")
        if not isinstance(name, str) or not name.strip():
            raise self.fail(place, "a node has no name")
        return name

    def _attributes(self, entry: Mapping[str, Any], place: Path_) -> dict[str, Any]:
        given = entry.get("attributes") or {}
        if not isinstance(given, dict):
            raise self.fail((*place, "attributes"), "'attributes' is no mapping")
        return {str(key).replace("-", "_"): value for key, value in given.items()}

    def count(self, value: Any, place: Path_, what: str) -> int:
        """A whole number above 0."""
        number = number_of(value)
        if number is None or number != int(number) or not 1 <= number <= 2**40:
            raise self.fail(place, f"{what} is {value!r}", "a whole number above 0; expressions "
                            "are not computed")  # fmt: skip
        return int(number)


def number_of(value: Any) -> float | None:
    """A number, also one that is written as a text; ``None`` for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return float(value) if math.isfinite(value) else None
    try:
        number = float(str(value).strip())
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def nodes_of(document: Document) -> list[Node]:
    """The components of an architecture, outermost first.

    Raises
    ------
    InputError
        If there is no architecture, or one that branches.
    """
    data = document.data if isinstance(document.data, dict) else {}
    tree = data.get("architecture")
    walk = _Walk(document)
    if not isinstance(tree, dict):
        what = "an 'arch' of the oldest form is not read" if "arch" in data else \
            "no architecture of Timeloop"  # fmt: skip
        raise walk.fail((), what, "key 'architecture', of version 0.3 or 0.4")
    if "nodes" in tree:
        walk.flat(tree["nodes"], ("architecture", "nodes"), {}, 0)
    elif isinstance(tree.get("subtree"), list):
        for i, entry in enumerate(tree["subtree"]):
            if i:
                raise walk.fail(("architecture", "subtree", i), "a second tree", "one")
            walk.tree(entry, ("architecture", "subtree", i), {}, 0)
    else:
        raise walk.fail(("architecture",), "it has neither 'nodes' nor 'subtree'")
    if not walk.nodes:
        raise walk.fail(("architecture",), "it has no components")
    return walk.nodes


def _counted(name: str) -> tuple[str, int]:
    """A name without its range, and how many that is."""
    match = _RANGE.match(name)
    if not match:
        return name, 1
    first, last = int(match[2]), int(match[3] or match[2])
    return match[1], max(1, last - first + 1)
