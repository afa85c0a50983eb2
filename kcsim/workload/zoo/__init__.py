"""Published networks by name."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from kcsim.errors import InputError, Problem, nearest
from kcsim.workload.network import Network
from kcsim.workload.zoo import compact, inception, residual, sequential

_BUILDERS: dict[str, Callable[[], Network]] = {
    "lenet5": sequential.lenet5,
    "lenet5_1998": sequential.lenet5_1998,
    "alexnet": sequential.alexnet,
    "alexnet_ungrouped": sequential.alexnet_ungrouped,
    "alexnet_torchvision": sequential.alexnet_torchvision,
    "vgg16": sequential.vgg16,
    "vgg16_cifar": sequential.vgg16_cifar,
    "googlenet": inception.googlenet,
    "googlenet_torchvision": inception.googlenet_torchvision,
    "resnet18": residual.resnet18,
    "resnet34": residual.resnet34,
    "resnet50": residual.resnet50,
    "wide_resnet50_2": residual.wide_resnet50_2,
    "resnet20": residual.resnet20,
    "resnet56": residual.resnet56,
    "wrn_16_4": residual.wrn_16_4,
    "wrn_28_10": residual.wrn_28_10,
    "wrn_16_4_cifar100": residual.wrn_16_4_cifar100,
    "wrn_28_10_cifar100": residual.wrn_28_10_cifar100,
    "squeezenet1_0": compact.squeezenet1_0,
    "squeezenet1_1": compact.squeezenet1_1,
    "mobilenet_v1": compact.mobilenet_v1,
    "mobilenet_v2": compact.mobilenet_v2,
    "densenet121": compact.densenet121,
}

NAMES: tuple[str, ...] = tuple(_BUILDERS)
"""Every network that `load` knows."""


def _plain(name: str) -> str:
    """`name` as it is compared: small letters and digits only."""
    return "".join(character for character in name.lower() if character.isalnum())


_BY_PLAIN_NAME = {_plain(name): name for name in NAMES}


def load(name: str) -> Network:
    """The network called `name`, for a batch of one image.

    Parameters
    ----------
    name : str
        One of `NAMES`; capitals and punctuation do not matter (``"ResNet-18"``).

    Raises
    ------
    InputError
        If there is no such network; suggests the nearest name.
    """
    known = _BY_PLAIN_NAME.get(_plain(name))
    if known is None:
        suggestion = _BY_PLAIN_NAME.get(nearest(_plain(name), _BY_PLAIN_NAME), "")
        expected = "a name that `kcsim networks` lists"
        raise InputError(Problem(f"no network is called {name!r}", expected, suggestion))
    return _build(known)


@cache
def _build(name: str) -> Network:
    return _BUILDERS[name]()
