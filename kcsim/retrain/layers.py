"""The layers of a torch model, and their weights as arrays."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from kcsim.errors import InputError, Problem
from kcsim.retrain.torch_extra import is_lazy, nn, parametrize, torch
from kcsim.weights.matching import match_names
from kcsim.workload.layer import ConvLayer
from kcsim.workload.network import Network

TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
KINDS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, *TRANSPOSED, nn.Linear)
PROJECTIONS = ("in_proj", "q_proj", "k_proj", "v_proj")
"""Weights that `torch.nn.MultiheadAttention` keeps by itself."""


@dataclass(frozen=True)
class Place:
    """Where a model keeps the weights of a layer.

    Parameters
    ----------
    module : str
        Path of the module; empty for the model itself.
    weight : str
    bias : str
        Names of its tensors; of the bias empty where no output channel of the layer has one of
        its own.
    """

    module: str
    weight: str = "weight"
    bias: str = "bias"

    def owner(self, model: nn.Module) -> Any:
        """The module."""
        return model.get_submodule(self.module)

    def weight_of(self, model: nn.Module) -> torch.Tensor:
        """The weights as the model computes with them."""
        weight: torch.Tensor = getattr(self.owner(model), self.weight)
        return weight

    def bias_of(self, model: nn.Module) -> torch.Tensor | None:
        """The biases, if there are any."""
        found: torch.Tensor | None = getattr(self.owner(model), self.bias) if self.bias else None
        return found

    @property
    def tensors(self) -> tuple[str, ...]:
        """Names in a state dict."""
        start = f"{self.module}." if self.module else ""
        return tuple(f"{start}{name}" for name in (self.weight, self.bias) if name)


def network_of(model: nn.Module) -> Network:
    """Convolutions and fully connected layers of a model as a network, by the modules' names.

    A transposed convolution is there as the convolution that it is the transpose of, which has the
    same weights; of convolutions of three dimensions, taps along the first are channels. What a
    model does not say is the size of its images: the smallest that a filter fits into is assumed.
    For shapes of weights and for clustering that makes no difference; for an estimate it does,
    and `kcsim.from_torch` serves.

    Parameters
    ----------
    model : nn.Module

    Raises
    ------
    InputError
        If it has no such layer, or one has no values yet.
    """
    layers, seen = [], set()
    for name, place in _places(model):
        key = id(place.owner(model)), place.weight
        if key not in seen:
            seen.add(key)
            layers.append(_layer(name or "layer", place, model))
    if not layers:
        kind = type(model).__name__
        raise InputError(Problem(f"the {kind} has no layers to cluster", "Conv2d or Linear"))
    return Network(type(model).__name__, tuple(layers))


def places_of(model: nn.Module, network: Network) -> dict[str, Place]:
    """The place of the weights of every layer, of which each is fit for being tied.

    Parameters
    ----------
    model : nn.Module
    network : Network
        Matched by `kcsim.weights.matching`.

    Raises
    ------
    InputError
        If a layer has no module, or its module is parametrized already, lazy, not of float32, or
        has no weight of its own.
    """
    known = dict(_places(model))
    for name, place in known.items():
        if parametrize.is_parametrized(place.owner(model)):
            what = f"'{name}.weight' is parametrized already"
            raise InputError(Problem(what, "a plain model, as Tied.finalize returns"))
    shapes = {f"{name}.weight": four_axes(each.weight_of(model)) for name, each in known.items()}
    matched = match_names(network, shapes, file="model")
    places = {layer: known[tensor.removesuffix(".weight")] for layer, tensor in matched.items()}
    for layer, place in places.items():
        _check_plain(place, layer, model)
    return places


def arrays_of(model: nn.Module, places: dict[str, Place]) -> dict[str, np.ndarray]:
    """Copies of the weights and biases of a model, by layer, as `kcsim.cluster_network` reads them.

    Parameters
    ----------
    model : nn.Module
    places : dict of str to Place
        As of `places_of`.
    """
    arrays = {}
    for layer, place in places.items():
        weight, bias = place.weight_of(model), place.bias_of(model)
        arrays[f"{layer}.weight"] = array(weight).reshape(four_axes(weight))
        if bias is not None:
            arrays[f"{layer}.bias"] = array(bias)
    return arrays


def holders_of(model: nn.Module, place: Place) -> list[tuple[Any, str]]:
    """All modules that hold the tensor of a place, and what they call it.

    A model may compute with one tensor in several modules, as in an embedding and the layer that
    reads it back.
    """
    wanted = place.weight_of(model)
    return [
        (module, name)
        for module in model.modules()
        for name, tensor in module._parameters.items()
        if tensor is wanted
    ]


def four_axes(weight: torch.Tensor) -> tuple[int, ...]:
    """Shape (M, C, R, S) of the weights of a module.

    Kernels of one axis are rows, as in the layers of kcsim; of three, the first goes to channels.
    """
    shape = tuple(weight.shape)
    if len(shape) == 5:
        return (shape[0], shape[1] * shape[2], *shape[3:])
    return (*shape[:2], 1, shape[2]) if len(shape) == 3 else (*shape, 1, 1)[:4]


def array(tensor: torch.Tensor) -> np.ndarray:
    """A copy of the values of a tensor."""
    return tensor.detach().cpu().numpy().copy()


def _places(model: nn.Module) -> Iterator[tuple[str, Place]]:
    """Weights that may be those of layers, by the layer's name; shared modules by all of theirs."""
    modules: Iterator[tuple[str, Any]] = model.named_modules(remove_duplicate=False)
    for name, module in modules:
        if isinstance(module, KINDS):
            weight: Any = module._parameters.get("weight")
            if is_lazy(weight):
                what = f"'{name}' has no values yet"
                raise InputError(Problem(what, "a model that was run once"))
            yield name, Place(name, bias="" if isinstance(module, TRANSPOSED) else "bias")
        elif isinstance(module, nn.MultiheadAttention):
            for part in PROJECTIONS:
                if getattr(module, f"{part}_weight", None) is not None:
                    bias = "in_proj_bias" if part == "in_proj" else ""
                    yield f"{name}.{part}".lstrip("."), Place(name, f"{part}_weight", bias)


def _check_plain(place: Place, layer: str, model: nn.Module) -> None:
    """Refuse modules that compute with anything but a weight of single precision."""
    module = place.owner(model)
    weight = module._parameters.get(place.weight)
    if weight is None:
        what = f"layer {layer!r}: its {type(module).__name__} changes its weights at each call"
        raise InputError(Problem(what, "a module with a plain weight"))
    if weight.dtype != torch.float32:
        raise InputError(Problem(f"layer {layer!r} has weights of {weight.dtype}", "torch.float32"))


def _layer(name: str, place: Place, model: nn.Module) -> ConvLayer:
    module, weight = place.owner(model), place.weight_of(model)
    filters, channels, rows, columns = four_axes(weight)
    has_bias = place.bias_of(model) is not None
    if weight.ndim == 2:
        return ConvLayer.linear(name, channels, filters, bias=has_bias)
    dilation = (1, *module.dilation)[-2:]
    return ConvLayer(
        name, channels * module.groups, filters, dilation[0] * (rows - 1) + 1,
        dilation[1] * (columns - 1) + 1, rows, columns,
        stride=(1, *module.stride)[-2:], dilation=dilation, groups=module.groups, bias=has_bias,
    )  # fmt: skip
