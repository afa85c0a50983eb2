"""Clustering specifications as text, such as ``kernel:k=256,scope=network;conv1:k=64``."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from kcsim.clustering.options import OPTIONS, SCHEMES, override_problems, scheme_problems
from kcsim.clustering.override import Override
from kcsim.clustering.scheme import Clustering
from kcsim.errors import InputError, Mark, Problem
from kcsim.reading.arguments import checked

_Settings = dict[str, Any]
_Columns = dict[str, int]


@checked
def parse_clustering(text: str, file: str = "--cluster") -> Clustering:
    """Read a clustering from its text.

    Parameters
    ----------
    text : str
        ``scheme:setting=value,...``, then any number of ``;layers:setting=value,...`` for the
        layers whose names match a pattern. The settings are those of `Clustering`.
    file : str
        Where the text comes from, for messages.

    Returns
    -------
    Clustering

    Raises
    ------
    InputError
        With every mistake, marked at its column.

    Examples
    --------
    >>> parse_clustering("deep_kmeans:rate=0.05,dense=first+linear").scheme
    'row'
    """
    reader = _Reader(text, file)
    (head, start), *rest = _split(text, ";", 1)
    scheme, given, columns = reader.part(head, start)
    if columns is not None:
        reader.report(scheme_problems(scheme, given), columns, start)
    overrides = []
    for part, start in rest:
        layers, found, columns = reader.part(part, start)
        if columns is not None:
            problems = override_problems(SCHEMES.get(scheme), layers, found)
            reader.report(problems, columns, start)
            overrides.append((layers, found, start))
    if reader.problems:
        raise InputError(reader.problems)
    for layers, found, start in overrides:
        try:
            Clustering(scheme, **given, overrides=(Override(layers, **found),))
        except InputError as error:
            reader.report([("", problem) for problem in error.problems], {}, start)
    if reader.problems:
        raise InputError(reader.problems)
    return Clustering(
        scheme, **given, overrides=tuple(Override(name, **found) for name, found, _ in overrides)
    )


class _Reader:
    """Collects settings and, with their places, the mistakes in them."""

    def __init__(self, text: str, file: str) -> None:
        self.problems: list[Problem] = []
        self._text = text
        self._file = file

    def report(self, problems: list[tuple[str, Problem]], columns: _Columns, start: int) -> None:
        """Mark problems at their settings, those of the whole at `start`."""
        for name, problem in problems:
            self._report(problem, columns.get(name, start))

    def part(self, text: str, start: int) -> tuple[str, _Settings, _Columns | None]:
        """Read ``name:setting=value,...``.

        Returns
        -------
        name : str
            What stands before the colon.
        values : dict
            The settings.
        columns : dict or None
            Where they are; ``None`` if not all of them could be read.
        """
        name, colon, settings = text.partition(":")
        values: _Settings = {}
        columns: _Columns = {}
        before = len(self.problems)
        pieces = _split(settings, ",", start + len(name) + len(colon)) if settings.strip() else []
        for piece, column in pieces:
            key, equals, value = (part.strip() for part in piece.partition("="))
            if not (key and equals and value):
                self._report(Problem(f"incomplete setting {piece!r}", "name=value"), column)
            elif key in values:
                self._report(Problem(f"{key} is given twice"), column)
            else:
                values[key] = _converted(key, value)
                columns[key] = column
        return name.strip(), values, columns if len(self.problems) == before else None

    def _report(self, problem: Problem, column: int) -> None:
        mark = Mark(self._file, 1, column, self._text)
        self.problems.append(replace(problem, mark=mark))


def _converted(name: str, value: str) -> object:
    """The value in the setting's type; what is no number stays text and fails its check."""
    kind = OPTIONS[name].type if name in OPTIONS else str
    try:
        return kind(value)
    except ValueError:
        return value


def _split(text: str, separator: str, column: int) -> list[tuple[str, int]]:
    """The pieces between separators without the blanks around, and the columns of their starts."""
    pieces = []
    for piece in text.split(separator):
        blanks = len(piece) - len(piece.lstrip())
        pieces.append((piece.strip(), column + blanks))
        column += len(piece) + len(separator)
    return pieces
