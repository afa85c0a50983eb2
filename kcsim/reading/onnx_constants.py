"""Constants of an ONNX graph, also behind nodes that only reorder, look up or scale them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kcsim.errors import InputError, Problem

Array = NDArray[Any]

MAX_DEPTH = 50
MAX_VALUES = 2**27
_RENAMING = ("Identity", "Cast", "Transpose", "Reshape", "Squeeze", "Unsqueeze", "DequantizeLinear")
"""Nodes whose outputs are their first inputs in another form."""


class UnreadError(Exception):
    """A value that is no constant, or one that is not read; says what it is."""


class Constants:
    """What is known of a graph before it runs.

    Parameters
    ----------
    model : onnx.ModelProto
    file : str
        Its file; tensors in files of their own have to lie in its folder.
    """

    def __init__(self, model: Any, file: str) -> None:
        self._file = file
        self._stored = {tensor.name: tensor for tensor in model.graph.initializer}
        self._makers = {name: node for node in model.graph.node for name in node.output}
        self._inputs = {value.name for value in model.graph.input}
        self._known: dict[str, Array] = {}
        self._constant = set(self._stored)
        # Nodes are in an order in which they can run.
        for node in model.graph.node:
            if self._constant.issuperset(filter(None, node.input)):
                self._constant.update(node.output)

    def axes(self, name: str) -> int:
        """Axes of a stored tensor; 0 of anything else."""
        return len(self._stored[name].dims) if name in self._stored else 0

    def is_constant(self, name: str) -> bool:
        """Whether a value depends on stored tensors alone."""
        return bool(name) and name in self._constant

    def value(self, name: str, depth: int = MAX_DEPTH) -> Array:
        """A constant.

        Raises
        ------
        UnreadError
            If it is none, or takes a node that is not read.
        InputError
            If its tensor points outside the folder.
        """
        if not name:
            raise UnreadError("missing")
        if name not in self._known:
            self._known[name] = self._value(name, depth)
        return self._known[name]

    def _value(self, name: str, depth: int) -> Array:
        if name in self._stored:
            return _array(self._stored[name], self._file)
        node = self._makers.get(name)
        if node is None:
            known = "an input of the graph" if name in self._inputs else "made by no node"
            raise UnreadError(f"{known}, not a stored tensor")
        if depth == 0:
            raise UnreadError(f"behind more than {MAX_DEPTH} nodes")
        if node.op_type == "Constant":
            return self._number(node)
        read = _READERS.get(node.op_type)
        if not self.is_constant(name):
            raise UnreadError(f"computed from the inputs of the graph, by {node.op_type}")
        if read is None:
            raise UnreadError(f"the output of {node.op_type}, which is not read")
        inputs = [self.value(each, depth - 1) if each else None for each in node.input]
        try:
            return _plain(np.asarray(read(node, *inputs)))
        # Of inputs that are missing, and attributes that mean nothing.
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            reason = str(error) if isinstance(error, ValueError) else "its inputs do not fit"
            raise UnreadError(f"the output of {node.op_type}, which fails: {reason}") from None

    def name(self, name: str, node: Any) -> str:
        """What to call the weights of a node: as the one tensor they are, else by the node."""
        for _ in range(MAX_DEPTH):
            if name and name not in self._makers:
                return name.removesuffix("_quantized")
            if not name:
                break
            maker = self._makers[name]
            if maker.op_type == "Constant":
                return name
            if maker.op_type not in _RENAMING or not maker.input:
                break
            name = maker.input[0]
        return f"{node.name or node.output[0]}.weight"

    def _number(self, node: Any) -> Array:
        for item in node.attribute:
            if item.name == "value":
                return _array(item.t, self._file)
            if item.name in ("value_float", "value_floats"):
                return np.array(item.floats or item.f, np.float32)
            if item.name in ("value_int", "value_ints"):
                return np.array(item.ints or item.i, np.int64)
        raise UnreadError("a constant that is sparse or no number")


def attribute(node: Any, name: str) -> Any:
    """The value of an attribute: an int, a float or a list of ints; ``None`` if it is absent."""
    for item in node.attribute:
        if item.name == name:
            # 1 is FLOAT, 7 INTS in AttributeProto.
            return {1: item.f, 7: list(item.ints)}.get(item.type, item.i)
    return None


def _array(tensor: Any, file: str) -> Array:
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
    return _plain(np.asarray(onnx.numpy_helper.to_array(tensor, base_dir=str(folder))))


def _plain(values: Array) -> Array:
    """Types that NumPy lacks, which are narrow ones, as wider ones."""
    if values.dtype.kind != "V":
        return values
    return values.astype(np.float32 if "float" in values.dtype.name else np.int32)


def _cast(node: Any, values: Array, *_: Array | None) -> Array:
    import onnx

    target = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(attribute(node, "to") or 0))
    if target.kind not in "biufV":
        raise ValueError(f"{target} is no type of numbers")
    return values.astype(target)


def _transpose(node: Any, values: Array, *_: Array | None) -> Array:
    return values.transpose(attribute(node, "perm"))


def _reshape(node: Any, values: Array, shape: Array, *_: Array | None) -> Array:
    sizes = [int(size) for size in shape.ravel()]
    if not attribute(node, "allowzero"):
        sizes = [size or values.shape[axis] for axis, size in enumerate(sizes)]
    return values.reshape(sizes)


def _axes(node: Any, given: Array | None) -> tuple[int, ...] | None:
    axes = attribute(node, "axes") if given is None else given.ravel().tolist()
    return None if axes is None else tuple(axes)


def _squeeze(node: Any, values: Array, axes: Array | None = None, *_: Array | None) -> Array:
    return values.squeeze(_axes(node, axes))


def _unsqueeze(node: Any, values: Array, axes: Array | None = None, *_: Array | None) -> Array:
    return np.expand_dims(values, _axes(node, axes) or ())


def _gather(node: Any, values: Array, indexes: Array, *_: Array | None) -> Array:
    axis = attribute(node, "axis") or 0
    if values.size // max(1, values.shape[axis]) * indexes.size > MAX_VALUES:
        raise ValueError(f"more than {MAX_VALUES} values")
    return np.take(values, indexes, axis=axis)


def _dequantized(
    node: Any, values: Array, scale: Array, zero: Array | None = None, *_: Array | None
) -> Array:
    if attribute(node, "block_size"):
        raise ValueError("scales of blocks are not read")
    wide = values.astype(np.int64 if values.dtype.kind in "iu" else np.float32)
    axis = attribute(node, "axis")
    shape = [1] * values.ndim
    if scale.size > 1:
        shape[1 if axis is None else axis] = scale.size
    if zero is not None:
        wide = wide - zero.astype(wide.dtype).reshape(shape if zero.size > 1 else ())
    return np.asarray(wide * scale.reshape(shape if scale.size > 1 else ()), np.float32)


def _identity(_: Any, values: Array, *__: Array | None) -> Array:
    return values


_READERS: dict[str, Callable[..., Array]] = {
    "Identity": _identity,
    "Cast": _cast,
    "Transpose": _transpose,
    "Reshape": _reshape,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "Gather": _gather,
    "DequantizeLinear": _dequantized,
}
