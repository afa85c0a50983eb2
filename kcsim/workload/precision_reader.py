"""Widths of the values of the layers of a network: from a text, a YAML file or Python."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import fields, replace

from kcsim.errors import InputError, Mark, Problem, nearest
from kcsim.workload.by_layer import Rule, check_rules, given_rules, settings_for
from kcsim.workload.layer import ConvLayer
from kcsim.workload.network import Network
from kcsim.workload.precision import LayerBits, bits_problem

PrecisionLike = str | os.PathLike[str] | LayerBits | Mapping[str, LayerBits]
_NAMES = tuple(field.name for field in fields(LayerBits))


def network_with_precision(network: Network, precision: PrecisionLike) -> Network:
    """The network with widths of values, for mixed precision.

    Parameters
    ----------
    network : Network
    precision : str, path, LayerBits or mapping
        A text such as ``"weights=4;conv1:weights=8,inputs=8"``, where what stands before a colon
        is a pattern of layer names; a YAML file with an entry ``conv1: {weights: 8}`` for each
        layer or pattern; widths for all layers; or widths by layer name or pattern. A later entry
        wins; what is not given stays as it is.

    Raises
    ------
    InputError
        If the text or the file is wrong, a width is none, or a pattern matches no layer.
    """
    rules = _rules(precision)
    check_rules(network, rules)
    return replace(network, layers=tuple(_with_rules(layer, rules) for layer in network))


def layer_with_precision(layer: ConvLayer, precision: PrecisionLike) -> ConvLayer:
    """One layer with its widths of values; entries for other layers are passed over."""
    return _with_rules(layer, _rules(precision))


def _with_rules(layer: ConvLayer, rules: Iterable[Rule[int]]) -> ConvLayer:
    bits = replace(layer.precision_bits, **settings_for(layer, rules))
    return replace(layer, precision_bits=bits)


def _rules(precision: PrecisionLike) -> list[Rule[int]]:
    return given_rules(
        precision, "precision", LayerBits, lambda bits: bits.given, _setting, _from_file
    )


def _from_file(path: str) -> Iterable[tuple[str, Mapping[str, int], Mark | None]]:
    # Schemas load slowly; a text does without them.
    from kcsim.workload.network_file import read_precision_file

    return read_precision_file(path)


def _setting(piece: str) -> tuple[str, int]:
    name, equals, value = (part.strip() for part in piece.partition("="))
    if not (name and equals and value):
        raise InputError(Problem(f"incomplete setting {piece!r}", "NAME=BITS, as weights=4"))
    if name not in _NAMES:
        near = nearest(name, _NAMES)
        raise InputError(Problem(f"there is no {name!r}", "one of " + ", ".join(_NAMES), near))
    bits: object = int(value) if value.isascii() and value.isdigit() else value
    problem = bits_problem(name, bits)
    if problem is not None:
        raise InputError(problem)
    assert isinstance(bits, int)
    return name, bits
