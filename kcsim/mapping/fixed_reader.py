"""Files that say what is fixed of a mapping."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field
from pydantic.dataclasses import dataclass

from kcsim.errors import InputError, Problem, nearest
from kcsim.mapping.fixed import Bound, FixedLevel, FixedMapping, Fixes, parse_loop, parse_place
from kcsim.reading.arguments import checked
from kcsim.reading.source import read_yaml
from kcsim.reading.validation import validate
from kcsim.workload.network import Network


def _loop(text: str) -> str:
    parse_loop(text)
    return text


def _place(text: str) -> str:
    parse_place(text)
    return text


def _bound(text: str) -> str:
    Bound.parse(text)
    return text


_Loops = tuple[Annotated[str, AfterValidator(_loop)], ...]
_Places = tuple[Annotated[str, AfterValidator(_place)], ...]
_Bounds = tuple[Annotated[str, AfterValidator(_bound)], ...]
_Tensor = Literal["weights", "inputs", "outputs"]


@dataclass(frozen=True, config=ConfigDict(extra="forbid"), kw_only=True)
class _LevelEntry:
    """What is fixed of one level; what is left out is open.

    A loop is ``C=8``, ``C<=8`` or ``C``, and ``...`` stands for any others.
    """

    level: str
    temporal: _Loops | None = None
    nest: _Places | None = None
    spatial_x: _Loops | None = None
    spatial_y: _Loops | None = None
    bypass: tuple[_Tensor, ...] | None = None
    factors: _Bounds | None = None
    tile: _Bounds | None = None
    stationary: _Tensor | None = None


@dataclass(frozen=True, config=ConfigDict(extra="forbid"), kw_only=True)
class _FixFile:
    """What is fixed of a mapping, level by level."""

    levels: tuple[_LevelEntry, ...] = Field(min_length=1, max_length=16)


@checked
def read_fixed(path: str | os.PathLike[str]) -> FixedMapping:
    """Read what is fixed of a mapping.

    Whether a mapping of a layer can have it is found out when it is searched for.

    Raises
    ------
    InputError
        With everything that is wrong with the file.
    """
    document = read_yaml(path)
    entries = validate(document, _FixFile, what="file of what is fixed").levels
    return FixedMapping(tuple(FixedLevel(**vars(entry)) for entry in entries), document)


def read_fixes(path: str | None, network: Network, *, is_part: bool = False) -> Fixes | None:
    """What is fixed of the layers of a network: a file for all, or a folder with one for each.

    Parameters
    ----------
    path : str, optional
    network : Network
    is_part : bool
        Whether files of other layers may lie there, too.
    """
    if path is None or not Path(path).is_dir():
        return None if path is None else read_fixed(path)
    names = {layer.name.replace("/", "."): layer.name for layer in network}
    found: dict[str, FixedMapping] = {}
    for file in sorted(Path(path).glob("*.yaml")):
        stem, clustered = file.stem.removesuffix(".clustered"), file.stem.endswith(".clustered")
        if stem in names:
            found[names[stem] + ".clustered" * clustered] = read_fixed(file)
        elif not is_part:
            message = f"'{file}' is of no layer of {network.name}"
            raise InputError(Problem(message, "LAYER.yaml", nearest(stem, names)))
    if not found:
        message = f"the folder '{path}' has no file of a layer of {network.name}"
        raise InputError(Problem(message, "LAYER.yaml, as 'kcsim map-network --save' writes"))
    return found


def fixed_schema() -> dict[str, Any]:
    """The JSON Schema of these files, for editors."""
    from pydantic import TypeAdapter

    schema = TypeAdapter(_FixFile).json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
