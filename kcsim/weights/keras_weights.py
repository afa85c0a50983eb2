"""Weights in the files of Keras: HDF5, and archives around it."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kcsim.errors import InputError, Problem, missing_package

Array = NDArray[Any]
Tensors = dict[str, Array]

SIGNATURE = b"\x89HDF\r\n\x1a\n"
"""The first bytes of HDF5."""
ARCHIVED = "model.weights.h5"
"""The member of a ``.keras`` archive that has the weights."""
MAX_BYTES = 4 * 2**30
"""What the tensors of a file may take."""
_WRAPPERS = ("cluster_", "prune_low_magnitude_", "quant_")
_AXES = {2: (1, 0), 3: (2, 1, 0), 4: (3, 2, 0, 1)}
_KINDS = ("depthwise", "separable")
_ORDER = {
    "": {"0": "kernel", "1": "bias"},
    "depthwise": {"0": "depthwise_kernel", "1": "bias"},
    "separable": {"0": "depthwise_kernel", "1": "pointwise_kernel", "2": "bias"},
}
_CENTROIDS, _INDICES = "cluster_centroids", "pulling_indices"


def read_keras(file: str) -> tuple[Tensors, dict[str, str]]:
    """Kernels and biases of layers, in the order of axes that kcsim has.

    Parameters
    ----------
    file : str
        HDF5 (``.h5``, ``.weights.h5``) or a ``.keras`` archive, whose configuration is read as
        data. What TensorFlow's toolkit for optimization wraps around layers is taken off; its
        indices and centroids become codes and a codebook.

    Returns
    -------
    tensors : dict of str to array
        ``X.weight`` as (M, C, R, S), (M, C, S) or (outputs, inputs), and ``X.bias``; depthwise
        kernels as (C * multiplier, 1, R, S).
    unread : dict of str to str
        What other tensors are.

    Raises
    ------
    InputError
        If the tensors take too much memory, or h5py is not installed.
    """
    try:
        import h5py
    except ImportError:
        raise missing_package(f"reading '{file}' needs", "h5py", "keras") from None
    if not zipfile.is_zipfile(file):
        with h5py.File(file, "r") as opened:
            return _tensors(file, opened, None)
    with zipfile.ZipFile(file) as archive:
        config = None
        if "config.json" in archive.namelist():
            config = json.loads(archive.read("config.json"))
        content = io.BytesIO(archive.read(ARCHIVED))
    with h5py.File(content, "r") as opened:
        return _tensors(file, opened, config)


def _tensors(file: str, opened: Any, config: Any) -> tuple[Tensors, dict[str, str]]:
    if config is None and "model_config" in opened.attrs:
        config = json.loads(opened.attrs["model_config"])
    depthwise = set(_depthwise(config))
    found: dict[str, Array] = {}
    unread: dict[str, str] = {}
    size = 0
    for path, data in _datasets(opened):
        if data.is_virtual or data.external:
            unread[path] = "kept in other files"
            continue
        size += data.nbytes
        if size > MAX_BYTES:
            raise InputError(Problem(f"'{file}' unpacks to {size} bytes", f"at most {MAX_BYTES}"))
        layer, part, kind = _place(path, opened)
        kind = "depthwise" if layer in depthwise else kind
        if path.startswith("optimizer"):
            continue
        values = data[()]
        if not isinstance(values, np.ndarray) or values.dtype.kind not in "fiub":
            continue
        name, turned = _named(layer, part, kind, values)
        if name in found:
            unread[path] = f"a second {name!r}"
        else:
            found[name] = turned
    return found, unread


def _datasets(opened: Any) -> Iterator[tuple[str, Any]]:
    """All tensors and their paths, links to elsewhere left out."""
    import h5py

    paths: list[str] = []
    opened.visititems(
        lambda path, each: paths.append(path) if isinstance(each, h5py.Dataset) else None
    )
    for path in paths:
        yield path, opened[path]


def _depthwise(config: Any) -> Iterator[str]:
    """Names of depthwise layers in a configuration, however deep."""
    if isinstance(config, dict):
        inner = config.get("config")
        is_one = config.get("class_name") in ("DepthwiseConv2D", "DepthwiseConv1D")
        if is_one and isinstance(inner, dict) and isinstance(inner.get("name"), str):
            yield inner["name"]
        for value in config.values():
            yield from _depthwise(value)
    elif isinstance(config, list):
        for value in config:
            yield from _depthwise(value)


def _place(path: str, opened: Any) -> tuple[str, str, str]:
    """The layer of a tensor, what it is there, and whether that is depthwise or separable."""
    *groups, part = path.removesuffix(":0").split("/")
    if groups and groups[-1] == "vars":
        # The names of groups are those of classes; the layer's own is beside the tensors.
        named = opened["/".join(groups)].attrs.get("name", "")
        parent = groups[-2] if len(groups) > 1 else ""
        nested = [group for group in groups[:-2] if group not in ("layers", "vars")]
        own = named if isinstance(named, str) and named else parent
        kind = next((each for each in _KINDS if parent.startswith(each)), "")
        return ".".join([*nested, own]), _ORDER.get(kind, _ORDER[""]).get(part, part), kind
    siblings = [] if not groups else list(opened["/".join(groups)])
    kind = ""
    if any(each.startswith("depthwise_kernel") for each in siblings):
        is_separable = any(each.startswith("pointwise_kernel") for each in siblings)
        kind = "separable" if is_separable else "depthwise"
    # A layer's group has one of its model and one of the layer's name again.
    layer = groups[-1] if groups else "weights"
    for wrapper in _WRAPPERS:
        layer = layer.removeprefix(wrapper)
    return layer, part, kind


def _named(layer: str, part: str, kind: str, values: Array) -> tuple[str, Array]:
    """The name that kcsim has for a tensor, and it with its axes in order."""
    if part in ("kernel", "depthwise_kernel") and kind == "depthwise" and values.ndim == 4:
        return f"{layer}.weight", _by_channel(values)
    if part == "depthwise_kernel" and values.ndim == 4:
        return f"{layer}.depthwise.weight", _by_channel(values)
    if part == "pointwise_kernel":
        return f"{layer}.pointwise.weight", _turned(values)
    if part in ("kernel", "weight") and values.ndim > 1:
        return f"{layer}.weight", _turned(values)
    if part.startswith(f"{_INDICES}_kernel"):
        return f"{layer}.weight.codes", _turned(values)
    if part.startswith(f"{_CENTROIDS}_kernel"):
        return f"{layer}.weight.codebook", values
    return f"{layer}.{part}", values


def _by_channel(values: Array) -> Array:
    """Rows, columns, channels and filters for each as filters of one channel."""
    rows, columns, channels, times = values.shape
    turned = values.transpose(2, 3, 0, 1).reshape(channels * times, 1, rows, columns)
    return np.ascontiguousarray(turned)


def _turned(values: Array) -> Array:
    """Rows, columns, channels and filters as filters, channels, rows and columns."""
    axes = _AXES.get(values.ndim)
    return values if axes is None else np.ascontiguousarray(values.transpose(axes))
