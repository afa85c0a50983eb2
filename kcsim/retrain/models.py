"""Torch models of known networks, whose tensors have the names of published state dicts."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from kcsim.clustering.units import shape_text
from kcsim.errors import InputError, Problem, nearest
from kcsim.retrain.images import Preparation
from kcsim.retrain.layers import places_of
from kcsim.retrain.torch_extra import nn, torch
from kcsim.weights.matching import match_weights
from kcsim.workload.network import Network


class LeNet5(nn.Module):
    """LeNet-5 as Caffe has it: 20 and 50 filters of 5x5, 500 and 10 units; 28x28 images."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 20, 5), nn.Conv2d(20, 50, 5)
        self.ip1, self.ip2 = nn.Linear(800, 500), nn.Linear(500, 10)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Scores of the classes."""
        x = nn.functional.max_pool2d(self.conv1(images), 2)
        x = nn.functional.max_pool2d(self.conv2(x), 2)
        scores: torch.Tensor = self.ip2(torch.relu(self.ip1(x.flatten(1))))
        return scores


class _Block(nn.Module):
    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        stride = width // channels
        self.conv1 = nn.Conv2d(channels, width, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.missing = (width - channels) // 2

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(images)))))
        if self.missing:
            images = nn.functional.pad(
                images[:, :, ::2, ::2], (0, 0, 0, 0, self.missing, self.missing)
            )
        return torch.relu(x + images)


class CifarResNet(nn.Module):
    """A ResNet for 32x32 images with shortcuts of option A (He et al. 2016, Section 4.2).

    Parameters
    ----------
    blocks : int
        Blocks of a stage: 3 for ResNet-20, 9 for ResNet-56.
    """

    def __init__(self, blocks: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = nn.Sequential(*(_Block(16, 16) for _ in range(blocks)))
        self.layer2 = nn.Sequential(_Block(16, 32), *(_Block(32, 32) for _ in range(blocks - 1)))
        self.layer3 = nn.Sequential(_Block(32, 64), *(_Block(64, 64) for _ in range(blocks - 1)))
        self.linear = nn.Linear(64, 10)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Scores of the classes."""
        x = torch.relu(self.bn1(self.conv1(images)))
        x = self.layer3(self.layer2(self.layer1(x)))
        scores: torch.Tensor = self.linear(x.mean((2, 3)))
        return scores


def lenet5() -> nn.Module:
    """The model of the network ``lenet5``."""
    return LeNet5()


def resnet20() -> nn.Module:
    """The model of the network ``resnet20``."""
    return CifarResNet(3)


def resnet56() -> nn.Module:
    """The model of the network ``resnet56``."""
    return CifarResNet(9)


_IMAGENET = Preparation((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
MODELS = {
    "lenet5": (lenet5, Preparation((0.0,), (1.0,), shift=2)),
    "resnet20": (resnet20, replace(_IMAGENET, shift=4, mirror=True)),
    "resnet56": (resnet56, replace(_IMAGENET, shift=4, mirror=True)),
}
"""Models of known networks, and how images are prepared for them."""


def make_model(factory: str | None, network: str) -> tuple[nn.Module, Preparation]:
    """A model, and how images are prepared for it.

    Parameters
    ----------
    factory : str or None
        ``module:function``, which is imported and called, with the working folder among the places
        that Python looks in; ``None`` for the model of a known network.
    network : str
        Its name.

    Raises
    ------
    InputError
        If there is no such model, or making it fails.
    """
    if factory is None:
        if network not in MODELS:
            what = f"kcsim has no torch model of network {network!r}"
            expected = f"--model MODULE:FUNCTION that makes one, or {', '.join(MODELS)}"
            raise InputError(Problem(what, expected, nearest(network, MODELS)))
        make, preparation = MODELS[network]
        return make(), preparation
    module_name, colon, name = factory.partition(":")
    if not (module_name and colon and name):
        raise InputError(Problem(f"--model is {factory!r}", "MODULE:FUNCTION, as my_models:small"))
    sys.path.insert(0, os.getcwd())
    try:
        model = getattr(importlib.import_module(module_name), name)()
    # What a user's own module does wrong is of any kind.
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else ""
        what = f"cannot make a model by {factory!r}: {type(error).__name__}: {reason}"
        raise InputError(what) from None
    finally:
        sys.path.pop(0)
    if not isinstance(model, nn.Module):
        raise InputError(Problem(f"{factory!r} makes a {type(model).__name__}", "a torch module"))
    return model, _IMAGENET


def fill_model(model: nn.Module, tensors: Mapping[str, np.ndarray], network: Network) -> None:
    """Give a model trained weights.

    Parameters
    ----------
    model : nn.Module
        Changed in place.
    tensors : mapping of str to array
        A state dict; or, for a model without batch norms, weights and biases of its layers, matched
        by `kcsim.weights.matching`.
    network : Network

    Raises
    ------
    InputError
        If tensors are missing, or have other shapes.
    """
    wanted = {
        name: value for name, value in model.state_dict().items() if value.is_floating_point()
    }
    missing = [name for name in wanted if name not in tensors]
    file = getattr(tensors, "file", "weights")
    if not missing:
        problems = [
            Problem(f"'{file}': tensor {name!r} is {shape_text(tensors[name].shape)}",
                    shape_text(tuple(value.shape)))
            for name, value in wanted.items()
            if tensors[name].shape != tuple(value.shape)
        ]  # fmt: skip
        if problems:
            raise InputError(problems)
        state = {name: torch.tensor(np.array(tensors[name], np.float32)) for name in wanted}
        model.load_state_dict(state, strict=False)
        return
    places = places_of(model, network)
    known = {name for place in places.values() for name in place.tensors}
    if others := [name for name in missing if name not in known]:
        expected = "a state dict of the model"
        raise InputError(Problem(f"'{file}' has no tensor {others[0]!r}", expected))
    with torch.no_grad():
        for layer, given in match_weights(network, tensors).items():
            weight, bias = places[layer].weight_of(model), places[layer].bias_of(model)
            weight.copy_(torch.tensor(given.weight).reshape(weight.shape))
            if bias is not None and given.bias is None:
                raise InputError(Problem(f"'{file}' has no bias of layer {layer!r}", "one"))
            if bias is not None:
                bias.copy_(torch.tensor(given.bias))
