"""Results of mapping searches on disk, so that no layer is mapped twice.

A result is a small JSON file, named by a hash of all that it depends on: the shape of the layer,
the hardware, the form of the weights, the objective, and the sources of the search. Files are
written whole, so that several runs may share a folder, and belong to the user alone. One that
cannot be read, was changed, or whose mapping does not come to what it says, is as good as absent.
Searches that a time limit ended are not kept.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from kcsim.cost.prices import DENSE, WeightCosts
from kcsim.errors import KcsimError
from kcsim.hardware.schema import Hardware
from kcsim.mapping.as_mapped import as_mapped
from kcsim.mapping.nest import LevelLoops, Loop, Mapping
from kcsim.mapping.search import SearchResult
from kcsim.mapping.verify import costs_in_space
from kcsim.private import read_private, why_not_private, write_private
from kcsim.workload.layer import ConvLayer

CACHE_VARIABLE = "KCSIM_CACHE_DIR"
UNREADABLE = (
    ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError, KcsimError
)  # fmt: skip
"""What reading a file may raise that holds something else."""
T = TypeVar("T")
_NUMBERS: dict[str, Any] = {
    "energy": float, "cycles": float, "mappings": int, "evaluated": int, "nodes": int,
    "seconds": float,
}  # fmt: skip


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
        *,
        even: bool = False,
        first_of_equals: bool = False,
    ) -> str:
        """Hash of everything that the best mapping depends on: 64 hexadecimal digits.

        Also, where it is told, on the order in which a search with neighbors finds mappings that
        are equal; see `kcsim.mapping.neighbors`.
        """
        sources = "workload", "hardware", "cost", "mapping", "kernels"
        parts = layer.shape_key, as_mapped(hardware), objective, tuple(weights), even
        return hash_of((*parts, "first of equals") if first_of_equals else parts, sources)

    def load(
        self,
        key: str,
        layer: ConvLayer,
        hardware: Hardware,
        weights: Sequence[WeightCosts] = (DENSE,),
        *,
        even: bool = False,
    ) -> SearchResult | None:
        """A stored result; ``None`` if there is none that comes to what it says."""
        try:
            result = _from_document(self.read(key))
            forms = [each for each in weights if each.store_level == result.codebook_level]
            for costs in costs_in_space(result.mapping, layer, hardware, forms, even=even):
                if np.allclose(costs, (result.energy, result.cycles), rtol=1e-9, atol=0):
                    return result
        except UNREADABLE:
            pass
        return None

    def store(self, key: str, result: SearchResult) -> None:
        """Keep a proved result; silently do without where the folder cannot be written."""
        if result.proved:
            self.write(key, _to_document(result))

    def read(self, key: str) -> dict[str, Any]:
        """What a file holds; nothing if it cannot be read, or has been changed."""
        if why_not_private(self.folder):
            return {}
        try:
            document = json.loads(read_private(self._path(key)))
            digest = document.pop("digest")
            return document if digest == _digest(key, document) else {}
        except (OSError, *UNREADABLE):
            return {}

    def write(self, key: str, document: dict[str, Any]) -> None:
        """Write a file; silently do without where the folder cannot be written."""
        if why_not_private(self.folder):
            return
        content = json.dumps({**document, "digest": _digest(key, document)})
        with contextlib.suppress(OSError):
            write_private(self._path(key), content.encode())

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.json"


def default_cache() -> MappingCache | None:
    """The cache of this user: the folder that ``KCSIM_CACHE_DIR`` names, none if it is empty."""
    folder = os.environ.get(CACHE_VARIABLE)
    if folder is None:
        try:
            base = os.environ.get("LOCALAPPDATA" if sys.platform == "win32" else "XDG_CACHE_HOME")
            folder = str(Path(base or Path.home() / ".cache") / "kcsim" / "mappings")
        except RuntimeError:
            return None
    return MappingCache(folder) if folder else None


def why_nothing_is_kept() -> str:
    """Why no results are kept although the user has not turned that off; else empty."""
    store = default_cache()
    if store is not None:
        return why_not_private(store.folder)
    return "" if os.environ.get(CACHE_VARIABLE) == "" else "there is no home folder"


def hash_of(parts: object, sources: tuple[str, ...]) -> str:
    """Hash of something that is shown in full, and of folders of the package that decide on it."""
    return hashlib.sha256(repr((parts, state_of(sources))).encode()).hexdigest()


@cache
def state_of(folders: tuple[str, ...]) -> str:
    """Hash of the sources in some folders of the package."""
    package = Path(__file__).resolve().parent.parent
    files = sorted(path for folder in folders for path in package.glob(f"{folder}/**/*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


def _digest(key: str, document: dict[str, Any]) -> str:
    """Hash of a file's content and of its name."""
    return hashlib.sha256(f"{key} {json.dumps(document, sort_keys=True)}".encode()).hexdigest()


def mapping_to_document(mapping: Mapping) -> list[Any]:
    """A mapping in plain types, for JSON."""
    return [
        [level.level, *[[[n.dimension, n.bound] for n in nest] for nest in level.nests],
         list(level.bypass), list(level.heights)]
        for level in mapping.levels
    ]  # fmt: skip


def mapping_from_document(levels: Any) -> Mapping:
    """The mapping of `mapping_to_document`; raises one of `UNREADABLE` if it is none."""
    found = []
    for name, *nests, bypass, heights in levels:
        temporal, along_x, along_y = (
            tuple(Loop(_is(str, d), _is(int, bound)) for d, bound in nest) for nest in nests
        )
        passing = tuple(_is(str, tensor) for tensor in bypass)
        weights, inputs, outputs = (_is(int, height) for height in heights)
        found.append(
            LevelLoops(
                _is(str, name), temporal, along_x, along_y, passing, (weights, inputs, outputs)
            )
        )
    return Mapping(tuple(found))


def _is(kind: type[T], value: Any) -> T:
    if type(value) is not kind:
        raise TypeError(f"{value!r} is no {kind.__name__}")
    return value


def _to_document(result: SearchResult) -> dict[str, Any]:
    numbers = {name: getattr(result, name) for name in _NUMBERS}
    levels = mapping_to_document(result.mapping)
    return {"levels": levels, "codebook_level": result.codebook_level, **numbers}


def _from_document(document: dict[str, Any]) -> SearchResult:
    """The result, which is proved, as only such results are stored."""
    numbers = {name: _is(kind, document[name]) for name, kind in _NUMBERS.items()}
    mapping = mapping_from_document(document["levels"])
    place = document["codebook_level"]
    place = None if place is None else _is(int, place)
    return SearchResult(mapping, proved=True, gap=0.0, codebook_level=place, **numbers)
