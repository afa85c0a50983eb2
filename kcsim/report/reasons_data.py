"""What a codebook saves, where to decode it and why layers are executed as they are, as tables."""

from __future__ import annotations

from kcsim.estimation.network_reasons import why_network
from kcsim.estimation.reasons import decoded_at, why
from kcsim.estimation.result import Result
from kcsim.report.table import Column, Table, column
from kcsim.sums import quotient


def reason_tables(result: Result, subject: str) -> tuple[Table, ...]:
    """Where to decode, and why ``auto`` executes each layer as it does.

    Parameters
    ----------
    result : Result
        Of `kcsim.compare_executions`.
    subject : str
        What it is about, for the titles.
    """
    if "auto" not in result.runs:
        return ()
    places = decoding_table(result, subject)
    return (*places, why_table(result, subject))


def decoding_table(result: Result, subject: str) -> tuple[Table, ...]:
    """All layers decoded at each level; none where only one level was tried.

    Parameters
    ----------
    result : Result
    subject : str
    """
    places, dense = decoded_at(result), result.runs["dense"]
    if not places:
        return ()
    columns = (
        column("decode_level"),
        column("energy", unit=result.hardware.energy_unit),
        Column("energy ratio", "", "ratio"),
        column("cycles"),
        Column("cycles ratio", "", "ratio"),
        Column("EDP ratio", "", "ratio"),
    )
    rows = tuple(
        (
            each.level, each.energy, quotient(dense.energy, each.energy), each.cycles,
            quotient(dense.cycles, each.cycles), quotient(dense.edp, each.edp),
        )
        for each in places
    )  # fmt: skip
    best = min(places, key=lambda each: each.edp)
    own = result.hardware.codebook
    sizes = "as large as the hardware says" if own and own.at else "of the same size"
    notes = [f"All layers decoded at the output of one level, with a store {sizes} there."]
    notes += ["Ratios: dense over it."]
    if own is not None and best.level != own.level:
        notes.append(f"The least EDP is at the {best.level}; the hardware decodes at {own.level}.")
    return (Table(f"Where to decode: {subject}", columns, rows, notes=tuple(notes)),)


def why_table(result: Result, subject: str) -> Table:
    """Why each layer is executed as ``auto`` does, one line a layer, and all together.

    Parameters
    ----------
    result : Result
    subject : str
    """
    auto, dense = result.runs["auto"], result.runs["dense"]
    columns = (
        column("layer"),
        column("execution"),
        Column("energy ratio", "", "ratio", optional=True),
        Column("why"),
    )
    rows = tuple(
        (
            layer.layer.name, layer.execution, quotient(other.energy, layer.energy),
            why(result, i),
        )
        for i, (layer, other) in enumerate(zip(auto.layers, dense.layers, strict=True))
    )  # fmt: skip
    notes = (*why_network(result), "Ratio: dense over auto.")
    return Table(f"Why: {subject}, auto", columns, rows, notes=notes)
