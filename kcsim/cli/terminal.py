"""Tables on a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from rich.box import Box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from kcsim.report.cells import heading, shown_rows
from kcsim.report.table import Column, Table

_GAP = 2
_LONGEST_WORD = 24
"""Names that are longer may be broken."""
# Rules below the headings and above the totals; edges would only cost width.
_RULES = Box("    \n    \n ── \n    \n ── \n ── \n    \n    \n")
_ASCII = str.maketrans({"µ": "u", "–": "-", "×": "x"})


def render(tables: Table | Iterable[Table], console: Console) -> None:
    """Print tables, rounded for people, within the width of a console.

    Where a table is too wide, columns that a narrow display may leave out go
    first, from the right, and a line says so; then texts are folded, but no narrower than
    their words; then the columns are shown in several parts, each with the first column. No
    number is cut: a part that is too wide nevertheless is wider than the console.

    Parameters
    ----------
    tables : Table or iterable of Table
    console : rich.console.Console
        Decides on width, colors and which characters there are.
    """
    for i, table in enumerate([tables] if isinstance(tables, Table) else tables):
        if i:
            console.print()
        _render(table, console)


def _render(table: Table, console: Console) -> None:
    headings = [heading(column) for column in table.columns]
    rows, footers = shown_rows(table)
    cells = list(zip(map(_stacked, headings), *rows, *footers, strict=True))
    columns = [
        _Column.of(column, texts) for column, texts in zip(table.columns, cells, strict=True)
    ]
    kept = _columns_that_fit(table, columns, console.width)
    console.print(_text(table.title, console, "bold"))
    for number, part in enumerate(_parts([columns[i] for i in kept], console.width)):
        if number:
            console.print()
        console.print(_grid(part, len(rows), console), crop=False)
    notes = list(table.notes)
    if len(kept) < len(headings):
        hidden = ", ".join(h for i, h in enumerate(headings) if i not in kept)
        notes.append(f"Not shown at this width: {hidden}.")
    for note in notes:
        console.print(_text(note, console, "dim"))


@dataclass(frozen=True)
class _Column:
    """The texts of a column, its heading first, and how wide they are, at most and at least."""

    texts: tuple[str, ...]
    is_text: bool
    width: int
    least: int

    @classmethod
    def of(cls, column: Column, texts: tuple[str, ...]) -> _Column:
        width = max(cell_len(line) for text in texts for line in text.split("\n"))
        if column.kind != "text":
            return cls(texts, False, width, width)
        words = max(cell_len(word) for text in texts for word in (*text.split(), ""))
        return cls(texts, True, width, min(words, _LONGEST_WORD))


def _parts(columns: Sequence[_Column], width: int) -> Iterator[list[_Column]]:
    """Columns that fit side by side, the first one in every part."""
    first, *others = columns
    part = [first]
    for column in others:
        if len(part) > 1 and _sum([each.least for each in (*part, column)]) > width:
            yield part
            part = [first]
        part.append(column)
    yield part


def _grid(columns: Sequence[_Column], rows: int, console: Console) -> Grid:
    """A part of a table."""
    widths = [column.width for column in columns]
    for _ in range(_sum(widths) - console.width):
        spare = [width - column.least for width, column in zip(widths, columns, strict=True)]
        if not any(spare):
            break
        widths[max(range(len(widths)), key=lambda i: (bool(spare[i]), widths[i]))] -= 1
    # The box itself stands between two columns, one character wide.
    grid = Grid(
        box=_RULES, show_edge=False, pad_edge=False, padding=(0, _GAP - 1, 0, 0), width=_sum(widths)
    )
    for column, width in zip(columns, widths, strict=True):
        grid.add_column(
            _text(column.texts[0], console),
            justify="left" if column.is_text else "right",
            overflow="fold",
            no_wrap=not column.is_text,
            width=width,
        )
    lines = list(zip(*(column.texts[1:] for column in columns), strict=True))
    for number, line in enumerate(lines):
        grid.add_row(
            *(_text(cell, console) for cell in line),
            style="bold" if number >= rows else None,
            end_section=number == rows - 1 and len(lines) > rows,
        )
    return grid


def _sum(widths: Sequence[int]) -> int:
    """The width of columns side by side."""
    return sum(widths) + _GAP * (len(widths) - 1)


def _columns_that_fit(table: Table, columns: Sequence[_Column], width: int) -> list[int]:
    kept = list(range(len(columns)))
    for i in reversed(range(len(columns))):
        if _sum([columns[k].width for k in kept]) <= width:
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
