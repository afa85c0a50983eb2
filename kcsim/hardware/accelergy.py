"""Energy and area reference tables of Accelergy: read as a library, and written."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import yaml

from kcsim.errors import InputError, Problem
from kcsim.hardware.areas import hardware_components, moved_stores
from kcsim.hardware.components.figure import Figure
from kcsim.hardware.components.named_tables import NamedTables, plain_name
from kcsim.hardware.components.part import Estimate
from kcsim.hardware.level import Level, Partition
from kcsim.hardware.memory_parts import (
    MAC,
    level_part,
    part_name,
    physical_accesses,
    store_accesses,
    store_name,
    store_part,
)
from kcsim.hardware.schema import Hardware
from kcsim.reading.source import Document, read_yaml

_ACTIONS = {"compute": "mac", "mac_random": "mac", "leak": "clock"}
"""Names of Accelergy for actions of kcsim's parts, where they differ."""
_VERSION = 0.4


def read_accelergy(path: str | os.PathLike[str]) -> NamedTables:
    """The tables of a file as a library of components that goes by names.

    Parameters
    ----------
    path : str or path
        YAML with an ``ERT`` (energies in pJ), an ``ART`` (areas in um2), or both.

    Raises
    ------
    InputError
        If the file holds no such tables.
    """
    document = read_yaml(path)
    data = document.data if isinstance(document.data, dict) else {}
    energies = dict(_tables(document, data, "ERT"))
    areas = dict(_tables(document, data, "ART"))
    if not energies and not areas:
        raise InputError(document.problem((), "no tables of Accelergy", expected="ERT or ART"))
    file = document.file
    found = {
        name: _estimate(document, name, energies.get(name, {}), areas.get(name, {}))
        for name in (*energies, *(each for each in areas if each not in energies))
    }
    return NamedTables(found, f"tables of {file}")


def _tables(document: Document, data: dict[str, Any], kind: str) -> Iterator[tuple[str, Any]]:
    tables = data.get(kind, {}).get("tables", []) if isinstance(data.get(kind), dict) else []
    for i, table in enumerate(tables if isinstance(tables, list) else []):
        if not isinstance(table, dict) or not isinstance(table.get("name"), str):
            place = (kind, "tables", i)
            raise InputError(document.problem(place, f"a table of {kind} without a name"))
        yield table["name"], table


def _estimate(
    document: Document, name: str, energies: dict[str, Any], areas: dict[str, Any]
) -> Estimate:
    found: dict[str, Figure] = {}
    for action in energies.get("actions", []):
        value = action.get("energy") if isinstance(action, dict) else None
        if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
            message = f"an action of '{name}' has no energy"
            raise InputError(document.problem(("ERT",), message, expected="energy: a number >= 0"))
        key = _ACTIONS.get(str(action.get("name")), str(action.get("name")))
        # The first of several entries of an action is that of its usual arguments.
        rule = f"ERT: {name}, {key}"
        found.setdefault(key, Figure(float(value), "pJ", rule, sources=(document.file,)))
    area, um2 = None, areas.get("area")
    if isinstance(um2, int | float):
        area = Figure(um2 / 1e6, "mm2", f"ART: {name}", sources=(document.file,))
    return Estimate(found, None, area)


def accelergy_text(hardware: Hardware) -> str:
    """The energies and areas of a hardware as tables of Accelergy.

    Energies are of one physical access, and of a cycle for ``leak``.

    Parameters
    ----------
    hardware : Hardware
        With energies in pJ.

    Raises
    ------
    InputError
        If its energies are relative.
    """
    if hardware.energy_unit != "pJ":
        problem = f"energies of {hardware.name} are relative to a MAC"
        raise InputError(Problem(problem, "energy_unit: pJ"))
    ert = [{"name": _dotted(hardware, name), "actions": each} for name, each in _energies(hardware)]
    art = [
        {"name": _dotted(hardware, each.name), "area": each.area.value * 1e6}
        for each in (*hardware_components(hardware), *moved_stores(hardware))
        if each.area
    ]
    data = {
        "ERT": {"version": _VERSION, "tables": ert},
        "ART": {"version": _VERSION, "tables": art},
    }
    text: str = yaml.safe_dump(data, sort_keys=False)
    return text


def _dotted(hardware: Hardware, name: str) -> str:
    return f"{plain_name(hardware.name)}.{plain_name(name)}"


def _energies(hardware: Hardware) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    for level in hardware.levels:
        parts: tuple[Partition | None, ...] = level.partitions or (None,)
        for part in parts:
            times = _times(hardware, level, part)
            tensor = (part.tensors if part else level.kept_tensors or ("inputs",))[0]
            yield (
                part_name(level, part),
                [
                    _action("read", level.price(tensor, "read") / times),
                    _action("write", level.price(tensor, "write") / times),
                    _action("update", level.price(tensor, "update") / times),
                    _action(
                        "leak", level.leakage_pj_per_cycle if part in (None, parts[0]) else 0.0
                    ),
                ],
            )
    own = hardware.codebook
    for store in [own.moved_to(level) for level in own.levels] if own else ():
        times = store_accesses(store, store_part(hardware, store).width_bits) if store.kind else 1
        yield store_name(hardware, store), [
            _action("read", store.read_pj / times), _action("write", store.write_pj / times)
        ]  # fmt: skip
    compute = hardware.compute
    yield MAC, [
        _action("compute", compute.mac_pj), _action("leak", compute.leakage_pj_per_cycle)
    ]  # fmt: skip


def _times(hardware: Hardware, level: Level, part: Partition | None) -> float:
    if not ((part or level).kind or level.kind):
        return 1.0
    return physical_accesses(level, part, level_part(hardware, level, part).width_bits)


def _action(name: str, energy: float) -> dict[str, Any]:
    return {"name": name, "arguments": {}, "energy": energy}
