"""Networks from ONNX files."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import numpy as np

from kcsim.errors import InputError, Problem, missing_package
from kcsim.workload.imports.builder import NetworkBuilder
from kcsim.workload.imports.onnx_folding import with_shapes
from kcsim.workload.imports.onnx_ops import take
from kcsim.workload.imports.onnx_steps import OnnxGraph, OnnxStep
from kcsim.workload.network import Network

MAX_BYTES = 2**31
MAX_NODES = 100_000
_SHAPES = ("Shape", "Size")


def read_onnx_network(path: str | os.PathLike[str], sizes: tuple[int, ...] = ()) -> Network:
    """The network of an ONNX model, with its weights.

    Nothing of the model is run. Convolutions and products of matrices become layers; names are
    those of weight tensors, where they end as such, else those of nodes. Integer weights are read
    with their scales.

    Parameters
    ----------
    path : str or path
    sizes : tuple of int, optional
        Shape of the first input, where the file leaves it open or another one is wanted. A batch
        that is left open is 1.

    Raises
    ------
    InputError
        If the file is no such model, or shapes that layers need are not known.
    """
    file = os.fspath(path)
    model = _load(file)
    builder = NetworkBuilder(Path(file).stem or "onnx", f"ONNX model {Path(file).name}")
    images = _fix_inputs(model, sizes, file)
    model = with_shapes(model, file)
    graph = OnnxGraph(model, file)
    padded: dict[str, Any] = {}
    nodes = model.graph.node
    readers: dict[str, list[Any]] = {}
    for node in nodes:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    for node in nodes:
        outputs = [name for name in node.output if name]
        if all(map(graph.constants.is_constant, outputs)):
            continue
        step = OnnxStep(node, graph, padded)
        if node.op_type in _SHAPES or (not step.moving and not step.trained):
            # Numbers that shapes are made of.
            graph.of_shapes.update(outputs)
            continue
        margins = _margins_of(step)
        if margins is not None and _feeds_convolutions(
            readers.get(step.key, []), step.key, margins
        ):
            padded[step.key] = (step.input(0), margins)
        take(step, builder, images)
        builder.fuse("", [step.key], outputs[1:])
    return builder.finish()


def _load(file: str) -> Any:
    try:
        import onnx
    except ImportError:
        raise missing_package(f"reading '{file}' needs", "onnx", "onnx") from None
    try:
        state = os.stat(file)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"cannot read '{file}': {reason.lower()}") from None
    if not stat.S_ISREG(state.st_mode):
        raise InputError(Problem(f"'{file}' is no regular file", "an ONNX model"))
    if state.st_size > MAX_BYTES:
        raise InputError(Problem(f"'{file}' is too large", "at most 2 GiB, weights in other files"))
    try:
        model = onnx.load(file, load_external_data=False)
    # What is raised for damaged files depends on the version of protobuf.
    except Exception:
        raise InputError(
            Problem(f"'{file}' is damaged or no ONNX model", "an ONNX model")
        ) from None
    if not model.graph.node:
        raise InputError(Problem(f"'{file}' holds no graph", "an ONNX model"))
    if len(model.graph.node) > MAX_NODES:
        count = len(model.graph.node)
        raise InputError(Problem(f"'{file}' has {count} nodes", f"at most {MAX_NODES}"))
    return model


def _fix_inputs(model: Any, sizes: tuple[int, ...], file: str) -> int:
    """Write the sizes of inputs into the model; return the images of a batch."""
    stored = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in stored]
    images = 0
    for place, value in enumerate(inputs):
        kind = value.type.tensor_type
        dims = kind.shape.dim
        if sizes and place == 0:
            if kind.HasField("shape") and len(dims) != len(sizes):
                raise InputError(
                    Problem(f"'{file}': input {value.name!r} has {len(dims)} axes",
                            f"as many sizes, not {'x'.join(map(str, sizes))}")
                )  # fmt: skip
            del dims[:]
            for size in sizes:
                dims.add().dim_value = size
            del model.graph.value_info[:]
        elif dims and not dims[0].dim_value:
            dims[0].dim_value = 1
        if place == 0 and len(dims) > 1:
            images = dims[0].dim_value
    open_ = []
    for value in inputs:
        dims = value.type.tensor_type.shape.dim
        if any(not dim.dim_value for dim in dims):
            shown = ", ".join(str(dim.dim_value or dim.dim_param or "?") for dim in dims)
            open_.append(f"{value.name} ({shown})")
    if open_:
        first = inputs[0].type.tensor_type.shape.dim
        example = "x".join(str(dim.dim_value or 224) for dim in first)
        raise InputError(
            Problem(f"'{file}' leaves sizes of its input open: {open_[0]}",
                    f"them behind the file, as '{file}@{example}'")
        )  # fmt: skip
    return max(1, images)


def _margins_of(step: OnnxStep) -> tuple[tuple[int, int], ...] | None:
    """Margins of zeros that a Pad adds to all axes; ``None`` of other nodes."""
    if step.kind != "pad" or (step.attribute("mode") or "constant") != "constant":
        return None
    pads = step.attribute("pads") or step.value(step.input(1))
    filling = step.value(step.input(2))
    if pads is None or step.input(3) or (filling is not None and np.any(filling)):
        return None
    sides = [int(side) for side in np.asarray(pads).ravel()]
    if len(sides) % 2 or min(sides, default=0) < 0:
        return None
    half = len(sides) // 2
    return tuple(zip(sides[:half], sides[half:], strict=True))


def _feeds_convolutions(
    readers: list[Any], name: str, margins: tuple[tuple[int, int], ...]
) -> bool:
    """Whether only convolutions read a padded tensor, and could pad all of it themselves."""
    return bool(readers) and not any(map(sum, margins[:2])) and all(
        node.op_type == "Conv" and node.input[0] == name
        and not any(item.name == "auto_pad" and item.s != b"NOTSET" for item in node.attribute)
        for node in readers
    )  # fmt: skip
