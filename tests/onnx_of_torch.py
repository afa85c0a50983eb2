"""Torch modules as ONNX models, by torch's own exporter, with weights in a file of zeros."""

from __future__ import annotations

import inspect
import io
import os
import warnings

import torch


def export(module, example, folder, name="model", values=False, **settings):
    """The path of an ONNX model; with `values`, the weights are in it."""
    import onnx

    settings |= {"export_params": True} if values else {"export_params": False}
    if "dynamo" in inspect.signature(torch.onnx.export).parameters:
        settings["dynamo"] = False
    stream = io.BytesIO()
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module, (example,), stream, do_constant_folding=False,
            training=torch.onnx.TrainingMode.PRESERVE, **settings,
        )  # fmt: skip
    model = onnx.load_from_string(stream.getvalue())
    names = {name for name, _ in (*module.named_parameters(), *module.named_buffers())}
    most = 0
    for value in [each for each in model.graph.input if each.name in names]:
        model.graph.input.remove(value)
        tensor = model.graph.initializer.add()
        tensor.name, tensor.data_type = value.name, value.type.tensor_type.elem_type
        tensor.dims.extend(dim.dim_value for dim in value.type.tensor_type.shape.dim)
        tensor.data_location = onnx.TensorProto.EXTERNAL
        size = 4
        for dim in tensor.dims:
            size *= dim
        for key, text in {"location": "weights.bin", "offset": "0", "length": str(size)}.items():
            entry = tensor.external_data.add()
            entry.key, entry.value = key, text
        most = max(most, size)
    with open(folder / "weights.bin", "wb") as file:
        os.truncate(file.fileno(), most)
    path = folder / f"{name}.onnx"
    path.write_bytes(model.SerializeToString())
    return path
