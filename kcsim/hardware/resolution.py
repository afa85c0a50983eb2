"""From what a hardware file holds to a hardware: units, sizes, energies that follow from them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

from kcsim.errors import InputError, Mark, Problem
from kcsim.hardware.components.library import ComponentLibrary
from kcsim.hardware.holders import says_sizes
from kcsim.hardware.schema import Hardware
from kcsim.hardware.wanted import fill_in, open_energies
from kcsim.reading.source import Document, Path_, in_file_order
from kcsim.reading.validation import validate, validate_data


class Plain(NamedTuple):
    """What a file holds in the keys of `Hardware`.

    Attributes
    ----------
    data : Any
        What was given where nothing is said of sizes; else a copy.
    places : dict of path to path
        Where values stood that had units.
    wanted : tuple of path
        Numbers that are to follow from sizes; zero meanwhile.
    problems : list of Problem
    """

    data: Any
    places: dict[Path_, Path_]
    wanted: tuple[Path_, ...]
    problems: list[Problem]


def plain_data(data: Any) -> Plain:
    """What a file holds, without units and with zeros where numbers follow from sizes."""
    if not says_sizes(data):
        return Plain(data, {}, (), [])
    from kcsim.hardware.spelled import without_units

    plain, places, problems = without_units(data)
    wanted, more = fill_in(plain)
    return Plain(plain, places, wanted, [*problems, *more])


def hardware_of_document(document: Document, library: ComponentLibrary | None) -> Hardware:
    """The hardware that a file describes; problems are marked in it."""
    plain = plain_data(document.data)
    if plain.data is document.data:
        return validate(document, Hardware, what="hardware file")
    respelled = _Respelled(document, plain.data, plain.places)

    def checked() -> Hardware:
        return validate(respelled, Hardware, what="hardware file")

    try:
        return _resolved(checked, plain, library)
    except InputError as error:
        marked = [
            replace(each, mark=each.mark or document.mark(each.path), path=())
            for each in error.problems
        ]
        raise InputError(in_file_order(marked)) from None


def hardware_of_data(data: Any, library: ComponentLibrary | None, what: str) -> Hardware:
    """The hardware that plain data describe; problems begin with `what`."""
    plain = plain_data(data)
    try:
        return _resolved(lambda: validate_data(plain.data, Hardware, what=what), plain, library)
    except InputError as error:
        raise InputError([_named(what, each) for each in error.problems]) from None


def check_data(data: Any) -> Hardware:
    """The hardware of plain data, with zeros for all that follows from sizes."""
    plain = plain_data(data)
    if plain.problems:
        raise InputError([_named("hardware", each) for each in plain.problems])
    return validate_data(plain.data, Hardware, what="hardware")


def _resolved(
    check: Callable[[], Hardware], plain: Plain, library: ComponentLibrary | None
) -> Hardware:
    """The hardware with the numbers that follow from sizes; raises all problems together."""
    try:
        hardware = check()
    except InputError as error:
        raise InputError([*plain.problems, *error.problems]) from None
    if plain.problems:
        raise InputError(plain.problems)
    wanted = tuple(dict.fromkeys((*plain.wanted, *open_energies(hardware))))
    if not wanted:
        return hardware
    # The tables are read where they are needed, so that others start as fast as before.
    from kcsim.hardware.components.standard import StandardLibrary
    from kcsim.hardware.from_sizes import with_sizes

    return with_sizes(hardware, wanted, library or StandardLibrary())


def _named(what: str, problem: Problem) -> Problem:
    if problem.mark or problem.message.startswith(f"{what}: "):
        return problem
    steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in problem.path)
    place = "".join(steps).removeprefix(".")
    message = f"{what}: '{place}': {problem.message}" if place else f"{what}: {problem.message}"
    return replace(problem, message=message, path=())


class _Respelled(Document):
    """A document whose data have other keys than its text; marks are those of the text."""

    def __init__(self, document: Document, data: Any, places: dict[Path_, Path_]) -> None:
        self.file, self.data = document.file, data
        self._document, self._places = document, places

    def mark(self, path: Path_, *, key: bool = False) -> Mark:
        return self._document.mark(self._places.get(path, path), key=key)
