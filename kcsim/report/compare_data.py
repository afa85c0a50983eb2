"""What runs of a network say side by side, as tables of exact numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from kcsim.clustering.resolve import few_units_notes
from kcsim.estimation.reasons import spill_warnings
from kcsim.estimation.result import COMPARED, Result, Run
from kcsim.hardware.notes import hardware_notes
from kcsim.report.execution_data import (
    execution_notes,
    execution_tables,
    expected_entries_note,
    lookup_rate_note,
)
from kcsim.report.hardware_data import area_table
from kcsim.report.reasons_data import reason_tables
from kcsim.report.search_data import unproved_note
from kcsim.report.table import Column, Table, column
from kcsim.report.unmodeled_data import result_operations_tables
from kcsim.sums import exact_sum

_COSTS = (
    "energy", "energy_ratio", "cycles", "cycles_ratio", "edp_ratio", "weights_bits",
    "weights_bits_ratio", "utilization",
)  # fmt: skip
_OPERATIONS = (
    "multiplies", "multiplies_ratio", "adds", "adds_ratio", "full_adders", "full_adders_ratio",
    "lookups",
)  # fmt: skip
_OPTIONAL = ("utilization", "full_adders", "lookups")


def comparison_tables(result: Result) -> tuple[Table, ...]:
    """Everything there is to say about all runs of a network together.

    Parameters
    ----------
    result : Result

    Returns
    -------
    tuple of Table
        Costs and operations (one row a run), energy by component and by tensor (one column a
        run), how the last run executes each layer and why, where to decode, what is not modeled
        (if anything is not), and area (if the hardware says what parts are).
    """
    last = list(result.runs.values())[-1]
    return (
        costs_table(result),
        operations_table(result),
        energies_table(result, "component", Run.energy_by_component),
        energies_table(result, "tensor", Run.energy_by_tensor),
        *execution_tables(last, f"{_subject(result)}, {last.name}"),
        *reason_tables(result, _subject(result)),
        *result_operations_tables(result),
        *area_table(result.hardware),
    )


def costs_table(result: Result) -> Table:
    """Energy, cycles and storage of the weights of every run, with ratios.

    Parameters
    ----------
    result : Result
    """
    notes = [
        *spill_warnings([layer for run in result.runs.values() for layer in run.layers]),
        f"Ratios: {next(iter(result.runs))} over the run. Mappings, and the choice of auto: least "
        f"{'EDP' if result.objective == 'edp' else result.objective}.",
    ]
    # What auto chooses has its own table, and its layers are those of the others.
    runs = [run for name, run in result.runs.items() if name != "auto"]
    notes += [note for run in runs for note in execution_notes(run.layers)]
    notes += lookup_rate_note([layer for run in runs for layer in run.layers])
    notes += unproved_note([search for run in runs for search in run.searches])
    expected = expected_entries_note([layer for run in runs for layer in run.layers])
    notes += [expected] if expected else []
    stored = next((run.storage for run in runs if run.storage), None)
    notes += few_units_notes(layer.clustering for layer in stored.layers) if stored else ()
    notes += [*hardware_notes(result.hardware), *result.network.notes]
    known = any(run.accuracy is not None for run in result.runs.values())
    # Beside the energy that it is to be weighed against.
    names = (*_COSTS[:2], "accuracy", *_COSTS[2:]) if known else _COSTS
    return _table(result, "Executions (expected)" if expected else "Executions", names, notes)


def operations_table(result: Result) -> Table:
    """Multiplies, adds and lookups of every run, with ratios.

    Parameters
    ----------
    result : Result
    """
    notes = (
        f"Ratios: {next(iter(result.runs))} over the run. Full adders: what multiplies and adds "
        "take in 1-bit full adders, after Deep k-Means (Wu et al., ICML 2018).",
    )
    return _table(result, "Operations", _OPERATIONS, notes)


def energies_table(
    result: Result, label: str, account: Callable[[Run], Mapping[str, float]]
) -> Table:
    """Energy by component or by tensor, one column a run.

    Parameters
    ----------
    result : Result
    label : str
        ``component`` or ``tensor``.
    account : callable
        Gives the energies of a run by name.
    """
    names = account_names(result, account)
    accounts = [account(run) for run in result.runs.values()]
    unit = result.hardware.energy_unit
    columns = [column(label)]
    columns += [Column(n.replace("_", " "), unit, "energy", key=f"{n}_energy") for n in result.runs]
    rows = tuple((name, *(each.get(name) for each in accounts)) for name in names)
    total = ("TOTAL", *(exact_sum(each.values()) for each in accounts))
    return Table(f"Energy by {label}: {_subject(result)}", tuple(columns), rows, (total,))


def account_names(result: Result, account: Callable[[Run], Mapping[str, float]]) -> list[str]:
    """What any run spends energy on, in the order of an account; all that is left comes last."""
    # Clustered runs have more names, so that theirs is the order.
    accounts = [account(run) for run in reversed(list(result.runs.values()))]
    names = dict.fromkeys(name for each in accounts for name in each)
    return sorted(names, key="other".__eq__)


def _table(result: Result, title: str, names: Sequence[str], notes: Sequence[str]) -> Table:
    unit = result.hardware.energy_unit
    columns = [column("run")]
    for name in names:
        of = name.removesuffix("_ratio")
        heading = f"{column(of).name} ratio" if of in COMPARED and name != of else ""
        shown_unit = unit if name == "energy" else ""
        columns.append(column(name, unit=shown_unit, heading=heading, optional=name in _OPTIONAL))
    rows = tuple((row["run"], *(row[name] for name in names)) for row in result.summary_rows())
    return Table(f"{title}: {_subject(result)}", tuple(columns), rows, notes=tuple(notes))


def _subject(result: Result) -> str:
    return f"{result.network.name} on {result.hardware.name}, {result.clustering}"
