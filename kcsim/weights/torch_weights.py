"""State dicts in the files of torch."""

from __future__ import annotations

import pickle
from typing import Any

from numpy.typing import NDArray

from kcsim.errors import InputError, Problem, missing_package

PLACES = ("state_dict", "model_state_dict", "model", "net", "network", "module", "params")
"""Keys under which scripts for training keep a state dict."""
MAX_VALUES = 2**30
"""Values of one tensor; a file may claim any number of them that share a few bytes."""
_MAX_SHOWN = 6

Read = tuple[dict[str, NDArray[Any]], dict[str, str]]


def read_torch(file: str) -> Read:
    """The tensors of a state dict, loaded without running code.

    Parameters
    ----------
    file : str
        A state dict, alone or one level down: under ``state_dict``, or under another of `PLACES`
        where nothing else is a dict of tensors.

    Returns
    -------
    tensors : dict of str to array
        Without the prefix ``module.``; those of floating point as float32.
    unread : dict of str to str
        What the others are.

    Raises
    ------
    InputError
        If it holds no state dict, or torch is not installed.
    """
    try:
        import torch
    except ImportError:
        raise missing_package(f"reading '{file}' needs", "torch", "torch") from None
    try:
        loaded = torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        # Torch's own text advises to load the file with whatever code it brings.
        expected = "a state dict (torch.save(model.state_dict(), FILE)), which loads without code"
        raise InputError(Problem(f"'{file}' holds more than tensors", expected)) from None
    tensors: dict[str, NDArray[Any]] = {}
    unread: dict[str, str] = {}
    for key, tensor in _state_dict(loaded, file).items():
        name = str(key).removeprefix("module.")
        if not isinstance(tensor, torch.Tensor):
            continue
        if reason := _unreadable(tensor):
            unread[name] = reason
        elif tensor.is_floating_point():
            tensors[name] = tensor.detach().float().numpy()
        else:
            tensors[name] = tensor.detach().numpy()
    return tensors, unread


def _state_dict(loaded: Any, file: str) -> dict[Any, Any]:
    """The dict that has the weights."""
    if isinstance(loaded, dict) and isinstance(loaded.get("state_dict"), dict):
        loaded = loaded["state_dict"]
    if not isinstance(loaded, dict):
        raise InputError(Problem(f"'{file}' holds a {type(loaded).__name__}", "a state dict"))
    if _has_tensors(loaded, axes=2):
        return loaded
    inner = [key for key, value in loaded.items() if _has_tensors(value, axes=2)]
    if len(inner) == 1 and inner[0] in PLACES:
        found: dict[Any, Any] = loaded[inner[0]]
        return found
    if not inner and _has_tensors(loaded):
        return loaded
    expected = f"a state dict, alone or as the only one under {', '.join(PLACES)}"
    if inner:
        raise InputError(Problem(f"'{file}' holds tensors under {_listed(inner)}", expected))
    keys = f"has the keys {_listed(list(loaded))}" if loaded else "is empty"
    raise InputError(Problem(f"'{file}' holds no state dict: its dict {keys}", expected))


def _has_tensors(value: Any, axes: int = 0) -> bool:
    import torch

    return isinstance(value, dict) and any(
        isinstance(each, torch.Tensor) and each.ndim >= axes for each in value.values()
    )


def _listed(keys: list[Any]) -> str:
    shown = ", ".join(repr(key)[:40] for key in keys[:_MAX_SHOWN])
    return shown + (", ..." if len(keys) > _MAX_SHOWN else "")


def _unreadable(tensor: Any) -> str:
    """What a tensor is that NumPy cannot take; empty if it can."""
    import torch

    whole = (torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)
    if tensor.layout != torch.strided:
        return str(tensor.layout).removeprefix("torch.")
    if tensor.device.type != "cpu":
        return f"on the device {tensor.device.type}, without values"
    if tensor.numel() > MAX_VALUES:
        return f"of {tensor.numel()} values, more than {MAX_VALUES}"
    if not (tensor.is_floating_point() or tensor.dtype in whole):
        return str(tensor.dtype).removeprefix("torch.")
    return ""
