"""Tensors of a file matched to the layers of a network, by name, by shape and by order."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kcsim.clustering.units import shape_text, weights_shape
from kcsim.errors import InputError, Problem, nearest
from kcsim.reading.source import read_yaml
from kcsim.weights.coded import CodedTensor
from kcsim.weights.found import Found
from kcsim.weights.tensor_names import abbreviates, inside_container, module_of, numbers, skeleton
from kcsim.weights.tensor_shapes import reordered, weight_shapes
from kcsim.workload.network import Network

Names = Mapping[str, str] | str | os.PathLike[str]
Shape = tuple[int, ...]

_MAX_SHOWN = 8


@dataclass(frozen=True, eq=False)
class LayerWeights:
    """The trained values of one layer.

    Attributes
    ----------
    weight : float32[M, C, R, S]
    bias : float32[M] or None
    tensor : str
        Name of the tensor that the weights are from.
    by_shape : bool
        Whether shapes and order found it, and not its name.
    either_way : bool
        Whether its rows were taken as outputs, and could as well be inputs.
    layout : Found or None
        The codes and codebook that the file keeps them as.
    """

    weight: NDArray[np.float32]
    bias: NDArray[np.float32] | None
    tensor: str
    by_shape: bool = False
    either_way: bool = False
    layout: Found | None = None


def match_weights(
    network: Network, tensors: Mapping[str, ArrayLike], names: Names | None = None
) -> dict[str, LayerWeights]:
    """The weights and biases of every layer.

    Parameters
    ----------
    network : Network
    tensors : mapping of str to array
        Arrays of floating point; weights of convolutions as (M, C, R, S), where R or S may be
        left out if it is 1, of fully connected layers as (outputs, inputs).
    names : mapping of str to str or path, optional
        Tensor of a layer, by layer; or a YAML file that says so. The other layers are matched as
        by `match_names`.

    Returns
    -------
    dict of str to LayerWeights
        By layer, in the order of the network.

    Raises
    ------
    InputError
        If a layer has no tensor, or its tensor another shape or values that are not finite.
    """
    file = getattr(tensors, "file", "weights")
    arrays = {name: np.asarray(tensor) for name, tensor in tensors.items()}
    coded: Mapping[str, CodedTensor] = getattr(tensors, "coded", {})
    shapes, unread = weight_shapes(network, arrays, coded)
    unread |= getattr(tensors, "unread", {})
    written = shapes | {name: array.shape for name, array in arrays.items()}
    matching = _matching(network, shapes, _given(names), file, unread, written)
    problems: list[Problem] = []
    result = {}
    for layer in network.trained_layers:
        name = matching.found[layer.name]
        layout = None
        if name in coded and coded[name].fits(layer):
            layout = coded[name].as_layer(layer)
            decoded = layout.clustered.decode(layout.codebook)
            array = arrays.get(name, decoded)
        else:
            array = arrays[name]
        weight = _finite(array.reshape(weights_shape(layer)), name, file, problems)
        bias_name = f"{module_of(name)}.bias"
        bias = arrays.get(bias_name)
        if bias is not None and bias.shape != (layer.out_channels,):
            problems.append(
                Problem(
                    f"'{file}': tensor {bias_name!r} is {shape_text(bias.shape)}",
                    f"{layer.out_channels}, the output channels of layer {layer.name!r}",
                )
            )
        elif bias is not None:
            bias = _finite(bias, bias_name, file, problems)
        by_shape = layer.name in matching.by_shape
        is_square = written[name] == (layer.out_channels, layer.out_channels)
        either_way = is_square and not getattr(tensors, "has_outputs_first", False)
        result[layer.name] = LayerWeights(weight, bias, name, by_shape, either_way, layout)
    if problems:
        raise InputError(problems)
    return result


def match_names(
    network: Network,
    shapes: Mapping[str, Shape],
    names: Mapping[str, str] | None = None,
    file: str = "weights",
) -> dict[str, str]:
    """The tensor of every layer; only tensors of exactly the layer's shape are taken.

    In this order: what `names` says; equal names; names that abbreviate each other, as
    ``l1.0.c1`` does ``layer1.0.conv1``; among the rest, the only layer and tensor of a shape, or
    as many of both, whose tensors are told apart by numbers alone; at last the order of the
    file, where it lists tensors of just the layers' shapes and is not that of the alphabet.

    Parameters
    ----------
    network : Network
    shapes : mapping of str to tuple of int
        Shape (M, C, R, S) of each tensor, in the order of the file.
    names : mapping of str to str, optional
        Tensor of a layer, by layer.
    file : str
        For messages.

    Raises
    ------
    InputError
        If a layer is left without a tensor, or `names` is wrong.
    """
    return _matching(network, shapes, names or {}, file).found


def _matching(
    network: Network,
    shapes: Mapping[str, Shape],
    names: Mapping[str, str],
    file: str,
    unread: Mapping[str, str] | None = None,
    written: Mapping[str, Shape] | None = None,
) -> _Matching:
    matching = _Matching(network, shapes, file, unread or {}, written or shapes)
    matching.take_given(names)
    for module in (module_of, inside_container(shapes)):
        matching.take_equal(module)
    matching.take_pairs(abbreviates)
    matching.refuse_unread()
    matching.by_shape = set(matching.left)
    matching.take_shapes()
    matching.take_order()
    matching.check()
    return matching


class _Matching:
    """Layers and tensors that are still to be matched, and what was found."""

    def __init__(
        self,
        network: Network,
        shapes: Mapping[str, Shape],
        file: str,
        unread: Mapping[str, str],
        written: Mapping[str, Shape],
    ) -> None:
        self.found: dict[str, str] = {}
        self.by_shape: set[str] = set()
        self._network = network
        self._shapes = shapes
        self._file = file
        self._unread = unread
        self._written = written
        trained = network.trained_layers
        self._layers: dict[str, Shape] = {layer.name: weights_shape(layer) for layer in trained}
        self.left = dict(self._layers)
        self._tensors = dict(shapes)

    def take_given(self, names: Mapping[str, str]) -> None:
        problems = []
        for layer, tensor in names.items():
            if layer not in self.left:
                what = f"network {self._network.name!r} has no layer {layer!r}"
                problems.append(Problem(what, suggestion=nearest(layer, self.left)))
            elif tensor in self._unread:
                problems.append(self._not_read(tensor))
            elif tensor not in self._shapes:
                what = f"'{self._file}' has no weights {tensor!r} for layer {layer!r}"
                problems.append(Problem(what, suggestion=nearest(tensor, self._shapes)))
            elif self._shapes[tensor] != self.left[layer]:
                problems.append(self._mismatch(layer, tensor))
        if len(set(names.values())) < len(names):
            problems.append(Problem("two layers are given the same tensor", "one for each layer"))
        if problems:
            raise InputError(problems)
        for layer, tensor in names.items():
            self._take(layer, tensor)

    def take_equal(self, module: Callable[[str], str]) -> None:
        """Match layers and tensors of one name, where no two tensors have it."""
        tensors: dict[str, list[str]] = {}
        for tensor in self._tensors:
            tensors.setdefault(module(tensor), []).append(tensor)
        for layer in list(self.left):
            named = tensors.get(layer, [])
            if len(named) != 1:
                continue
            if self._shapes[named[0]] != self.left[layer]:
                raise InputError(self._mismatch(layer, named[0]))
            self._take(layer, named[0])

    def take_pairs(self, alike: Callable[[str, str], bool]) -> None:
        """Match pairs of one shape that are alike, where neither is like anything else."""
        pairs = [
            (layer, tensor)
            for layers, tensors in self._by_shape()
            for layer in layers
            for tensor in tensors
            if alike(layer, tensor)
        ]
        for layer, tensor in pairs:
            if sum(layer in pair for pair in pairs) == sum(tensor in pair for pair in pairs) == 1:
                self._take(layer, tensor)

    def refuse_unread(self) -> None:
        """Complain about layers whose own tensors are not read: no other tensor is theirs."""
        problems = []
        for module in (module_of, inside_container([*self._shapes, *self._unread])):
            named = {module(tensor): tensor for tensor in self._unread}
            problems += [self._not_read(named[layer]) for layer in self.left if layer in named]
        if problems:
            raise InputError(list(dict.fromkeys(problems))[:_MAX_SHOWN])

    def take_shapes(self) -> None:
        """Match all layers and tensors of one shape that only their numbers tell apart."""
        for layers, tensors in self._by_shape():
            if len(layers) != len(tensors):
                continue
            numbered = {numbers(tensor): tensor for tensor in tensors}
            if len(numbered) == len(tensors) and len({skeleton(name) for name in tensors}) == 1:
                tensors = [numbered[key] for key in sorted(numbered)]
            else:
                # Kinds of layers mixed in one shape: the block that each is in may still tell.
                places = {numbers(tensor)[:1]: tensor for tensor in tensors}
                blocks = [numbers(layer)[:1] for layer in layers]
                if len(places) < len(tensors) or set(places) != set(blocks):
                    continue
                tensors = [places[block] for block in blocks]
            for layer, tensor in zip(layers, tensors, strict=True):
                self._take(layer, tensor)

    def take_order(self) -> None:
        """Match the rest one by one, if a file's own order has just the layers' shapes."""
        tensors = list(self._tensors)
        is_order = [*self._shapes] != sorted(self._shapes)
        if is_order and [*self.left.values()] == [*self._tensors.values()]:
            for layer, tensor in zip(list(self.left), tensors, strict=True):
                self._take(layer, tensor)

    def check(self) -> None:
        """Complain about layers that have no tensor."""
        if not self.left:
            return
        problems = []
        for layer, shape in list(self.left.items())[:_MAX_SHOWN]:
            turned = [name for name in self._tensors if reordered(self._written[name], shape)]
            if turned:
                problems.append(self._mismatch(layer, turned[0]))
                continue
            fitting = [tensor for tensor in self._tensors if self._shapes[tensor] == shape]
            expected = f"one of {', '.join(fitting[:4])}" if fitting else ""
            near = nearest(layer, fitting or self._tensors)
            what = f"'{self._file}' has no weights of {shape_text(shape)} that are clearly those of"
            problems.append(Problem(f"{what} layer {layer!r}", expected, near))
        more = len(self.left) - len(problems)
        if more > 0:
            problems.append(Problem(f"and {more} more layers have no weights"))
        unused = [f"{name} ({shape_text(self._written[name])})" for name in self._tensors]
        unread = [f"{name} is {reason}" for name, reason in self._unread.items()]
        vectors = [
            f"{name} ({shape_text(shape)})"
            for name, shape in self._written.items()
            if len(shape) < 2 and name not in self._unread
        ]
        for what, names in (
            ("weights that match no layer", unused),
            ("not read", unread),
            ("vectors, which are no weights of layers", [] if unused else vectors),
        ):
            if names:
                shown = ", ".join(names[:_MAX_SHOWN]) + (", ..." if len(names) > _MAX_SHOWN else "")
                problems.append(Problem(f"{what}: {shown}"))
        remedy = "names that say which tensor each layer has (--names FILE), or fewer layers"
        problems.append(
            Problem(f"{len(self.left)} of {len(self._layers)} layers have no weights", remedy)
        )
        raise InputError(problems)

    def _take(self, layer: str, tensor: str) -> None:
        self.found[layer] = tensor
        del self.left[layer], self._tensors[tensor]

    def _mismatch(self, layer: str, tensor: str) -> Problem:
        written, wanted = self._written[tensor], self._layers[layer]
        order = reordered(written, wanted)
        return Problem(
            f"'{self._file}': tensor {tensor!r} is {shape_text(written)}",
            f"{shape_text(wanted)} for layer {layer!r}" + (f", as {order}" if order else ""),
        )

    def _not_read(self, tensor: str) -> Problem:
        what = f"'{self._file}': {tensor!r} is {self._unread[tensor]}"
        return Problem(what, "weights of floating point")

    def _by_shape(self) -> list[tuple[list[str], list[str]]]:
        """Layers and tensors of one shape, for each shape that both have."""
        groups: dict[Shape, tuple[list[str], list[str]]] = {}
        for side, names in enumerate((self.left, self._tensors)):
            for name, shape in names.items():
                groups.setdefault(shape, ([], []))[side].append(name)
        return [group for group in groups.values() if all(group)]


def _given(names: Names | None) -> dict[str, str]:
    """Names of tensors by layer, from a mapping or a YAML file."""
    if names is None or isinstance(names, Mapping):
        return dict(names or {})
    document = read_yaml(names)
    if not isinstance(document.data, dict):
        raise InputError(document.problem((), "no names of tensors", expected="layer: tensor"))
    given: dict[str, Any] = document.data
    problems = [
        document.problem((layer,), f"the tensor of layer {layer!r} is no text", expected="its name")
        for layer, tensor in given.items()
        if not isinstance(tensor, str)
    ]
    if problems:
        raise InputError(problems)
    return given


def _finite(
    values: NDArray[Any], name: str, file: str, problems: list[Problem]
) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):
        single = np.ascontiguousarray(values, np.float32)
    bad = int(np.count_nonzero(~np.isfinite(single)))
    if bad:
        number = "a value" if bad == 1 else f"{bad} values"
        what = f"'{file}': tensor {name!r} has {number} that no float32 can hold"
        problems.append(Problem(what, "finite numbers"))
    return single
