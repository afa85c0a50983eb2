"""The best mappings of a layer that differ, and why the best is the best, as tables."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from types import SimpleNamespace

from kcsim.hardware.notes import hardware_notes
from kcsim.hardware.schema import Hardware
from kcsim.mapping.nest import Mapping
from kcsim.mapping.search import SearchResult, objective_value
from kcsim.model.insight import Insight
from kcsim.report.mapping_data import mapped_levels
from kcsim.report.search_data import on_one_line, proof_note
from kcsim.report.table import Table, column
from kcsim.workload.layer import ConvLayer

_SAME = {
    "spreads": "levels keep the same tensors and spread the same factors over their children",
    "tiles": "levels keep and spread the same, and hold tiles of the same shape",
}


@dataclass(frozen=True, eq=False)
class Answers:
    """What is found out about the best mappings of a layer.

    Attributes
    ----------
    layer : ConvLayer
    hardware : Hardware
    objective : str
    differ : str
        See `kcsim.mapping.ranking.rank_mappings`.
    ranking : tuple of SearchResult
        The best first.
    insight : Insight, optional
    """

    layer: ConvLayer
    hardware: Hardware
    objective: str
    differ: str
    ranking: tuple[SearchResult, ...]
    insight: Insight | None = None

    @property
    def ranked(self) -> list[SimpleNamespace]:
        """The best mappings, with how far each is behind."""
        values = [objective_value(self.objective, n.energy, n.cycles) for n in self.ranking]
        return [
            SimpleNamespace(
                rank=i + 1, energy=found.energy, cycles=round(found.cycles),
                edp=found.energy * found.cycles,
                behind=max(0.0, value / values[0] - 1) if values[0] else 0.0,
                proved=found.proved, gap=found.gap, note=found.note, mapping=found.mapping.levels,
                spread=spread_in_words(found.mapping), found=found,
            )
            for i, (found, value) in enumerate(zip(self.ranking, values, strict=True))
        ]  # fmt: skip


def spread_in_words(mapping: Mapping) -> str:
    """Factors over the children, as ``buffer X:P=13 Y:C=4 Y:R=3``."""
    parts = []
    for level in mapping.levels:
        words = [f"X:{loop}" for loop in level.spatial_x] + [f"Y:{n}" for n in level.spatial_y]
        parts += [" ".join((level.level, *words))] * bool(words)
    return " | ".join(parts)


def answer_tables(answers: Answers) -> list[Table]:
    """What people read: the ranking, and why the best one is the best."""
    tables = [ranking_table(answers)]
    if answers.insight is not None:
        tables += [tight_table(answers.insight), gains_table(answers.insight)]
    return tables


def ranking_table(answers: Answers) -> Table:
    """The best mappings that differ, the best first."""
    unit = answers.hardware.energy_unit
    columns = (
        column("rank"), column("energy", unit=unit), column("cycles"), column("edp"),
        column("behind"), column("spread"), column("mapping", optional=True),
    )  # fmt: skip
    rows = tuple(
        (n.rank, n.energy, n.cycles, n.edp, n.behind, n.spread, on_one_line(n.found.mapping))
        for n in answers.ranked
    )
    proved = all(found.proved for found in answers.ranking)
    which = " with what is fixed" if answers.ranking[0].fixed else ""
    notes = [
        f"One mapping of all in which {_SAME[answers.differ]}: the best.",
        f"None{which} is missing that is better than the last (proved)." if proved
        else proof_note(answers.ranking),
        f"EDP: energy times cycles, in {unit}.",
        *hardware_notes(answers.hardware),
    ]  # fmt: skip
    title = f"Mappings of least {answers.objective}: {answers.layer.name} on "
    return Table(title + answers.hardware.name, columns, rows, (), tuple(notes))


def tight_parts(insight: Insight) -> Iterator[SimpleNamespace]:
    """What tiles take of every store, and transfers and computation of the cycles."""
    cycles = insight.estimate.cycles
    for level in mapped_levels(insight.estimate):
        busy = cycles.transfer.get(level.name) or None
        stores = [store for store in level.stores if store.share is not None]
        for i, store in enumerate(stores or [None] * bool(busy)):
            first = busy if i == 0 else None
            used = sum(tile.bits for tile in store.tiles) if store else None
            yield SimpleNamespace(
                component=level.name,
                holds=", ".join(tile.tensor for tile in store.tiles) if store else "",
                used_bits=used,
                capacity_bits=store.capacity_bits if store else None,
                capacity_used=store.share if store else None,
                busy_cycles=first,
                share_of_cycles=first / cycles.total if first else None,
            )
    for name, busy in (("compute", cycles.compute), ("codebook", cycles.lookup)):
        if busy:
            yield SimpleNamespace(
                component=name, holds="", used_bits=None, capacity_bits=None, capacity_used=None,
                busy_cycles=busy, share_of_cycles=busy / cycles.total,
            )  # fmt: skip


_TIGHT = (
    "component", "holds", "used_bits", "capacity_bits", "capacity_used", "busy_cycles",
    "share_of_cycles",
)  # fmt: skip


def tight_table(insight: Insight) -> Table:
    """What is tight under the best mapping: room and bandwidth."""
    rows = [tuple(getattr(part, name) for name in _TIGHT) for part in tight_parts(insight)]
    notes = (f"Cycles are bound by {insight.estimate.cycles.bound_by}.",)
    title = f"What is tight: {_what(insight)}"
    return Table(title, tuple(column(name) for name in _TIGHT), tuple(rows), (), notes)


def gains_table(insight: Insight) -> Table:
    """What a little more of one part of the hardware would give."""
    unit = insight.estimate.counts.hardware.energy_unit
    columns = (
        column("level"), column("holds"), column("change", heading="more"),
        column("energy", unit=unit), column("cycles"), column("saved"), column("saved_share"),
    )  # fmt: skip
    rows = tuple(
        (g.level, g.holds, g.change, g.energy, round(g.cycles), g.saved, g.saved_share)
        for g in insight.gains
    )
    named = "EDP" if insight.objective == "edp" else insight.objective
    units = {"energy": unit, "cycles": "cycles", "edp": f"{unit} cycles"}
    notes = [
        f"Saved: of the {named}, in {units[insight.objective]}; each found by a search of its own, "
        "at the same energies.",
    ]
    if any(gain.saved is None for gain in insight.gains):
        notes.append("Where nothing is said of what is saved, a mapping is not proved.")
    return Table(f"What more would give: {_what(insight)}", columns, rows, (), tuple(notes))


def _what(insight: Insight) -> str:
    return f"{insight.estimate.layer.name} on {insight.estimate.counts.hardware.name}"
