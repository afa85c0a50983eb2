"""What an exploration says, as tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kcsim.errors import InputError, Problem
from kcsim.exploration import answers
from kcsim.exploration.answers import column_of
from kcsim.exploration.break_even import ways_to_compare
from kcsim.exploration.columns import GAINS
from kcsim.exploration.exploration import Exploration
from kcsim.reading.scalars import SCALAR_KINDS, convert
from kcsim.report.break_even_data import break_even_table, joined_table, summary_table
from kcsim.report.frame_tables import plain_table, points_table
from kcsim.report.quantities import in_words
from kcsim.report.table import Table

if TYPE_CHECKING:
    import pandas as pd


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
        As ``execution=decode,share_products``; all executions against decoding when absent.
    of : str
    joined : bool
        Whether break-evens of several pairs are one table of numbers, without sentences.
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
    joined: bool = False
    where: tuple[str, ...] = ()


def answer_tables(found: Exploration, question: Question) -> list[Table]:
    """The answer to a question: several tables where it does not say which ways are compared.

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
        return [points_table(best, f"Front of {title}", names)]
    if question.best:
        name = column_of(frame, question.best)
        best = answers.best(frame, name, each=question.each, maximize=name in GAINS)
        title = f"{'Most' if name in GAINS else 'Least'} {in_words(name)}"
        return [points_table(best, title, (name,))]
    if question.sensitivity:
        table = answers.sensitivity(frame, question.sensitivity)
        title = f"What matters to {in_words(column_of(frame, question.sensitivity))}"
        return [plain_table(table, title)]
    if question.break_even:
        along, of = question.break_even, question.of
        if question.between is None:
            pairs = ways_to_compare(frame)
            if question.joined:
                return [joined_table(frame, along, pairs, of)]
            tables = [break_even_table(frame, along, "execution", pair, of) for pair in pairs]
            return [summary_table(frame, along, pairs, of), *tables]
        column, *pair = _pair(frame, question.between)
        return [break_even_table(frame, along, column, pair, of)]
    return [points_table(frame, f"{len(frame)} of {len(everything)} points")]


def _pair(frame: pd.DataFrame, between: str) -> tuple[str, Any, Any]:
    """The column whose values are compared, and two of them, which may have commas."""
    column, _, values = between.partition("=")
    parts = values.split(",")
    if not column or len(parts) < 2:
        problem = f"'{between}' does not say what is compared"
        raise InputError(Problem(problem, "--between execution=decode,share_products"))
    known = answers.values_of(frame, column)
    pairs = [
        [_value(",".join(each)) for each in (parts[:i], parts[i:])] for i in range(1, len(parts))
    ]
    first, second = next((p for p in pairs if all(v in known for v in p)), pairs[0])
    return column, first, second


def _value(text: str) -> Any:
    return None if text.strip() == "none" else convert(text.strip(), SCALAR_KINDS)
