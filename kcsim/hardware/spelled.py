"""Hardware files with units in their values, as files without."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

from kcsim.errors import InputError, Problem
from kcsim.hardware.holders import AUTO, holders
from kcsim.hardware.units import SPELLINGS, read_value
from kcsim.reading.source import Path_


def without_units(data: Any) -> tuple[Any, dict[Path_, Path_], list[Problem]]:
    """A copy in which ``capacity: 108 KiB`` is ``capacity_kib: 108``, and where what stood.

    Parameters
    ----------
    data : Any
        What a hardware file holds.

    Returns
    -------
    data : Any
    places : dict of path to path
        Of the new keys, where the values are that they were made of.
    problems : list of Problem
        All that has no known unit, and is replaced by 1; `Problem.path` says where.
    """
    plain, places = copy.deepcopy(data), {}
    problems: list[Problem] = []
    for path, what, mapping in holders(plain):
        if what in ("codebook", "moved store"):
            _size_later(mapping)
        for name, spelling in SPELLINGS[what].items():
            # A bare number is a mistake of another kind: its key should name the unit.
            if not isinstance(mapping.get(name), str):
                continue
            value, here = mapping.pop(name), (*path, name)
            if value == "from_size" and spelling.targets[0].endswith("_pj"):
                key: str = spelling.targets[0]
            else:
                try:
                    key, value = read_value(spelling, name, value)
                except InputError as error:
                    problems += [replace(each, path=here) for each in error.problems]
                    key, value = spelling.targets[0], 1
            if given := [each for each in spelling.targets if each in mapping]:
                text = f"both '{name}' and '{given[0]}' are given"
                problems.append(Problem(text, "one of them", path=here))
            mapping[key] = value
            places[(*path, key)] = here
    return plain, places, problems


STAND_IN_KIB = 0.5
"""Size of a store until there are codebooks that it is to hold."""


def _size_later(store: dict[str, Any]) -> None:
    """Let ``capacity: auto`` be a stand-in and ``sizing: auto``."""
    for key in ("capacity", "capacity_kib"):
        if store.get(key) == AUTO:
            del store[key]
            store.setdefault("capacity_kib", STAND_IN_KIB)
            store.setdefault("sizing", AUTO)
