"""Results of mapping searches on disk, so that no layer is mapped twice.

A result is a small JSON file, named by a hash of all that it depends on: the shape of the layer,
the hardware, the form of the weights, the objective, and the sources of the search. Files are
written whole, so that several runs may share a folder; one that cannot be read is as good as
absent. Searches that a time limit ended are not kept.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from kcsim.errors import InputError
from kcsim.files import write_whole
from kcsim.hardware.schema import Hardware
from kcsim.mapping.costs import WeightCosts
from kcsim.mapping.nest import LevelLoops, Loop, Mapping
from kcsim.mapping.search import SearchResult
from kcsim.workload import ConvLayer

__all__ = ["CACHE_VARIABLE", "MappingCache", "default_cache", "hash_of"]

CACHE_VARIABLE = "KCSIM_CACHE_DIR"


class MappingCache:
    """A folder of search results.

    Parameters
    ----------
    folder : str or path
        Made when the first result is stored.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)

    def key(
        self,
        layer: ConvLayer,
        hardware: Hardware,
        objective: str,
        weights: Sequence[WeightCosts],
    ) -> str:
        """Hash of everything that the best mapping depends on: 64 hexadecimal digits."""
        # Names and descriptions change nothing, but for those of levels.
        plain = dataclasses.replace(hardware, name="any", description="")
        sources = "workload", "hardware", "mapping", "kernels"
        return hash_of((layer.shape_key, plain, objective, tuple(weights)), sources)

    def load(self, key: str, layer: ConvLayer, hardware: Hardware) -> SearchResult | None:
        """A stored result; ``None`` if there is none that maps the layer."""
        try:
            result = _from_document(self.read(key))
        except (ValueError, TypeError, KeyError, AttributeError, InputError):
            return None
        return None if result.mapping.problems(layer, hardware) else result

    def store(self, key: str, result: SearchResult) -> None:
        """Keep a proved result; silently do without where the folder cannot be written."""
        if result.is_optimal:
            self.write(key, _to_document(result))

    def read(self, key: str) -> dict[str, Any]:
        """What a file holds; nothing if it cannot be read."""
        try:
            document = json.loads(self._path(key).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return document if isinstance(document, dict) else {}

    def write(self, key: str, document: dict[str, Any]) -> None:
        """Write a file; silently do without where the folder cannot be written."""
        path = self._path(key)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, json.dumps(document))
        except (OSError, InputError):
            return

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.json"


def default_cache() -> MappingCache | None:
    """The cache of this user: the folder that ``KCSIM_CACHE_DIR`` names, none if it is empty."""
    folder = os.environ.get(CACHE_VARIABLE)
    if folder is None:
        base = os.environ.get("LOCALAPPDATA" if sys.platform == "win32" else "XDG_CACHE_HOME")
        folder = str(Path(base or Path.home() / ".cache") / "kcsim" / "mappings")
    return MappingCache(folder) if folder else None


def hash_of(parts: object, sources: tuple[str, ...]) -> str:
    """Hash of something that is shown in full, and of folders of the package that decide on it."""
    return hashlib.sha256(repr((parts, _state_of(sources))).encode()).hexdigest()


@cache
def _state_of(folders: tuple[str, ...]) -> str:
    package = Path(__file__).resolve().parent.parent
    files = sorted(path for folder in folders for path in package.glob(f"{folder}/*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


def _to_document(result: SearchResult) -> dict[str, Any]:
    document = {
        field.name: getattr(result, field.name)
        for field in dataclasses.fields(result)
        if field.name != "mapping"
    }
    levels = [
        [
            level.level,
            *[[[n.dimension, n.bound] for n in nest] for nest in level.nests],
            level.bypass,
        ]
        for level in result.mapping.levels
    ]
    return {"levels": levels, **document}


def _from_document(document: dict[str, Any]) -> SearchResult:
    levels = []
    for name, *nests, bypass in document.pop("levels"):
        temporal, along_x, along_y = (
            tuple(Loop(str(d), int(bound)) for d, bound in nest) for nest in nests
        )
        levels.append(LevelLoops(str(name), temporal, along_x, along_y, tuple(bypass)))
    return SearchResult(Mapping(tuple(levels)), **document)
