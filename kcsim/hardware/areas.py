"""Area and leakage of every component of a hardware, and of all together."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from kcsim.errors import InputError
from kcsim.hardware.codebook_store import CodebookStore
from kcsim.hardware.components.figure import Figure, total
from kcsim.hardware.components.library import ComponentLibrary
from kcsim.hardware.components.part import Estimate
from kcsim.hardware.components.standard import StandardLibrary
from kcsim.hardware.description import Described
from kcsim.hardware.memory_parts import (
    MAC,
    level_part,
    mac_part,
    part_name,
    store_name,
    store_part,
)
from kcsim.hardware.places import place_name
from kcsim.hardware.schema import Compute, Hardware
from kcsim.reading.arguments import checked
from kcsim.reading.source import Path_

TYPED = "typed in"


@dataclass(frozen=True)
class Component:
    """What one component is, and what its instances take.

    Attributes
    ----------
    name : str
        A level, a partition as ``scratchpads (weights)``, ``MAC`` or ``codebook``.
    level : int
        Position of the level it is, or belongs to; one more than the last for MAC units.
    kind : str
        Empty where the hardware does not say.
    instances : int
        All that the chip has.
    area : Figure, optional
        Of one instance [mm2]; ``None`` where it is not known, or off the chip.
    leakage : Figure, optional
        Of one instance [mW]; of DRAM its background.
    note : str
        Why a figure is not known.
    path : tuple
        Where the hardware has it.
    """

    name: str
    level: int
    kind: str
    instances: int
    area: Figure | None = None
    leakage: Figure | None = None
    note: str = ""
    path: Path_ = ()

    @property
    def area_mm2(self) -> float | None:
        """Of one instance."""
        return self.area.value if self.area else None

    @property
    def total_area_mm2(self) -> float | None:
        """Of all instances."""
        return self.area.value * self.instances if self.area else None

    @property
    def total_leakage_mw(self) -> float | None:
        """Of all instances."""
        return self.leakage.value * self.instances if self.leakage else None


@checked
def hardware_components(
    hardware: Hardware, library: ComponentLibrary | None = None
) -> tuple[Component, ...]:
    """The components that store or compute, outermost first.

    Parameters
    ----------
    hardware : Hardware
    library : ComponentLibrary, optional
        That of kcsim when absent.
    """
    return tuple(_components(hardware, library or StandardLibrary()))


def _components(hardware: Hardware, library: ComponentLibrary) -> Iterator[Component]:
    instances, count = 1, len(hardware.levels)
    for i, level in enumerate(hardware.levels):
        for j, part in enumerate(level.partitions or (None,)):
            holder = part or level
            name = part_name(level, part)
            kind = holder.kind or level.kind or ""
            if kind or holder.area_mm2 is not None or level.kept_tensors:
                path: Path_ = ("levels", i, *(("partitions", j) if part else ()))
                plain = Component(name, i, kind, instances, path=path)
                yield _known(hardware, plain, holder, lambda p=part, x=level: library.estimate(
                    level_part(hardware, x, p)
                ))  # fmt: skip
        store = hardware.codebook
        if store and store.level == level.name:
            yield _store(hardware, store, library)
        instances *= level.fanout.children
    plain = Component(MAC, count, hardware.compute.kind or "", instances, path=("compute",))
    yield _known(hardware, plain, hardware.compute, lambda: library.estimate(mac_part(hardware)))


def moved_stores(
    hardware: Hardware, library: ComponentLibrary | None = None
) -> tuple[Component, ...]:
    """The stores that are in place of the codebook's own if the decoder is moved to their levels.

    Parameters
    ----------
    hardware : Hardware
    library : ComponentLibrary, optional
        That of kcsim when absent.
    """
    store = hardware.codebook
    stores = [store.moved_to(level) for level in store.at] if store else []
    return tuple(_store(hardware, each, library or StandardLibrary()) for each in stores)


def _store(hardware: Hardware, store: CodebookStore, library: ComponentLibrary) -> Component:
    index, own = hardware.level_index(store.level), hardware.codebook or store
    instances = math.prod(level.fanout.children for level in hardware.levels[:index])
    plain = Component(
        store_name(hardware, store), index, store.kind or "", instances,
        path=own.path_of(store.level),
    )  # fmt: skip
    return _known(hardware, plain, store, lambda: library.estimate(store_part(hardware, store)))


def _known(
    hardware: Hardware, component: Component, holder: Described | Compute, estimate: object
) -> Component:
    typed = holder.area_mm2
    found, note = Estimate({}), ""
    if component.kind:
        try:
            found = estimate()  # type: ignore[operator]
        except InputError as error:
            note = str(error.problems[0])
    elif typed is None:
        note = "the hardware does not say its kind"
    area = found.area
    if typed is not None:
        area = Figure(typed, "mm2", TYPED)
        origin = hardware.provenance.get(place_name(hardware, (*component.path, "area_mm2")))
        if origin and origin.value == typed:
            area = Figure(
                typed, "mm2", origin.rule, tuple(origin.inputs.items()), origin.sources,
                origin.low, origin.high,
            )  # fmt: skip
    if component.kind == "dram":
        note = note or "off the chip"
    note = note or " ".join(each for each in found.notes if "No leakage" in each)
    return replace(component, area=area, leakage=found.leakage, note=note)


def chip_area(hardware: Hardware, components: tuple[Component, ...]) -> Figure | None:
    """Area of all components that are known, times the layout factor; ``None`` without any.

    Parameters
    ----------
    hardware : Hardware
    components : tuple of Component
        Of `hardware_components`.
    """
    known = [c.area.times(c.instances, "") for c in components if c.area]
    if not known:
        return None
    whole = total(known, "sum of all instances")
    factor = hardware.layout_factor
    return whole.times(factor, "" if factor == 1 else f"times layout_factor {factor:g}")


def described_components(hardware: Hardware) -> tuple[Component, ...]:
    """The components of a hardware that says of any what it is; none of others."""
    parts = [part for level in hardware.levels for part in level.partitions]
    holders = (hardware.compute, hardware.codebook, *hardware.levels, *parts)
    is_said = any(each and (each.kind or each.area_mm2 is not None) for each in holders)
    return hardware_components(hardware) if is_said else ()


def chip_area_mm2(hardware: Hardware) -> float | None:
    """Area of all that is known; ``None`` where nothing is."""
    area = chip_area(hardware, described_components(hardware))
    return area.value if area else None


def area_below(hardware: Hardware, components: tuple[Component, ...], index: int) -> float:
    """Area that the network below one instance of a level spans [mm2], as far as it is known.

    Parameters
    ----------
    hardware : Hardware
    components : tuple of Component
    index : int
        Position of the level.
    """
    above = 1
    for level in hardware.levels[:index]:
        above *= level.fanout.children
    areas = (c.total_area_mm2 or 0.0 for c in components if c.level > index)
    return sum(areas) / above * hardware.layout_factor
