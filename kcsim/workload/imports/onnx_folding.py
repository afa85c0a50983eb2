"""Shapes in a graph of ONNX that are computed in the graph itself."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from kcsim.errors import InputError
from kcsim.reading.onnx_constants import Constants, UnreadError, attribute
from kcsim.workload.imports.onnx_steps import read_constant

MAX_SIZE = 1024
_ROUNDS = 8


def with_shapes(model: Any, file: str) -> Any:
    """The model with the shapes of all values that follow from those of its inputs.

    What is computed from shapes (small tensors, of integers as a rule) is computed here, so that
    what depends on it has a shape, too.

    Parameters
    ----------
    model : onnx.ModelProto
        Is changed.
    file : str

    Raises
    ------
    InputError
        If shapes contradict each other.
    """
    import onnx

    for value in model.graph.output:
        # What the file says of these may be of another batch.
        value.type.tensor_type.ClearField("shape")
    for _ in range(_ROUNDS):
        try:
            model = onnx.shape_inference.infer_shapes(model, data_prop=True)
        except Exception as error:
            reason = str(error).strip().splitlines()[0][:200]
            raise InputError(f"'{file}': its shapes do not fit together: {reason}") from None
        if not _fold(model, file):
            break
    return model


def _fold(model: Any, file: str) -> bool:
    """Store the outputs of nodes that are known now; whether there were any."""
    import onnx

    graph = model.graph
    constants = Constants(model, file)
    shapes = {
        value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in (*graph.value_info, *graph.input)
        if value.type.tensor_type.HasField("shape")
        and all(dim.HasField("dim_value") for dim in value.type.tensor_type.shape.dim)
    }
    shapes |= {tensor.name: list(tensor.dims) for tensor in graph.initializer}
    known: dict[str, Any] = {}
    left = []
    for node in graph.node:
        found = _value(node, shapes, known, constants)
        if found is None or found.size > MAX_SIZE:
            left.append(node)
        else:
            known[node.output[0]] = found
    if not known:
        return False
    del graph.node[:]
    graph.node.extend(left)
    graph.initializer.extend(onnx.numpy_helper.from_array(v, k) for k, v in known.items())
    return True


def _value(
    node: Any, shapes: dict[str, list[int]], known: dict[str, Any], constants: Constants
) -> Any:
    """What a node makes, if that can be told; else ``None``."""
    if len(node.output) != 1:
        return None
    if node.op_type in ("Shape", "Size"):
        shape = shapes.get(node.input[0])
        if shape is None:
            return None
        if node.op_type == "Size":
            return np.array(math.prod(shape), np.int64)
        return np.array(shape[attribute(node, "start") or 0 : attribute(node, "end")], np.int64)
    compute = _OPERATIONS.get(node.op_type)
    if compute is None or not node.input:
        return None
    inputs = []
    for name in node.input:
        value = known.get(name)
        if value is None and name:
            if not constants.is_constant(name) or math.prod(shapes.get(name, [1])) > MAX_SIZE:
                return None
            try:
                value = read_constant(constants, name)
            except UnreadError:
                return None
        if value is not None and value.size > MAX_SIZE:
            return None
        inputs.append(value)
    try:
        with np.errstate(all="ignore"):
            return np.asarray(compute(node, *inputs))
    # Of inputs that are missing or do not fit: it is no shape then.
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, MemoryError):
        return None


def _slice(_: Any, data: Any, starts: Any, ends: Any, axes: Any = None, steps: Any = None) -> Any:
    count = len(starts)
    axes = range(count) if axes is None else axes.tolist()
    steps = [1] * count if steps is None else steps.tolist()
    places = [slice(None)] * data.ndim
    for axis, start, end, step in zip(axes, starts.tolist(), ends.tolist(), steps, strict=True):
        last = None if end < -data.shape[axis] and step < 0 else end
        places[axis] = slice(start, last, step)
    return data[tuple(places)]


def _filled(node: Any, shape: Any) -> Any:
    import onnx

    if math.prod(shape.tolist()) > MAX_SIZE:
        raise ValueError("too large")
    value = next((onnx.numpy_helper.to_array(item.t) for item in node.attribute), None)
    return (
        np.zeros(shape, np.float32) if value is None else np.full(shape, value.item(), value.dtype)
    )


def _divided(_: Any, left: Any, right: Any) -> Any:
    if left.dtype.kind == "f":
        return left / right
    # Towards zero, as in C.
    return (np.abs(left) // np.abs(right)) * np.sign(left) * np.sign(right)


def _cast(node: Any, values: Any) -> Any:
    import onnx

    return values.astype(onnx.helper.tensor_dtype_to_np_dtype(attribute(node, "to")))


def _reshaped(_: Any, values: Any, shape: Any) -> Any:
    return values.reshape([int(size) or values.shape[i] for i, size in enumerate(shape)])


def _range(_: Any, start: Any, limit: Any, step: Any) -> Any:
    if abs((limit - start) / step) > MAX_SIZE:
        raise ValueError("too large")
    return np.arange(start, limit, step)


def _unsqueezed(node: Any, values: Any, axes: Any = None) -> Any:
    chosen = attribute(node, "axes") if axes is None else axes.ravel().tolist()
    return np.expand_dims(values, tuple(chosen or ()))


def _squeezed(node: Any, values: Any, axes: Any = None) -> Any:
    chosen = attribute(node, "axes") if axes is None else axes.ravel().tolist()
    return values.squeeze(None if chosen is None else tuple(chosen))


_OPERATIONS: dict[str, Callable[..., Any]] = {
    "Add": lambda _, a, b: a + b,
    "Sub": lambda _, a, b: a - b,
    "Mul": lambda _, a, b: a * b,
    "Div": _divided,
    "Mod": lambda _, a, b: np.mod(a, b),
    "Neg": lambda _, a: -a,
    "Floor": lambda _, a: np.floor(a),
    "Ceil": lambda _, a: np.ceil(a),
    "Max": lambda _, *values: np.max(np.broadcast_arrays(*values), axis=0),
    "Min": lambda _, *values: np.min(np.broadcast_arrays(*values), axis=0),
    "Equal": lambda _, a, b: a == b,
    "Where": lambda _, condition, a, b: np.where(condition, a, b),
    "Cast": _cast,
    "Identity": lambda _, a: a,
    "Concat": lambda node, *values: np.concatenate(values, axis=attribute(node, "axis")),
    "Gather": lambda node, a, i: np.take(a, i, axis=attribute(node, "axis") or 0),
    "Slice": _slice,
    "Reshape": _reshaped,
    "Transpose": lambda node, a: a.transpose(attribute(node, "perm")),
    "Squeeze": _squeezed,
    "Unsqueeze": _unsqueezed,
    "ConstantOfShape": _filled,
    "Range": _range,
    "ReduceProd": lambda node, a, *_: np.prod(a, keepdims=attribute(node, "keepdims") != 0),
}
