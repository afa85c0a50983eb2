"""What the estimate of one layer says, as tables of exact numbers."""

from __future__ import annotations

import math
from collections.abc import Iterator

from kcsim.fields import field_named
from kcsim.hardware.level import Level
from kcsim.hardware.notes import hardware_notes, never_forwarded
from kcsim.model.counts import Counts, used_bits
from kcsim.model.cycles import network_name, seconds_of
from kcsim.model.energy import average_power
from kcsim.model.layer_estimate import LayerEstimate
from kcsim.report.account import account_columns, account_rows
from kcsim.report.execution_data import lookup_rate_note, shared_part
from kcsim.report.table import Column, Row, Table, column
from kcsim.report.zeros_data import compression_table, expectation_note
from kcsim.sums import quotient
from kcsim.workload.layer import TENSORS


def layer_tables(estimate: LayerEstimate) -> tuple[Table, ...]:
    """Everything there is to say about one layer, the accesses first.

    Parameters
    ----------
    estimate : LayerEstimate

    Returns
    -------
    tuple of Table
        Accesses, transfers, capacities (not where products or sums are shared), cycles,
        energy by component, compression (if there is any), metrics.
    """
    compressed = estimate.layer.zeros and estimate.stored_tensors
    return (
        access_table(estimate),
        transfer_table(estimate),
        *(() if shared_part(estimate) else (capacity_table(estimate),)),
        cycle_table(estimate),
        component_table(estimate),
        *((compression_table(estimate),) if compressed else ()),
        layer_metrics_table(estimate),
    )


def access_table(estimate: LayerEstimate) -> Table:
    """Words that every level reads, fills and updates, over all its instances."""
    counts, unit = estimate.counts, estimate.counts.hardware.energy_unit
    shared, rows = shared_part(estimate), []
    for i, level in enumerate(counts.hardware.levels):
        shown: list[Row] = [
            (tensor, int(estimate.tile_words[i, j]), *(int(n) for n in counts.accesses[i, j]))
            for j, tensor in enumerate(TENSORS)
        ]
        if shared:
            here = shared.intermediate.tile_words if level.name == shared.plan.home else None
            accesses = (int(n) for n in shared.intermediate_accesses[i])
            shown.append(("intermediate", here, *accesses))
        for tensor, *words in shown:
            if any(words):
                energy = _energy(estimate, level.name, tensor)
                row = (level.name, tensor, words[0], int(counts.instances[i]), *words[1:], energy)
                rows.append(row)
    columns = (
        column("level"),
        column("tensor"),
        column("tile_words"),
        column("instances", optional=True),
        column("reads"),
        column("fills"),
        column("updates"),
        column("energy", unit=unit),
    )
    total = ("TOTAL", *[None] * 6, math.fsum(row[-1] for row in rows))
    notes = ["Tile: what one instance holds at one time. All else: over all instances."]
    if estimate.rests_on_zeros:
        notes.append("Energy: expected, less what zeros save. Words: zeros included.")
    return Table(_title(estimate, "Accesses"), columns, tuple(rows), (total,), tuple(notes))


def transfer_table(estimate: LayerEstimate) -> Table:
    """Words that cross the network below every level."""
    counts, unit = estimate.counts, estimate.counts.hardware.energy_unit
    rows: list[Row] = []
    for i, level in enumerate(counts.hardware.levels):
        if level.fanout.children == 1 and not level.fanout.has_prices:
            continue
        for j, tensor in enumerate(TENSORS):
            energy = _energy(estimate, f"{level.name} network", tensor)
            rows.append((level.name, tensor, *(int(n) for n in counts.transfers[i, j]), energy))
        if shared := _energy(estimate, f"{level.name} network", "intermediate"):
            rows.append((level.name, "intermediate", None, None, None, shared))
    columns = (
        column("level", heading="network below"),
        column("tensor"),
        column("down"),
        column("up"),
        column("forwarded"),
        column("energy", unit=unit),
    )
    total = ("TOTAL", *[None] * 4, math.fsum(row[-1] for row in rows))
    notes = (
        "Down: arriving at the children. Up: leaving them. Forwarded: taken from a neighbor.",
        *_nothing_forwarded(estimate.counts),
    )
    return Table(_title(estimate, "Transfers"), columns, tuple(rows), (total,), notes)


def _nothing_forwarded(counts: Counts) -> Iterator[str]:
    """Why a tensor that a network forwards is not taken from neighbors under this mapping."""
    hardware = counts.hardware
    for i, level in enumerate(hardware.levels):
        for tensor in level.fanout.forwarding:
            if never_forwarded(hardware, i, tensor) or counts.moved(
                level.name, tensor, "forwarded"
            ):
                continue
            reason = "no child needs just what a neighbor was given in the step before"
            if not counts.keeps[i + 1, TENSORS.index(tensor)]:
                reason = f"under this mapping {hardware.levels[i + 1].name} does not keep them"
            elif counts.instances[i + 1] == counts.instances[i]:
                reason = "one child is in use"
            yield f"{level.name} forwards no {tensor}: {reason}."


