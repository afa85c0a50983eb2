"""Torch for this room, or one line that says how to get it."""

from __future__ import annotations

from kcsim.errors import InputError

try:
    import torch
    from torch import nn
except ImportError:
    raise InputError(
        "retraining needs torch; install it with: pip install 'kcsim[torch]'"
    ) from None

__all__ = ["nn", "torch"]
