"""Where in a sweep file something stands that is wrong."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from kcsim.errors import InputError, Problem
from kcsim.exploration.space import Axis, Inputs, Space
from kcsim.hardware.holders import holders
from kcsim.hardware.overrides import place_of
from kcsim.hardware.units import SPELLINGS
from kcsim.hardware.variants import Setting, variant

Place = tuple[str | int, ...]


@contextlib.contextmanager
def placed(*place: str | int, anew: bool = False, together: bool = False) -> Iterator[None]:
    """Give problems that come up a place in the sweep file.

    Parameters
    ----------
    *place : str or int
    anew : bool
        Also to those that have one in another text.
    together : bool
        Whether several are told as one, as where weights are those of another network.
    """
    try:
        yield
    except InputError as error:
        problems = list(error.problems)
        if together and len(problems) > 1:
            text = f"{problems[0].message}, and {len(problems) - 1} more mistakes like that"
            problems = [replace(problems[0], message=text)]
        raise InputError(
            [p if p.path or (p.mark and not anew) else replace(p, path=place) for p in problems]
        ) from None


def index_in(values: Any, value: Any) -> tuple[int, ...]:
    """The position of a value in a list, as the end of a place; nothing if it is not there."""
    found = isinstance(values, list | tuple) and value in values
    return (list(values).index(value),) if found else ()


def place_of_clustering(space: Space, inputs: Inputs) -> Place:
    """The clustering of which the one of a point was made."""
    for i, template in enumerate(space.file.clusterings):
        if template and space.filled(template, inputs) == inputs["clustering"]:
            return "clusterings", i
    return ("clusterings",)


def check_keys(space: Space, known_data: Callable[[str], dict[str, Any]]) -> list[Problem]:
    """Paths that lead nowhere, and values that two paths lead to.

    Parameters
    ----------
    space : Space
    known_data : callable
        What a hardware file holds.
    """
    found: dict[str, Problem] = {}
    files = [str(values[0]) for values in space.axes[0].choices]
    for file in files:
        data = copy.deepcopy(known_data(file))
        where = f" of {file}" if len(files) > 1 else ""
        taken: dict[tuple[int, str], str] = {}
        for path, place in _keys_of(space):
            try:
                target, key = place_of(data, path, path)
            except InputError as error:
                problem = _with_whole_path(error.problems[0], path)
                problem = replace(problem, message=problem.message + where)
                found.setdefault(problem.message, replace(problem, path=place))
                continue
            ways = [(id(target), name) for name in _spellings(data, target, key)]
            other = next((taken[way] for way in ways if way in taken), None)
            if other is not None:
                message = f"'{path}' and '{other}' are the same value"
                if path == other:
                    message = f"'{path}' is given twice"
                problem = Problem(message, "one of them", path=place)
                found.setdefault(message, problem)
            taken |= dict.fromkeys(ways, path)
    return list(found.values())


def _keys_of(space: Space) -> Iterator[tuple[str, Place]]:
    """Paths of the hardware file that a space sets, and where it says so."""
    for path in space.file.set:
        yield path, ("set", path)
    for axis in space.axes:
        for column, _ in zip(axis.columns, axis.keys, strict=False):
            yield column, ("axes", axis.name)
    for each in space.following:
        yield each.column, ("axes", each.column)


def _with_whole_path(problem: Problem, path: str) -> Problem:
    """The problem of one step of a path, with the whole path as its nearest choice."""
    near, steps = problem.suggestion, path.split(".")
    wrong = problem.message.split("'")[1] if problem.message.count("'") > 1 else ""
    if near and wrong in steps and "." not in near:
        near = ".".join(near if step == wrong else step for step in steps)
    return replace(problem, mark=None, suggestion=near)


def _spellings(data: Any, target: Any, key: str) -> set[str]:
    """All keys of a mapping that say the same as one of them."""
    found = {key}
    for _, what, mapping in holders(data):
        if mapping is target:
            for name, spelling in SPELLINGS[what].items():
                if key == name or key in spelling.targets:
                    found |= {name, *spelling.targets}
    return found


def blamed(
    space: Space, data: dict[str, Any], inputs: Inputs, settings: Sequence[Setting]
) -> tuple[Place, str]:
    """What alone makes a hardware wrong: a value that all points have, or one of an axis.

    Of an axis with a range, the value is told, too.

    Parameters
    ----------
    space : Space
    data : dict
        What the hardware file holds.
    inputs : dict
        Of the point that is wrong.
    settings : sequence of (str, value)
        What they change.
    """
    own = dict(settings)
    for setting in space.file.set.items():
        try:
            variant(data, [setting])
        except InputError:
            return ("set", setting[0]), ""
    for axis in space.axes:
        columns = [column for column, _ in zip(axis.columns, axis.keys, strict=False)]
        if not columns:
            continue
        try:
            variant(data, [*space.file.set.items(), *((c, own[c]) for c in columns)])
        except InputError:
            return _value_of(space, axis, inputs)
    varied = [a for a in space.axes if a.keys and len(a.choices) != 1]
    values = ", ".join(f"{c} = {inputs[c]}" for axis in varied for c in axis.columns)
    return ("axes",), f" (at {values})" if values else ""


def _value_of(space: Space, axis: Axis, inputs: Inputs) -> tuple[Place, str]:
    """The place of a value of an axis, and the value where a range has it."""
    given = space.file.axes[axis.name]
    values = tuple(inputs[column] for column in axis.columns)
    place: Place = ("axes", axis.name)
    linked = isinstance(given, dict) and "linked" in given
    position = index_in(axis.choices, values)
    if linked or isinstance(given, list):
        return (*place, *(("linked",) if linked else ()), *position), ""
    shown = ", ".join(f"{c} = {v}" for c, v in zip(axis.columns, values, strict=True))
    return place, f" (at {shown})"
