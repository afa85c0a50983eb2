"""When one way pays and another one does not, as tables and as sentences."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from kcsim.exploration.answers import column_of, unit_of_column
from kcsim.exploration.break_even import break_even
from kcsim.report.frame_tables import plain_table
from kcsim.report.quantities import in_words, valued
from kcsim.report.table import Column, Table

if TYPE_CHECKING:
    import pandas as pd

_WAYS = {
    "dense": "dense weights", "decode": "decoding", "share_products": "sharing products",
    "share_sums": "sharing sums", "auto": "the best of all ways",
}  # fmt: skip
_FOUND = ("better", "from", "up_to", "crossing", "least_ratio", "largest_ratio")
_FEW = 3
"""Labels that are listed; of more, how many they are."""


def break_even_table(
    frame: pd.DataFrame, along: str, column: str, pair: Sequence[Any], of: str = "energy"
) -> Table:
    """From which value of a parameter on the second of two ways is better, with one sentence.

    Parameters
    ----------
    frame : pandas.DataFrame
        Of `Exploration.points`.
    along, column : str
        The parameter, and what tells the ways apart.
    pair : sequence of object
        The two ways.
    of : str

    Raises
    ------
    InputError
        If a column is unknown, or there is nothing to compare.
    """
    first, second = pair
    found = break_even(frame, along, column, first, second, of)
    found.attrs = dict(frame.attrs)
    names = ["none" if value is None else value for value in (second, first)]
    title = f"{names[0]} against {names[1]} along {along}"
    return plain_table(found, title, (sentence(frame, found, along, pair, of),))


def joined_table(
    frame: pd.DataFrame, along: str, pairs: Sequence[tuple[Any, Any]], of: str = "energy"
) -> Table:
    """Break-evens of several pairs of executions in one table of numbers, for programs.

    Parameters
    ----------
    frame, along, pairs, of
        As for `summary_table`.
    """
    import pandas as pd

    parts = []
    for first, second in pairs:
        found = break_even(frame, along, "execution", first, second, of)
        parts.append(found.assign(along=column_of(frame, along), execution=second, against=first))
    joined = pd.concat(parts, ignore_index=True)
    names = ["along", "execution", "against"]
    joined = joined[[*names, *(name for name in joined.columns if name not in names)]]
    joined.attrs = dict(frame.attrs)
    return plain_table(joined, f"When it pays, along {_words(frame, along)[0]}")


def summary_table(
    frame: pd.DataFrame, along: str, pairs: Sequence[tuple[Any, Any]], of: str = "energy"
) -> Table:
    """For which values of a parameter ways pay, a row each, and all in one sentence.

    Parameters
    ----------
    frame : pandas.DataFrame
    along : str
    pairs : sequence of (object, object)
        Executions; see `kcsim.exploration.break_even.ways_to_compare`.
    of : str

    Raises
    ------
    InputError
        If a column is unknown, or there is nothing to compare.
    """
    words, unit = _words(frame, along)
    rows, parts = [], []
    for first, second in pairs:
        found = break_even(frame, along, "execution", first, second, of)
        pays = _pays(frame, found, words, unit)
        rows.append((second, first, pays))
        parts.append(f"{_named(second)} beats {_named(first)} {pays}")
    text = f"By {in_words(column_of(frame, of))}, " + "; ".join(parts) + "."
    columns = Column("execution"), Column("against"), Column("pays")
    return Table(f"When it pays, along {words}", columns, tuple(rows), notes=(text,))


def sentence(
    frame: pd.DataFrame, found: pd.DataFrame, along: str, pair: Sequence[Any], of: str
) -> str:
    """What a break-even says, in one sentence.

    Parameters
    ----------
    frame : pandas.DataFrame
        The points.
    found : pandas.DataFrame
        Of `kcsim.exploration.break_even.break_even`.
    along : str
    pair : sequence of object
        The two ways.
    of : str
    """
    words, unit = _words(frame, along)
    outcomes: dict[str, list[dict[str, Any]]] = {}
    for record in found.to_dict("records"):
        row = {str(name): value for name, value in record.items()}
        outcomes.setdefault(_outcome(row, words, unit), []).append(row)
    first, second = (_named(way) for way in pair)
    others = [name for name in found.columns if name not in _FOUND]
    parts = [
        text + _near(rows) + (f" ({_where(frame, rows, others)})" if len(outcomes) > 1 else "")
        for text, rows in outcomes.items()
    ]
    less = f"{second[0].upper()}{second[1:]} takes less {in_words(column_of(frame, of))} than"
    return f"{less} {first} {'; '.join(parts)}{_by(found)}."


def _words(frame: pd.DataFrame, along: str) -> tuple[str, str]:
    """A parameter in words, and its unit."""
    name = column_of(frame, along)
    return in_words(name) if "." in name else along, unit_of_column(frame, name)


def _outcome(row: dict[str, Any], words: str, unit: str) -> str:
    """For which values of a parameter the second way is better."""
    if row["better"] == "second":
        return f"at every {words} tried"
    if row["better"] == "first":
        return f"at no {words} tried"
    if row["better"] == "neither":
        return f"at no {words}: they are equal"
    if not math.isnan(row["from"]) and not math.isnan(row["up_to"]):
        ends = _shown([row["up_to"]], unit), _shown([row["from"]], unit)
        return f"up to {words} = {ends[0]} and from {ends[1]} on"
    if not math.isnan(row["from"]):
        return f"from {words} = {_shown([row['from']], unit)} on"
    if not math.isnan(row["up_to"]):
        return f"up to {words} = {_shown([row['up_to']], unit)}"
    return f"at some {words} only"


def _pays(frame: pd.DataFrame, found: pd.DataFrame, words: str, unit: str) -> str:
    """For which values of a parameter the second way is better, whatever else is chosen."""
    rows = [{str(name): value for name, value in each.items()} for each in
            found.to_dict("records")]  # fmt: skip
    outcomes = list(dict.fromkeys(_outcome(row, words, unit) for row in rows))
    others = [str(name) for name in found.columns if name not in _FOUND]
    depending = f", depending on {' and '.join(map(in_words, others))}"
    if len(outcomes) == 1:
        return outcomes[0]
    if {row["better"] for row in rows} == {"first", "second"}:
        where = [row for row in rows if row["better"] == "second"]
        return f"at every {words} tried with {_where(frame, where, others)}, and at none else"
    if all(row["better"] == "changes" for row in rows):
        for name, text in (("from", "from {} on"), ("up_to", "up to {}")):
            values = [row[name] for row in rows]
            if not any(map(math.isnan, values)):
                return text.format(f"{words} = {_shown(values, unit)}") + depending
    return f"at some {words}{depending}"


def _shown(values: Sequence[float], unit: str) -> str:
    least, largest = f"{min(values):.4g}", f"{max(values):.4g}"
    return f"{least if least == largest else f'{least} to {largest}'} {unit}".rstrip()


def _near(rows: Sequence[dict[str, Any]]) -> str:
    """Where the two ways meet."""
    known = [f"{row['crossing']:.3g}" for row in rows if not math.isnan(row["crossing"])]
    if not known or rows[0]["better"] != "changes":
        return ""
    ends = sorted(known, key=float)
    near = ends[0] if ends[0] == ends[-1] else f"{ends[0]} to {ends[-1]}"
    return f", they meet near {near}"


def _where(frame: pd.DataFrame, rows: Sequence[dict[str, Any]], others: Sequence[str]) -> str:
    """For which other inputs something holds."""
    if len(others) != 1:
        labels = [
            ", ".join(
                f"{in_words(name)} {valued(row[name], unit_of_column(frame, name))}"
                for name in others
            )
            for row in rows
        ]
        if len(labels) > _FEW:
            return f"{len(labels)} of the other inputs"
        return "; ".join(labels)
    (name,) = others
    return f"{in_words(name)} " + ", ".join(
        valued(row[name], unit_of_column(frame, name)) for row in rows
    )


def _by(found: pd.DataFrame) -> str:
    least, largest = found["least_ratio"].min(), found["largest_ratio"].max()
    return f" ({least:.2f} to {largest:.2f}× in all)" if largest > least else f" ({least:.2f}×)"


def _named(way: Any) -> str:
    return "none" if way is None else _WAYS.get(str(way), str(way))
