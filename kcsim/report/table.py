"""A table of exact numbers, which every display formats in its own way."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from kcsim.fields import field_named
from kcsim.sums import quotient

Kind = Literal["text", "integer", "number", "energy", "bits", "ratio", "share"]
Row = tuple[Any, ...]

_KINDS: dict[str, Kind] = {
    "texts": "text", "flag": "text", "integers": "text", "by name": "text", "record": "text",
    "records": "text", "shares": "text", "signed share": "share",
}  # fmt: skip


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
        How numbers are rounded for people; a ``share`` is one of 1.
    optional : bool
        Whether a narrow display may leave it out.
    key : str
        The heading for programs: the heading in small letters unless given.
    """

    name: str
    unit: str = ""
    kind: Kind = "text"
    optional: bool = False
    key: str = ""

    def __post_init__(self) -> None:
        if not self.key:
            object.__setattr__(self, "key", re.sub(r"\W+", "_", self.name.lower()).strip("_"))


def column(
    name: str, *, of: str = "", unit: str = "", heading: str = "", optional: bool = False
) -> Column:
    """The column of a field.

    Parameters
    ----------
    name : str
        Of the field.
    of : str
        The run that it is of, where a table has several.
    unit : str
        Of an energy.
    heading : str
        In place of the field's.
    optional : bool
    """
    field = field_named(name)
    words = heading or field.heading
    return Column(
        f"{of.replace('_', ' ')} {words}".strip(),
        unit or field.unit,
        _KINDS.get(field.kind, field.kind),  # type: ignore[arg-type]
        optional,
        f"{of}_{name}" if of else name,
    )


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


def with_ratio(values: Sequence[Any]) -> tuple[Any, ...]:
    """One value, or two and their ratio."""
    return (*values, quotient(*values)) if len(values) == 2 else tuple(values)