def capacity_table(estimate: LayerEstimate) -> Table:
    """Bits that the tiles occupy in one instance of every level, and how many there are."""
    rows: list[Row] = []
    for i, level in enumerate(estimate.counts.hardware.levels):
        groups = [p.tensors for p in level.partitions] or [level.kept_tensors]
        for group in groups:
            if group:
                used = float(used_bits(estimate.counts, estimate.weight_format, i, group))
                capacity = level.capacity_bits(group[0])
                share = None if capacity is None else used / capacity
                rows.append((level.name, ", ".join(group), used, capacity, share))
    columns = (
        column("level"),
        column("holds"),
        column("used_bits"),
        column("capacity_bits"),
        column("capacity_used", heading="share"),
    )
    notes = ["Of one instance."]
    if any(row[3] is None for row in rows):
        notes.append("No capacity: unlimited.")
    halved = [level.name for level in estimate.counts.hardware.levels if _halved(level)]
    if halved:
        notes.append(f"Half of it, for double buffering: {', '.join(halved)}.")
    return Table(_title(estimate, "Capacity"), columns, tuple(rows), notes=tuple(notes))


def cycle_table(estimate: LayerEstimate) -> Table:
    """Cycles of the computation and of every level's transfers."""
    cycles = estimate.cycles
    rows: list[Row] = [("computation", cycles.compute, quotient(cycles.compute, cycles.total))]
    for name, count in (("array stands still", cycles.standing), ("latency", cycles.latency)):
        if count:
            rows.append((name, count, count / cycles.total))
    for level in estimate.counts.hardware.levels:
        taken = cycles.transfer[level.name] if level.is_limited else None
        share = None if taken is None else taken / cycles.total
        rows.append((f"{level.name} transfers", taken, share))
        network = cycles.transfer.get(network_name(level))
        if network is not None:
            rows.append((network_name(level), network, network / cycles.total))
    if estimate.lookups:
        taken = cycles.lookup or None
        rows.append(("codebook lookups", taken, taken and taken / cycles.total))
    columns = (
        column("part"),
        column("cycles"),
        column("share_of_cycles", heading="of total"),
    )
    before = " after the latency" if cycles.latency else ""
    notes = [f"Bound by {cycles.bound_by}; all parts run side by side{before}."]
    if cycles.standing:
        notes.append("While the array stands still, nothing is computed.")
    single = [x.name for x in estimate.counts.hardware.levels if x.buffering == "single"]
    if single:
        notes[0] = (
            f"Bound by {cycles.bound_by}. {', '.join(single)}: singly buffered, transfers "
            "and computation take turns; all else runs side by side."
        )
    if any(row[1] is None for row in rows):
        notes.append("No cycles: the hardware sets no bandwidth.")
    notes += lookup_rate_note([estimate])
    total = ("TOTAL", cycles.total, 1.0)
    return Table(_title(estimate, "Cycles"), columns, tuple(rows), (total,), tuple(notes))


def component_table(estimate: LayerEstimate) -> Table:
    """Energy of every component."""
    rows, total = account_rows([estimate.energy_by_component()])
    columns = account_columns("component", estimate.counts.hardware.energy_unit)
    notes = hardware_notes(estimate.counts.hardware)
    return Table(_title(estimate, "Energy by component"), columns, rows, (total,), notes)


def layer_metrics_table(estimate: LayerEstimate) -> Table:
    """MACs, use of the array, energy per MAC, time and power."""
    counts, hardware = estimate.counts, estimate.counts.hardware
    left = zip(("computed", "gated", "skipped"), estimate.macs_left, strict=True)
    seconds = seconds_of(estimate.cycles.total, hardware)
    figures: dict[str, float | None] = {
        "macs": estimate.layer.macs,
        **{f"{what}_macs": macs for what, macs in left if macs < counts.macs and macs},
        "mac_units_used": int(counts.instances[-1]),
        "mac_units": hardware.mac_units,
        "utilization": estimate.utilization,
        "energy_per_mac": estimate.energy / estimate.layer.macs,
        "lookups": estimate.lookups or None,
        "seconds": seconds,
        "average_power": average_power(estimate.energy, seconds, hardware),
    }
    units = {"energy_per_mac": hardware.energy_unit}
    rows = [
        (field_named(name).heading, units.get(name, field_named(name).unit), value)
        for name, value in figures.items()
        if value is not None
    ]
    columns = (Column("metric"), Column("unit"), Column("value", "", "number"))
    notes = (expectation_note(hardware.name, (estimate,)),) if estimate.layer.zeros else ()
    return Table(_title(estimate, "Metrics"), columns, tuple(rows), notes=notes)


def _energy(estimate: LayerEstimate, component: str, tensor: str) -> float:
    return math.fsum(
        item.energy
        for item in estimate.items
        if item.component == component and item.tensor == tensor
    )


def _halved(level: Level) -> bool:
    limited = any(level.capacity_bits(tensor) is not None for tensor in level.kept_tensors)
    return level.buffering == "double" and limited


def _title(estimate: LayerEstimate, subject: str) -> str:
    return f"{subject}: {estimate.layer.name} on {estimate.counts.hardware.name}"
