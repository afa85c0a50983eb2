"""Whether torch is in a part of a model that it computes twice."""

from __future__ import annotations

from kcsim.retrain.torch_extra import torch


def is_recomputed() -> bool:
    """Whether tensors are kept by hooks, as where activations are computed again for gradients.

    What is decoded ahead would be missing there the second time. Older versions of torch do not
    tell; then everything is taken for such a part.
    """
    top = getattr(torch._C._autograd, "_top_saved_tensors_default_hooks", None)
    return top is None or top(False) is not None
