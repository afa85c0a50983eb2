"""What mapping searches have found, as tables."""

from __future__ import annotations

import math
from collections.abc import Sequence

from kcsim.clustering.resolve import few_units_notes
from kcsim.estimation.result import Run
from kcsim.hardware.notes import hardware_notes
from kcsim.hardware.schema import Hardware
from kcsim.mapping.nest import Mapping
from kcsim.mapping.search import Front, SearchResult
from kcsim.model.layer_estimate import LayerEstimate
from kcsim.report.table import Table, column
from kcsim.workload.layer import ConvLayer


def search_table(run: Run, objective: str) -> Table:
    """Optimum, and the effort of its proof, of every layer of a run that the mapper has mapped."""
    columns = (
        column("layer"),
        column("energy", unit=run.hardware.energy_unit),
        column("cycles"),
        column("proved"),
        column("gap", optional=True),
        column("mappings"),
        column("evaluated"),
        column("pruned", optional=True),
        column("search_seconds", heading="search"),
    )
    rows = tuple(_row(estimate, estimate.search) for estimate in run.layers if estimate.search)
    name = run.clustering or run.name
    title = f"Mappings of least {objective}: {name} weights on {run.hardware.name}"
    notes = [proof_note(run.searches)]
    if run.storage is not None:
        notes += few_units_notes(layer.clustering for layer in run.storage.layers)
    notes += hardware_notes(run.hardware)
    return Table(title, columns, rows, (), tuple(note for note in notes if note))


def _row(estimate: LayerEstimate, search: SearchResult) -> tuple[object, ...]:
    return (
        estimate.layer.name,
        estimate.energy,
        estimate.cycles.total,
        "yes" if search.proved else "no",
        None if search.gap != search.gap else search.gap,
        float(search.mappings),
        search.evaluated,
        float(search.pruned),
        search.seconds,
    )


def proof_note(searches: Sequence[SearchResult]) -> str:
    """Whether mappings are proved to be the best, and if not, why."""
    open_ones = [search for search in searches if not search.proved]
    if not searches or not open_ones:
        which = " with what is fixed" if any(search.fixed for search in searches) else ""
        return f"No other mapping of the map space{which} is better (proved)." if searches else ""
    every = {reason for search in open_ones for reason in search.note.split("; ")}
    reasons = "; ".join(sorted(every))
    gaps = [search.gap for search in open_ones if not math.isnan(search.gap)]
    gap = f"; at most {shown_gap(max(gaps))} from the best" if gaps else ""
    return f"{len(open_ones)} of {len(searches)} mappings not proved: {reasons}{gap}."


def unproved_note(searches: Sequence[SearchResult]) -> tuple[str, ...]:
    """Likewise, as at most one sentence: nothing where all are proved."""
    return () if all(search.proved for search in searches) else (proof_note(searches),)


def proof(search: SearchResult) -> str:
    """Whether a mapping is proved to be the best, and if not, why, and how far it may be away."""
    if search.proved:
        which = " with what is fixed" if search.fixed else ""
        return f"no other mapping{which} is better (proved)"
    gap = "" if math.isnan(search.gap) else f"; at most {shown_gap(search.gap)} from the best"
    return f"not proved: {search.note}{gap}"


def shown_gap(gap: float) -> str:
    """A gap for people, never rounded down."""
    return f"{math.ceil(1000 * gap) / 10:.1f}%"


def search_comment(
    layer: ConvLayer, hardware: Hardware, objective: str, search: SearchResult
) -> str:
    """What a mapping file says of how its mapping was found: lines that start with ``#``."""
    return (
        f"# {layer.name} on {hardware.name}, the mapping of least {objective}: {proof(search)}\n"
        f"# {search.energy:.6g} {hardware.energy_unit}, {search.cycles:,.0f} cycles; "
        f"{search.evaluated:,} of {search.mappings:.3g} mappings evaluated"
        f"{_others(search)}\n" + "".join(f"# {note}\n" for note in hardware_notes(hardware))
    )


def _others(search: SearchResult) -> str:
    """What became of mappings that were not evaluated."""
    if not search.proved:
        return ""
    return ", all others pruned" + " or without what is fixed" * search.fixed


def front_table(layer: ConvLayer, hardware: Hardware, front: Front) -> Table:
    """The mappings of which no other is better in both energy and cycles, the fastest first."""
    columns = (
        column("cycles"),
        column("energy", unit=hardware.energy_unit),
        column("edp"),
        column("mapping", optional=True),
    )
    rows = tuple(
        (round(p.cycles), p.energy, p.energy * p.cycles, on_one_line(p.mapping)) for p in front
    )
    which = " with what is fixed" if front.fixed else ""
    notes = (
        f"Not proved: {front.note}."
        if front.note
        else f"No other mapping{which} is better in both energy and cycles.",
        f"EDP: energy times cycles, in {hardware.energy_unit}.",
        *hardware_notes(hardware),
    )
    return Table(f"Energy and cycles: {layer.name} on {hardware.name}", columns, rows, (), notes)


def on_one_line(mapping: Mapping) -> str:
    """Levels and their loops, as ``DRAM M=2 C=16 | buffer Q=13 X:P=13``."""
    parts = []
    for level in mapping.levels:
        words = [level.level, *map(str, level.places(level.inner))]
        words += [f"X:{loop}" for loop in level.spatial_x]
        words += [f"Y:{loop}" for loop in level.spatial_y]
        parts.append(" ".join(words))
    return " | ".join(parts)
