"""The data files of the library, read once."""

from __future__ import annotations

import csv
from functools import cache
from importlib.resources import files

Row = dict[str, str]


@cache
def rows_of(name: str) -> tuple[Row, ...]:
    """The rows of a table.

    Parameters
    ----------
    name : str
        Of the file, without its ending.
    """
    return tuple(csv.DictReader(text_of(f"{name}.csv").splitlines()))


def text_of(name: str) -> str:
    """The text of a data file."""
    return (files("kcsim.hardware.components") / "data" / name).read_text(encoding="utf-8")


def number(text: str) -> float | None:
    """A cell of a table as a number; ``None`` where it is empty."""
    return float(text) if text else None
