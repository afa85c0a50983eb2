"""Plain models from tied ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from kcsim.retrain.layers import array
from kcsim.retrain.torch_extra import nn, torch


def others_of(plain: nn.Module, places: Mapping[str, str]) -> dict[str, np.ndarray]:
    """What a model consists of beside the weights and biases of its layers."""
    known = {f"{place}.{part}" for place in places.values() for part in ("weight", "bias")}
    state = plain.state_dict()
    return {name: array(value) for name, value in state.items() if name not in known}


def untie(module: nn.Module, weights: np.ndarray) -> None:
    """Replace the parametrization of a copied module by a plain weight.

    Not by torch's own function: it would take the property away from the class, which the copy
    shares with the model that stays tied.
    """
    tied: Any = module
    shape, device = tied.weight.shape, tied.weight.device
    del tied.parametrizations
    module.__class__ = module.__class__.__bases__[0]
    weight = torch.from_numpy(np.ascontiguousarray(weights)).reshape(shape).to(device)
    module.register_parameter("weight", nn.Parameter(weight))
