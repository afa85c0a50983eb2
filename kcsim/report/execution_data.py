"""How clustered layers are executed, and what that wins, as tables of exact numbers."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from kcsim.model.layer_estimate import Alternative, LayerEstimate
from kcsim.report.table import Column, Row, Table, column
from kcsim.workload.execution import SHARING_NAMES

if TYPE_CHECKING:
    from kcsim.estimation.result import Run
    from kcsim.sharing.account import SharedEstimate
    from kcsim.sharing.plan import SharedMapping

_SHOWN_NAMES = 6


def execution_tables(run: Run, subject: str) -> tuple[Table, ...]:
    """How each clustered layer is executed, and where shared products and sums lie.

    Parameters
    ----------
    run : Run
    subject : str
        What the run is about, for the titles.

    Returns
    -------
    tuple of Table
        None if all layers are decoded and nothing was chosen.
    """
    shared = [each for each in map(shared_part, run.layers) if each]
    if not shared and not any(layer.alternatives or layer.note for layer in run.layers):
        return ()
    tables = [execution_table(run, subject)]
    if shared:
        tables.append(intermediate_table(run, subject))
    return tuple(tables)


def execution_table(run: Run, subject: str) -> Table:
    """Execution and decoder of every clustered layer, and how much worse the next best one is.

    Parameters
    ----------
    run : Run
    subject : str
    """
    clustered = [layer for layer in run.layers if layer.execution != "dense"]
    columns: tuple[Column, ...] = (
        column("layer"),
        column("execution"),
        column("decode_level"),
        Column("next best"),
        Column("energy ratio", "", "ratio"),
        Column("cycles ratio", "", "ratio"),
        Column("EDP ratio", "", "ratio", optional=True),
    )
    counts = Counter(layer.execution for layer in clustered)
    notes = [f"Layers: {', '.join(f'{n} {name}' for name, n in counts.most_common())}."]
    if len(clustered) < len(run.layers):
        notes[0] = f"{notes[0][:-1]}, {len(run.layers) - len(clustered)} dense (not shown)."
    rows = [_execution_row(layer) for layer in clustered]
    if any(layer.alternatives for layer in clustered):
        notes.append("Ratios: the next best execution (or place of the decoder) over this one.")
    else:
        columns, rows = columns[:3], [row[:3] for row in rows]
    notes += execution_notes(run.layers)
    return Table(f"Execution: {subject}", columns, tuple(rows), (), tuple(notes))


def intermediate_table(run: Run, subject: str) -> Table:
    """Where products and sums lie that layers share, and how many.

    Parameters
    ----------
    run : Run
    subject : str
    """
    shared = [each for each in map(shared_part, run.layers) if each]
    columns = (
        column("layer"),
        column("home"),
        column("gathered_at"),
        column("tile"),
        column("width", heading="table width"),
        column("tile_words", heading="words at home", optional=True),
        column("words", heading="words computed", optional=True),
        column("home_bits", heading="home in use", optional=True),
        column("energy", unit=run.hardware.energy_unit),
    )
    rows = tuple(_intermediate_row(layer) for layer in shared)
    words, energy = sum(row[6] for row in rows), math.fsum(row[8] for row in rows)
    total = ("TOTAL", *[None] * 5, words, None, energy)
    notes = [
        "Home: the level that holds the products or sums of one tile. Tile: the extents that are "
        "cut. Table width: distinct entries of the block or filter with most."
    ]
    if not all(layer.plan.listed for layer in shared):
        notes.append(
            "All entries: tables have every entry of the codebook, so that no lists of those that "
            "are used are stored or moved."
        )
    error = max((layer.intermediate.relative_error for layer in shared), default=0)
    if error:
        notes.append(
            "Entries are expected from how real layers of the scheme use theirs, which had as many "
            f"within {100 * error:.0f} % (root mean square)."
        )
    if any(layer.intermediate.spilled for layer in shared):
        notes.append("Spilled: all products or sums lie there between the two phases.")
    title = "Shared products and sums"
    if expected := expected_entries_note(shared):
        title, notes = f"{title} (expected)", [*notes, expected]
    return Table(f"{title}: {subject}", columns, rows, (total,), tuple(notes))


def next_best(layer: LayerEstimate) -> Alternative | None:
    """The best other execution of a layer or, if none was tried, the best other decoder.

    Parameters
    ----------
    layer : LayerEstimate
    """
    others = [other for other in layer.alternatives if other.execution != layer.execution]
    moved = [other for other in layer.alternatives if other.decode_level != layer.decode_level]
    return next(iter(others or moved), None)


def execution_notes(layers: Sequence[LayerEstimate]) -> tuple[str, ...]:
    """Why layers are not executed as they were asked for, one sentence a reason.

    Parameters
    ----------
    layers : sequence of LayerEstimate
    """
    reasons: dict[str, list[str]] = {}
    for layer in layers:
        if layer.note:
            reason = layer.note.rstrip(".")
            # Equal layers share a reason, which names one of them.
            for other in layers:
                reason = reason.replace(f": {other.layer.name} ", ": ")
            reasons.setdefault(reason, []).append(layer.layer.name)
    return tuple(f"{_listed(names)}: {reason}." for reason, names in reasons.items())


def expected_entries_note(layers: Sequence[LayerEstimate]) -> str:
    """Whether figures rest on an expected number of distinct entries; empty if not.

    Parameters
    ----------
    layers : sequence of LayerEstimate
    """
    shared = [each for each in map(shared_part, layers) if each]
    if any(layer.intermediate.is_expectation for layer in shared):
        return "Figures of shared layers rest on expected distinct entries: no weights given."
    return ""


def lookup_rate_note(layers: Sequence[LayerEstimate]) -> tuple[str, ...]:
    """What is assumed of the stores of codebooks, as at most one sentence.

    Parameters
    ----------
    layers : sequence of LayerEstimate
    """
    if not any(layer.assumes_lookup_rate for layer in layers):
        return ()
    return (
        "Assumed: the codebook store serves as many lookups a cycle as what it feeds can take "
        "(no codebook.read_words_per_cycle is given).",
    )


def shared_part(layer: LayerEstimate) -> SharedEstimate | None:
    """The estimate of a layer that shares products or sums; ``None`` for others."""
    return cast("SharedEstimate", layer) if layer.execution in SHARING_NAMES else None


def _execution_row(layer: LayerEstimate) -> Row:
    best = next_best(layer)
    if best is None:
        return (layer.layer.name, layer.execution, layer.decode_level, *[None] * 4)
    other = best.execution
    if other == layer.execution:
        other = f"{other} at {best.decode_level}"
    energy = best.energy / layer.energy if layer.energy else None
    cycles = best.cycles / layer.cycles.total
    edp = None if energy is None else energy * cycles
    return (layer.layer.name, layer.execution, layer.decode_level, other, energy, cycles, edp)


def _intermediate_row(layer: SharedEstimate) -> Row:
    what = layer.intermediate
    cut = [
        f"{dimension}={size}"
        for dimension, size in layer.plan.tile._asdict().items()
        if size < layer.layer.dimensions[dimension]
    ]
    return (
        layer.layer.name,
        f"{what.home} (spilled)" if what.spilled else what.home,
        what.gathered_at + _kind_of_tables(layer.plan),
        " ".join(cut) or "whole layer",
        what.width,
        what.tile_words,
        what.words,
        what.home_bits,
        math.fsum(item.energy for item in layer.items if item.tensor == "intermediate"),
    )


def _kind_of_tables(plan: SharedMapping) -> str:
    if plan.ordered:
        return " (in order)"
    return "" if plan.listed else " (all entries)"


def _listed(names: Sequence[str]) -> str:
    if len(names) > _SHOWN_NAMES:
        return f"{', '.join(names[:_SHOWN_NAMES])} and {len(names) - _SHOWN_NAMES} more"
    return ", ".join(names)
