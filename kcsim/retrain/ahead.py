"""All weights of a model decoded in one go, before a pass of training.

Between the convolutions, the few small operations of every decoding find nothing of theirs in the
caches, and take many times as long as they do one after the other: 6 % of a step of ResNet-20
where decoding itself is 1 %. What is decoded is used once, and never outlives the pass.
"""

from __future__ import annotations

from typing import Any

from kcsim.retrain.torch_extra import nn, torch
from kcsim.retrain.weight import TiedWeight


def decode_ahead(model: nn.Module) -> None:
    """From now on, decode all tied weights of a model before each pass of training."""
    model.register_forward_pre_hook(_decode)
    model.register_forward_hook(_forget, always_call=True)


def stop_ahead(model: nn.Module) -> None:
    """Undo `decode_ahead`, of the model or of what it was copied from."""
    hooks: Any
    for hooks, ours in ((model._forward_pre_hooks, _decode), (model._forward_hooks, _forget)):
        for name in [name for name, hook in hooks.items() if hook is ours]:
            del hooks[name]
            model._forward_hooks_always_called.pop(name, None)


def _tied(model: nn.Module) -> list[TiedWeight]:
    return [each for each in model.modules() if isinstance(each, TiedWeight)]


def _decode(model: nn.Module, inputs: Any) -> None:
    # Where nothing is trained, weights are freed one after the other.
    if model.training and torch.is_grad_enabled():
        for weight in _tied(model):
            weight.ready = weight.weights()


def _forget(model: nn.Module, inputs: Any, outputs: Any) -> None:
    for weight in _tied(model):
        weight.ready = None
