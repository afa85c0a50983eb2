"""Tables as text: Markdown for people, CSV for programs."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from kcsim.report.cells import heading, shown_rows
from kcsim.report.table import Table


def to_csv(tables: Table | Sequence[Table]) -> str:
    """The exact numbers of a table as comma-separated values.

    A file holds one table: of several, the first. Totals are left out, so that columns can be
    added up; a share is a fraction of 1; nothing stands where there is no value. Where there are
    energies, a column ``energy_unit`` says their unit.

    Parameters
    ----------
    tables : Table or sequence of Table
    """
    table = tables if isinstance(tables, Table) else tables[0]
    unit = next((column.unit for column in table.columns if column.kind == "energy"), "")
    keys = [column.key for column in table.columns]
    last = {"energy_unit": unit} if unit else {}
    return rows_to_csv([dict(zip(keys, row, strict=True)) | last for row in table.rows], keys)


def rows_to_csv(rows: Sequence[Mapping[str, Any]], columns: Sequence[str] = ()) -> str:
    """Rows of values as comma-separated values.

    Parameters
    ----------
    rows : sequence of mapping
        Values by column, all alike.
    columns : sequence of str
        Columns where there are no rows.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(list(rows[0]) if rows else columns)
    writer.writerows(row.values() for row in rows)
    return text.getvalue()


def to_markdown(tables: Table | Iterable[Table]) -> str:
    """Tables in GitHub's Markdown, each under a heading.

    Parameters
    ----------
    tables : Table or iterable of Table
    """
    tables = [tables] if isinstance(tables, Table) else tables
    return "\n".join(_markdown(table) for table in tables)


def _markdown(table: Table) -> str:
    lines = [[_escape_markdown(heading(column)) for column in table.columns]]
    rows, footers = shown_rows(table)
    lines += [[_escape_markdown(cell) for cell in row] for row in (*rows, *footers)]
    widths = [max(3, *map(len, cells)) for cells in zip(*lines, strict=True)]
    right = [column.kind != "text" for column in table.columns]
    rule = ["-" * (w - 1) + (":" if r else "-") for w, r in zip(widths, right, strict=True)]
    padded = [
        [c.rjust(w) if r else c.ljust(w) for c, w, r in zip(line, widths, right, strict=True)]
        for line in lines
    ]
    padded.insert(1, rule)
    text = f"### {_escape_markdown(table.title)}\n\n"
    text += "".join(f"| {' | '.join(line)} |\n" for line in padded)
    return text + "".join(f"\n{_escape_markdown(note)}\n" for note in table.notes)


def _escape_markdown(text: str) -> str:
    """Escape what GitHub would take as a mark; an underscore inside a word is none."""
    return re.sub(r"[\\|*`<]|(?<!\w)_|_(?!\w)", r"\\\g<0>", text)
