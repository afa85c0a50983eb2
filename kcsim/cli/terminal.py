"""Tables on a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.box import Box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from kcsim.report.cells import heading, shown_rows
from kcsim.report.table import Table

__all__ = ["render"]

_GAP = 2
# Rules below the headings and above the totals; edges would only cost width.
_RULES = Box("    \n    \n ── \n    \n ── \n ── \n    \n    \n")
_ASCII = str.maketrans({"µ": "u", "–": "-", "×": "x"})


def render(tables: Table | Iterable[Table], console: Console) -> None:
    """Print tables, rounded for people, within the width of a console.

    Where a table is too wide, columns that a narrow display may leave out go
    first, from the right, and a line says so; then texts are folded.

    Parameters
    ----------
    tables : Table or iterable of Table
    console : rich.console.Console
        Decides on width, colours and which characters there are.
    """
    for i, table in enumerate([tables] if isinstance(tables, Table) else tables):
        if i:
            console.print()
        _render(table, console)


def _render(table: Table, console: Console) -> None:
    headings = [heading(column) for column in table.columns]
    rows, footers = shown_rows(table)
    lines = [*rows, *footers]
    kept = _columns_that_fit(table, [_stacked(h) for h in headings], lines, console.width)
    console.print(_text(table.title, console, "bold"))
    # The box itself stands between two columns, one character wide.
    grid = Grid(box=_RULES, show_edge=False, pad_edge=False, padding=(0, _GAP - 1, 0, 0))
    for i in kept:
        right = table.columns[i].kind != "text"
        grid.add_column(
            _text(_stacked(headings[i]), console),
            justify="right" if right else "left",
            no_wrap=right,
            overflow="ellipsis" if right else "fold",
        )
    for number, line in enumerate(lines):
        grid.add_row(
            *(_text(line[i], console) for i in kept),
            style="bold" if number >= len(rows) else None,
            end_section=number == len(rows) - 1 and bool(footers),
        )
    console.print(grid)
    notes = list(table.notes)
    if len(kept) < len(headings):
        hidden = ", ".join(h for i, h in enumerate(headings) if i not in kept)
        notes.append(f"Not shown at this width: {hidden}.")
    for note in notes:
        console.print(_text(note, console, "dim"))


def _columns_that_fit(
    table: Table, headings: Sequence[str], lines: Sequence[Sequence[str]], width: int
) -> list[int]:
    widths = [
        max(cell_len(part) for cell in (head, *cells) for part in cell.split("\n"))
        for head, cells in zip(headings, zip(*lines, strict=True), strict=True)
    ]
    kept = list(range(len(widths)))
    for i in reversed(range(len(widths))):
        if sum(widths[k] + _GAP for k in kept) - _GAP <= width:
            break
        if table.columns[i].optional:
            kept.remove(i)
    return kept


def _stacked(name: str) -> str:
    """A heading with one word a line: columns are as narrow as their numbers."""
    return name.replace(" ", "\n")


def _text(content: str, console: Console, style: str = "") -> Text:
    # A Text is not searched for markup, which a name in brackets would be.
    return Text(content.translate(_ASCII) if console.options.ascii_only else content, style)
