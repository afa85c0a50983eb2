"""Mapping files."""

from __future__ import annotations

import os
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field
from pydantic.dataclasses import dataclass

from kcsim.errors import MappingError
from kcsim.hardware.schema import Hardware
from kcsim.mapping.nest import LevelLoops, Loop, Mapping
from kcsim.reading.arguments import checked
from kcsim.reading.source import read_yaml
from kcsim.reading.validation import validate
from kcsim.workload.layer import ConvLayer


def _checked(text: str) -> str:
    Loop.parse(text)
    return text


_Loops = tuple[Annotated[str, AfterValidator(_checked)], ...]


@dataclass(frozen=True, config=ConfigDict(extra="forbid"), kw_only=True)
class _LevelEntry:
    """The loops of one level, as ``P=13``, outermost first."""

    level: str
    temporal: _Loops = ()
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
    document = read_yaml(path)
    entries = validate(document, _MappingFile, what="mapping file").levels
    mapping = Mapping(
        tuple(
            LevelLoops(
                entry.level,
                tuple(map(Loop.parse, entry.temporal)),
                tuple(map(Loop.parse, entry.spatial_x)),
                tuple(map(Loop.parse, entry.spatial_y)),
                entry.bypass,
            )
            for entry in entries
        )
    )
    problems = mapping.problems(layer, hardware)
    if problems:
        raise MappingError(
            [
                document.problem(p.path, p.message, expected=p.expected, suggestion=p.suggestion)
                for p in problems
            ]
        )
    return mapping


def mapping_schema() -> dict[str, Any]:
    """The JSON Schema of mapping files, for editors."""
    from pydantic import TypeAdapter

    schema = TypeAdapter(_MappingFile).json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
