"""Shares of zeros for the layers of a network: from a text, a YAML file or Python."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from kcsim.errors import InputError, Mark, Problem, nearest
from kcsim.workload.layer import TENSORS, ConvLayer
from kcsim.workload.network import Network
from kcsim.workload.zeros import ZeroShares, share_problem

ZerosLike = str | os.PathLike[str] | ZeroShares | Mapping[str, ZeroShares]


@dataclass(frozen=True)
class _Rule:
    """Shares of the layers whose names match a pattern, and where they were given."""

    layers: str
    shares: Mapping[str, float]
    mark: Mark | None = None

    def matches(self, layer: ConvLayer) -> bool:
        return layer.name == self.layers or fnmatchcase(layer.name, self.layers)


def network_with_zeros(network: Network, zeros: ZerosLike) -> Network:
    """The network with shares of zeros.

    Parameters
    ----------
    network : Network
    zeros : str, path, ZeroShares or mapping
        A text such as ``"inputs=0.5,outputs=0.6;conv1:inputs=0"``, where what stands before a
        colon is a pattern of layer names; a YAML file with an entry
        ``conv1: {inputs: 0.5}`` for each layer or pattern; shares for all layers; or shares by
        layer name or pattern. A later entry wins; what is not given stays as it is.

    Raises
    ------
    InputError
        If the text or the file is wrong, a share is none, or a pattern matches no layer.
    """
    rules = _rules(zeros)
    unmatched = [rule for rule in rules if not any(map(rule.matches, network))]
    if unmatched:
        names = [layer.name for layer in network]
        raise InputError([_unmatched(rule, names) for rule in unmatched])
    return replace(network, layers=tuple(_with_rules(layer, rules) for layer in network))


def layer_with_zeros(layer: ConvLayer, zeros: ZerosLike) -> ConvLayer:
    """One layer with its shares of zeros; entries for other layers are passed over.

    Parameters
    ----------
    layer : ConvLayer
    zeros
        As for `network_with_zeros`.

    Raises
    ------
    InputError
        If the text or the file is wrong, or a share is none.
    """
    return _with_rules(layer, _rules(zeros))


def _with_rules(layer: ConvLayer, rules: Iterable[_Rule]) -> ConvLayer:
    shares: dict[str, float] = {}
    for rule in rules:
        if rule.matches(layer):
            shares |= rule.shares
    return replace(layer, zeros=replace(layer.zeros, **shares))


def _unmatched(rule: _Rule, names: list[str]) -> Problem:
    expected = f"one of {', '.join(names)}" if len(names) <= 8 else "a layer or a pattern"
    near = nearest(rule.layers, names)
    return Problem(f"no layer matches {rule.layers!r}", expected, near, rule.mark)


def _rules(zeros: ZerosLike) -> list[_Rule]:
    if isinstance(zeros, ZeroShares):
        return [_Rule("*", vars(zeros))]
    if isinstance(zeros, Mapping):
        for layers, shares in zeros.items():
            if not isinstance(layers, str) or not isinstance(shares, ZeroShares):
                raise InputError(
                    Problem(f"zeros hold {layers!r}: {shares!r}", "a layer's name: ZeroShares")
                )
        return [_Rule(layers, vars(shares)) for layers, shares in zeros.items()]
    if isinstance(zeros, str) and not zeros.lower().endswith((".yaml", ".yml")):
        return _read_text(zeros)
    if not isinstance(zeros, str | os.PathLike):
        raise InputError(
            Problem(f"zeros is {zeros!r}", "a text, a file, ZeroShares, or ZeroShares by layer")
        )
    # Schemas load slowly; a text does without them.
    from kcsim.workload.network_file import read_zeros_file

    return [_Rule(*entry) for entry in read_zeros_file(zeros)]


def _read_text(text: str) -> list[_Rule]:
    """Read ``tensor=share,...;layers:tensor=share,...``."""
    rules, problems = [], []
    for part, start in _split(text, ";", 1):
        layers, colon, settings = part.rpartition(":")
        shares: dict[str, float] = {}
        for piece, column in _split(settings, ",", start + len(layers) + len(colon)):
            mark = Mark("--zeros", 1, column, text)
            try:
                tensor, share = _setting(piece)
                if tensor in shares:
                    raise InputError(f"{tensor} are given twice")
                shares[tensor] = share
            except InputError as error:
                problems += [replace(problem, mark=mark) for problem in error.problems]
        rules.append(_Rule(layers.strip() or "*", shares, Mark("--zeros", 1, start, text)))
    if problems:
        raise InputError(problems)
    return rules


def _setting(piece: str) -> tuple[str, float]:
    tensor, equals, value = (part.strip() for part in piece.partition("="))
    if not (tensor and equals and value):
        raise InputError(Problem(f"incomplete setting {piece!r}", "TENSOR=SHARE, as inputs=0.5"))
    if tensor not in TENSORS:
        near = nearest(tensor, TENSORS)
        raise InputError(Problem(f"there is no tensor {tensor!r}", "one of inputs, weights, "
                                 "outputs", near))  # fmt: skip
    try:
        share = float(value)
    except ValueError:
        share = value  # type: ignore[assignment]  # named by the check
    problem = share_problem(tensor, share)
    if problem is not None:
        raise InputError(problem)
    return tensor, share


def _split(text: str, separator: str, column: int) -> Iterator[tuple[str, int]]:
    """The pieces between separators without the blanks around, and the columns of their starts."""
    for piece in text.split(separator):
        yield piece.strip(), column + len(piece) - len(piece.lstrip())
        column += len(piece) + len(separator)
