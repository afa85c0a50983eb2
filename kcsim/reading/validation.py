"""Data against types: every complaint of pydantic in kcsim's own words."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from kcsim.errors import InputError, Mark, Problem, nearest
from kcsim.reading.fault_words import (
    CHOICES,
    EXPECTED,
    LENGTHS,
    UNKNOWN_KEY,
    WANTED,
    choices_in,
    expected_words,
)
from kcsim.reading.keys import valid_keys
from kcsim.reading.scalars import describe, shown
from kcsim.reading.source import Document, Path_, in_file_order

T = TypeVar("T")

_MAX_DEPTH = 100
_MAX_INTEGER = 10**40
_MAX_KEYS_SHOWN = 24
_SURROGATE = re.compile("[\ud800-\udfff]")
_RAISED = ("value_error", "assertion_error")


@dataclass(frozen=True)
class _Fault:
    """One error of pydantic, placed in the data.

    Attributes
    ----------
    path : tuple
        Only steps that exist in the data, except that a missing key is named.
    branches : tuple of (int, str)
        The unions on the way: the length of the path there, and the branch.
    on_key : bool
        The key itself is at fault, not the value below it.
    """

    kind: str
    path: Path_
    branches: tuple[tuple[int, str], ...]
    on_key: bool
    value: Any
    context: dict[str, Any]
    text: str

    @property
    def expected(self) -> str:
        return expected_words(self.kind, self.context)

    @property
    def suggestion(self) -> str:
        if self.kind not in CHOICES or not isinstance(self.value, str):
            return ""
        return nearest(self.value, choices_in(self.expected))


@dataclass(frozen=True)
class _Finding:
    """A fault in our words; `names_place` tells whether the message says where."""

    path: Path_
    message: str
    expected: str = ""
    suggestion: str = ""
    on_key: bool = False
    mark: Mark | None = None
    names_place: bool = True


def validate(document: Document, type_: type[T], *, what: str) -> T:
    """The data of a document as an instance of a type.

    Parameters
    ----------
    document : Document
        What was read.
    type_ : type
        Anything that pydantic can validate, as a rule a dataclass of pydantic.
    what : str
        What the document is, as ``"hardware file"``.

    Raises
    ------
    InputError
        With every problem, each marked in the document, in its order.
    """

    def name(path: Path_) -> str:
        last_key = max((i for i, step in enumerate(path) if isinstance(step, str)), default=0)
        return f"'{_spelled(path[last_key:])}'" if path else f"the {what}"

    def problem(found: _Finding) -> Problem:
        mark = found.mark or document.mark(found.path, key=found.on_key)
        return Problem(found.message, found.expected, found.suggestion, mark)

    value: T = _Validation(document.data, type_, name, problem).result()
    return value


def validate_data(data: Any, type_: type[T], *, what: str) -> T:
    """Plain Python data as an instance of a type.

    Parameters
    ----------
    data : Any
        Nothing but dict, list, tuple, str, int, float, bool and ``None``.
    type_, what
        As for `validate`.

    Raises
    ------
    InputError
        With every problem; each message begins with `what` and names the
        place as ``'levels[1].capacity_kib'``.
    """

    def name(path: Path_) -> str:
        return f"'{_spelled(path)}'" if path else "the whole"

    def problem(found: _Finding) -> Problem:
        place = "" if found.names_place or not found.path else f"{name(found.path)}: "
        message = f"{what}: {place}{found.message}"
        return Problem(message, found.expected, found.suggestion, found.mark)

    value: T = _Validation(data, type_, name, problem).result()
    return value


class _Validation:
    """One run of pydantic over some data, and the wording of what it found.

    Parameters
    ----------
    name : callable
        Words for the value at a path, quotes included.
    problem : callable
        Turns a finding into the problem that is raised.
    """

    def __init__(
        self,
        data: Any,
        type_: Any,
        name: Callable[[Path_], str],
        problem: Callable[[_Finding], Problem],
    ) -> None:
        self._data = data
        self._type = type_
        self._name = name
        self._problem = problem

    def result(self) -> Any:
        try:
            # Strict JSON is the one mode of pydantic that accepts lists for
            # tuples and mappings for dataclasses, but neither true nor "12"
            # for a number.
            text = json.dumps(self._prepared(self._data, ()))
            return TypeAdapter(self._type).validate_json(text, strict=True)
        except ValidationError as error:
            details = error.errors(include_url=False, include_input=False)
            faults = [_fault(dict(detail), self._data) for detail in details]
            # Pydantic counts wrong entries as absent.
            faults = [
                f
                for f in faults
                if f.kind != "too_short" or len(f.value) < int(f.context["min_length"])
            ]
            self._raise(list(self._findings(faults, 0)))

    def _raise(self, findings: list[_Finding]) -> None:
        raise InputError(in_file_order(map(self._problem, findings))) from None

    def _prepared(self, value: Any, path: Path_) -> Any:
        """The value for strict validation: whole numbers as int, tuples as lists."""
        if len(path) > _MAX_DEPTH:
            self._raise([_Finding((), f"nested more than {_MAX_DEPTH} levels deep")])
        if isinstance(value, dict):
            for key in value:
                if not isinstance(key, str):
                    message = f"{self._name(path)} has the key {key!r}, which is not a text"
                    self._raise([_Finding(path, message)])
                self._prepared(key, path)
            return {key: self._prepared(child, (*path, key)) for key, child in value.items()}
        if isinstance(value, list | tuple):
            return [self._prepared(child, (*path, i)) for i, child in enumerate(value)]
        if isinstance(value, str) and (bad := _SURROGATE.search(value)):
            message = f"{self._name(path)} has the character U+{ord(bad[0]):04X}, which is none"
            self._raise([_Finding(path, message, "a text")])
        if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
            return int(value)
        if isinstance(value, int) and abs(value) >= _MAX_INTEGER:
            self._raise([_Finding(path, f"{self._name(path)} has more than 40 digits")])
        if value is not None and not isinstance(value, bool | int | float | str):
            message = f"{self._name(path)} is of the type {type(value).__name__}"
            self._raise([_Finding(path, message, "plain data")])
        return value

    def _findings(self, faults: list[_Fault], level: int) -> Iterator[_Finding]:
        """The faults in our words; those below one union are reduced to one branch.

        `level` counts the unions that have been dealt with already.
        """
        unions: dict[Path_, dict[str, list[_Fault]]] = {}
        for fault in faults:
            if len(fault.branches) <= level:
                yield from self._worded(fault)
                continue
            depth, branch = fault.branches[level]
            unions.setdefault(fault.path[:depth], {}).setdefault(branch, []).append(fault)
        for path, branches in unions.items():
            together = [fault for group in branches.values() for fault in group]
            if len(branches) > 1 and all(f.path == path and f.expected for f in together):
                yield self._alternatives(path, together)
            else:
                best = min(branches.values(), key=lambda group: _misfit(group, len(path)))
                yield from self._findings(best, level + 1)

    def _alternatives(self, path: Path_, faults: list[_Fault]) -> _Finding:
        message = f"{self._name(path)} is {_brief(faults[0].value)}"
        expected = " or ".join(dict.fromkeys(fault.expected for fault in faults))
        suggestion = next(filter(None, (fault.suggestion for fault in faults)), "")
        return _Finding(path, message, expected, suggestion)

    def _worded(self, fault: _Fault) -> Iterator[_Finding]:
        path, kind, name = fault.path, fault.kind, self._name(fault.path)
        if kind in _RAISED:
            yield from _raised(fault)
        elif kind in UNKNOWN_KEY:
            branches = {branch for _, branch in fault.branches}
            yield self._unknown_key(fault, valid_keys(self._type, path[:-1], branches))
        elif kind.startswith("union_tag"):
            yield self._wrong_tag(fault)
        elif kind == "missing" and isinstance(fault.value, list):
            yield _Finding(path, f"{name} has too few entries ({len(fault.value)})")
        elif kind == "missing":
            yield _Finding(path, f"missing key {name}")
        elif kind in WANTED:
            message = f"{name} must be {fault.expected}, not {describe(fault.value)}"
            yield _Finding(path, message)
        elif kind in EXPECTED:
            message = f"unknown key {name}" if fault.on_key else f"{name} is {_brief(fault.value)}"
            yield _Finding(path, message, fault.expected, fault.suggestion, fault.on_key)
        elif kind in LENGTHS:
            message, expected = (text.format(**fault.context) for text in LENGTHS[kind])
            yield _Finding(path, f"{name} {message}", expected, on_key=fault.on_key)
        else:
            yield _Finding(path, f"{name}: {fault.text[:1].lower()}{fault.text[1:]}")

    def _unknown_key(self, fault: _Fault, keys: list[str]) -> _Finding:
        message = f"unknown key {self._name(fault.path)}"
        expected = ""
        if 0 < len(keys) <= _MAX_KEYS_SHOWN:
            expected = ("one of " if len(keys) > 1 else "") + ", ".join(keys)
        return _Finding(fault.path, message, expected, nearest(fault.path[-1], keys), True)

    def _wrong_tag(self, fault: _Fault) -> _Finding:
        path = (*fault.path, fault.context["discriminator"].strip("'"))
        if fault.kind == "union_tag_not_found":
            return _Finding(path, f"missing key {self._name(path)}")
        tag, known = fault.context["tag"], choices_in(fault.context["expected_tags"])
        expected = f"one of {', '.join(map(repr, known))}"
        message = f"{self._name(path)} is '{shown(tag)}'"
        return _Finding(path, message, expected, nearest(tag, known))


def _raised(fault: _Fault) -> Iterator[_Finding]:
    """What a validator of the type raised: its own text, or its own problems."""
    error = fault.context["error"]
    problems = error.problems if isinstance(error, InputError) else [Problem(str(error))]
    for p in problems:
        path = (*fault.path, *p.path)
        yield _Finding(path, p.message, p.expected, p.suggestion, False, p.mark, False)


def _fault(detail: dict[str, Any], data: Any) -> _Fault:
    """Place an error of pydantic in the data.

    Pydantic mixes the branches of unions into the location; they are told from
    keys by not being there in the data.
    """
    value, path, branches, on_key = data, [], [], False
    location = detail["loc"]
    for position, step in enumerate(location, 1):
        if (isinstance(value, dict) and step in value) or (
            isinstance(value, list | tuple) and step in range(len(value))
        ):
            value = value[step]
            path.append(step)
        elif detail["type"] == "missing" and position == len(location):
            if isinstance(step, str):
                path.append(step)
                value = None
        elif step == "[key]":
            value, on_key = path[-1], True
        else:
            branches.append((len(path), str(step)))
    context = detail.get("ctx", {})
    return _Fault(
        detail["type"], tuple(path), tuple(branches), on_key, value, context, detail["msg"]
    )


def _misfit(faults: list[_Fault], depth: int) -> tuple[bool, bool, int]:
    """How badly a branch of a union at `depth` suits the data: type, then choices, then count."""
    wrong_type = any(len(f.path) == depth and f.kind in WANTED | CHOICES for f in faults)
    return wrong_type, any(fault.kind in CHOICES for fault in faults), len(faults)


def _brief(value: Any) -> str:
    if isinstance(value, str):
        return f"'{shown(value)}'"
    return describe(value).removeprefix("the number ")


def _spelled(path: Path_) -> str:
    """The path as one writes it in Python: ``levels[1].capacity_kib``."""
    parts = (f"[{step}]" if isinstance(step, int) else f".{shown(step)}" for step in path)
    return "".join(parts).removeprefix(".")
