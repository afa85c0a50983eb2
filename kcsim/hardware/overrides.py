"""Changes of single values of a hardware file, as ``levels.buffer.read_pj=12``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from kcsim.errors import InputError, Mark, Problem, nearest
from kcsim.hardware.holders import holders
from kcsim.hardware.resolution import check_data
from kcsim.hardware.schema import Hardware
from kcsim.hardware.units import SPELLINGS
from kcsim.reading.source import parse_yaml

_SECTIONS = ("fanout", "precision_bits", "codebook", "dataflow", "compression", "zeros")
_POSITIONS = re.compile(r"([^\[\]]*)((?:\[[0-9]+\])+)")
Steps = tuple[str, ...]


def apply_override(data: Any, override: str) -> tuple[dict[str, Any], str]:
    """Change what a hardware file holds; returns the mapping that was changed, and its key.

    Parameters
    ----------
    data : dict
        What was read, and is valid; it is changed.
    override : str

    Raises
    ------
    InputError
        If the override is none, or leads to a hardware that is not valid.
    """
    key, separator, text = override.partition("=")
    if not separator or not key:
        problem = f"'{override}' is not an override"
        raise _error(override, problem, "KEY=VALUE, as levels.buffer.read_pj=12")
    target, last = place_of(data, key, override)
    set_value(data, target, last, parse_yaml(text, "--set").data if text.strip() else None)
    _check(data, override)
    return target, last


def place_of(data: Any, key: str, override: str) -> tuple[dict[str, Any], str]:
    """The mapping that a path leads to, and its key there.

    Parameters
    ----------
    data : dict
        What was read; sections that it leaves out are made.
    key : str
        As ``levels.buffer.read_pj``.
    override : str
        What the user wrote, for messages.

    Raises
    ------
    InputError
        If nothing can be set there.
    """
    steps, target = tuple(key.split(".")), data
    while True:
        steps = (*_split(target, steps[0]), *steps[1:])
        if len(steps) == 1:
            break
        target = _descend(data, target, steps, override)
        steps = steps[1:]
    if isinstance(target, list):
        raise _error(override, f"'{key}' names a whole element of a list", "one of its keys")
    known = (*Hardware.__dataclass_fields__, *SPELLINGS["chip"])
    if target is data and steps[0] not in known:
        near = _nearest_path(data, steps) or nearest(key, known)
        expected = "" if near else "one of " + ", ".join(known)
        raise _error(override, f"there is no '{key}' to set", expected, near)
    return target, steps[0]


def set_value(data: Any, target: dict[str, Any], key: str, value: Any) -> None:
    """Set a value where `place_of` led to; other spellings of it go."""
    _drop_other_spellings(data, target, key)
    target[key] = value


def _drop_other_spellings(data: Any, target: Any, key: str) -> None:
    """``capacity`` takes the place of ``capacity_kib``, and the other way round."""
    for _, what, mapping in holders(data):
        if mapping is target:
            for name, spelling in SPELLINGS[what].items():
                for other in spelling.targets if key == name else [name]:
                    if key == name or key in spelling.targets:
                        mapping.pop(other, None)


def _error(override: str, message: str, expected: str = "", suggestion: str = "") -> InputError:
    return InputError(Problem(message, expected, suggestion, Mark("--set", 1, 1, override)))


def _check(data: Any, override: str) -> None:
    try:
        check_data(data)
    except InputError as error:
        first = error.problems[0]
        message = first.message.removeprefix("hardware: ")
        raise _error(override, message, first.expected, first.suggestion) from None


def _split(value: Any, step: str) -> Steps:
    """A step as messages write it, ``partitions[0]``, as a key and positions."""
    found = _POSITIONS.fullmatch(step)
    if not found or step in _children(value):
        return (step,)
    positions = found[2][1:-1].split("][")
    return (found[1], *positions) if found[1] else tuple(positions)


def _children(value: Any) -> dict[str, Any]:
    """What stands below a value: of a list by name, where there are names, and by position."""
    if isinstance(value, dict):
        return value
    if not isinstance(value, list):
        return {}
    named = {str(item["name"]): item for item in value if isinstance(item, dict) and "name" in item}
    return {str(index): item for index, item in enumerate(value)} | named


def _descend(data: Any, value: Any, steps: Steps, override: str) -> Any:
    """What the first of some steps leads to."""
    step = steps[0]
    # A section that the file leaves out may be set key by key.
    if isinstance(value, dict) and step not in value and _is_section(data, value, step):
        value[step] = {}
    choices = {
        name: item for name, item in _children(value).items() if isinstance(item, dict | list)
    }
    if step not in choices:
        shown = [name for name in choices if not name.isdigit()] or list(choices)
        expected = "one of " + ", ".join(shown) if shown else ""
        near = nearest(step, choices)
        if value is data:
            near = near or _nearest_path(data, steps)
        raise _error(override, f"there is no '{step}' to set a value in", expected, near)
    return choices[step]


def _is_section(data: Any, value: dict[str, Any], step: str) -> bool:
    """Whether a step may be a section; below ``codebook.at`` it is a level."""
    store = data.get("codebook")
    is_moved = isinstance(store, dict) and (
        (value is store and step == "at") or value is store.get("at")
    )
    return step in _SECTIONS or is_moved


def _nearest_path(data: Any, steps: Steps) -> str:
    """Where steps lead that begin further down, as ``buffer.read_pj`` in ``levels``."""
    found = reversed([path for path in _paths(data, ()) if len(path) > 1])
    paths = {path[-1]: path for path in found if not path[-1].isdigit()}
    near = steps[0] if steps[0] in paths else nearest(steps[0], paths)
    return ".".join((*paths[near], *steps[1:])) if near else nearest(steps[0], data)


def _paths(value: Any, path: Steps) -> Iterator[Steps]:
    """The paths of all values, those of levels by their names."""
    children = _children(value)
    if isinstance(value, list) and any(not name.isdigit() for name in children):
        children = {name: item for name, item in children.items() if not name.isdigit()}
    for name, item in children.items():
        yield (*path, name)
        yield from _paths(item, (*path, name))
