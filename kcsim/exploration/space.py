"""A space of designs: axes, what follows from them, and its points."""

from __future__ import annotations

import functools
import itertools
import math
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from kcsim.errors import InputError, Problem, nearest
from kcsim.exploration.expressions import Expression, read_expression
from kcsim.exploration.ranges import Span, Values, read_values, spelled_value
from kcsim.exploration.space_file import Origin, SpaceFile, read_space_file
from kcsim.hardware.reader import find_hardware
from kcsim.hardware.schema import Hardware
from kcsim.hardware.units import SPELLINGS
from kcsim.reading.scalars import describe

Inputs = dict[str, Any]
"""What makes a point, by column."""
MOST_POINTS = 1_000_000
CHOSEN = (
    "hardware", "network", "batch", "clustering", "weights", "execution", "decode_level",
    "objective",
)  # fmt: skip
"""Columns of the choices that are no keys of the hardware file."""
_PRIMES = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71)
_PLACEHOLDER = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class Axis:
    """What is chosen together, independently of all else.

    Attributes
    ----------
    name : str
    columns : tuple of str
    choices : tuple of tuple
        Values of the columns; empty where there is a span.
    span : Span, optional
    keys : tuple of (str, str), optional
        For each column of a key of the hardware file the last step of its path and the key
        without unit that its values belong to.
    units : tuple of str
        Of the columns.
    """

    name: str
    columns: tuple[str, ...]
    choices: tuple[tuple[Any, ...], ...]
    span: Span | None = None
    keys: tuple[tuple[str, str], ...] = ()
    units: tuple[str, ...] = ()

    def at(self, share: float) -> tuple[Any, ...]:
        """The choice at a share of the way, from 0 to below 1."""
        if self.span:
            return (self.span.at(share),)
        return self.choices[int(share * len(self.choices))]


@dataclass(frozen=True)
class Following:
    """A key of the hardware file that follows from others.

    Attributes
    ----------
    column : str
        Its path.
    expression : Expression
    """

    column: str
    expression: Expression


