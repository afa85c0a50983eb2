"""An energy account as rows of a table: energy and share of every entry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kcsim.report.table import Column, Row, column, with_ratio
from kcsim.sums import exact_sum


def account_rows(
    accounts: Sequence[Mapping[str, float]],
) -> tuple[tuple[Row, ...], Row]:
    """Energy and share of every entry of one account, or of two and their ratio.

    Parameters
    ----------
    accounts : sequence of mapping
        Energy by name, that of the first run first.

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
        return (name, *values, *with_ratio([energy or 0 for energy in energies])[2:])

    rows = tuple(row(name, [account.get(name) for account in accounts]) for name in names)
    return rows, row("TOTAL", totals)


def account_columns(label: str, unit: str, runs: Sequence[str] = ("",)) -> tuple[Column, ...]:
    """The columns of such rows."""
    columns = [column(label)]
    for run in runs:
        columns.append(column("energy", of=run, unit=unit))
        columns.append(column("energy_share", of=run, heading="share"))
    ratios = [column("energy_ratio", heading="ratio") for _ in runs[1:]]
    return (*columns, *ratios)
