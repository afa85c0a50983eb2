"""Weights of the nodes of an ONNX graph."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kcsim.errors import InputError, Problem

__all__ = ["read_onnx"]


def read_onnx(file: str) -> dict[str, NDArray[Any]]:
    """Weights and biases of Conv, Gemm and MatMul, in the order of the graph.

    Parameters
    ----------
    file : str
        An ONNX model; tensors in files of their own have to lie in its folder.

    Returns
    -------
    dict
        Weights under the names of their initialisers, as (M, C, R, S) or (outputs, inputs); a
        bias under that name with ``.bias`` in place of ``.weight``.

    Raises
    ------
    InputError
        If a tensor points outside the folder, or onnx is not installed.
    """
    try:
        import onnx
    except ImportError:
        raise InputError(
            f"reading '{file}' needs onnx; install it with: pip install 'kcsim[onnx]'"
        ) from None
    model = onnx.load(file, load_external_data=False)
    stored = {tensor.name: tensor for tensor in model.graph.initializer}
    tensors: dict[str, NDArray[Any]] = {}
    for node in model.graph.node:
        if node.op_type not in ("Conv", "Gemm", "MatMul") or len(node.input) < 2:
            continue
        name = node.input[1]
        if name not in stored:
            continue
        weights = _array(stored[name], file)
        if node.op_type == "MatMul" or (node.op_type == "Gemm" and not _attribute(node, "transB")):
            weights = np.ascontiguousarray(weights.T)
        tensors[name] = weights
        if len(node.input) > 2 and node.input[2] in stored:
            tensors[f"{name.removesuffix('.weight')}.bias"] = _array(stored[node.input[2]], file)
    return tensors


def _attribute(node: Any, name: str) -> int:
    return next((int(item.i) for item in node.attribute if item.name == name), 0)


def _array(tensor: Any, file: str) -> NDArray[Any]:
    import onnx

    folder = Path(file).resolve().parent
    if tensor.data_location == onnx.TensorProto.EXTERNAL:
        places = {entry.key: entry.value for entry in tensor.external_data}
        target = Path(os.path.realpath(folder / places.get("location", "")))
        if not (target.is_file() and target.is_relative_to(folder)):
            raise InputError(
                Problem(f"'{file}': tensor {tensor.name!r} points to "
                        f"'{places.get('location', '')}'", "a file in the folder of the model")
            )  # fmt: skip
        if int(places.get("length", 0)) > target.stat().st_size:
            raise InputError(f"'{file}': tensor {tensor.name!r} ends behind the end of its file")
    return np.asarray(onnx.numpy_helper.to_array(tensor, base_dir=str(folder)))
