"""Plain models from tied ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from kcsim.retrain.ahead import stop_ahead
from kcsim.retrain.layers import Place, array
from kcsim.retrain.torch_extra import nn
from kcsim.retrain.weight import TiedWeight


def others_of(plain: nn.Module, places: Mapping[str, Place]) -> dict[str, np.ndarray]:
    """What a model consists of beside the weights and biases of its layers."""
    known = {name for place in places.values() for name in place.tensors}
    weights = {id(place.weight_of(plain)) for place in places.values()}
    named = plain.named_parameters(remove_duplicate=False)
    known |= {name for name, tensor in named if id(tensor) in weights}
    state = plain.state_dict()
    return {name: array(value) for name, value in state.items() if name not in known}


def untie(model: nn.Module) -> None:
    """Replace the ties of a copied model by plain weights.

    Not by torch's own function: it would take the property away from the class, which the copy
    shares with the model that stays tied.

    Parameters
    ----------
    model : nn.Module
    """
    stop_ahead(model)
    decoded: dict[TiedWeight, nn.Parameter] = {}
    for module in list(model.modules()):
        held: Any = getattr(module, "parametrizations", {})
        ties = {name: each[0] for name, each in held.items() if isinstance(each[0], TiedWeight)}
        if not ties:
            continue
        del module.parametrizations
        module.__class__ = module.__class__.__bases__[0]
        for name, tie in ties.items():
            if tie not in decoded:
                decoded[tie] = nn.Parameter(tie().detach().clone())
            module.register_parameter(name, decoded[tie])
