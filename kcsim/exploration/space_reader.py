"""Reading a space of designs, and all that is wrong with it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from kcsim.errors import InputError, Problem, nearest
from kcsim.exploration.columns import is_taken
from kcsim.exploration.expressions import Expression, read_expression
from kcsim.exploration.ranges import Values, read_values
from kcsim.exploration.space import PLACEHOLDER, PRIMES, Axis, Following, Space
from kcsim.exploration.space_file import Origin, SpaceFile, read_space_file
from kcsim.hardware.reader import find_hardware
from kcsim.hardware.schema import Hardware
from kcsim.hardware.units import SPELLINGS
from kcsim.reading.scalars import describe

MOST_POINTS = 1_000_000
_FEWER = f"at most {MOST_POINTS:,}, a sample or a search"
_USES = "{{{name}}} in a clustering, or the name in an expression"


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
        stored = [(None, self.nearby(each)) for each in file.weights]
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
            self.plain("zeros", [self.unless_none(each) for each in file.zeros]),
            self.plain("precision", [self.unless_none(each) for each in file.precisions]),
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

    def unless_none(self, spec: str | None) -> str | None:
        """What is said, or the file that says it; nothing for ``none``."""
        return None if spec in (None, "none") else self.nearby(spec)

    def plain(self, name: str, values: Sequence[Any]) -> Axis:
        for i, value in enumerate(values):
            if value in values[:i]:
                plural = {"batch": "batches"} | {n: n for n in ("hardware", "objective", "zeros")}
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
            return read_expression("0 == 0")

    def check(self, space: Space) -> None:
        """See that names are known, and that there are points."""
        known: list[str] = []
        for axis in space.axes:
            for column in axis.columns:
                if column in known:
                    self.problems.append(Problem(f"'{column}' is given twice", path=("axes",)))
                known.append(column)
        for each in space.following:
            self.check_names(each.expression, known, space, ("axes", each.column))
            known.append(each.column)
        for name, expression in space.derived.items():
            self.check_names(expression, known, space, ("derived", name))
            known.append(name)
        for section in ("parameters", "derived"):
            for name in filter(is_taken, getattr(space.file, section)):
                problem = Problem(f"'{name}' is a column of the tables", "another name")
                self.problems.append(replace(problem, path=(section, name)))
        for i, clustering in enumerate(space.file.clusterings):
            for name in PLACEHOLDER.findall(clustering or ""):
                if name not in space.file.parameters:
                    near = nearest(name, space.file.parameters)
                    problem = Problem(f"there is no parameter '{name}'", suggestion=near)
                    self.problems.append(replace(problem, path=("clusterings", i)))
        self.problems += space.file.mapping_problems()
        self.problems += space.file.retraining_problems()
        self.check_use(space)
        self.check_size(space)

    def check_names(
        self, expression: Expression, known: Sequence[str], space: Space, place: tuple[str, ...]
    ) -> None:
        """See that an expression has nothing but what stands above it."""
        below = [n for n in expression.names if n in space.columns and n not in known]
        found = expression.check_names((*known, *below))
        for name in below:
            problem = f"'{expression.text}' has '{name}', which does not stand above it"
            found.append(Problem(problem, "parameters, axes with values, or what stands above"))
        self.problems += [replace(p, path=place) for p in found]

    def check_use(self, space: Space) -> None:
        """See that every parameter changes something, and that constraints are conditions."""
        every = (*(each.expression for each in space.following), *space.derived.values(),
                 *space.constraints)  # fmt: skip
        used = {name for each in every for name in each.names} | space.only_in_clusterings
        for name in space.file.parameters:
            if name not in used:
                problem = Problem(f"nothing uses the parameter '{name}'", _USES.format(name=name))
                self.problems.append(replace(problem, path=("parameters", name)))
        conditions = {name for name, each in space.derived.items() if each.is_condition}
        for i, each in enumerate(space.constraints):
            if not each.is_condition and not set(each.names) & {*conditions, "proved"}:
                problem = Problem(
                    f"'{each.text}' is no condition", "a comparison, as area_mm2 <= 5"
                )
                self.problems.append(replace(problem, path=("constraints", i)))

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
        if sample and sample.quasi_random and varied > len(PRIMES):
            text = f"{varied} axes are too many for a quasi-random sample"
            self.problems.append(Problem(text, "random", path=("sample",)))
        if not sample and not file.search and space.grid_size > MOST_POINTS:
            text = f"the space has {space.grid_size:,} points"
            self.problems.append(Problem(text, _FEWER, path=("axes",)))
