"""A table of exact numbers, which every display formats in its own way."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["text", "integer", "number", "energy", "bits", "ratio", "percent"]
Row = tuple[Any, ...]


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes
    ----------
    name : str
        The heading.
    unit : str
        Unit of the exact numbers; empty for counts and quotients.
    kind : str
        How numbers are rounded for people; a ``percent`` is kept as a share of 1.
    optional : bool
        Whether a narrow display may leave it out.
    """

    name: str
    unit: str = ""
    kind: Kind = "text"
    optional: bool = False

    @property
    def key(self) -> str:
        """The heading for programs, as ``dense_energy_pj``."""
        return re.sub(r"\W+", "_", f"{self.name} {self.unit}".lower()).strip("_")


@dataclass(frozen=True)
class Table:
    """A table of exact numbers.

    Attributes
    ----------
    title : str
    columns : tuple of Column
    rows : tuple of tuple
        One value for each column; ``None`` where there is none.
    footers : tuple of tuple
        Totals of the rows.
    notes : tuple of str
        What a reader has to know, one sentence each.
    """

    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    footers: tuple[Row, ...] = ()
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for row in (*self.rows, *self.footers):
            if len(row) != len(self.columns):
                raise ValueError(f"{self.title}: {len(row)} values in {len(self.columns)} columns")

    def column(self, key: str) -> tuple[Any, ...]:
        """The values of a column, by its `Column.key`, without the totals."""
        index = [column.key for column in self.columns].index(key)
        return tuple(row[index] for row in self.rows)
