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

from kcsim.errors import InputError
from kcsim.exploration.expressions import Expression
from kcsim.exploration.ranges import Span, spelled_value
from kcsim.exploration.space_file import Origin, SpaceFile

Inputs = dict[str, Any]
"""What makes a point, by column."""
PRIMES = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71)
PLACEHOLDER = re.compile(r"\{(\w+)\}")
"""A parameter in a clustering."""


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
    def networks(self) -> tuple[str, ...]:
        """Networks, files among them as they are found."""
        return tuple(values[0] for values in self.axes[1].choices)

    @property
    def weights(self) -> tuple[str, ...]:
        """Files of clustered weights, as they are found."""
        return tuple(file for _, file in self.axes[3].choices if file)

    @property
    def fix(self) -> str | None:
        """What is fixed of mappings, as it is found from anywhere."""
        fix = self.file.fix
        if fix is None or os.path.exists(fix):
            return fix and os.path.abspath(fix)
        return os.path.abspath(os.path.join(self.origin.folder, fix))

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
        placed = set(PLACEHOLDER.findall(" ".join(map(str, self.file.clusterings))))
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
            inputs[each.column] = self._value(each.expression, inputs, "axes", each.column)
        for name, expression in self.derived.items():
            inputs[name] = self._value(expression, inputs, "derived", name)
        used = set(PLACEHOLDER.findall(inputs["clustering"] or ""))
        for name in self.only_in_clusterings - used:
            inputs[name] = None
        if used:
            inputs["clustering"] = self.filled(inputs["clustering"], inputs)
        return inputs

    def _value(self, expression: Expression, inputs: Inputs, *place: str) -> Any:
        try:
            value = expression.value(inputs)
        except InputError as error:
            raise self.origin.marked([replace(p, path=place) for p in error.problems]) from None
        return int(value) if isinstance(value, float) and value.is_integer() else value

    def filled(self, template: str, inputs: Inputs) -> str:
        """A clustering with the parameters of a point in place of their names."""
        return PLACEHOLDER.sub(lambda found: str(inputs.get(found[1])), template)

    def ends(self) -> Iterator[Inputs]:
        """Points in which each choice of each axis is, and the ends of each range."""
        tried = [
            (axis.at(0.0), axis.at(1 - 1e-9)) if axis.span else axis.choices for axis in self.axes
        ]
        first = [choices[0] for choices in tried]
        for i, choices in enumerate(tried):
            for choice in choices:
                yield self.completed([*first[:i], choice, *first[i + 1 :]])

    def settings(self, inputs: Inputs) -> list[tuple[str, Any]]:
        """What the inputs change in the hardware file: paths and values with their units."""
        found = list(self.file.set.items())
        for axis in self.axes:
            for column, (key, target) in zip(axis.columns, axis.keys, strict=False):
                found.append((column, spelled_value(key, target, inputs[column])))
        return found + [(each.column, inputs[each.column]) for each in self.following]


def _halton(count: int, axes: int, generator: np.random.Generator) -> np.ndarray:
    """Shares of the way along each axis: float64[count, axes].

    The sequence of Halton (Numerische Mathematik 2, 1960), shifted at random on the torus
    (Cranley and Patterson, SIAM J. Numer. Anal. 13, 1976).
    """
    shares = np.zeros((count, axes))
    for axis, base in zip(range(axes), PRIMES, strict=False):
        left, weight = np.arange(1, count + 1), 1 / base
        while left.any():
            shares[:, axis] += left % base * weight
            left, weight = left // base, weight / base
    shifted: np.ndarray = (shares + generator.random(axes)) % 1.0
    return shifted
