"""Weights that a file keeps in parts: values and a mask, directions and norms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Tensors = dict[str, NDArray[Any]]


class _Parts(NamedTuple):
    """Names of the tensors that make up one, and of what they make up."""

    base: str
    kind: str
    first: str
    second: str


def join_parts(tensors: Mapping[str, NDArray[Any]]) -> tuple[Tensors, dict[str, str]]:
    """Replace parts by what they stand for, under the name that it has in the module.

    ``weight_orig`` with ``weight_mask`` (torch.nn.utils.prune), and so of ``bias``, is their
    product. ``weight_g`` with ``weight_v``, and ``parametrizations.X.original0`` with
    ``original1`` (both weight_norm of torch), are g v / norm(v), where the norm is taken over
    the axes on which g has one value.

    Parameters
    ----------
    tensors : mapping of str to array

    Returns
    -------
    tensors : dict of str to array
        In the order of the first parts.
    unread : dict of str to str
        What is the matter with parts that make up nothing, by the name of the whole.
    """
    joined: Tensors = {}
    unread: dict[str, str] = {}
    for name, tensor in tensors.items():
        parts = _parts(name, tensors)
        if parts is None:
            # What else a parametrization keeps is no weight.
            if "parametrizations." not in name:
                joined[name] = tensor
        elif parts.base not in tensors and parts.base not in joined and parts.base not in unread:
            result = _join(parts, tensors)
            if isinstance(result, str):
                unread[parts.base] = result
            else:
                joined[parts.base] = result
    return joined, unread


def _parts(name: str, tensors: Mapping[str, NDArray[Any]]) -> _Parts | None:
    """The parts that a tensor belongs to, if it is one."""
    module, cut, rest = name.rpartition("parametrizations.")
    if cut and rest.count(".") == 1:
        attribute, _, part = rest.partition(".")
        first, second = (f"{module}{cut}{attribute}.original{number}" for number in "01")
        if part in ("original0", "original1"):
            return _Parts(f"{module}{attribute}", "weight norm", first, second)
        if part == "original":
            return _Parts(f"{module}{attribute}", "parametrization", name, name)
    base, _, part = name.rpartition("_")
    attribute = base.split(".")[-1]
    if attribute == "weight" and part in ("g", "v") and f"{base}_orig" not in tensors:
        return _Parts(base, "weight norm", f"{base}_g", f"{base}_v")
    if attribute in ("weight", "bias") and (
        part == "orig" or (part == "mask" and f"{base}_orig" in tensors)
    ):
        return _Parts(base, "mask", f"{base}_orig", f"{base}_mask")
    return None


def _join(parts: _Parts, tensors: Mapping[str, NDArray[Any]]) -> NDArray[Any] | str:
    """What the parts make up, or what is the matter with them."""
    if parts.kind == "parametrization":
        return "under a parametrization of torch other than weight_norm"
    if parts.kind == "mask" and f"{parts.base}_u" in tensors:
        return "under the spectral_norm of torch"
    missing = [name for name in (parts.first, parts.second) if name not in tensors]
    if missing:
        return f"incomplete: {missing[0]!r} is missing"
    first, second = tensors[parts.first], tensors[parts.second]
    return _masked(first, second) if parts.kind == "mask" else _normed(first, second)


def _masked(values: NDArray[Any], mask: NDArray[Any]) -> NDArray[Any] | str:
    if values.shape != mask.shape:
        return "pruned by a mask of another shape"
    with np.errstate(all="ignore"):
        return np.asarray(values * mask.astype(values.dtype))


def _normed(norms: NDArray[Any], directions: NDArray[Any]) -> NDArray[Any] | str:
    axes = tuple(range(directions.ndim))
    kept = [axis for axis in axes[: norms.ndim] if norms.shape[axis] != 1]
    fits = norms.ndim in (0, directions.ndim) and all(
        norms.shape[axis] == directions.shape[axis] for axis in kept
    )
    if not fits or len(kept) > 1 or {norms.dtype.kind, directions.dtype.kind} != {"f"}:
        return "under a weight norm whose parts do not fit each other"
    axes = tuple(axis for axis in axes if axis not in kept)
    with np.errstate(all="ignore"):
        lengths = np.sqrt(np.square(directions, dtype=np.float64).sum(axis=axes, keepdims=True))
        return np.asarray(directions * (norms / lengths), np.float32)
