"""Settings for the layers of a network by name or pattern, as ``inputs=0.5;conv*:inputs=0``."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Generic, TypeVar

from kcsim.errors import InputError, Mark, Problem, nearest
from kcsim.workload.layer import ConvLayer
from kcsim.workload.network import Network

T = TypeVar("T")
K = TypeVar("K")


@dataclass(frozen=True)
class Rule(Generic[T]):
    """Settings of the layers whose names match a pattern, and where they were given."""

    layers: str
    settings: Mapping[str, T]
    mark: Mark | None = None

    def matches(self, layer: ConvLayer) -> bool:
        """Whether it is about a layer."""
        return layer.name == self.layers or fnmatchcase(layer.name, self.layers)


def settings_for(layer: ConvLayer, rules: Iterable[Rule[T]]) -> dict[str, T]:
    """The settings of a layer; later rules win."""
    found: dict[str, T] = {}
    for rule in rules:
        if rule.matches(layer):
            found |= rule.settings
    return found


def check_rules(network: Network, rules: Iterable[Rule[T]]) -> None:
    """Raise an InputError if a rule is about no layer of a network."""
    unmatched = [rule for rule in rules if not any(map(rule.matches, network))]
    if unmatched:
        names = [layer.name for layer in network]
        expected = f"one of {', '.join(names)}" if len(names) <= 8 else "a layer or a pattern"
        raise InputError(
            [
                Problem(f"no layer matches {rule.layers!r}", expected,
                        nearest(rule.layers, names), rule.mark)
                for rule in unmatched
            ]
        )  # fmt: skip


def given_rules(
    given: Any,
    name: str,
    kind: type[K],
    settings_of: Callable[[K], Mapping[str, T]],
    setting: Callable[[str], tuple[str, T]],
    read_file: Callable[[Any], Iterable[tuple[str, Mapping[str, T], Mark | None]]],
) -> list[Rule[T]]:
    """Rules from a text, a YAML file, settings for all layers, or settings by layer.

    Parameters
    ----------
    given : str, path, kind or mapping of str to kind
    name : str
        Of the argument, and behind two dashes of the option.
    kind : type
    settings_of : callable
        What is given by one of these.
    setting : callable
        See `read_rules`.
    read_file : callable
        Reads patterns, settings and places from a file.

    Raises
    ------
    InputError
        If anything else is given, or it is wrong.
    """
    if isinstance(given, kind):
        return [Rule("*", settings_of(given))]
    if isinstance(given, Mapping):
        for layers, value in given.items():
            if not isinstance(layers, str) or not isinstance(value, kind):
                problem = f"{name} has {layers!r}: {value!r}"
                raise InputError(Problem(problem, f"a layer's name: {kind.__name__}"))
        return [Rule(layers, settings_of(value)) for layers, value in given.items()]
    if isinstance(given, str) and not given.lower().endswith((".yaml", ".yml")):
        return read_rules(given, f"--{name}", setting)
    if not isinstance(given, str | os.PathLike):
        expected = f"a text, a file, {kind.__name__}, or {kind.__name__} by layer"
        raise InputError(Problem(f"{name} is {given!r}", expected))
    return [Rule(*entry) for entry in read_file(given)]


def read_rules(text: str, option: str, setting: Callable[[str], tuple[str, T]]) -> list[Rule[T]]:
    """Read ``key=value,...;layers:key=value,...``.

    Parameters
    ----------
    text : str
    option : str
        What messages call it.
    setting : callable
        Reads ``key=value``; raises an InputError.
    """
    rules, problems = [], []
    for part, start in _split(text, ";", 1):
        layers, colon, settings = part.rpartition(":")
        found: dict[str, T] = {}
        for piece, column in _split(settings, ",", start + len(layers) + len(colon)):
            mark = Mark(option, 1, column, text)
            try:
                key, value = setting(piece)
                if key in found:
                    raise InputError(f"{key} are given twice")
                found[key] = value
            except InputError as error:
                problems += [
                    Problem(each.message, each.expected, each.suggestion, mark)
                    for each in error.problems
                ]
        rules.append(Rule(layers.strip() or "*", found, Mark(option, 1, start, text)))
    if problems:
        raise InputError(problems)
    return rules


def _split(text: str, separator: str, column: int) -> Iterator[tuple[str, int]]:
    """The pieces between separators without the blanks around, and the columns of their starts."""
    for piece in text.split(separator):
        yield piece.strip(), column + len(piece) - len(piece.lstrip())
        column += len(piece) + len(separator)
