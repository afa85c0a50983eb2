"""Nodes of ONNX as layers."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from kcsim.errors import InputError
from kcsim.workload.imports.builder import NetworkBuilder
from kcsim.workload.imports.contractions import Contraction
from kcsim.workload.imports.onnx_steps import OnnxStep
from kcsim.workload.imports.products import Product
from kcsim.workload.imports.steps import arranged, list_step, take_contraction, take_other
from kcsim.workload.layer import LayerError
from kcsim.workload.lowering import Convolution, Margins, lower, lower_transposed


class _Operands(NamedTuple):
    """Places of the inputs of a node; -1 for what it does not have."""

    left: int = 0
    right: int = 1
    bias: int = 2
    scale: int = -1
    zero: int = -1


_PLACES = {
    "qlinearconv": _Operands(0, 3, 8, 4, 5),
    "convinteger": _Operands(0, 1, -1, -1, 3),
    "qlinearmatmul": _Operands(0, 3, -1, 4, 5),
    "matmulinteger": _Operands(0, 1, -1, -1, 3),
    "qgemm": _Operands(0, 3, 6, 4, 5),
}


def take(step: OnnxStep, builder: NetworkBuilder, images: int) -> None:
    """Append what a node computes, or list it; see `kcsim.workload.imports.torch_ops.take`."""
    try:
        _HANDLERS.get(step.kind, take_other)(step, builder, images)
    except LayerError as error:
        builder.refuse_layer(error)
    except InputError as error:
        for problem in error.problems:
            builder.refuse(problem.message, problem.expected)


def _weights(step: OnnxStep, places: _Operands, side: int) -> Callable[[], Any] | None:
    """What makes the trained values on one side, with the scales of integers."""
    return arranged(
        step.maker(step.input(side)), lambda values: _scaled(step, places, side, values)
    )


def _scaled(step: OnnxStep, places: _Operands, side: int, values: Any) -> Any:
    if values.dtype.kind == "f":
        return values
    values = values.astype(np.float32)
    for place, apply in ((places.zero, np.subtract), (places.scale, np.multiply)):
        factor = step.value(step.input(place)) if place >= 0 else None
        if factor is not None and side == places.right:
            if factor.size == len(values) and factor.size > 1:
                factor = factor.reshape(-1, *[1] * (values.ndim - 1))
            if factor.size == 1 or factor.ndim == values.ndim:
                values = apply(values, factor)
    return values


def _convolution(step: OnnxStep, builder: NetworkBuilder, images: int) -> None:
    places = _PLACES.get(step.kind, _Operands())
    weight = step.input(places.right)
    taps = step.known_shape(weight)
    axes = len(taps) - 2
    transposed = step.kind == "convtranspose"
    if not step.is_constant(weight):
        macs = math.prod(step.output) * math.prod(taps[1:])
        list_step(step, builder, images, "convolution with computed weights", macs)
        return
    given = step.input(places.left)
    source, before = step.padded.get(given, (given, ((0, 0),) * (axes + 2)))
    shape = step.known_shape(source)
    if len(shape) != axes + 2 or axes not in (1, 2, 3):
        message = f"node {step.name()!r}: its input has {len(shape)} axes, its weights {len(taps)}"
        builder.refuse(message, "as many of both, from 3 to 5")
        return
    groups = step.attribute("group") or 1
    wanted = taps[0] if transposed else taps[1] * groups
    if shape[1] != wanted:
        message = f"node {step.name()!r}: its input has {shape[1]} channels, its weights {wanted}"
        builder.refuse(message, "as many of both")
        return
    stride = tuple(step.attribute("strides") or (1,) * axes)
    dilation = tuple(step.attribute("dilations") or (1,) * axes)
    conv = Convolution(
        builder.free_name(step.name(weight)), shape[1], taps[1] * groups if transposed else taps[0],
        shape[2:], taps[2:], stride, ((0, 0),) * axes, dilation, groups, shape[0],
        bool(step.input(places.bias)) if places.bias >= 0 else False,
    )  # fmt: skip
    if transposed:
        extra = tuple(step.attribute("output_padding") or (0,) * axes)
        lowered = lower_transposed(replace(conv, padding=_cropped(step, conv, extra)), extra)
    else:
        margins = tuple(
            (a + c, b + d)
            for (a, b), (c, d) in zip(_margins(step, conv), before[-axes:], strict=True)
        )
        lowered = lower(replace(conv, padding=margins))
    if shape[0] != images and shape[0] % images == 0:
        more = shape[0] // images
        layers = (replace(each, per_image=each.per_image * more) for each in lowered.layers)
        lowered = replace(lowered, layers=tuple(layers))
    bias = step.maker(step.input(places.bias)) if places.bias >= 0 else None
    builder.add(lowered, [source], [step.key], _weights(step, places, places.right), bias)


def _margins(step: OnnxStep, conv: Convolution) -> tuple[Margins, ...]:
    """Padding before and behind each axis."""
    mode, axes = step.attribute("auto_pad") or "NOTSET", len(conv.size)
    if mode == "VALID":
        return ((0, 0),) * axes
    if mode.startswith("SAME"):
        totals = [
            max(0, (-(-size // step_) - 1) * step_ + spread * (kernel - 1) + 1 - size)
            for size, step_, spread, kernel in zip(
                conv.size, conv.stride, conv.dilation, conv.kernel, strict=True
            )
        ]
        return tuple(_halves(total, mode == "SAME_UPPER") for total in totals)
    pads = step.attribute("pads") or [0] * 2 * axes
    if len(pads) != 2 * axes or min(pads) < 0:
        raise InputError(f"node {step.name()!r}: pads are {pads}; expected {2 * axes} from 0 on")
    return tuple((pads[i], pads[axes + i]) for i in range(axes))


def _cropped(step: OnnxStep, conv: Convolution, extra: tuple[int, ...]) -> tuple[Margins, ...]:
    """What a transposed convolution leaves out before and behind each axis."""
    wanted = step.attribute("output_shape")
    mode = step.attribute("auto_pad") or "NOTSET"
    if mode.startswith("SAME") and not wanted:
        wanted = [size * each for size, each in zip(conv.size, conv.stride, strict=True)]
    if not wanted:
        return _margins(step, conv)
    totals = [
        each * (size - 1) + more + spread * (kernel - 1) + 1 - target
        for size, each, more, spread, kernel, target in zip(
            conv.size, conv.stride, extra, conv.dilation, conv.kernel, wanted[-len(conv.size):],
            strict=True,
        )
    ]  # fmt: skip
    return tuple(_halves(max(0, total), mode == "SAME_UPPER") for total in totals)


def _halves(total: int, more_behind: bool) -> Margins:
    small = total // 2
    return (small, total - small) if more_behind else (total - small, small)


def _gemm(step: OnnxStep, builder: NetworkBuilder, images: int) -> None:
    turned = [bool(step.attribute(name)) for name in ("transA", "transB")]
    _multiply(step, builder, images, turned[0], turned[1])


def _matmul(step: OnnxStep, builder: NetworkBuilder, images: int) -> None:
    _multiply(step, builder, images, False, False)


def _multiply(
    step: OnnxStep, builder: NetworkBuilder, images: int, turn_left: bool, turn_right: bool
) -> None:
    places = _PLACES.get(step.kind, _Operands())
    left, right = step.input(places.left), step.input(places.right)
    shapes = [step.known_shape(left), step.known_shape(right)]
    for side, turn in enumerate((turn_left, turn_right)):
        if turn:
            shapes[side] = (*shapes[side][:-2], *shapes[side][:-3:-1])
    if shapes[0][-1] != (shapes[1][-2] if len(shapes[1]) > 1 else shapes[1][0]):
        left_text, right_text = ("x".join(map(str, shape)) for shape in shapes)
        builder.refuse(f"node {step.name()!r}: a product of {left_text} and {right_text}",
                       "as many columns as rows")  # fmt: skip
        return
    product = Product.of(*shapes)
    bias = step.input(places.bias) if step.kind in ("gemm", "qgemm") else ""
    constant = step.is_constant(left), step.is_constant(right)
    if constant == (False, False):
        layer = product.computed(builder.free_name(step.name()), images)
        builder.add(layer, [left, right], [step.key])
        return
    side = places.right if constant[1] else places.left
    weight, moving = (right, left) if constant[1] else (left, right)
    make = product.trained_right if constant[1] else product.trained_left
    layer, arrange = make(builder.free_name(step.name(weight)), False, images)
    alpha, beta = (
        np.float32(1.0 if factor is None else factor)
        for factor in (step.attribute("alpha"), step.attribute("beta"))
    )
    turn = turn_right if constant[1] else turn_left

    def weights(values: Any) -> Any:
        values = values.swapaxes(-1, -2) if turn else values
        return arrange(values if alpha == 1 else values * alpha)

    has_bias = step.is_constant(bias) and math.prod(step.shape(bias)) == layer.out_channels
    offsets = step.maker(bias) if has_bias else None
    layer = replace(layer, bias=has_bias)
    inputs = [moving] if not bias or step.is_constant(bias) else [moving, bias]
    builder.add(
        layer, inputs, [step.key], arranged(_weights(step, places, side), weights),
        arranged(offsets, lambda values: values.ravel() * beta),
    )  # fmt: skip


def _einsum(step: OnnxStep, builder: NetworkBuilder, images: int) -> None:
    shapes = [step.known_shape(name) for name in step.inputs]
    contraction = Contraction.of(step.attribute("equation") or "", shapes)
    take_contraction(step, builder, images, contraction, step.inputs)


def _batch_norm(step: OnnxStep, builder: NetworkBuilder, images: int) -> None:
    source = step.input(0)
    parameters = sum(math.prod(step.shape(step.input(place))) for place in (1, 2))
    if step.follows_alone(source) and builder.is_direct(source):
        builder.normalize(parameters)
        builder.fuse("batch_norm", [source], [step.key], direct=True)
    else:
        # Mean and variance are not trained.
        step.inputs = step.inputs[:3]
        list_step(step, builder, images, "batch_norm")


def _gather(step: OnnxStep, builder: NetworkBuilder, images: int) -> None:
    table = step.input(0)
    if step.is_constant(table):
        list_step(step, builder, images, "embedding")
    elif step.is_constant(step.input(1)):
        # A part of a tensor, which is read by what reads this.
        builder.fuse("", [table], [step.key])
    else:
        take_other(step, builder, images)


def _recurrent(step: OnnxStep, builder: NetworkBuilder, images: int) -> None:
    steps = math.prod(step.known_shape(step.input(0))[:-1])
    weights = sum(math.prod(step.shape(step.input(place))) for place in (1, 2))
    list_step(step, builder, images, step.kind, steps * weights)


_HANDLERS: dict[str, Callable[[OnnxStep, NetworkBuilder, int], None]] = {
    **dict.fromkeys(
        ("conv", "convtranspose", "qlinearconv", "convinteger", "fusedconv"), _convolution
    ),
    **dict.fromkeys(("gemm", "qgemm"), _gemm),
    **dict.fromkeys(("matmul", "qlinearmatmul", "matmulinteger"), _matmul),
    "einsum": _einsum,
    "batchnormalization": _batch_norm,
    "gather": _gather,
    **dict.fromkeys(("lstm", "gru", "rnn"), _recurrent),
}
