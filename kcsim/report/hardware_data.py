"""What the parts of a hardware take, and where its numbers came from, as tables."""

from __future__ import annotations

from kcsim.hardware.areas import chip_area, described_components, moved_stores
from kcsim.hardware.schema import Hardware
from kcsim.report.table import Row, Table, column
from kcsim.sums import exact_sum


def hardware_tables(hardware: Hardware) -> tuple[Table, ...]:
    """Area and leakage of every part, and every number that followed from a size.

    Parameters
    ----------
    hardware : Hardware

    Returns
    -------
    tuple of Table
        Those that have rows.
    """
    tables = (*area_table(hardware), numbers_table(hardware))
    return tuple(table for table in tables if table.rows)


def area_table(hardware: Hardware) -> tuple[Table, ...]:
    """Area and leakage of every part; nothing where the hardware does not say what parts are."""
    components = described_components(hardware)
    area = chip_area(hardware, components)
    rows: list[Row] = [
        (
            each.name, each.kind or None, each.instances, each.area_mm2, each.total_area_mm2,
            each.total_leakage_mw,
        )
        for each in components
    ]  # fmt: skip
    if area is None:
        return ()
    leakage = exact_sum(each.total_leakage_mw or 0.0 for each in components)
    columns = tuple(
        column(name)
        for name in (
            "component", "part_kind", "part_count", "instance_area_mm2", "area_mm2", "leakage_mw",
        )
    )  # fmt: skip
    notes = [f"{each.name}: {each.note}." for each in components if each.note]
    notes += [
        f"{each.name}: {each.total_area_mm2:.3g} mm2, in place of codebook if the decoder is there."
        for each in moved_stores(hardware)
        if each.area
    ]
    factor = hardware.layout_factor
    text = "the sum of what is known; laid-out chips have 2.3 to 5.3 times as much (layout_factor)"
    if factor != 1:
        text = f"the sum of what is known, times layout_factor {factor:g}"
    low, high = area.low * area.value, area.high * area.value
    notes.append(f"Area of the chip: {text}; {low:.3g} to {high:.3g} mm2.")
    notes.append(f"SRAM has {hardware.cell} cells unless a level says otherwise.")
    total = ("TOTAL", None, None, None, area.value, leakage)
    title = f"Area and leakage: {hardware.name}"
    return (Table(title, columns, tuple(rows), (total,), tuple(notes)),)


def numbers_table(hardware: Hardware) -> Table:
    """Every number that followed from a size, its error bar and sources; the rules as notes."""
    rows = tuple(
        (place, origin.value, origin.unit, origin.low, origin.high, ", ".join(origin.sources))
        for place, origin in hardware.provenance.items()
    )
    rules: dict[str, list[str]] = {}
    for place, origin in hardware.provenance.items():
        rules.setdefault(origin.rule, []).append(place.removeprefix("levels."))
    notes = tuple(f"{', '.join(places)}: {rule}." for rule, places in rules.items())
    columns = tuple(
        column(name) for name in ("place", "value", "unit_name", "low", "high", "sources")
    )
    return Table(f"Numbers from sizes: {hardware.name}", columns, rows, notes=notes)
