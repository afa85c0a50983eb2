"""Mappings of Timeloop, of version 0.3 and 0.4: read, and written.

A permutation names dimensions innermost first; of a spatial one, those before its split lie along
X, the others along Y.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from collections.abc import Mapping as MappingABC
from typing import Any

from kcsim.errors import InputError
from kcsim.hardware.foreign.converted import TENSORS_OF_TIMELOOP
from kcsim.hardware.foreign.timeloop_constraints import permutation_of
from kcsim.hardware.foreign.timeloop_writer import container_names, plain_name
from kcsim.hardware.level import Level
from kcsim.hardware.schema import Hardware
from kcsim.mapping.nest import LevelLoops, Loop, Mapping
from kcsim.reading.foreign_yaml import listed, read_foreign_yaml
from kcsim.reading.source import Document, Path_
from kcsim.workload.layer import DIMENSIONS, TENSORS, ConvLayer

_FACTOR = re.compile(r"([A-Za-z]+)\s*=?\s*(\d+)(,\d+)?$")
_SPATIAL = re.compile(r"^inter_(.+)_spatial$")
_TENSORS = {name.lower(): tensor for tensor, name in TENSORS_OF_TIMELOOP.items()}
_BYPASSES = ("datatype", "bypass", "dataspace", "bypassing")


def read_timeloop_mapping(
    path: str | os.PathLike[str],
    layer: ConvLayer,
    hardware: Hardware,
    *,
    dimensions: MappingABC[str, str] | None = None,
    tensors: MappingABC[str, str] | None = None,
    containers: MappingABC[str, str] | None = None,
) -> Mapping:
    """Read a mapping of Timeloop and check that it maps a layer on a hardware.

    Parameters
    ----------
    path : str or path
    layer : ConvLayer
    hardware : Hardware
        That the mapping's architecture was converted to, or one with levels of these names.
    dimensions, tensors : mapping of str to str, optional
        Loop variable and tensor of the names in the problem; see
        `kcsim.workload.imports.timeloop_problem.TimeloopProblem`.
    containers : mapping of str to str, optional
        The level above each container of the architecture.

    Raises
    ------
    InputError
        If the file is no mapping, or cannot be said in loops of a layer.
    MappingError
        With everything that keeps the mapping from running the layer.
    """
    document = read_foreign_yaml(path)
    reader = _Reader(document, hardware, dimensions or {}, tensors or {}, containers or {})
    mapping = reader.mapping()
    mapping.check(layer, hardware)
    return mapping


class _Reader:
    """Understands one mapping."""

    def __init__(
        self,
        document: Document,
        hardware: Hardware,
        dimensions: MappingABC[str, str],
        tensors: MappingABC[str, str],
        containers: MappingABC[str, str],
    ) -> None:
        self._document = document
        self._hardware = hardware
        own: dict[str, str] = {"K": "M"}
        own.update((d, d) for d in DIMENSIONS)
        self._dimensions = {**own, **dimensions}
        self._tensors = {**_TENSORS, **{name.lower(): t for name, t in tensors.items()}}
        self._levels = {plain_name(name): name for name in hardware.level_names}
        self._levels |= {name: name for name in hardware.level_names}
        below = {
            container: level.name
            for level in hardware.levels
            for container in container_names(level).values()
        }
        self._containers = {**below, **containers}

    def mapping(self) -> Mapping:
        data = self._document.data
        entries = data.get("mapping") if isinstance(data, dict) else None
        if not isinstance(entries, list):
            raise self._fail((), "no mapping of Timeloop", "key 'mapping', with a list")
        temporal: dict[str, tuple[Loop, ...]] = {}
        spatial: dict[str, tuple[tuple[Loop, ...], tuple[Loop, ...]]] = {}
        bypass: dict[str, tuple[str, ...]] = {}
        for i, entry in enumerate(entries):
            place: Path_ = ("mapping", i)
            if not isinstance(entry, dict):
                raise self._fail(place, "an entry is no mapping", "'target', 'type', 'factors'")
            kind = str(entry.get("type", ""))
            name = str(entry.get("target", ""))
            if kind in _BYPASSES:
                if (level := self._level(name)) is not None:
                    bypass[level] = self._bypassed(entry, level, place)
            elif kind == "temporal":
                loops = tuple(reversed(self._loops(entry, place)))
                level = self._level(name)
                if level is None and loops:
                    raise self._no_level(name, place)
                if level is not None:
                    temporal[level] = loops
            elif kind == "spatial":
                above = self._above(name, place)
                fanout = self._hardware.levels[self._hardware.level_index(above)].fanout
                along_x, along_y = self._split(entry, place)
                if entry.get("split") is None and fanout.x == 1:
                    along_x, along_y = along_y, along_x
                x, y = spatial.get(above, ((), ()))
                spatial[above] = (*x, *along_x), (*y, *along_y)
            else:
                raise self._fail(
                    (*place, "type"), f"the type is {kind!r}", "temporal, spatial or datatype"
                )
        return Mapping(tuple(
            LevelLoops(
                name, temporal.get(name, ()), *spatial.get(name, ((), ())), bypass.get(name, ())
            )
            for name in self._hardware.level_names
        ))  # fmt: skip

    def _fail(self, place: Path_, message: str, expected: str = "") -> InputError:
        return InputError(self._document.problem(place, message, expected=expected))

    def _no_level(self, name: str, place: Path_) -> InputError:
        known = ", ".join(self._hardware.level_names)
        return self._fail((*place, "target"), f"{self._hardware.name} has no level {name!r}",
                          f"one of {known}")  # fmt: skip

    def _level(self, name: str) -> str | None:
        """The level of a target; ``None`` for containers."""
        if name in self._levels:
            return self._levels[name]
        if name in self._containers or _SPATIAL.match(name):
            return None
        raise self._no_level(name, ())

    def _above(self, name: str, place: Path_) -> str:
        """The level whose children spatial loops are spread over."""
        match = _SPATIAL.match(name)
        target = match[1] if match else name
        above = self._containers.get(target) or self._levels.get(target)
        if above is None:
            raise self._fail(
                (*place, "target"), f"no level of {self._hardware.name} is above {name!r}",
                "the architecture that the mapping is of",
            )  # fmt: skip
        return above

    def _bypassed(self, entry: MappingABC[str, Any], level: str, place: Path_) -> tuple[str, ...]:
        """Tensors that a level could keep and does not."""
        passing = set()
        for name in listed(entry.get("bypass")):
            tensor = self._tensors.get(str(name).lower())
            if tensor is None:
                raise self._fail(
                    (*place, "bypass"), f"{name!r} is no tensor", ", ".join(self._tensors)
                )
            passing.add(tensor)
        kept = self._hardware.levels[self._hardware.level_index(level)].kept_tensors
        return tuple(tensor for tensor in TENSORS if tensor in passing and tensor in kept)

    def _loops(self, entry: MappingABC[str, Any], place: Path_) -> list[Loop]:
        """The loops of an entry, innermost first; those that iterate once left out."""
        bounds: dict[str, int] = {}
        given = entry.get("factors")
        parts = given if isinstance(given, list) else re.split(r"[\s;]+", str(given or "").strip())
        for part in filter(None, (str(each).strip() for each in parts)):
            for piece in re.findall(r"[A-Za-z]+\s*=?\s*\d+(?:,\d+)?", part) or [part]:
                match = _FACTOR.match(piece)
                if not match:
                    raise self._fail((*place, "factors"), f"{piece!r} is no factor", "as P=13")
                if match[3] and match[3] != f",{match[2]}":
                    raise self._fail((*place, "factors"), f"{piece!r} is an imperfect factor",
                                     "factors that divide their dimension")  # fmt: skip
                if match[2] == "0":
                    raise self._fail((*place, "factors"), f"{piece!r} stands for what is left over",
                                     "the factor itself")  # fmt: skip
                bounds[match[1]] = int(match[2])
        order = permutation_of(entry.get("permutation"))
        found = []
        for name in dict.fromkeys([*order, *bounds]):
            bound = bounds.get(name, 1)
            if bound == 1:
                continue
            dimension = self._dimensions.get(name)
            if dimension is None:
                known = ", ".join(self._dimensions)
                raise self._fail((*place, "factors"), f"{name!r} is no loop of a layer", known)
            found.append(Loop(dimension, bound))
        return found

    def _split(
        self, entry: MappingABC[str, Any], place: Path_
    ) -> tuple[tuple[Loop, ...], tuple[Loop, ...]]:
        """Loops along X and along Y, outermost first."""
        loops = self._loops(entry, place)
        split = entry.get("split")
        if split is None:
            return tuple(reversed(loops)), ()
        if isinstance(split, bool) or not isinstance(split, int) or split < 0:
            raise self._fail((*place, "split"), f"split is {split!r}", "a whole number from 0 on")
        order = [self._dimensions.get(each, each) for each in
                 permutation_of(entry.get("permutation"))]  # fmt: skip
        first = set(order[:split])
        along_x = [loop for loop in loops if loop.dimension in first]
        along_y = [loop for loop in loops if loop.dimension not in first]
        return tuple(reversed(along_x)), tuple(reversed(along_y))


def timeloop_mapping(
    mapping: Mapping,
    layer: ConvLayer,
    hardware: Hardware,
    version: str = "0.4",
    *,
    dimensions: MappingABC[str, str] | None = None,
    tensors: MappingABC[str, str] | None = None,
) -> dict[str, Any]:
    """A mapping as what a mapping file of Timeloop holds.

    Parameters
    ----------
    mapping : Mapping
    layer : ConvLayer
    hardware : Hardware
    version : {"0.4", "0.3"}
        In which spatial loops are those of containers, one for each axis, or of the level above.
    dimensions, tensors : mapping of str to str, optional
        Loop variable and tensor of the names in the problem, where that has names of its own.

    Raises
    ------
    InputError
        If the mapping has what Timeloop has not: two loops of a level over one dimension (in
        version 0.4, of a level in time or along an axis), tensors between loops of a level,
        imperfect factors; or if a loop is of several dimensions of the problem.
    """
    mapping.check(layer, hardware)
    if not mapping.is_perfect(layer):
        raise InputError("Timeloop's imperfect factors are not written; expected perfect ones")
    writer = _Writer(dimensions, version)
    names = {tensor: name for name, tensor in (tensors or {}).items()} or TENSORS_OF_TIMELOOP
    levels = {level.level: level for level in mapping.levels}
    keeps = mapping.keeps_array(hardware)
    entries: list[dict[str, Any]] = []
    for i, level in enumerate(hardware.levels):
        loops = levels.get(level.name, LevelLoops(level.name))
        if loops.inner:
            raise InputError(
                f"level '{level.name}': Timeloop has no place for tensors between the loops of a "
                "level; expected an even nest ('kcsim map --even')"
            )
        name = plain_name(level.name)
        if i:
            kept = [names[t] for j, t in enumerate(TENSORS) if keeps[i, j]]
            others = [names[t] for j, t in enumerate(TENSORS) if not keeps[i, j]]
            entries.append({"target": name, "type": "datatype", "keep": kept, "bypass": others})
        entries.append({"target": name, "type": "temporal", **writer.factors(loops.temporal, name)})
        entries += writer.spatial(level, loops)
    return {"mapping": entries}


class _Writer:
    """Writes loops under the names that a problem has for them."""

    def __init__(self, dimensions: MappingABC[str, str] | None, version: str) -> None:
        self._version = version
        self._names: dict[str, list[str]] = {}
        for name, own in (dimensions or {d: d for d in DIMENSIONS}).items():
            self._names.setdefault(own, []).append(name)

    def spatial(self, level: Level, loops: LevelLoops) -> Iterator[dict[str, Any]]:
        """Entries of the loops along X and Y."""
        if level.fanout.children == 1:
            return
        along = {"x": loops.spatial_x, "y": loops.spatial_y}
        if self._version == "0.4":
            for axis, target in container_names(level).items():
                factors = self.factors(along[axis], level.name)
                count = sum(map(len, self._names.values()))
                split = count if axis == "x" else 0
                yield {"target": target, "type": "spatial", **factors, "split": split}
            return
        # The first dimensions of the order lie along X.
        factors = self.factors((*loops.spatial_y, *loops.spatial_x), level.name)
        split = len({loop.dimension for loop in loops.spatial_x if loop.bound > 1})
        name = plain_name(level.name)
        yield {"target": name, "type": "spatial", **factors, "split": split}

    def factors(self, loops: Sequence[Loop], level: str) -> dict[str, Any]:
        """Factors of all dimensions and their order, from loops outermost first."""
        bounds = {name: 1 for names in self._names.values() for name in names}
        order = []
        for loop in reversed(loops):
            if loop.bound == 1:
                continue
            names = self._names.get(loop.dimension, [])
            if len(names) != 1:
                several = " and ".join(names) or "no dimension"
                raise InputError(f"level '{level}' has a loop over {loop.dimension}, which is "
                                 f"{several} of the problem")  # fmt: skip
            if names[0] in order:
                raise InputError(f"level '{level}' has two loops over {loop.dimension}; Timeloop "
                                 "has one for each dimension")  # fmt: skip
            bounds[names[0]] = loop.bound
            order.append(names[0])
        order += [name for name in bounds if name not in order]
        text = [f"{name}={bound}" for name, bound in bounds.items()]
        short = all(len(name) == 1 for name in order)
        return {
            "factors": text if self._version == "0.4" else " ".join(text),
            "permutation": "".join(order) if short else order,
        }
