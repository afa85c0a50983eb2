"""What an exploration says, as tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kcsim.errors import InputError, Problem
from kcsim.exploration import answers
from kcsim.exploration.answers import column_of, unit_of_column
from kcsim.exploration.columns import GAINS
from kcsim.exploration.exploration import Exploration
from kcsim.fields import FIELDS
from kcsim.reading.scalars import SCALAR_KINDS, convert
from kcsim.report.quantities import in_words
from kcsim.report.table import Column, Table, column

if TYPE_CHECKING:
    import pandas as pd

SHOWN = ("energy", "cycles", "edp", "area_mm2", "weights_bits", "utilization")
"""Figures that a table of points has, where they are known."""


def points_table(
    frame: pd.DataFrame, title: str, figures: Sequence[str] = (), notes: Sequence[str] = ()
) -> Table:
    """Points with the inputs in which they differ from others, and some figures.

    Parameters
    ----------
    frame : pandas.DataFrame
        Of `Exploration.points`, or rows of one.
    title : str
    figures : sequence of str
        Columns to show first; those of `SHOWN` follow where they may be left out.
    notes : sequence of str
    """
    wanted = [column_of(frame, name) for name in figures]
    known = [name for name in SHOWN if name in frame.columns and frame[name].notna().any()]
    inputs = frame.attrs.get("varied") or answers.independent(frame)
    names = list(dict.fromkeys([*inputs, *wanted, *known]))
    columns = [_column(frame, name, name not in (*inputs, *wanted)) for name in names]
    return Table(title, tuple(columns), _rows(frame, names), notes=tuple(notes))


def plain_table(frame: pd.DataFrame, title: str, notes: Sequence[str] = ()) -> Table:
    """All columns of a small frame, as of a sensitivity."""
    names = list(map(str, frame.columns))
    columns = [_column(frame, name, False) for name in names]
    return Table(title, tuple(columns), _rows(frame, names), notes=tuple(notes))


_KINDS: dict[str, Any] = {
    "first_order": "share", "total_order": "share", "swing": "ratio", "least_ratio": "ratio",
    "largest_ratio": "ratio", "values": "integer", "crossing": "number", "from": "number",
}  # fmt: skip


def _column(frame: pd.DataFrame, name: str, optional: bool) -> Column:
    unit = unit_of_column(frame, name)
    if name in FIELDS and unit == "%":
        return Column(FIELDS[name].heading, unit, "number", optional, name)
    if name in FIELDS:
        return column(name, unit=unit, optional=optional)
    is_text = any(isinstance(value, str) for value in frame[name].dropna())
    kind = _KINDS.get(name, "text" if is_text else "number")
    return Column(in_words(name), unit, kind, optional, name)


def _rows(frame: pd.DataFrame, names: Sequence[str]) -> tuple[tuple[Any, ...], ...]:
    columns = [
        [_plain(value, name not in FIELDS) for value in frame[name].tolist()] for name in names
    ]
    return tuple(zip(*columns, strict=True))


def _plain(value: Any, may_be_whole: bool) -> Any:
    if value is None or value != value:
        return None
    is_whole = may_be_whole and isinstance(value, float) and value.is_integer()
    return int(value) if is_whole else value


@dataclass(frozen=True)
class Question:
    """What is asked of an exploration; nothing for all points.

    Attributes
    ----------
    front : tuple of str
        Columns of which no point may have less in all.
    best : str, optional
    each : tuple of str
    sensitivity : str, optional
    break_even : str, optional
        The parameter along which two ways are compared.
    between : str, optional
        As ``execution=decode,share_products``.
    of : str
    where : tuple of str
        Expressions that hold for the points that are looked at.
    """

    front: tuple[str, ...] = ()
    best: str | None = None
    each: tuple[str, ...] = ()
    sensitivity: str | None = None
    break_even: str | None = None
    between: str | None = None
    of: str = "energy"
    where: tuple[str, ...] = ()


def answer_table(found: Exploration, question: Question) -> Table:
    """The answer to a question.

    Raises
    ------
    InputError
        If a column is unknown, or no point is left.
    """
    everything = found.points()
    frame = answers.holding(answers.feasible(everything), question.where)
    frame.attrs = {**everything.attrs, "varied": answers.independent(frame)}
    if question.front:
        names = [column_of(frame, name) for name in question.front]
        most = [name for name in names if name in GAINS]
        best = answers.front(frame, [name for name in names if name not in most], most)
        title = " and ".join(("most " if n in most else "least ") + in_words(n) for n in names)
        return points_table(best, f"Front of {title}", names)
    if question.best:
        name = column_of(frame, question.best)
        best = answers.best(frame, name, each=question.each, maximize=name in GAINS)
        title = f"{'Most' if name in GAINS else 'Least'} {in_words(name)}"
        return points_table(best, title, (name,))
    if question.sensitivity:
        table = answers.sensitivity(frame, question.sensitivity)
        title = f"What matters to {in_words(column_of(frame, question.sensitivity))}"
        return plain_table(table, title)
    if question.break_even:
        column, first, second = _pair(frame, question.between)
        table = answers.break_even(frame, question.break_even, column, first, second, question.of)
        names = ["none" if value is None else value for value in (second, first)]
        title = f"{names[0]} against {names[1]} along {question.break_even}"
        return plain_table(table, title)
    return points_table(frame, f"{len(frame)} of {len(everything)} points")


def _pair(frame: pd.DataFrame, between: str | None) -> tuple[str, Any, Any]:
    """The column whose values are compared, and two of them, which may have commas."""
    column, _, values = (between or "").partition("=")
    parts = values.split(",")
    if not column or len(parts) < 2:
        problem = f"'{between or ''}' does not say what is compared"
        raise InputError(Problem(problem, "--between execution=decode,share_products"))
    known = answers.values_of(frame, column)
    pairs = [
        [_value(",".join(each)) for each in (parts[:i], parts[i:])] for i in range(1, len(parts))
    ]
    first, second = next((p for p in pairs if all(v in known for v in p)), pairs[0])
    return column, first, second


def _value(text: str) -> Any:
    return None if text.strip() == "none" else convert(text.strip(), SCALAR_KINDS)
