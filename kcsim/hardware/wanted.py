"""Which numbers of a hardware file are to follow from sizes, and what stands there meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kcsim.errors import Problem
from kcsim.hardware.holders import FROM_SIZE, Holder, holders
from kcsim.hardware.schema import Hardware
from kcsim.reading.source import Path_

ACCESSES = ("read_pj", "write_pj")
LEAKAGE = "leakage_pj_per_cycle"
_ARITHMETIC = ("add_pj", "multiply_pj")
_NETWORK = ("transfer_pj", "hop_pj")
_KINDS = "kind: sram, register_file, registers or dram"


def fill_in(data: Any) -> tuple[tuple[Path_, ...], list[Problem]]:
    """Put zeros where numbers are to follow from sizes, and name these places.

    A number follows from sizes where a file says ``from_size``, and where it is absent though
    `kind` says what the part is.

    Parameters
    ----------
    data : Any
        Without units; changed.

    Returns
    -------
    wanted : tuple of path
    problems : list of Problem
        Where nothing says what a part is; `Problem.path` says where.
    """
    wanted: list[Path_] = []
    problems: list[Problem] = []
    for holder in list(holders(data)):
        if holder.what in ("level", "codebook"):
            found = _of_memory(holder, problems)
        elif holder.what == "moved store":
            found = _of_moved_store(holder, data["codebook"].get("kind"), problems)
        elif holder.what == "compute":
            found = _of_compute(holder, problems)
        elif holder.what == "fanout":
            found = _asked(holder, _NETWORK)
        else:
            continue
        wanted += found
    return tuple(wanted), problems


def _asked(holder: Holder, keys: tuple[str, ...]) -> list[Path_]:
    """Places that say ``from_size``."""
    found = [key for key in keys if holder.data.get(key) == FROM_SIZE]
    for key in found:
        holder.data[key] = 0.0
    return [(*holder.path, key) for key in found]


def _is_open(mapping: dict[str, Any], key: str, kind: object) -> bool:
    """Whether a number is asked for, or left to the kind."""
    return mapping.get(key) == FROM_SIZE or (key not in mapping and kind is not None)


def _of_memory(holder: Holder, problems: list[Problem]) -> list[Path_]:
    path, data = holder.path, holder.data
    parts = data.get("partitions")
    parts = [p for p in parts if isinstance(p, dict)] if isinstance(parts, list) else []
    kind = data.get("kind")
    any_kind = kind if not parts else next((p["kind"] for p in parts if "kind" in p), kind)
    if data.get("update_pj") == FROM_SIZE:
        del data["update_pj"]
    wanted: list[Path_] = []
    for key in ACCESSES:
        is_open = _is_open(data, key, any_kind)
        if is_open:
            data[key] = 0.0
            if not parts:
                wanted += _described(path, key, kind, problems)
        for j, part in enumerate(parts):
            asked = part.get(key) == FROM_SIZE
            if asked or (is_open and key not in part):
                part[key] = 0.0
                place = (*path, "partitions", j)
                wanted += _described(place, key, part.get("kind", kind), problems)
    if holder.what == "level" and (
        data.get(LEAKAGE) == FROM_SIZE or (LEAKAGE not in data and wanted)
    ):
        data[LEAKAGE] = 0.0
        wanted.append((*path, LEAKAGE))
    return wanted


def _of_moved_store(holder: Holder, kind: object, problems: list[Problem]) -> list[Path_]:
    """Places that say ``from_size``; nothing has to stand there meanwhile."""
    wanted: list[Path_] = []
    for key in ACCESSES:
        if holder.data.get(key) == FROM_SIZE:
            del holder.data[key]
            wanted += _described(holder.path, key, holder.data.get("kind", kind), problems)
    return wanted


def open_energies(hardware: Hardware) -> Iterator[Path_]:
    """Energies of stores that are another part where the decoder is moved, and nobody typed.

    Parameters
    ----------
    hardware : Hardware
    """
    store = hardware.codebook
    if store is None:
        return
    for level, given in store.at.items():
        moved = store.moved_to(level)
        if moved.kind and not moved.is_same_part(store):
            open_ = [key for key in ACCESSES if getattr(given, key) is None]
            yield from ((*store.path_of(level), key) for key in open_)


def _described(path: Path_, key: str, kind: object, problems: list[Problem]) -> list[Path_]:
    if kind is None:
        text = f"'{key}' is to follow from the size of a part, and nothing says what it is"
        problems.append(Problem(text, _KINDS, path=(*path, key)))
    return [(*path, key)]


def _of_compute(holder: Holder, problems: list[Problem]) -> list[Path_]:
    data, kind = holder.data, holder.data.get("kind")
    wanted = _asked(holder, _ARITHMETIC)
    if _is_open(data, "mac_pj", kind):
        data["mac_pj"] = 0.0
        wanted.append((*holder.path, "mac_pj"))
        if LEAKAGE not in data:
            data[LEAKAGE] = FROM_SIZE
    wanted += _asked(holder, (LEAKAGE,))
    if wanted and kind is None:
        text = f"'{wanted[0][-1]}' is to follow from the size of a unit, and nothing says of what"
        problems.append(Problem(text, "kind: mac", path=wanted[0]))
    return wanted
