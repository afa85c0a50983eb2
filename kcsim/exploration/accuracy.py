"""Accuracies from a table of the user, joined to points by what the table says of them."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kcsim.errors import InputError, Mark, Problem, nearest
from kcsim.reading.files import read_text_file
from kcsim.reading.scalars import SCALAR_KINDS, convert

ACCURACY = "accuracy"
RETRAINED, DENSE = "retrained_accuracy", "dense_accuracy"
"""Columns of tables that ``kcsim retrain --table`` writes."""
ALIASES = {"k": "clusters", "K": "clusters"}
"""What columns may be called beside their own names."""
_MOST_BYTES = 10_000_000
_NAMED = ("network", "clustering", "scheme", "clusters", "weights")


@dataclass(frozen=True)
class Accuracies:
    """A table of accuracies.

    Attributes
    ----------
    columns : tuple of str
        What a row says of the points that it is for.
    values : dict of tuple to float
        Accuracies by the values of these columns; an empty cell is no value, as of dense weights.
    """

    columns: tuple[str, ...]
    values: dict[tuple[Any, ...], float]

    @property
    def in_percent(self) -> bool:
        """Whether the table tells accuracies in percent, not as shares of 1."""
        return any(value > 1 for value in self.values.values())

    def of(self, row: Mapping[str, Any]) -> float | None:
        """The accuracy of a point; ``None`` where the table has none."""
        return self.values.get(tuple(_plain(row.get(name)) for name in self.columns))


def read_accuracies(path: str, known: tuple[str, ...]) -> Accuracies:
    """Read a CSV file with a column ``accuracy`` and columns of inputs, as scheme and k.

    Tables of ``kcsim retrain --table`` are read as well: by network and clustering.

    Parameters
    ----------
    path : str
    known : tuple of str
        Columns of the inputs of points.

    Raises
    ------
    InputError
        If a column is unknown, a value no number, or two rows are for the same points.
    """
    text = read_text_file(path, _MOST_BYTES).decode("utf-8-sig", "replace")
    lines = text.splitlines()
    rows = list(csv.reader(io.StringIO(text)))
    names = [name.strip() for name in rows[0]] if rows else []
    names = [name if name in known else ALIASES.get(name, name) for name in names]
    if ACCURACY not in names and RETRAINED in names:
        names, rows = _of_retraining(names, rows)

    def wrong(line: int, message: str, expected: str = "", near: str = "") -> InputError:
        shown = lines[line - 1] if line <= len(lines) else ""
        return InputError(Problem(message, expected, near, Mark(path, line, 1, shown)))

    if ACCURACY not in names or len(set(names)) < len(names):
        raise wrong(1, "the table has no column 'accuracy', or one twice", "scheme,k,accuracy")
    for name in names:
        if name not in (ACCURACY, *known):
            expected = "accuracy, and of " + ", ".join(_NAMED)
            raise wrong(1, f"there is no input '{name}'", expected, nearest(name, known))
    if len(names) < 2:
        raise wrong(1, "the table does not say what accuracies are of", "scheme,k,accuracy")
    columns, values = tuple(name for name in names if name != ACCURACY), {}
    for number, cells in enumerate(rows[1:], 2):
        if not any(cells):
            continue
        if len(cells) != len(names):
            raise wrong(number, f"the row has {len(cells)} cells", str(len(names)))
        given = dict(zip(names, map(_value, cells), strict=True))
        accuracy = given.pop(ACCURACY)
        if isinstance(accuracy, bool) or not isinstance(accuracy, int | float):
            raise wrong(number, f"the accuracy is '{accuracy}'", "a number")
        key = tuple(_plain(given[name]) for name in columns)
        if key in values:
            raise wrong(number, "a row above is for the same points", "each once")
        values[key] = float(accuracy)
    return Accuracies(columns, values)


def _of_retraining(names: list[str], rows: list[list[str]]) -> tuple[list[str], list[list[str]]]:
    """A table of ``kcsim retrain`` by network and clustering, with the dense networks.

    Lines stay where they are, so that faults are told at theirs.
    """
    own, dense = ["network", "clustering", ACCURACY], dict[str, str]()
    found = [own]
    for cells in rows[1:]:
        line = dict(zip(names, cells, strict=False))
        network = line.get("network", "")
        dense.setdefault(network, line.get(DENSE, ""))
        found.append([network, line.get("clustering", ""), line.get(RETRAINED, "")])
    return own, [*found, *([network, "none", value] for network, value in dense.items())]


def _value(cell: str) -> Any:
    cell = cell.strip()
    return None if cell in ("none", "dense") else convert(cell, SCALAR_KINDS)


def _plain(value: Any) -> Any:
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value
