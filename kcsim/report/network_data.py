"""What a run of a network says, as tables of exact numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from kcsim.clustering.resolve import few_units_notes
from kcsim.clustering.storage import NetworkStorage
from kcsim.estimation.result import RUN_FIGURES, Result, Run
from kcsim.fields import field_named
from kcsim.hardware.notes import hardware_notes
from kcsim.report.account import account_columns, account_rows
from kcsim.report.beside import Beside, accuracy_text
from kcsim.report.execution_data import execution_tables, expected_entries_note, lookup_rate_note
from kcsim.report.hardware_data import area_table
from kcsim.report.search_data import unproved_note
from kcsim.report.table import Column, Row, Table, column, with_ratio
from kcsim.report.unmodeled_data import result_operations_tables
from kcsim.report.zeros_data import expectation_note, zeros_table
from kcsim.sums import quotient

_METRICS = (
    "computational_full_adders", "weight_bit_uses", "activation_bit_uses", "deep_kmeans_mac_units",
    "innermost_accesses_per_mac", "outermost_bits_per_mac", "lookups", "multiplies", "adds",
    "full_adders", "energy_per_mac", "cycles", "seconds", "average_power",
)  # fmt: skip


def estimate_tables(result: Result, run: str = "") -> tuple[Table, ...]:
    """Everything there is to say about one run of a network, the layers first.

    Parameters
    ----------
    result : Result
    run : str
        Its name; the last one if empty. All but the first are shown beside that.

    Returns
    -------
    tuple of Table
        Layers, executions (if there was a choice), components, tensors, storage (if clustered),
        zeros (if there are any), what is not modeled (if anything is not), area (if the hardware
        says what parts are), metrics.
    """
    shown = Beside(result, result[run]) if run else Beside.last(result)
    tables = [layers_table(shown)]
    if shown.run.storage is not None:
        tables += execution_tables(shown.run, f"{shown.subject}, {shown.name}")
    tables += [components_table(shown), tensors_table(shown)]
    if shown.run.storage is not None:
        tables.append(storage_table(shown))
    if _has_zeros(result):
        tables.append(zeros_table(shown))
    left = result_operations_tables(result)
    return (*tables, *left, *area_table(result.hardware), metrics_table(shown))


def layers_table(shown: Beside) -> Table:
    """MACs, energy and cycles of every layer."""
    run, several = shown.run, len(shown.runs) > 1
    columns = (
        column("layer"),
        column("macs"),
        *shown.columns("energy", unit=shown.unit),
        column("energy_share", heading="share"),
        *(
            replace(each, optional=several and each.key.startswith(shown.names[0]))
            for each in shown.columns("cycles", ratio=False)
        ),
        column("utilization", optional=True),
        column("bound_by", optional=True),
    )
    rows = tuple(
        (
            layers[-1].layer.name,
            layers[-1].counts.macs,
            *with_ratio([layer.energy for layer in layers]),
            quotient(layers[-1].energy, run.energy),
            *(layer.cycles.total for layer in layers),
            layers[-1].utilization,
            layers[-1].cycles.bound_by,
        )
        for layers in zip(*(each.layers for each in shown.runs), strict=True)
    )
    total = (
        "TOTAL",
        run.macs,
        *shown.values(lambda each: each.energy),
        1.0,
        *(each.cycles for each in shown.runs),
        run.utilization,
        None,
    )
    subject = "Layers"
    if any(layer.rests_on_zeros for layer in run.layers):
        subject += " (expected)"
    return Table(shown.title(subject), columns, rows, (total,), _layer_notes(shown))


def _layer_notes(shown: Beside) -> tuple[str, ...]:
    run, notes = shown.run, []
    if len(shown.runs) > 1:
        first = shown.names[0]
        notes.append(
            f"Ratio: {first} over {run.name}. Share, utilization, bound by: of {run.name}."
        )
    if _has_zeros(shown.result):
        notes.append(expectation_note(shown.result.hardware.name, run.layers))
    if accuracy := accuracy_text(shown.runs):
        notes.append(f"{accuracy}.")
    notes += [*_execution_remarks(run), *lookup_rate_note(run.layers)]
    notes += shown.result.network.notes
    return (*notes, *unproved_note([each for one in shown.runs for each in one.searches]))


def components_table(shown: Beside) -> Table:
    """Energy of every component of the hardware."""
    accounts = [run.energy_by_component() for run in shown.runs]
    table = _account_table(shown, "component", accounts)
    spilled = [str(row[0]) for row in table.rows if str(row[0]).startswith("codebook (")]
    notes = (f"{name}: lookups in codebooks too large for their store." for name in spilled)
    return replace(table, notes=(*notes, *hardware_notes(shown.result.hardware)))


def tensors_table(shown: Beside) -> Table:
    """Energy of moving every tensor."""
    return _account_table(shown, "tensor", [run.energy_by_tensor() for run in shown.runs])


def storage_table(shown: Beside) -> Table:
    """Bits of the weights part by part; for clustered networks only.

    Raises
    ------
    ValueError
        If the run has dense weights.
    """
    storage = shown.run.storage
    if storage is None:
        raise ValueError(f"{shown.result.network.name} is not clustered")
    plain = storage.uncompressed_weights_bits
    rows = tuple(
        (
            field_named(part).heading,
            *with_ratio([plain if part == "dense_weights_bits" else 0, bits]),
        )
        for part, bits in storage.parts.items()
        if bits or part == "dense_weights_bits"
    )
    total = ("TOTAL", *with_ratio([plain, storage.weights_bits]))
    notes = []
    if any(layer.clustering.unit for layer in storage.layers):
        ratio = storage.ratio("clustered", biases=False)
        notes.append(f"Ratio of the clustered layers alone: {ratio:.4g}.")
    notes += few_units_notes(layer.clustering for layer in storage.layers)
    notes.append("Biases are not counted.")
    notes += _wide_parts(storage, shown.result.hardware.precision_bits.weights)
    subject = "Storage of the weights"
    if storage.is_expectation:
        subject += " (expected)"
        notes.append("Indexes are expected values, from the entropy of the worst case.")
    columns = (column("part"), *shown.columns("size_bits"))
    return Table(shown.title(subject), columns, rows, (total,), tuple(notes))


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


def metrics_table(shown: Beside) -> Table:
    """Costs of the Deep k-Means paper, accesses per MAC, time and power."""
    rows: list[Row] = []
    for name in _METRICS:
        values = [RUN_FIGURES[name](run) for run in shown.runs]
        if None not in values:
            field = field_named(name)
            unit = shown.unit if name == "energy_per_mac" else field.unit
            rows.append((field.heading, unit, *with_ratio(values)))
    columns = [Column("metric"), Column("unit")]
    columns += [Column(run or "value", "", "number") for run in shown.names]
    columns += [Column("ratio", "", "ratio") for _ in shown.names[1:]]
    levels = shown.result.hardware.level_names
    notes = (
        "Computational cost and bit uses are those of Deep k-Means (Wu et al., ICML 2018); deep "
        "k-means MAC units are their sum, in energies of one 16-bit MAC.",
        f"Innermost: {levels[-1]}. Outermost: {levels[0]}.",
    )
    return Table(shown.title("Metrics"), tuple(columns), tuple(rows), notes=notes)


def _account_table(shown: Beside, label: str, accounts: Sequence[Mapping[str, float]]) -> Table:
    rows, total = account_rows(accounts)
    columns = account_columns(label, shown.unit, shown.names)
    return Table(shown.title(f"Energy by {label}"), columns, rows, (total,))


def _has_zeros(result: Result) -> bool:
    return any(layer.zeros for layer in result.network)


def _execution_remarks(run: Run) -> tuple[str, ...]:
    """Where layers are decoded, unless a table says so, and whether entries are expected."""
    places = {layer.decode_level for layer in run.layers if layer.decode_level}
    if places and not execution_tables(run, ""):
        return (f"Clustered layers are decoded at {', '.join(places)}.",)
    expected = expected_entries_note(run.layers)
    return (expected,) if expected else ()