@dataclass(frozen=True, eq=False)
class Space:
    """A space of designs.

    Attributes
    ----------
    file : SpaceFile
        As it was given.
    origin : Origin
    axes : tuple of Axis
        The last one changes fastest.
    following : tuple of Following
    derived : dict of str to Expression
    constraints : tuple of Expression
    retrained : dict of str to str
        Files of clustered weights by clustering, once they were retrained.
    """

    file: SpaceFile
    origin: Origin
    axes: tuple[Axis, ...]
    following: tuple[Following, ...]
    derived: dict[str, Expression]
    constraints: tuple[Expression, ...]
    retrained: dict[str, str] = field(default_factory=dict)

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of the inputs of a point."""
        chosen = (column for axis in self.axes for column in axis.columns)
        return (*chosen, *(each.column for each in self.following), *self.derived)

    @property
    def units(self) -> dict[str, str]:
        """Units of columns that have one."""
        pairs = (pair for axis in self.axes for pair in zip(axis.columns, axis.units, strict=False))
        return {column: unit for column, unit in pairs if unit}

    @functools.cached_property
    def only_in_clusterings(self) -> frozenset[str]:
        """Parameters that matter to clusterings alone, of which dense weights know nothing."""
        others = (*(each.expression for each in self.following), *self.derived.values(),
                  *self.constraints)  # fmt: skip
        elsewhere = {name for each in others for name in each.names}
        placed = set(_PLACEHOLDER.findall(" ".join(map(str, self.file.clusterings))))
        return frozenset(placed - elsewhere)

    @property
    def grid_size(self) -> int:
        """Number of combinations; 0 where an axis has a range of infinitely many values."""
        return math.prod(len(axis.choices) for axis in self.axes)

    def inputs(self) -> Iterator[Inputs]:
        """What makes each point, in the order of the space; constraints are not looked at."""
        sample = self.file.sample
        if sample is None:
            for choice in itertools.product(*(axis.choices for axis in self.axes)):
                yield self.completed(choice)
            return
        count = sample.random or sample.quasi_random or 0
        generator = np.random.default_rng(sample.seed)
        # What has one choice takes none of the evenness of a sequence.
        varied = [i for i, axis in enumerate(self.axes) if axis.span or len(axis.choices) > 1]
        shares = np.zeros((count, len(self.axes)))
        if sample.random:
            shares[:, varied] = generator.random((count, len(varied)))
        else:
            shares[:, varied] = _halton(count, len(varied), generator)
        for row in shares.tolist():
            yield self.completed([axis.at(s) for axis, s in zip(self.axes, row, strict=True)])

    def completed(self, choice: Sequence[tuple[Any, ...]]) -> Inputs:
        """The inputs of a point, from a choice on every axis."""
        inputs: Inputs = {}
        for axis, values in zip(self.axes, choice, strict=True):
            inputs |= zip(axis.columns, values, strict=True)
        for each in self.following:
            inputs[each.column] = _whole(each.expression.value(inputs))
        for name, expression in self.derived.items():
            inputs[name] = _whole(expression.value(inputs))
        used = set(_PLACEHOLDER.findall(inputs["clustering"] or ""))
        for name in self.only_in_clusterings - used:
            inputs[name] = None
        if used:
            filled = _PLACEHOLDER.sub(lambda found: str(inputs.get(found[1])), inputs["clustering"])
            inputs["clustering"] = filled
        return inputs

    def settings(self, inputs: Inputs) -> list[tuple[str, Any]]:
        """What the inputs change in the hardware file: paths and values with their units."""
        found = list(self.file.set.items())
        for axis in self.axes:
            for column, (key, target) in zip(axis.columns, axis.keys, strict=False):
                found.append((column, spelled_value(key, target, inputs[column])))
        return found + [(each.column, inputs[each.column]) for each in self.following]


def read_space(space: str | os.PathLike[str] | dict[str, Any] | Space) -> Space:
    """Read a sweep file, or what one would hold.

    Raises
    ------
    InputError
        With everything that is wrong, each at its place.
    """
    if isinstance(space, Space):
        return space
    file, origin = read_space_file(space)
    builder = _Builder(file, origin)
    found = builder.space()
    if builder.problems:
        raise origin.marked(builder.problems)
    return found


class _Builder:
    """Makes a space, and gathers all that is wrong with it."""

    def __init__(self, file: SpaceFile, origin: Origin) -> None:
        self.file, self.origin, self.problems = file, origin, list[Problem]()

    def space(self) -> Space:
        file = self.file
        hardware = (file.hardware,) if isinstance(file.hardware, str) else file.hardware
        objective = (file.objective,) if isinstance(file.objective, str) else file.objective
        stored = [(None, each) for each in file.weights]
        plain = [(None if each in (None, "none") else each, None) for each in file.clusterings]
        if stored and file.clusterings == (None,):
            plain = []
        axes = [
            self.plain("hardware", [self.found(each) for each in hardware]),
            self.plain("network", [self.nearby(each) for each in file.networks]),
            self.plain("batch", file.batches or (None,)),
            Axis("clustering", ("clustering", "weights"), (*plain, *stored)),
            self.plain("execution", file.executions),
            self.plain("decode_level", file.decode_levels),
            self.plain("objective", objective),
        ]
        axes += [self.parameter(name, data) for name, data in file.parameters.items()]
        following: list[Following] = []
        for path, data in file.axes.items():
            if isinstance(data, dict) and "equals" in data:
                following += self.follow(path, data)
            else:
                axes.append(self.axis(path, data))
        derived = {
            name: self.expression(text, ("derived", name)) for name, text in file.derived.items()
        }
        constraints = [
            self.expression(text, ("constraints", i)) for i, text in enumerate(file.constraints)
        ]
        space = Space(file, self.origin, tuple(axes), tuple(following), derived, tuple(constraints))
        self.check(space)
        return space

    def found(self, spec: str) -> str:
        """A hardware file; one that is named relative to the sweep file is found there, too."""
        near = self.nearby(spec)
        try:
            find_hardware(near)
        except InputError as error:
            self.problems += [replace(p, path=("hardware",)) for p in error.problems]
        return near

    def nearby(self, spec: str) -> str:
        """A file beside the sweep file, if there is one and none here."""
        beside = os.path.join(self.origin.folder, spec)
        return beside if not os.path.exists(spec) and os.path.isfile(beside) else spec

    def plain(self, name: str, values: Sequence[Any]) -> Axis:
        for i, value in enumerate(values):
            if value in values[:i]:
                plural = {"batch": "batches", "hardware": name, "objective": name}
                path = (plural.get(name, f"{name}s"), i)
                self.problems.append(Problem(f"{value} stands there twice", path=path))
        return Axis(name, (name,), tuple((value,) for value in values))

    def values(self, path: tuple[str | int, ...], key: str, data: Any) -> Values:
        try:
            return read_values(key, data)
        except InputError as error:
            self.problems += [replace(p, path=(*path, *p.path)) for p in error.problems]
            return Values(key, (None,))

    def parameter(self, name: str, data: Any) -> Axis:
        if name in CHOSEN:
            problem = Problem(f"'{name}' is a column already", "another name")
            self.problems.append(replace(problem, path=("parameters", name)))
        values = self.values(("parameters", name), name, data)
        return Axis(name, (name,), tuple((v,) for v in values.choices), values.span)

    def axis(self, path: str, data: Any) -> Axis:
        place = ("axes", path)
        if isinstance(data, dict) and "linked" in data:
            return self.linked(path, data["linked"], (*place, "linked"))
        key = path.rpartition(".")[2]
        values = self.values(place, key, data)
        choices = tuple((value,) for value in values.choices)
        return Axis(path, (path,), choices, values.span, ((key, values.key),), (values.unit,))

    def linked(self, name: str, data: Any, place: tuple[str | int, ...]) -> Axis:
        """Keys that change together: below a section of the hardware file, or anywhere."""
        nothing = Axis(name, (name,), ((None,),))
        if not (isinstance(data, list) and data and all(isinstance(d, dict) and d for d in data)):
            expected = "a list of mappings, as [{x: 8, y: 8}, {x: 16, y: 16}]"
            self.problems.append(Problem(f"'linked' is {describe(data)}", expected, path=place))
            return nothing
        for i, each in enumerate(data):
            if list(each) != list(data[0]):
                expected = ", ".join(map(str, data[0]))
                problem = Problem("the keys are not those of the first", expected)
                self.problems.append(replace(problem, path=(*place, i)))
                return nothing
        is_section = name.split(".")[0].split("[")[0] in Hardware.__dataclass_fields__
        columns, found = [], []
        for key in data[0]:
            columns.append(f"{name}.{key}" if is_section else key)
            last = key.rpartition(".")[2]
            try:
                # The same value may come back beside others.
                parts = [read_values(last, [each[key]]) for each in data]
            except InputError as error:
                self.problems += [replace(p, path=place) for p in error.problems]
                return nothing
            if len({part.key for part in parts}) > 1:
                problem = Problem(f"values of '{key}' are of different kinds", path=place)
                self.problems.append(problem)
            found.append((last, parts))
        choices = tuple(zip(*([p.choices[0] for p in parts] for _, parts in found), strict=True))
        keys = tuple((last, parts[0].key) for last, parts in found)
        return Axis(name, tuple(columns), choices, None, keys, tuple(p[0].unit for _, p in found))

    def follow(self, path: str, data: dict[str, Any]) -> Iterator[Following]:
        text, place = data["equals"], ("axes", path)
        key = path.rpartition(".")[2]
        if any(key in spellings for spellings in SPELLINGS.values()):
            expected = f"the key whose name has the unit, as {key}_kib"
            problem = Problem(f"'{key}' takes a unit, which an expression has not", expected)
            self.problems.append(replace(problem, path=place))
        elif len(data) > 1 or not isinstance(text, str):
            problem = Problem("'equals' stands alone, with an expression", path=place)
            self.problems.append(problem)
        else:
            yield Following(path, self.expression(text, place))

    def expression(self, text: str, path: tuple[str | int, ...]) -> Expression:
        try:
            return read_expression(text)
        except InputError as error:
            self.problems += [replace(p, path=path) for p in error.problems]
            return read_expression("0")

    def check(self, space: Space) -> None:
        """See that names are known, and that there are points."""
        known: list[str] = []
        for axis in space.axes:
            for column in axis.columns:
                if column in known:
                    self.problems.append(Problem(f"'{column}' is given twice", path=("axes",)))
                known.append(column)
        for each in space.following:
            problems = each.expression.check_names(tuple(known))
            self.problems += [replace(p, path=("axes", each.column)) for p in problems]
            known.append(each.column)
        for name, expression in space.derived.items():
            problems = expression.check_names(tuple(known))
            self.problems += [replace(p, path=("derived", name)) for p in problems]
            known.append(name)
        for i, clustering in enumerate(space.file.clusterings):
            for name in _PLACEHOLDER.findall(clustering or ""):
                if name not in space.file.parameters:
                    near = nearest(name, space.file.parameters)
                    problem = Problem(f"there is no parameter '{name}'", suggestion=near)
                    self.problems.append(replace(problem, path=("clusterings", i)))
        self.problems += space.file.retraining_problems()
        self.check_size(space)

    def check_size(self, space: Space) -> None:
        sample, file = space.file.sample, space.file
        endless = next((axis for axis in space.axes if axis.span), None)
        if endless and not sample:
            where = "parameters" if endless.name in file.parameters else "axes"
            problem = Problem(
                f"the range of '{endless.name}' has infinitely many values",
                "count or step, or a sample", path=(where, endless.name),
            )  # fmt: skip
            self.problems.append(problem)
        if sample and file.search:
            self.problems.append(Problem("a sample and a search are given", "one of them"))
        varied = sum(bool(axis.span) or len(axis.choices) > 1 for axis in space.axes)
        if sample and sample.quasi_random and varied > len(_PRIMES):
            text = f"{varied} axes are too many for a quasi-random sample"
            self.problems.append(Problem(text, "random", path=("sample",)))
        if not sample and not file.search and space.grid_size > MOST_POINTS:
            text = f"the space has {space.grid_size:,} points"
            self.problems.append(Problem(text, f"at most {MOST_POINTS:,}, a sample or a search"))


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _halton(count: int, axes: int, generator: np.random.Generator) -> np.ndarray:
    """Shares of the way along each axis: float64[count, axes].

    The sequence of Halton (Numerische Mathematik 2, 1960), shifted at random on the torus
    (Cranley and Patterson, SIAM J. Numer. Anal. 13, 1976).
    """
    shares = np.zeros((count, axes))
    for axis, base in zip(range(axes), _PRIMES, strict=False):
        left, weight = np.arange(1, count + 1), 1 / base
        while left.any():
            shares[:, axis] += left % base * weight
            left, weight = left // base, weight / base
    shifted: np.ndarray = (shares + generator.random(axes)) % 1.0
    return shifted
