"""What the estimate of a network says, as tables of exact numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from kcsim.clustering.resolve import few_units_notes
from kcsim.clustering.storage import NetworkStorage
from kcsim.estimation.result import Estimate, Run
from kcsim.hardware.notes import hardware_notes
from kcsim.report.execution_data import execution_tables, expected_entries_note, lookup_rate_note
from kcsim.report.search_data import proof_note
from kcsim.report.table import Column, Row, Table
from kcsim.report.zeros_data import expectation_note, zeros_table
from kcsim.sums import exact_sum


def estimate_tables(estimate: Estimate) -> tuple[Table, ...]:
    """Everything there is to say about a network, the layers first.

    Parameters
    ----------
    estimate : Estimate

    Returns
    -------
    tuple of Table
        Layers, executions (if there was a choice), components, tensors, storage (if clustered),
        zeros (if there are any), metrics.
    """
    tables = [layers_table(estimate)]
    if estimate.clustered is not None:
        tables += execution_tables(estimate.clustered, _clustered_title(estimate))
    tables += [components_table(estimate), tensors_table(estimate)]
    if estimate.clustered is not None:
        tables.append(storage_table(estimate))
    if _has_zeros(estimate):
        tables.append(zeros_table(estimate))
    return (*tables, metrics_table(estimate))


def layers_table(estimate: Estimate) -> Table:
    """MACs, energy and cycles of every layer."""
    unit = estimate.hardware.energy_unit
    shown = estimate.runs[-1]
    if estimate.clustered is None:
        energy = [Column("energy", unit, "energy")]
        cycles = [Column("cycles", "", "integer")]
        notes: tuple[str, ...] = ()
    else:
        energy = [
            Column("dense energy", unit, "energy"),
            Column("clustered energy", unit, "energy"),
            Column("ratio", "", "ratio"),
        ]
        cycles = [
            Column("dense cycles", "", "integer", optional=True),
            Column("clustered cycles", "", "integer"),
        ]
        notes = (
            "Ratio: dense over clustered. Share, utilisation, bound: of the clustered network.",
        )
    columns = (
        Column("layer"),
        Column("MACs", "", "integer"),
        *energy,
        Column("share", "", "percent"),
        *cycles,
        Column("utilisation", "", "percent", optional=True),
        Column("bound by", optional=True),
    )
    rows = tuple(
        (
            both[0].layer.name,
            both[0].counts.macs,
            *_beside([layer.energy_pj for layer in both]),
            quotient(both[-1].energy_pj, shown.energy_pj),
            *(layer.cycles.total for layer in both),
            both[-1].utilization,
            both[-1].cycles.bound_by,
        )
        for both in zip(*(run.layers for run in estimate.runs), strict=True)
    )
    total = (
        "TOTAL",
        shown.macs,
        *_beside([run.energy_pj for run in estimate.runs]),
        1.0,
        *(run.cycles for run in estimate.runs),
        shown.utilization,
        None,
    )
    subject = "Layers"
    if any(layer.rests_on_zeros for layer in shown.layers):
        subject += " (expected)"
    if _has_zeros(estimate):
        notes += (expectation_note(estimate.hardware.name, shown.layers),)
    notes += _execution_remarks(shown) + lookup_rate_note(shown.layers)
    searches = [layer.search for run in estimate.runs for layer in run.layers if layer.search]
    if not all(search.is_optimal for search in searches):
        notes += (proof_note(searches),)
    return Table(_title(estimate, subject), columns, rows, (total,), notes)


def components_table(estimate: Estimate) -> Table:
    """Energy of every component of the hardware."""
    accounts = [run.energy_by_component() for run in estimate.runs]
    table = _account_table(estimate, "component", "Energy by component", accounts)
    spilled = [str(row[0]) for row in table.rows if str(row[0]).startswith("codebook (")]
    notes = (f"{name}: lookups in codebooks too large for their store." for name in spilled)
    return replace(table, notes=(*notes, *hardware_notes(estimate.hardware)))


def tensors_table(estimate: Estimate) -> Table:
    """Energy of moving every tensor."""
    accounts = [run.energy_by_tensor() for run in estimate.runs]
    return _account_table(estimate, "tensor", "Energy by tensor", accounts)


def storage_table(estimate: Estimate) -> Table:
    """Bits of the weights part by part; for clustered networks only."""
    storage = estimate.runs[-1].storage
    if storage is None:
        raise ValueError(f"{estimate.network.name} is not clustered")
    plain = sum(layer.uncompressed_weights_bits for layer in storage.layers)
    parts = storage_parts(storage)
    rows = tuple(
        (part, *_beside([plain if part == "dense weights" else 0, bits]))
        for part, bits in parts.items()
        if bits or part == "dense weights"
    )
    total = ("TOTAL", *_beside([plain, exact_sum(parts.values())]))
    notes = []
    if any(layer.clustering.unit for layer in storage.layers):
        ratio = storage.ratio("clustered", biases=False)
        notes.append(f"Ratio of the clustered layers alone: {ratio:.4g}.")
    notes += few_units_notes(layer.clustering for layer in storage.layers)
    notes.append("Biases are not counted.")
    notes += _wide_parts(storage, estimate.hardware.precision_bits.weights)
    subject = "Storage of the weights"
    if storage.is_expectation:
        subject += " (expected)"
        notes.append("Indexes are expected values, from the entropy of the worst case.")
    columns = (
        Column("part"),
        Column("dense", "bit", "bits"),
        Column("clustered", "bit", "bits"),
        Column("ratio", "", "ratio"),
    )
    return Table(_title(estimate, subject), columns, rows, (total,), tuple(notes))


def _wide_parts(storage: NetworkStorage, weight_bits: int) -> list[str]:
    """Parts whose values are wider than the weights that they make."""
    widths: dict[tuple[str, int], None] = {}
    for stored in storage.layers:
        settings = stored.clustering.settings
        if stored.clustering.unit:
            widths["codebook values", settings.codebook_bits or weight_bits] = None
            if settings.kind.has_scales:
                widths["scales", settings.scale_bits] = None
            if settings.kind.has_offsets:
                widths["offsets", settings.offset_bits] = None
    return [
        f"{name.capitalize()} of {bits} bits are wider than weights, of {weight_bits}."
        for name, bits in widths
        if bits > weight_bits
    ]


def metrics_table(estimate: Estimate) -> Table:
    """Costs of the Deep k-Means paper, accesses per MAC, time and power."""
    metrics = [_metrics(run) for run in estimate.runs]
    rows = tuple(
        (name, unit, *_beside([m[name, unit] for m in metrics])) for name, unit in metrics[0]
    )
    columns = [Column("metric"), Column("unit"), Column("dense", "", "number")]
    if estimate.clustered is not None:
        columns += [Column("clustered", "", "number"), Column("ratio", "", "ratio")]
    notes = (
        "Computational cost and bit uses are those of Deep k-Means (Wu et al., ICML 2018); their "
        "sum is in energies of one 16-bit MAC.",
    )
    return Table(_title(estimate, "Metrics"), tuple(columns), rows, notes=notes)


def storage_parts(storage: NetworkStorage) -> dict[str, float]:
    """Bits of all weights by part: codebooks, indexes and so on, without biases.

    Parameters
    ----------
    storage : NetworkStorage
    """
    layers = storage.layers
    return {
        "codebooks": sum(layer.codebook_bits for layer in layers)
        + sum(storage.shared_codebook_bits.values()),
        "indexes": exact_sum(layer.indexes_bits for layer in layers),
        "transforms": sum(layer.transforms_bits for layer in layers),
        "scales": sum(layer.scales_bits for layer in layers),
        "offsets": sum(layer.offsets_bits for layer in layers),
        "dense weights": sum(layer.dense_weights_bits for layer in layers),
    }


def quotient(over: float, under: float) -> float | None:
    """A quotient, or ``None`` where one of the two is zero."""
    return over / under if over and under else None


def account_rows(
    accounts: Sequence[Mapping[str, float]],
) -> tuple[tuple[Row, ...], Row]:
    """Energy and share of every entry of one account, or of two and their ratio.

    Parameters
    ----------
    accounts : sequence of mapping
        Energy by name, dense first.

    Returns
    -------
    tuple of tuple
        One row an entry: name, energy and share for each account, ratio.
    tuple
        The totals.
    """
    totals = [exact_sum(account.values()) for account in accounts]
    names = dict.fromkeys(name for account in reversed(accounts) for name in account)

    def row(name: str, energies: Sequence[float | None]) -> Row:
        shares = [
            None if energy is None else energy / total if total else 0.0
            for energy, total in zip(energies, totals, strict=True)
        ]
        values = [value for pair in zip(energies, shares, strict=True) for value in pair]
        return (
            name,
            *values,
            *([quotient(*(e or 0 for e in energies))] if len(energies) == 2 else []),
        )

    rows = tuple(row(name, [account.get(name) for account in accounts]) for name in names)
    return rows, row("TOTAL", totals)


def _account_table(
    estimate: Estimate, label: str, subject: str, accounts: Sequence[Mapping[str, float]]
) -> Table:
    unit = estimate.hardware.energy_unit
    columns = [Column(label)]
    for run in ("dense ", "clustered ") if estimate.clustered else ("",):
        columns.append(Column(f"{run}energy", unit, "energy"))
        columns.append(Column(f"{run}share", "", "percent"))
    if estimate.clustered:
        columns.append(Column("ratio", "", "ratio"))
    rows, total = account_rows(accounts)
    return Table(_title(estimate, subject), tuple(columns), rows, (total,))


def _metrics(run: Run) -> dict[tuple[str, str], float]:
    """The metrics of a run, by name and unit."""
    hardware = run.hardware
    outermost, innermost = hardware.levels[0].name, hardware.levels[-1].name
    costs = run.deep_kmeans_total
    outer_bits = exact_sum(
        item.bits for layer in run.layers for item in layer.items if item.component == outermost
    )
    metrics = {
        ("computational cost", "full adders"): costs.computational_full_adders,
        ("weight bit uses", "bit"): costs.weight_bit_uses,
        ("activation bit uses", "bit"): costs.activation_bit_uses,
        ("sum of these costs", "MAC"): costs.mac_units,
        (f"{innermost} accesses per MAC", "words"): run.mac_side_accesses_per_mac(),
        (f"{outermost} traffic per MAC", "bit"): outer_bits / run.macs,
        ("codebook lookups", ""): run.lookups,
        ("multiplies", ""): run.operations.multiplies,
        ("adds", ""): run.operations.adds,
        ("multiplies and adds", "full adders"): run.full_adders,
        ("energy per MAC", hardware.energy_unit): run.energy_pj / run.macs,
        ("cycles", ""): run.cycles,
    }
    if run.seconds is not None:
        metrics["time", "s"] = run.seconds
        if hardware.energy_unit == "pJ":
            metrics["average power", "W"] = run.energy_pj * 1e-12 / run.seconds
    return metrics


def _has_zeros(estimate: Estimate) -> bool:
    return any(layer.zeros for layer in estimate.network)


def _beside(values: Sequence[float]) -> tuple[float | None, ...]:
    """The value alone, or dense, clustered and their ratio."""
    return (*values, quotient(*values)) if len(values) == 2 else tuple(values)


def _execution_remarks(run: Run) -> tuple[str, ...]:
    """Where layers are decoded, unless a table says so, and whether entries are expected."""
    places = {layer.decode_level for layer in run.layers if layer.decode_level}
    if places and not execution_tables(run, ""):
        return (f"Clustered layers are decoded at {', '.join(places)}.",)
    expected = expected_entries_note(run.layers)
    return (expected,) if expected else ()


def _title(estimate: Estimate, subject: str) -> str:
    beside = f", dense beside {clustered_name(estimate.clustered)}" if estimate.clustered else ""
    return f"{subject}: {estimate.network.name} on {estimate.hardware.name}{beside}"


def _clustered_title(estimate: Estimate) -> str:
    assert estimate.clustered is not None
    name = clustered_name(estimate.clustered)
    return f"{estimate.network.name} on {estimate.hardware.name}, {name}"


def clustered_name(run: Run) -> str:
    """The clustering and, if it is not decoded, the execution."""
    return run.weights if run.execution == "decode" else f"{run.weights}, {run.execution}"
