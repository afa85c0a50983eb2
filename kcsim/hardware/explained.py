"""Where one number of a hardware comes from: rule, inputs, table rows, or line of a file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from kcsim.errors import InputError, Problem, nearest
from kcsim.hardware.areas import chip_area, hardware_components, moved_stores
from kcsim.hardware.components.figure import Figure
from kcsim.hardware.components.sources import citation
from kcsim.hardware.description import Origin
from kcsim.hardware.places import place_name
from kcsim.hardware.reader import find_hardware, load_hardware
from kcsim.hardware.resolution import plain_data
from kcsim.hardware.schema import Hardware
from kcsim.reading.arguments import checked
from kcsim.reading.source import Document, Path_, read_yaml

_NUMBERS = (
    "read_pj", "write_pj", "update_pj", "leakage_pj_per_cycle", "mac_pj", "add_pj", "multiply_pj",
    "gated_mac_pj", "transfer_pj", "hop_pj", "static_pj_per_cycle", "area_mm2", "capacity_kib",
    "capacity_words", "clock_mhz", "technology_nm", "layout_factor",
)  # fmt: skip


@checked
def explain_number(spec: str, place: str, overrides: Sequence[str] = ()) -> tuple[str, ...]:
    """Where a number of a hardware file comes from, in lines.

    Parameters
    ----------
    spec : str
        The file, or the bare name of a shipped one.
    place : str
        As ``levels.buffer.read_pj``; ``area`` and ``leakage`` of the chip, and
        ``area.buffer``, ``leakage.buffer`` of a component.
    overrides : sequence of str
        As for `load_hardware`.

    Raises
    ------
    InputError
        If there is no such number.
    """
    hardware = load_hardware(spec, overrides)
    head, _, component = place.partition(".")
    if head in ("area", "leakage"):
        return tuple(_of_component(hardware, head, component))
    values = number_places(hardware)
    if place not in values:
        known = [*values, "area", "leakage"]
        expected = "" if nearest(place, known) else "one of " + ", ".join(known)
        raise InputError(Problem(f"there is no number '{place}'", expected, nearest(place, known)))
    path, value = values[place]
    origin = hardware.provenance.get(place)
    if origin and origin.value == value:
        return (f"{place} = {value:.6g} {origin.unit}", *_of_origin(origin))
    lines = (f"{place} = {value:.6g}",)
    for override in overrides:
        if override.partition("=")[0] == place:
            return (*lines, f"typed in: --set {override}")
    return (*lines, _typed(read_yaml(find_hardware(spec)), path))


@checked
def typed_energies(spec: str, overrides: Sequence[str] = ()) -> tuple[str, ...]:
    """Where the energies of a hardware file are typed, with what the file says beside each.

    Parameters
    ----------
    spec : str
        The file, or the bare name of a shipped one.
    overrides : sequence of str
        As for `load_hardware`.
    """
    hardware, document = load_hardware(spec, overrides), read_yaml(find_hardware(spec))
    replaced = {override.partition("=")[0] for override in overrides}
    found = []
    for place, (path, value) in number_places(hardware).items():
        origin = hardware.provenance.get(place)
        follows = origin is not None and origin.value == value
        if "_pj" not in str(path[-1]) or follows or place in replaced:
            continue
        line = _typed(document, path)
        if line.startswith("typed"):
            found.append(f"{place}: {line}")
    return tuple(found)


def number_places(hardware: Hardware) -> dict[str, tuple[Path_, float]]:
    """The numbers of a hardware that may be explained: path and value by place."""
    return {place_name(hardware, path): (path, value) for path, value in _walk(hardware, ())}


def _walk(value: Any, path: Path_) -> Iterator[tuple[Path_, float]]:
    for name in _NUMBERS:
        number = getattr(value, name, None)
        is_number = isinstance(number, int | float)
        if is_number and not (name.endswith("_pj") and path and path[-1] == "provenance"):
            yield (*path, name), float(number or 0)
    for name in ("levels", "partitions"):
        for i, each in enumerate(getattr(value, name, ())):
            yield from _walk(each, (*path, name, i))
    for level, each in getattr(value, "at", {}).items():
        yield from _walk(each, (*path, "at", level))
    for name in ("fanout", "compute", "codebook"):
        if getattr(value, name, None) is not None:
            yield from _walk(getattr(value, name), (*path, name))


def _typed(document: Document, path: Path_) -> str:
    plain = plain_data(document.data)
    holder: Any = plain.data
    for step in path[:-1]:
        holder = holder.get(step, {}) if isinstance(holder, dict) else holder[int(step)]
    mark = document.mark(plain.places.get(path, path))
    if path[-1] not in holder:
        return f"not given at {mark}: the default, or as the level or its width says"
    return f"typed in at {mark}: {mark.text.strip()}"


def _of_origin(origin: Origin | Figure) -> Iterator[str]:
    inputs = origin.inputs.items() if isinstance(origin.inputs, dict) else origin.inputs
    yield f"rule: {origin.rule}"
    yield "inputs: " + (", ".join(f"{name} {value}" for name, value in inputs) or "none")
    low, high = origin.low * origin.value, origin.high * origin.value
    yield f"error bar: {low:.4g} to {high:.4g} {origin.unit}"
    if isinstance(origin, Origin):
        yield f"library: {origin.library}"
    for source in origin.sources:
        yield f"source: {source}: {citation(source)}"


def _of_component(hardware: Hardware, what: str, name: str) -> Iterator[str]:
    components, others = hardware_components(hardware), moved_stores(hardware)
    names = [each.name for each in (*components, *others)]
    if name and name not in names:
        raise InputError(
            Problem(f"there is no component '{name}'", "one of " + ", ".join(names),
                    nearest(name, names))
        )  # fmt: skip
    if not name and what == "area":
        whole = chip_area(hardware, components)
        yield f"area = {whole.value:.6g} mm2" if whole else "area is not known"
        yield from _of_origin(whole) if whole else ()
    for each in (*components, *(others if name else ())):
        figure = each.area if what == "area" else each.leakage
        if name in ("", each.name):
            if figure is None:
                yield f"{what}.{each.name} is not known: {each.note or 'no table has it'}"
                continue
            whole_value = figure.value * each.instances
            yield (
                f"{what}.{each.name} = {figure.value:.6g} {figure.unit} each, {whole_value:.6g} "
                f"{figure.unit} for {each.instances}"
            )
            yield from _of_origin(figure) if name else ()


def sources_of(hardware: Hardware) -> tuple[str, ...]:
    """The sources that the numbers of a hardware rest on which nobody typed."""
    figures: Iterable[Figure | None] = (
        figure for each in hardware_components(hardware) for figure in (each.area, each.leakage)
    )
    found = [source for origin in hardware.provenance.values() for source in origin.sources]
    found += [source for figure in figures if figure for source in figure.sources]
    return tuple(dict.fromkeys(found))
