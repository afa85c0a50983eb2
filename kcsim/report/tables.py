"""Tables as text: Markdown and LaTeX for people, CSV for programs."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from kcsim.report.cells import heading, shown_rows
from kcsim.report.table import Column, Table

_LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "#": r"\#",
    "$": r"\$",
    "%": r"\%",
    "&": r"\&",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    # At the start of a row, these would be arguments of the line break before it.
    "*": "{*}",
    "[": "{[}",
    "]": "{]}",
    "µ": r"\(\mu\)",
    "×": r"\(\times\)",
    "–": "--",
}
_LATEX_TABLE = str.maketrans(_LATEX)


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


def to_latex(tables: Table | Iterable[Table]) -> str:
    """Tables for LaTeX, each in a ``table`` environment; needs the package booktabs.

    Parameters
    ----------
    tables : Table or iterable of Table
    """
    tables = [tables] if isinstance(tables, Table) else tables
    return "% Needs \\usepackage{booktabs}\n" + "\n".join(_latex(table) for table in tables)


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


def _latex(table: Table) -> str:
    alignment = "".join("l" if column.kind == "text" else "r" for column in table.columns)
    rows, footers = shown_rows(table)
    lines = [
        r"\begin{table}",
        rf"\caption{{{_escape_latex(table.title)}}}",
        r"\centering",
        rf"\begin{{tabular}}{{{alignment}}}",
        r"\toprule",
        _latex_row([_escape_latex(heading(column)) for column in table.columns]),
        r"\midrule",
        *(_latex_row(_latex_cells(row, table.columns)) for row in rows),
    ]
    if footers:
        lines.append(r"\midrule")
        lines += [_latex_row(_latex_cells(row, table.columns)) for row in footers]
    lines += [r"\bottomrule", r"\end{tabular}"]
    lines += [rf"\par\footnotesize {_escape_latex(note)}" for note in table.notes]
    return "\n".join([*lines, r"\end{table}", ""])


def _latex_cells(cells: Sequence[str], columns: Sequence[Column]) -> list[str]:
    return [
        # A tie keeps a number and its unit together.
        _escape_latex(cell).replace(" ", " " if column.kind == "text" else "~")
        for cell, column in zip(cells, columns, strict=True)
    ]


def _latex_row(cells: Sequence[str]) -> str:
    return " & ".join(cells) + r" \\"


def _escape_latex(text: str) -> str:
    return text.translate(_LATEX_TABLE)
