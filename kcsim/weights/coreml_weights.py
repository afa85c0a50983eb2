"""Weights of the operations of a Core ML package."""

from __future__ import annotations

import contextlib
import io
import math
import os
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kcsim.clustering.coding import fixed_index_bits, unpack
from kcsim.errors import InputError, Problem, missing_package

Array = NDArray[Any]
Tensors = dict[str, Array]

MAX_BYTES = 4 * 2**30
"""What the files of a package may take."""
_WEIGHTS_OF = {"conv": "weight", "linear": "weight", "matmul": "y"}
_CUT = "_weight"


def is_package(path: str) -> bool:
    """Whether a path is a folder that Core ML calls a package."""
    return os.path.isdir(path) and os.path.isfile(os.path.join(path, "Manifest.json"))


def read_coreml(path: str) -> tuple[Tensors, dict[str, str]]:
    """Weights and biases of convolutions, linear layers and products of matrices.

    Parameters
    ----------
    path : str
        A package (``.mlpackage``) with an ML program. Nothing of it is run.

    Returns
    -------
    tensors : dict of str to array
        ``X.weight`` and ``X.bias``, with X the name of the constant up to ``_weight``, or that of
        the operation. Of palettized weights ``X.weight.codes``, ``X.weight.codebook`` and, where
        zeros have no code, ``X.weight.mask``; of integers ``X.weight.scale``.
    unread : dict of str to str
        What other weights are.

    Raises
    ------
    InputError
        If it holds no ML program, or coremltools is not installed.
    """
    size = sum(
        os.path.getsize(os.path.join(folder, name))
        for folder, _, names in os.walk(path)
        for name in names
    )
    if size > MAX_BYTES:
        raise InputError(Problem(f"'{path}' has {size} bytes", f"at most {MAX_BYTES}"))
    tensors: Tensors = {}
    unread: dict[str, str] = {}
    for operation in _operations(path):
        kind = operation.op_type
        if kind in _WEIGHTS_OF:
            _read(operation, tensors, unread)
        elif "weight" in operation.inputs and kind != "const":
            name = _name(operation.inputs["weight"], operation)
            unread[name] = f"an input of {kind}, which is not read"
    return tensors, unread


def _operations(path: str) -> Iterator[Any]:
    """The operations of all functions of a program."""
    # It tells of everything that is not there for Linux.
    with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
        try:
            import coremltools
            from coremltools.converters.mil.frontend.milproto import load
        except ImportError:
            raise missing_package(f"reading '{path}' needs", "coremltools", "coreml") from None
        model = coremltools.models.MLModel(path, skip_model_load=True)
        specification = model.get_spec()
        if specification.WhichOneof("Type") != "mlProgram":
            raise InputError(
                Problem(f"'{path}' holds a {specification.WhichOneof('Type')}", "an ML program")
            )
        program = load.load(specification, specification.specificationVersion, model.weights_dir)
    for function in program.functions.values():
        yield from function.operations


def _read(operation: Any, tensors: Tensors, unread: dict[str, str]) -> None:
    """The weights and the bias of one operation."""
    variable = operation.inputs[_WEIGHTS_OF[operation.op_type]]
    name = _name(variable, operation)
    parts = _parts(variable)
    if parts is None:
        if variable.op is not None and variable.op.op_type.startswith("constexpr"):
            unread[f"{name}.weight"] = f"made by {variable.op.op_type}, which is not read"
        return
    if operation.op_type == "matmul" and not operation.inputs["transpose_y"].val:
        parts = {key: value.T if value.ndim == 2 else value for key, value in parts.items()}
    for key, value in parts.items():
        tensors[f"{name}.weight{key}"] = value
    bias = operation.inputs.get("bias")
    if bias is not None and bias.val is not None:
        tensors[f"{name}.bias"] = np.asarray(bias.val)


def _name(variable: Any, operation: Any) -> str:
    """The name of the constant behind all that makes weights of it, up to ``_weight``."""
    before, found, _ = str(variable.name).partition(_CUT)
    return before if found and before else str(operation.name)


