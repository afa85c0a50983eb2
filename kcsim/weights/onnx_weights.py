"""Weights of the nodes of an ONNX graph."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kcsim.errors import missing_package
from kcsim.reading.onnx_constants import Constants, UnreadError, attribute

Array = NDArray[Any]

_MATRIX = ("Gemm", "MatMul")


def read_onnx(file: str) -> tuple[dict[str, Array], dict[str, str]]:
    """Weights and biases of Conv, Gemm and MatMul, in the order of the graph.

    Parameters
    ----------
    file : str
        An ONNX model; tensors in files of their own have to lie in its folder.

    Returns
    -------
    tensors : dict of str to array
        Weights under the names of their tensors, or of their node where several make them up, as
        (M, C, R, S) or (outputs, inputs); a bias under that name with ``.bias`` in place of
        ``.weight``.
    unread : dict of str to str
        What other weights are.

    Raises
    ------
    InputError
        If a tensor points outside the folder, or onnx is not installed.
    """
    try:
        import onnx
    except ImportError:
        raise missing_package(f"reading '{file}' needs", "onnx", "onnx") from None
    model = onnx.load(file, load_external_data=False)
    constants = Constants(model, file)
    tensors: dict[str, Array] = {}
    unread: dict[str, str] = {}
    for node in model.graph.node:
        if node.op_type == "Conv" or node.op_type in _MATRIX:
            _read(node, constants, tensors, unread)
        elif any(word in node.op_type for word in ("Conv", "Gemm", "MatMul")):
            for name in node.input[1:]:
                if constants.axes(name) > 1:
                    unread[name] = f"an input of {node.op_type}, which is not read"
    return tensors, unread


def _read(
    node: Any, constants: Constants, tensors: dict[str, Array], unread: dict[str, str]
) -> None:
    """The weights and the bias of one node."""
    inputs = [*node.input, "", "", ""][:3]
    side = 1
    if node.op_type in _MATRIX and not constants.is_constant(inputs[1]):
        # The weights are on the left, or there are none: both sides are computed.
        side = 0
        if not constants.is_constant(inputs[0]):
            return
    name = constants.name(inputs[side], node)
    try:
        weights = constants.value(inputs[side])
    except UnreadError as error:
        unread[name] = str(error)
        return
    if node.op_type in _MATRIX and weights.ndim == 2:
        transposed = node.op_type == "Gemm" and bool(attribute(node, ("transA", "transB")[side]))
        # A matrix on the left has the outputs as rows; on the right, as columns.
        if transposed == (side == 0):
            weights = np.ascontiguousarray(weights.T)
    is_gemm = node.op_type == "Gemm"
    tensors[name] = _times(weights, attribute(node, "alpha") if is_gemm else None)
    if not constants.is_constant(inputs[2]):
        return
    try:
        bias = _times(constants.value(inputs[2]), attribute(node, "beta") if is_gemm else None)
    except UnreadError:
        return
    if weights.ndim and bias.size == len(weights):
        bias = bias.ravel()
    tensors[f"{name.removesuffix('.weight')}.bias"] = bias


def _times(values: Array, factor: float | None) -> Array:
    return values if factor is None or factor == 1 else np.asarray(values * np.float32(factor))
