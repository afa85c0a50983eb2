"""What a comparison of executions says, as tables of exact numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kcsim.clustering.resolve import few_units_notes
from kcsim.estimation.compare import Comparison
from kcsim.estimation.result import Run
from kcsim.hardware.notes import hardware_notes
from kcsim.report.execution_data import (
    execution_notes,
    execution_tables,
    expected_entries_note,
    lookup_rate_note,
)
from kcsim.report.network_data import quotient
from kcsim.report.search_data import proof_note
from kcsim.report.table import Column, Row, Table
from kcsim.sums import exact_sum

Measures = Sequence[tuple[Column, Callable[[Run], Any]]]


def comparison_tables(comparison: Comparison) -> tuple[Table, ...]:
    """Everything there is to say about the executions of a network, the runs first.

    Parameters
    ----------
    comparison : Comparison

    Returns
    -------
    tuple of Table
        Costs and operations (one row a run), energy by component and by tensor (one column a
        run), and what ``auto`` chose for each layer.
    """
    return (
        costs_table(comparison),
        operations_table(comparison),
        energies_table(comparison, "component", Run.energy_by_component),
        energies_table(comparison, "tensor", Run.energy_by_tensor),
        *execution_tables(comparison.runs["auto"], f"{_subject(comparison)}, auto"),
    )


def costs_table(comparison: Comparison) -> Table:
    """Energy, cycles and storage of the weights of every run, with ratios.

    Parameters
    ----------
    comparison : Comparison
    """
    notes = [
        f"Ratios: dense over clustered. Mappings, and the choice of auto: least "
        f"{_shown(comparison.objective)}."
    ]
    runs = [run for name, run in comparison.runs.items() if name != "auto"]
    notes += [note for run in runs for note in execution_notes(run.layers)]
    notes += lookup_rate_note([layer for run in runs for layer in run.layers])
    searches = [layer.search for run in runs for layer in run.layers if layer.search]
    notes += [] if all(each.is_optimal for each in searches) else [proof_note(searches)]
    expected = expected_entries_note([layer for run in runs for layer in run.layers])
    notes += [expected] if expected else []
    stored = runs[-1].storage
    notes += few_units_notes(layer.clustering for layer in stored.layers) if stored else ()
    notes += hardware_notes(comparison.hardware)
    title = "Executions (expected)" if expected else "Executions"
    return _table(comparison, title, _costs(comparison), notes)


def operations_table(comparison: Comparison) -> Table:
    """Multiplies, adds and lookups of every run, with ratios.

    Parameters
    ----------
    comparison : Comparison
    """
    notes = (
        "Ratios: dense over clustered. Full adders: what multiplies and adds take in 1-bit full "
        "adders, after Deep k-Means (Wu et al., ICML 2018).",
    )
    return _table(comparison, "Operations", _operations(comparison), notes)


def energies_table(
    comparison: Comparison, label: str, account: Callable[[Run], Mapping[str, float]]
) -> Table:
    """Energy by component or by tensor, one column a run.

    Parameters
    ----------
    comparison : Comparison
    label : str
        ``component`` or ``tensor``.
    account : callable
        Gives the energies of a run by name.
    """
    unit = comparison.hardware.energy_unit
    names = account_names(comparison, account)
    accounts = [account(run) for run in comparison.runs.values()]
    columns = Column(label), *(Column(_shown(run), unit, "energy") for run in comparison.runs)
    rows = tuple((name, *(each.get(name) for each in accounts)) for name in names)
    total = ("TOTAL", *(exact_sum(each.values()) for each in accounts))
    title = f"Energy by {label}: {_subject(comparison)}"
    return Table(title, columns, rows, (total,))


def comparison_record_table(comparison: Comparison) -> Table:
    """All of it in one row a run, for programs.

    Parameters
    ----------
    comparison : Comparison
    """
    unit = comparison.hardware.energy_unit
    measures = [*_costs(comparison), *_operations(comparison)]
    accounts = {"component": Run.energy_by_component, "tensor": Run.energy_by_tensor}
    for label, account in accounts.items():
        for name in account_names(comparison, account):
            column = Column(f"{label} {name}", unit, "energy")
            measures.append((column, _one(account, name)))
    return _table(comparison, "Executions", measures, ())


def _costs(comparison: Comparison) -> Measures:
    dense, unit = comparison.runs["dense"], comparison.hardware.energy_unit
    edp = dense.energy_pj * dense.cycles
    return (
        *_compared(Column("energy", unit, "energy"), lambda run: run.energy_pj, dense),
        *_compared(Column("cycles", "", "integer"), lambda run: run.cycles, dense),
        (Column("EDP ratio", "", "ratio"), lambda run: quotient(edp, run.energy_pj * run.cycles)),
        *_compared(Column("weights", "bit", "bits"), lambda run: run.weight_bits, dense),
        (Column("utilisation", "", "percent", optional=True), lambda run: run.utilization),
    )


def _operations(comparison: Comparison) -> Measures:
    dense = comparison.runs["dense"]
    return (
        *_compared(
            Column("multiplies", "", "integer"), lambda run: run.operations.multiplies, dense
        ),
        *_compared(Column("adds", "", "integer"), lambda run: run.operations.adds, dense),
        *_compared(
            Column("full adders", "", "integer", optional=True), lambda run: run.full_adders, dense
        ),
        (Column("lookups", "", "integer", optional=True), lambda run: run.lookups),
    )


def _compared(column: Column, measure: Callable[[Run], float], dense: Run) -> Measures:
    """A measure, and what dense weights have over it."""
    over = measure(dense)
    ratio = Column(f"{column.name} ratio", "", "ratio")
    return (column, measure), (ratio, lambda run: quotient(over, measure(run)))


def _table(comparison: Comparison, title: str, measures: Measures, notes: Sequence[str]) -> Table:
    rows: list[Row] = [
        (name, *(measure(run) for _, measure in measures)) for name, run in comparison.runs.items()
    ]
    columns = Column("run"), *(column for column, _ in measures)
    return Table(f"{title}: {_subject(comparison)}", columns, tuple(rows), notes=tuple(notes))


def account_names(
    comparison: Comparison, account: Callable[[Run], Mapping[str, float]]
) -> list[str]:
    """What any run spends energy on, in the order of an account; all that is left comes last."""
    # Clustered runs have more names, so that theirs is the order.
    accounts = [account(run) for run in reversed(comparison.runs.values())]
    names = dict.fromkeys(name for each in accounts for name in each)
    return sorted(names, key="other".__eq__)


def _one(account: Callable[[Run], Mapping[str, float]], name: str) -> Callable[[Run], float]:
    return lambda run: account(run).get(name, 0.0)


def _shown(name: str) -> str:
    """A name in words: one a line, as columns are headed."""
    return "EDP" if name == "edp" else name.replace("_", " ")


def _subject(comparison: Comparison) -> str:
    return f"{comparison.network.name} on {comparison.hardware.name}, {comparison.clustering}"
