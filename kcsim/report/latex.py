"""Tables for LaTeX that fit a column of a paper, or span two."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kcsim.report.cells import heading, shown_rows
from kcsim.report.pictures import SIZES
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

_POINTS = {name: 72.27 * inches for name, inches in SIZES.items()}
_GAP = 6.0
"""Between columns: twice `tabcolsep`."""
# Widths of letters of Computer Modern at 8 pt, which is wider than Times: thousandths of 8 pt.
_WIDTHS = {
    **dict.fromkeys("abdghknopquvxy0123456789=+–", 560), **dict.fromkeys("ceszrtf", 475),
    **dict.fromkeys("ijl.,;:!'|()[]/- ", 370), **dict.fromkeys("mw%@&MWQ×µ", 940),
}  # fmt: skip
_OTHER_WIDTH = 800
_BREAKABLE = 60.0
"""Texts wider than this may be broken where a table does not fit otherwise [pt]."""


def to_latex(tables: Table | Iterable[Table]) -> str:
    """Tables for LaTeX; needs the packages booktabs and array.

    Each is as narrow as it can be with texts of 8 pt: in a ``table`` if it fits a column of 3.5 in,
    else in a ``table*`` across two. What is still too wide loses columns that may be left out,
    then texts are broken, then columns go below each other in several parts.

    Parameters
    ----------
    tables : Table or iterable of Table
    """
    tables = [tables] if isinstance(tables, Table) else tables
    return "% Needs \\usepackage{booktabs,array}\n" + "\n".join(_latex(each) for each in tables)


@dataclass(frozen=True)
class _Shown:
    """A column as it is written: heading in lines, cells, width in points."""

    column: Column
    lines: tuple[str, ...]
    cells: tuple[str, ...]
    width: float
    is_broken: bool = False

    @classmethod
    def of(cls, column: Column, cells: Sequence[str]) -> _Shown:
        widest = max((width_of(cell) for cell in cells), default=0.0)
        words = heading(column).split()
        # A heading is no wider than its cells, but for a long word of it.
        lines, line = [], ""
        room = max(widest, *(width_of(word) for word in words), 0.0)
        for word in words:
            joined = f"{line} {word}".strip()
            if line and width_of(joined) > room:
                lines.append(line)
                joined = word
            line = joined
        lines.append(line)
        width = max(widest, *(width_of(each) for each in lines))
        return cls(column, tuple(lines), tuple(cells), width)

    def broken(self, room: float) -> _Shown:
        """With texts in lines of at most so many points."""
        return _Shown(self.column, self.lines, self.cells, room, is_broken=True)

    @property
    def may_break(self) -> bool:
        return self.column.kind == "text" and self.width > _BREAKABLE

    @property
    def head(self) -> str:
        if len(self.lines) == 1:
            return _escape_latex(self.lines[0])
        side = "l" if self.column.kind == "text" else "r"
        lines = r" \\ ".join(map(_escape_latex, self.lines))
        return rf"\shortstack[{side}]{{{lines}}}"

    @property
    def alignment(self) -> str:
        if self.is_broken:
            return rf">{{\raggedright\arraybackslash}}p{{{self.width:.0f}pt}}"
        return "l" if self.column.kind == "text" else "r"


def width_of(text: str) -> float:
    """Width of a text at 8 pt, in points; rather too large than too small."""
    return sum(_WIDTHS.get(letter, _OTHER_WIDTH) for letter in text) * 0.008


def width_of_all(columns: Sequence[_Shown]) -> float:
    """Width of columns side by side, in points."""
    return sum(each.width for each in columns) + _GAP * (len(columns) - 1)


def _latex(table: Table) -> str:
    rows, footers = shown_rows(table)
    cells = list(zip(*rows, *footers, strict=True)) or [()] * len(table.columns)
    columns = [_Shown.of(*pair) for pair in zip(table.columns, cells, strict=True)]
    notes = list(table.notes)
    hidden: list[str] = []
    for each in reversed(columns):
        if width_of_all(columns) > _POINTS["page"] and each.column.optional:
            columns = [other for other in columns if other is not each]
            hidden.insert(0, heading(each.column))
    if hidden:
        notes.append(f"Not shown at this width: {', '.join(hidden)}.")
    columns = _with_breaks(columns)
    parts = _parts(columns)
    is_column = all(width_of_all(part) <= _POINTS["column"] for part in parts)
    environment = "table" if is_column else "table*"
    text = [rf"\begin{{{environment}}}", rf"\caption{{{_escape_latex(table.title)}}}",
            r"\centering\footnotesize", r"\setlength{\tabcolsep}{3pt}"]  # fmt: skip
    for number, part in enumerate(parts):
        text += [r"\par\medskip"] if number else []
        text += _tabular(part, len(rows))
    text += [rf"\par\smallskip {_escape_latex(note)}" for note in notes]
    return "\n".join([*text, rf"\end{{{environment}}}", ""])


def _with_breaks(columns: list[_Shown]) -> list[_Shown]:
    """The columns, texts in several lines where they are too wide for a page otherwise."""
    over = width_of_all(columns) - _POINTS["page"]
    wide = [each for each in columns if each.may_break]
    if over <= 0 or not wide:
        return columns
    total = sum(each.width for each in wide)
    return [
        each.broken(max(_BREAKABLE, each.width - over * each.width / total))
        if each.may_break
        else each
        for each in columns
    ]


def _parts(columns: Sequence[_Shown]) -> list[list[_Shown]]:
    """Columns that fit side by side, the first one in every part."""
    first, *others = columns
    parts = [[first]]
    for column in others:
        if len(parts[-1]) > 1 and width_of_all([*parts[-1], column]) > _POINTS["page"]:
            parts.append([first])
        parts[-1].append(column)
    return parts


def _tabular(columns: Sequence[_Shown], rows: int) -> list[str]:
    alignment = "".join(each.alignment for each in columns)
    lines = [
        rf"\begin{{tabular}}{{@{{}}{alignment}@{{}}}}",
        r"\toprule",
        _latex_row([each.head for each in columns]),
        r"\midrule",
    ]
    for number, cells in enumerate(zip(*(each.cells for each in columns), strict=True)):
        if number == rows:
            lines.append(r"\midrule")
        lines.append(_latex_row(_latex_cells(cells, [each.column for each in columns])))
    return [*lines, r"\bottomrule", r"\end{tabular}"]


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
