"""Energies and leakage that follow from what the parts of a hardware are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from kcsim.errors import InputError, Problem
from kcsim.hardware.areas import (
    TYPED,
    Component,
    area_below,
    hardware_components,
    moved_stores,
)  # fmt: skip
from kcsim.hardware.codebook_store import CodebookStore
from kcsim.hardware.components.figure import Figure, total
from kcsim.hardware.components.library import ComponentLibrary
from kcsim.hardware.components.part import Estimate, Part
from kcsim.hardware.components.standard import StandardLibrary
from kcsim.hardware.components.wires import pitch_mm, way_to_a_child_mm
from kcsim.hardware.description import Origin
from kcsim.hardware.level import Level, Partition
from kcsim.hardware.memory_parts import (
    level_part,
    mac_part,
    physical_accesses,
    store_accesses,
    store_part,
)
from kcsim.hardware.places import place_name
from kcsim.hardware.schema import Hardware
from kcsim.hardware.wanted import ACCESSES, LEAKAGE
from kcsim.reading.source import Path_


def with_sizes(hardware: Hardware, wanted: Sequence[Path_], library: ComponentLibrary) -> Hardware:
    """The hardware with numbers that follow from sizes, and where each came from.

    Parameters
    ----------
    hardware : Hardware
        With zeros where numbers are wanted.
    wanted : sequence of path
    library : ComponentLibrary

    Raises
    ------
    InputError
        Where the library knows no such part; `Problem.path` says where.
    """
    resolution = _Resolution(hardware, library)
    networks = [path for path in wanted if "fanout" in path]
    for path in wanted:
        if path not in networks:
            resolution.put(path, resolution.figure(path))
    if not isinstance(library, StandardLibrary):
        resolution.keep_areas()
    resolution.finish()
    # Networks span areas, which are known once all else is.
    for path in networks:
        resolution.put(path, resolution.network(path))
    return resolution.finish()


class _Resolution:
    """A hardware, and what has been found of it."""

    def __init__(self, hardware: Hardware, library: ComponentLibrary) -> None:
        self.hardware, self.library = hardware, library
        self.origins = dict(hardware.provenance)
        self.values: dict[Path_, float] = {}
        self.mac: Figure | None = None
        self.parts: dict[Path_, Part] = {}
        self.components: tuple[Component, ...] | None = None

    def estimate(self, part: Part, path: Path_) -> Estimate:
        """What a part costs; problems name the place."""
        found: Estimate = _placed(path, self.library.estimate, part)
        return found

    def keep_areas(self) -> None:
        """Areas by the library, so that nothing has to ask it again."""
        asked = self.hardware, self.library
        for each in (*hardware_components(*asked), *moved_stores(*asked)):
            if each.area and each.path and each.area.rule != TYPED:
                self.put((*each.path, "area_mm2"), each.area)

    def put(self, path: Path_, figure: Figure) -> None:
        """Keep a number in the unit of the hardware, and where it came from."""
        unit = figure.unit
        if self.hardware.energy_unit == "MAC" and unit == "pJ":
            mac = self.mac = (
                self.mac or self.estimate(mac_part(self.hardware), path).energies["mac"]
            )
            figure = figure.times(1 / mac.value, f"over {mac.value:.4g} pJ of a MAC", **_bar(mac))
            figure, unit = figure.citing(*mac.sources), "MAC"
        self.values[path] = figure.value
        name = place_name(self.hardware, path)
        self.origins[name] = Origin(
            value=figure.value, unit=unit, rule=figure.rule, inputs=dict(figure.inputs),
            sources=figure.sources, low=figure.low, high=figure.high, library=self.library.name,
        )  # fmt: skip

    def finish(self) -> Hardware:
        """The hardware with all that was put."""
        levels = [self._level(i, level) for i, level in enumerate(self.hardware.levels)]
        self.hardware = replace(
            self.hardware, levels=tuple(levels), provenance=self.origins,
            compute=replace(self.hardware.compute, **self._found(("compute",))),
            codebook=self._store(),
        )  # fmt: skip
        self.values = {}
        return self.hardware

    def _found(self, path: Path_) -> dict[str, Any]:
        return {str(each[-1]): value for each, value in self.values.items() if each[:-1] == path}

    def _store(self) -> CodebookStore | None:
        store = self.hardware.codebook
        if store is None:
            return None
        at = {
            level: replace(moved, **self._found(store.path_of(level)))
            for level, moved in store.at.items()
        }
        return replace(store, at=at, **self._found(store.path_of(store.level)))

    def _level(self, i: int, level: Level) -> Level:
        changes = self._found(("levels", i))
        parts = [self._found(("levels", i, "partitions", j)) for j in range(len(level.partitions))]
        if any(parts):
            changes["partitions"] = tuple(
                replace(p, **new) for p, new in zip(level.partitions, parts, strict=True)
            )
        network = self._found(("levels", i, "fanout"))
        if network:
            changes["fanout"] = replace(level.fanout, **network)
        return replace(level, **changes) if changes else level

    def figure(self, path: Path_) -> Figure:
        """What a number of a memory or of the MAC units comes to, in pJ."""
        key = str(path[-1])
        if path[0] == "levels":
            level = self.hardware.levels[int(path[1])]
            if key == LEAKAGE:
                return self._leakage(path, level)
            part = level.partitions[int(path[3])] if len(path) > 3 else None
            return self._access(path, level, part)
        if path[0] == "codebook" and self.hardware.codebook:
            own = self.hardware.codebook
            store = own.moved_to(str(path[2])) if len(path) > 2 else own
            described = _placed(path, store_part, self.hardware, store)
            figure = self.estimate(described, path).energies[_action(key)]
            return _often(figure, _placed(path, store_accesses, store, described.width_bits))
        found = self.estimate(mac_part(self.hardware), path)
        if key == LEAKAGE:
            return self._a_cycle(path, [found])
        return found.energies[key.removesuffix("_pj")]

    def _access(self, path: Path_, level: Level, part: Partition | None) -> Figure:
        place = path[:-1]
        if place not in self.parts:
            self.parts[place] = _placed(path, level_part, self.hardware, level, part)
        described = self.parts[place]
        figure = self.estimate(described, path).energies[_action(str(path[-1]))]
        times = _placed(path, physical_accesses, level, part, described.width_bits)
        return _often(figure, times)

    def _leakage(self, path: Path_, level: Level) -> Figure:
        """Of a level: of all its partitions that say what they are."""
        holders: list[Partition | None] = [p for p in level.partitions if p.kind or level.kind]
        parts = [
            _placed(path, level_part, self.hardware, level, each) for each in holders or [None]
        ]
        return self._a_cycle(path, [self.estimate(each, path) for each in parts])

    def _a_cycle(self, path: Path_, estimates: list[Estimate]) -> Figure:
        """Leakage and clock of a cycle."""
        clock = self.hardware.clock_mhz
        figures = [e.energies["clock"] for e in estimates if "clock" in e.energies]
        leaking = [e.leakage for e in estimates if e.leakage]
        unknown = " ".join(n for e in estimates if not e.leakage for n in e.notes if "leak" in n)
        if leaking and clock is None:
            unknown = "leakage is not counted, as the hardware gives no clock_mhz"
        elif clock is not None:
            text = f"over {clock:g} MHz"
            figures += [replace(f.times(1e3 / clock, text), unit="pJ") for f in leaking]
        if not figures:
            return Figure(0.0, "pJ", unknown or "no leakage or background is known of such a part")
        figure = total(figures, "leakage and clock of a cycle")
        return replace(figure, rule=f"{figure.rule}; {unknown}") if unknown else figure

    def network(self, path: Path_) -> Figure:
        """Of a word: wires over what a network spans, and for a hop also a router."""
        index = int(path[1])
        level = self.hardware.levels[index]
        if self.components is None:
            self.components = hardware_components(self.hardware, self.library)
        area = area_below(self.hardware, self.components, index)
        if not area:
            problem = f"of nothing below '{level.name}' is the area known, which its wires span"
            raise InputError(Problem(problem, "kind of a level below, or of compute", path=path))
        chip = self.hardware
        plain = Part(
            "wire", technology_nm=level.technology_nm or chip.technology_nm,
            width_bits=int(level.word_bits), cell=level.cell or chip.cell,
        )  # fmt: skip
        if path[-1] == "transfer_pj":
            way = way_to_a_child_mm(area)
            text = f"{way:.3g} mm, three quarters of the root of {area:.4g} mm2 below {level.name}"
            return self._transfer(path, replace(plain, length_mm=way)).times(1.0, text)
        pitch = pitch_mm(area, level.fanout.children)
        link = self._transfer(path, replace(plain, length_mm=pitch))
        router = self._transfer(path, replace(plain, kind="router"))
        text = f"a router and {pitch:.3g} mm, the pitch of {level.fanout.children} children"
        return total([link, router], text)

    def _transfer(self, path: Path_, part: Part) -> Figure:
        """Of a wire or router; by kcsim's library where another has none."""
        try:
            return self.library.estimate(part).energies["transfer"]
        except InputError:
            found: Estimate = _placed(path, StandardLibrary().estimate, part)
            return found.energies["transfer"].times(1.0, "by kcsim, as the library has none")


def _action(key: str) -> str:
    return "read" if key == ACCESSES[0] else "write"


def _often(figure: Figure, times: float) -> Figure:
    """So many physical accesses, or the part of one, for what the hardware calls an access."""
    if times == 1:
        return figure
    return figure.times(times, f"times {times:g} physical accesses for an access of a block")


def _bar(figure: Figure) -> dict[str, float]:
    return {"low": 1 / figure.high, "high": 1 / figure.low}


def _placed(path: Path_, function: Any, *arguments: Any) -> Any:
    """Call a function; its problems say where."""
    try:
        return function(*arguments)
    except InputError as error:
        raise InputError([replace(each, path=path) for each in error.problems]) from None