def _parts(variable: Any) -> Tensors | None:
    """Weights by what comes behind their name; ``None`` where they are computed."""
    if variable.val is not None:
        return {"": np.asarray(variable.val)}
    source = variable.op
    inputs = {} if source is None else {k: v for k, v in source.inputs.items() if v is not None}
    kind = "" if source is None else source.op_type
    if kind == "constexpr_lut_to_dense":
        return _palettized(inputs)
    if kind == "constexpr_sparse_to_dense":
        return _sparse(source, inputs)
    if kind in ("constexpr_blockwise_shift_scale", "constexpr_affine_dequantize"):
        return _quantized(source, inputs)
    if kind in ("constexpr_cast", "cast"):
        cast = next(iter(inputs.values()))
        return None if cast.val is None else {"": np.asarray(cast.val, np.float32)}
    return None


def _palettized(inputs: dict[str, Any]) -> Tensors | None:
    codes, lut = inputs["indices"].val, inputs["lut"].val
    if codes is None or ("shape" in inputs and lut is None):
        return None
    codes = np.asarray(codes)
    if "shape" in inputs:
        # Before iOS 18, codes are packed, the lowest bit first.
        shape = tuple(int(size) for size in inputs["shape"].val)
        bits = fixed_index_bits(lut.size)
        codes = unpack(codes.view(np.uint8).ravel(), bits, math.prod(shape)).reshape(shape)
    if lut is not None:
        return {".codes": codes, ".codebook": np.asarray(lut, np.float32)}
    made = inputs["lut"].op
    scaled = None if made is None else made.materialized_val_inference()
    if scaled is None:
        return None
    axis = inputs["vector_axis"].val if "vector_axis" in inputs else None
    return {"": looked_up(codes, np.asarray(scaled, np.float32), axis)}


def looked_up(codes: Array, lut: Array, axis: int | None = None) -> Array:
    """Weights of codes, by tables for blocks of them.

    Parameters
    ----------
    codes : integer array, shape (n_0, n_1, ...)
    lut : float array, shape (l_0, l_1, ..., K, values)
        Table of each block; l_i divides n_i.
    axis : int, optional
        Along which the values of an entry lie.
    """
    places = np.indices(codes.shape)
    blocks = tuple(
        place // (size // count)
        for place, size, count in zip(places, codes.shape, lut.shape, strict=False)
    )
    values = lut[(*blocks, codes)]
    if values.shape[-1] == 1:
        return np.asarray(values[..., 0])
    axis = 0 if axis is None else axis
    shape = list(codes.shape)
    shape[axis] *= values.shape[-1]
    weights: Array = np.moveaxis(values, -1, axis + 1).reshape(shape)
    return weights


def _sparse(source: Any, inputs: dict[str, Any]) -> Tensors | None:
    made = inputs["nonzero_data"].op
    if made is not None and made.op_type == "constexpr_lut_to_sparse":
        mask = np.asarray(made.inputs["indices_mask"].val, np.bool_)
        codes = np.asarray(made.inputs["indices_nonzero_data"].val)
        lut = made.inputs["lut"].val
        axis = made.inputs.get("vector_axis")
        is_scalar = axis is None or axis.val is None
        if lut is not None and is_scalar and codes.size == np.count_nonzero(mask):
            return {".codes": codes, ".codebook": np.asarray(lut, np.float32), ".mask": mask}
    value = source.materialized_val_inference()
    return None if value is None else {"": np.asarray(value, np.float32)}


def _quantized(source: Any, inputs: dict[str, Any]) -> Tensors | None:
    data = inputs.get("data", inputs.get("quantized_data"))
    scale, offset = inputs["scale"].val, inputs.get("offset", inputs.get("zero_point"))
    if data is not None and data.val is not None and scale is not None:
        values, scale = np.asarray(data.val), np.asarray(scale, np.float32)
        is_plain = offset is None or (offset.val is not None and not np.any(offset.val))
        if values.dtype.kind in "iu" and is_plain and scale.size in (1, len(values)):
            by_filter = scale.ndim != values.ndim or scale.size == scale.shape[0]
            axis = inputs["axis"].val if "axis" in inputs else 0
            if scale.size == 1 or (by_filter and axis == 0):
                return {"": values, ".scale": scale.ravel()}
    value = source.materialized_val_inference()
    return None if value is None else {"": np.asarray(value, np.float32)}
