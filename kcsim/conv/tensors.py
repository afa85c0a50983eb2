"""Torch tensors as arrays, where nothing is lost by that. Needs the extra ``torch``."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import torch
from torch.autograd import forward_ad

from kcsim.errors import InputError, Problem


def refuse_tracing(inputs: Any, layer: str) -> None:
    """Raise an InputError where torch records operations, of which there would be none.

    Parameters
    ----------
    inputs : Any
        What a module of a layer is called with.
    layer : str
        Its name.
    """
    # Not imported here: it is there if it is in use, and takes long to import.
    proxies = sys.modules.get("torch.fx.experimental.proxy_tensor")
    traced = (
        torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]
        or torch.compiler.is_compiling()
        or (proxies is not None and proxies.get_proxy_mode() is not None)
        or isinstance(inputs, torch.fx.Proxy)
    )
    if traced:
        what = f"layer {layer!r} is clustered: it cannot be traced or exported"
        raise InputError(Problem(what, "a plain call, or torch.compile"))
    if not isinstance(inputs, torch.Tensor):
        kind = type(inputs).__name__
        raise InputError(Problem(f"layer {layer!r}: inputs are a {kind}", "a torch tensor"))


def plain_array(tensor: torch.Tensor, what: str) -> np.ndarray:
    """The values of a tensor, floating point as float32; shares memory where it can.

    Parameters
    ----------
    tensor : torch.Tensor
        On the CPU.
    what : str
        What it is, for messages.

    Raises
    ------
    InputError
        If it requires gradients that would be lost, is not on the CPU, or has no values.
    """
    if torch.is_grad_enabled() and tensor.requires_grad:
        expected = "tensors that require none, or torch.no_grad() around the call"
        raise InputError(Problem(f"{what} cannot require gradients, which get lost", expected))
    if forward_ad.unpack_dual(tensor).tangent is not None:  # type: ignore[no-untyped-call]
        raise InputError(Problem(f"{what} cannot have a tangent, which gets lost", "a plain one"))
    if tensor.device.type != "cpu":
        raise InputError(Problem(f"{what} cannot be on {tensor.device}", "the CPU"))
    values = tensor.detach()
    try:
        if values.is_floating_point():
            values = values.to(torch.float32)
        return np.ascontiguousarray(values.resolve_neg().numpy())
    # Fake, batched, sparse and quantized tensors, and those of torch.func.
    except (RuntimeError, TypeError):
        kind = type(tensor).__name__
        expected = "a dense tensor with values, outside torch.func"
        raise InputError(Problem(f"{what} cannot be read ({kind})", expected)) from None
