"""Mapping files."""

from __future__ import annotations

import os
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field
from pydantic.dataclasses import dataclass

from kcsim.errors import InputError, MappingError, Problem, nearest
from kcsim.hardware.schema import Hardware
from kcsim.mapping.nest import LevelLoops, Loop, Mapping
from kcsim.reading.arguments import checked
from kcsim.reading.formats import refuse_foreign
from kcsim.reading.source import read_yaml
from kcsim.reading.validation import validate
from kcsim.workload.layer import TENSORS, ConvLayer


def _checked(text: str) -> str:
    Loop.parse(text)
    return text


def _checked_place(text: str) -> str:
    if "=" not in text and text not in TENSORS:
        raise InputError(
            Problem(
                f"'{text}' is neither a loop nor a tensor",
                "DIMENSION=BOUND, as P=13, or one of " + ", ".join(TENSORS),
                nearest(text, TENSORS),
            )
        )
    return text if text in TENSORS else _checked(text)


_Loops = tuple[Annotated[str, AfterValidator(_checked)], ...]
_Places = tuple[Annotated[str, AfterValidator(_checked_place)], ...]


@dataclass(frozen=True, config=ConfigDict(extra="forbid"), kw_only=True)
class _LevelEntry:
    """The loops of one level, as ``P=13``, outermost first.

    ``nest`` has those in time with every tensor that the level keeps at its place among them.
    """

    level: str
    temporal: _Loops | None = None
    nest: _Places | None = None
    spatial_x: _Loops = ()
    spatial_y: _Loops = ()
    bypass: tuple[Literal["weights", "inputs", "outputs"], ...] = ()


@dataclass(frozen=True, config=ConfigDict(extra="forbid"), kw_only=True)
class _MappingFile:
    """A loop nest over the levels of a hardware, outermost level first."""

    levels: tuple[_LevelEntry, ...] = Field(min_length=1, max_length=16)


@checked
def read_mapping(path: str | os.PathLike[str], layer: ConvLayer, hardware: Hardware) -> Mapping:
    """Read a mapping file and check that it maps a layer on a hardware.

    Whether the tiles fit is found out when the mapping is counted.

    Raises
    ------
    InputError
        With everything that is wrong with the file.
    MappingError
        With everything that keeps the mapping from running the layer.
    """
    try:
        document = read_yaml(path)
        entries = validate(document, _MappingFile, what="mapping file").levels
    except InputError:
        refuse_foreign(path, "mapping")
        raise
    mapping = Mapping(tuple(map(_level_loops, entries)))
    problems = [
        problem
        for i, entry in enumerate(entries)
        for problem in _nest_problems(entry, hardware, ("levels", i, "nest"))
    ]
    problems += mapping.problems(layer, hardware)
    if problems:
        raise MappingError(
            [
                document.problem(p.path, p.message, expected=p.expected, suggestion=p.suggestion)
                for p in problems
            ]
        )
    return mapping


def _level_loops(entry: _LevelEntry) -> LevelLoops:
    """The loops of a level; tensors that it does not name stand before all of them."""
    places = entry.nest or entry.temporal or ()
    heights = dict.fromkeys(TENSORS, 0)
    temporal: list[Loop] = []
    for place in places:
        if place in TENSORS:
            heights[place] = len(temporal)
        else:
            temporal.append(Loop.parse(place))
    return LevelLoops(
        entry.level,
        tuple(temporal),
        tuple(map(Loop.parse, entry.spatial_x)),
        tuple(map(Loop.parse, entry.spatial_y)),
        entry.bypass,
        (heights["weights"], heights["inputs"], heights["outputs"]),
    )


def _nest_problems(
    entry: _LevelEntry, hardware: Hardware, path: tuple[str | int, ...]
) -> list[Problem]:
    """What is wrong with the tensors in the nest of a level."""
    if entry.nest is None or entry.level not in hardware.level_names:
        return []
    found = []
    if entry.temporal is not None:
        message = f"level '{entry.level}' has both 'temporal' and 'nest'"
        found.append(Problem(message, "one of them", path=path))
    level = hardware.levels[hardware.level_index(entry.level)]
    kept = tuple(t for t in level.kept_tensors if t not in entry.bypass)
    for i, place in enumerate(entry.nest):
        if place in entry.nest[:i] and place in TENSORS:
            message = f"{place} stand twice in the nest of level '{entry.level}'"
        elif place in entry.bypass:
            message = f"{place} stand in the nest of level '{entry.level}' and bypass it"
        elif place in TENSORS and place not in kept:
            message = f"level '{entry.level}' does not keep {place}"
        else:
            continue
        expected = f"once each of {', '.join(kept)}" if kept else "no tensor"
        found.append(Problem(message, expected, path=(*path, i)))
    missing = [tensor for tensor in kept if tensor not in entry.nest]
    if missing:
        message = f"the nest of level '{entry.level}' has no place for {', '.join(missing)}"
        found.append(Problem(message, "each tensor that it keeps once, or in 'bypass'", path=path))
    return found


def mapping_schema() -> dict[str, Any]:
    """The JSON Schema of mapping files, for editors."""
    from pydantic import TypeAdapter

    schema = TypeAdapter(_MappingFile).json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
