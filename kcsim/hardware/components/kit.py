"""Checks for any library of components: units, no negative numbers, monotone where it should be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from kcsim.errors import InputError
from kcsim.hardware.components.figure import Figure
from kcsim.hardware.components.library import ComponentLibrary
from kcsim.hardware.components.part import Estimate, Part

_UNITS = {"leakage": "mW", "area": "mm2", "access_ns": "ns"}


def faults(library: ComponentLibrary, parts: Iterable[Part]) -> tuple[str, ...]:
    """What is wrong with a library's estimates of some parts, a sentence each; empty if nothing.

    A part that the library refuses with an `InputError` is passed over.

    Parameters
    ----------
    library : ComponentLibrary
    parts : iterable of Part
    """
    return tuple(fault for part in parts for fault in _of_part(library, part))


def _of_part(library: ComponentLibrary, part: Part) -> Iterator[str]:
    try:
        found = library.estimate(part)
    except InputError as error:
        if not all(str(problem) for problem in error.problems):
            yield f"{part}: refused without a reason"
        return
    for name, figure in _figures(found):
        unit = _UNITS.get(name, "pJ")
        if figure.unit != unit:
            yield f"{part}: {name} is in {figure.unit}, not in {unit}"
        if not 0 <= figure.value < float("inf"):
            yield f"{part}: {name} is {figure.value}"
        if not 0 <= figure.low <= 1 <= figure.high:
            yield f"{part}: the error bar of {name} does not hold it"
        if not figure.rule:
            yield f"{part}: {name} has no rule"
    if library.estimate(part) != found:
        yield f"{part}: estimated differently the second time"
    # Register files may become RAMs as they grow, which are denser and leak less.
    if part.kind != "register_file":
        yield from _growth(library, part, found)


def _growth(library: ComponentLibrary, part: Part, small: Estimate) -> Iterator[str]:
    """Twice the words take more area and leakage; twice the length more energy."""
    is_wire = part.kind == "wire"
    twice = (
        replace(part, length_mm=2 * part.length_mm)
        if is_wire
        else replace(part, depth=2 * part.depth)
    )
    try:
        large = library.estimate(twice)
    except InputError:
        return
    before, after = dict(_figures(small)), dict(_figures(large))
    for name in ("area", "leakage"):
        if name in before and name in after and after[name].value < before[name].value:
            yield f"{part}: twice as large, it has less {name}"
    if is_wire and after["transfer"].value < before["transfer"].value:
        yield f"{part}: twice as long, it takes less energy"


def _figures(found: Estimate) -> Iterator[tuple[str, Figure]]:
    yield from found.energies.items()
    for name in _UNITS:
        figure = getattr(found, name)
        if figure is not None:
            yield name, figure
