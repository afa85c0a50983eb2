"""Shares of zeros for the layers of a network: from a text, a YAML file or Python."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import replace

from kcsim.errors import InputError, Mark, Problem, nearest
from kcsim.workload.by_layer import Rule, check_rules, given_rules, settings_for
from kcsim.workload.layer import TENSORS, ConvLayer
from kcsim.workload.network import Network
from kcsim.workload.zeros import ZeroShares, share_problem

ZerosLike = str | os.PathLike[str] | ZeroShares | Mapping[str, ZeroShares]


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
    check_rules(network, rules)
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


def _with_rules(layer: ConvLayer, rules: Iterable[Rule[float]]) -> ConvLayer:
    return replace(layer, zeros=replace(layer.zeros, **settings_for(layer, rules)))


def _rules(zeros: ZerosLike) -> list[Rule[float]]:
    return given_rules(zeros, "zeros", ZeroShares, vars, _setting, _from_file)


def _from_file(path: str) -> Iterable[tuple[str, Mapping[str, float], Mark | None]]:
    # Schemas load slowly; a text does without them.
    from kcsim.workload.network_file import read_zeros_file

    return read_zeros_file(path)


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
