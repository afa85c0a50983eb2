"""The layers of a torch model, and their weights as arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from kcsim.errors import InputError, Problem
from kcsim.retrain.torch_extra import is_lazy, nn, parametrize, torch
from kcsim.weights.matching import match_names
from kcsim.workload.layer import ConvLayer
from kcsim.workload.network import Network

KINDS = (nn.Conv1d, nn.Conv2d, nn.Linear)


def network_of(model: nn.Module) -> Network:
    """Convolutions and fully connected layers of a model as a network, by the modules' names.

    What a model does not say is the size of its images: the smallest that a filter fits into is
    assumed. For shapes of weights and for clustering that makes no difference; for an estimate
    it does.

    Parameters
    ----------
    model : nn.Module

    Raises
    ------
    InputError
        If it has no such layer, or one has no values yet.
    """
    layers = [_layer(name or "layer", module) for name, module in _modules(model).items()]
    if not layers:
        kind = type(model).__name__
        raise InputError(Problem(f"the {kind} has no layers to cluster", "Conv2d or Linear"))
    return Network(type(model).__name__, tuple(layers))


def places_of(model: nn.Module, network: Network) -> dict[str, str]:
    """The path of the module of every layer, of which each is fit for being tied.

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
    modules = _modules(model)
    for name, module in modules.items():
        if parametrize.is_parametrized(module, "weight"):
            what = f"'{name}.weight' is parametrized already"
            raise InputError(Problem(what, "a plain model, as Tied.finalize returns"))
    shapes = {f"{name}.weight": four_axes(module.weight) for name, module in modules.items()}
    matched = match_names(network, shapes, file="model")
    places = {layer: tensor.removesuffix(".weight") for layer, tensor in matched.items()}
    for layer, place in places.items():
        _check_plain(modules[place], layer)
    return places


def arrays_of(model: nn.Module, places: dict[str, str]) -> dict[str, np.ndarray]:
    """Copies of the weights and biases of a model, by layer, as `kcsim.cluster_network` reads them.

    Parameters
    ----------
    model : nn.Module
    places : dict of str to str
        As of `places_of`.
    """
    arrays = {}
    for layer, place in places.items():
        module: Any = model.get_submodule(place)
        arrays[f"{layer}.weight"] = array(module.weight).reshape(four_axes(module.weight))
        if module.bias is not None:
            arrays[f"{layer}.bias"] = array(module.bias)
    return arrays


def four_axes(weight: torch.Tensor) -> tuple[int, ...]:
    """Shape (M, C, R, S); kernels of one axis are rows, as in the layers of kcsim."""
    shape = tuple(weight.shape)
    return (*shape[:2], 1, shape[2]) if len(shape) == 3 else (*shape, 1, 1)[:4]


def array(tensor: torch.Tensor) -> np.ndarray:
    """A copy of the values of a tensor."""
    return tensor.detach().cpu().numpy().copy()


def _modules(model: nn.Module) -> dict[str, Any]:
    modules = {name: each for name, each in model.named_modules() if isinstance(each, KINDS)}
    for name, module in modules.items():
        weight = module._parameters.get("weight")
        if weight is not None and is_lazy(weight):
            raise InputError(Problem(f"'{name}' has no values yet", "a model that was run once"))
    return modules


def _check_plain(module: Any, layer: str) -> None:
    """Refuse modules that compute with anything but a weight of single precision."""
    weight = module._parameters.get("weight")
    if weight is None:
        what = f"layer {layer!r}: its {type(module).__name__} changes its weights at each call"
        raise InputError(Problem(what, "a module with a plain weight"))
    if weight.dtype != torch.float32:
        raise InputError(Problem(f"layer {layer!r} has weights of {weight.dtype}", "torch.float32"))


def _layer(name: str, module: Any) -> ConvLayer:
    has_bias = module.bias is not None
    if isinstance(module, nn.Linear):
        return ConvLayer.linear(name, module.in_features, module.out_features, bias=has_bias)
    _, _, rows, columns = four_axes(module.weight)
    dilation = (1, *module.dilation)[-2:]
    return ConvLayer(
        name, module.in_channels, module.out_channels,
        dilation[0] * (rows - 1) + 1, dilation[1] * (columns - 1) + 1, rows, columns,
        stride=(1, *module.stride)[-2:], dilation=dilation, groups=module.groups, bias=has_bias,
    )  # fmt: skip
