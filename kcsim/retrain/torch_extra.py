"""Torch for this room, or one line that says how to get it."""

from __future__ import annotations

from kcsim.errors import missing_package

try:
    import torch
    from torch import nn
    from torch.nn.parameter import is_lazy
    from torch.nn.utils import parametrize
except ImportError:
    raise missing_package("retraining needs", "torch", "torch") from None

__all__ = ["is_lazy", "nn", "parametrize", "torch"]
