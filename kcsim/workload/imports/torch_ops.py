"""Operations of torch, as `torch.export` writes them, as layers."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from kcsim.workload.imports.builder import NetworkBuilder
from kcsim.workload.imports.contractions import Contraction
from kcsim.workload.imports.products import Product
from kcsim.workload.imports.steps import (
    arranged,
    list_step,
    of_images,
    take_contraction,
    take_other,
)
from kcsim.workload.imports.torch_steps import TorchStep as Step
from kcsim.workload.layer import LayerError
from kcsim.workload.lowering import Convolution, lower, lower_transposed
from kcsim.workload.operation import Operation

_RECURRENT = ("lstm", "gru", "rnn_tanh", "rnn_relu")
_NORMS = (
    "batch_norm", "_native_batch_norm_legit_no_training", "native_batch_norm",
    "_native_batch_norm_legit", "cudnn_batch_norm",
)  # fmt: skip
_SCALED_DOT_PRODUCT = "scaled_dot_product"


def take(step: Step, builder: NetworkBuilder, images: int) -> None:
    """Append what a step computes, or list it.

    Parameters
    ----------
    step : Step
    builder : NetworkBuilder
    images : int
        Of the example that the model was given.
    """
    try:
        _handler(step)(step, builder, images)
    except LayerError as error:
        builder.refuse_layer(error)


def _handler(step: Step) -> Callable[[Step, NetworkBuilder, int], None]:
    kind = step.kind
    if kind in _HANDLERS:
        return _HANDLERS[kind]
    if kind.startswith("conv"):
        return _convolution
    if _SCALED_DOT_PRODUCT in kind:
        return _attention
    return take_other


def _convolution(step: Step, builder: NetworkBuilder, images: int) -> None:
    given, weight = step.arguments, step.arguments["weight"]
    shape, taps = step.shape(given["input"]), step.shape(weight)
    axes = len(taps) - 2
    transposed = "transpose" in step.kind or bool(given.get("transposed"))
    if not step.is_constant(weight):
        macs = math.prod(step.output) * math.prod(taps[1:])
        list_step(step, builder, images, "convolution with computed weights", macs)
        return

    def each(name: str, default: int) -> tuple[int, ...]:
        value = given.get(name, default)
        values = [value] if isinstance(value, int) else list(value)
        return tuple(values * axes if len(values) == 1 else values)

    kernel, stride, dilation = taps[2:], each("stride", 1), each("dilation", 1)
    padding = given.get("padding", 0)
    if padding == "same":
        totals = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
        margins = tuple((total // 2, total - total // 2) for total in totals)
    else:
        sides = (0,) * axes if padding == "valid" else each("padding", 0)
        margins = tuple((side, side) for side in sides)
    source, before = step.padded.get(given["input"], (given["input"], ()))
    if before:
        shape = step.shape(source)
        margins = tuple(
            (a + c, b + d) for (a, b), (c, d) in zip(margins, before[-axes:], strict=True)
        )
    groups = int(given.get("groups", 1))
    batch = shape[0] if len(shape) == axes + 2 else 1
    conv = Convolution(
        builder.free_name(step.name(weight)), shape[-axes - 1],
        taps[1] * groups if transposed else taps[0],
        shape[-axes:], kernel, stride, margins, dilation, groups, batch,
        given.get("bias") is not None,
    )  # fmt: skip
    extra = each("output_padding", 0)
    lowered = lower_transposed(conv, extra) if transposed else lower(conv)
    if batch != images and batch % images == 0:
        more = batch // images
        lowered = replace(
            lowered,
            layers=tuple(replace(each, per_image=each.per_image * more) for each in lowered.layers),
        )
    bias = step.maker(given.get("bias"))
    builder.add(lowered, [source], [step.key], step.maker(weight), bias, step.root(weight))


def _linear(step: Step, builder: NetworkBuilder, images: int) -> None:
    given = step.arguments
    product = Product.of(step.shape(given["input"]), step.shape(given["weight"])[::-1])
    _multiply(step, builder, images, product, given["input"], given["weight"], True)


def _matmul(step: Step, builder: NetworkBuilder, images: int) -> None:
    left, right = list(step.arguments.values())[:2]
    _multiply(step, builder, images, Product.of(step.shape(left), step.shape(right)), left, right)


def _addmm(step: Step, builder: NetworkBuilder, images: int) -> None:
    given = list(step.arguments.values())
    product = Product.of(step.shape(given[1]), step.shape(given[2]))
    _multiply(step, builder, images, product, given[1], given[2], bias=given[0])


def _multiply(
    step: Step,
    builder: NetworkBuilder,
    images: int,
    product: Product,
    left: Any,
    right: Any,
    transposed: bool = False,
    bias: Any = None,
) -> None:
    """Append a product; `transposed`: the right side is given as (n, k)."""
    bias = step.arguments.get("bias") if bias is None else bias
    constant = step.is_constant(left), step.is_constant(right)
    if constant == (False, False):
        layer = product.computed(builder.free_name(step.name()), images)
        builder.add(layer, [left, right, bias], [step.key])
        return
    weight, moving = (right, left) if constant[1] else (left, right)
    make = product.trained_right if constant[1] else product.trained_left
    offsets = step.maker(bias) if bias is not None and step.is_constant(bias) else None
    name = builder.free_name(step.name(weight))
    layer, arrange = make(name, False, images)
    if bias is not None and math.prod(step.shape(bias)) == layer.out_channels:
        layer = replace(layer, bias=step.is_constant(bias))

    def turned(values: Any) -> Any:
        return arrange(values.swapaxes(-1, -2) if transposed else values)

    makers = arranged(step.maker(weight), turned), offsets
    builder.add(layer, [moving], [step.key], *makers, step.root(weight))


def _einsum(step: Step, builder: NetworkBuilder, images: int) -> None:
    equation, operands = list(step.arguments.values())[:2]
    contraction = Contraction.of(equation, [step.shape(operand) for operand in operands])
    take_contraction(step, builder, images, contraction, operands)


def _attention(step: Step, builder: NetworkBuilder, images: int) -> None:
    query, key, value = list(step.arguments.values())[:3]
    shapes = [step.shape(each) for each in (query, key, value)]
    heads = math.prod(shapes[0][:-2])
    rows, depth = shapes[0][-2:]
    columns, width = shapes[2][-2:]
    name = step.name()
    marks = [(step.key, part) for part in ("scores", "softmax")]
    scores = Product(rows, depth, columns, (heads,), (heads,))
    layer = scores.computed(builder.free_name(f"{name}.scores"), images)
    builder.add(layer, [query, key], [marks[0]])
    words = heads * rows * columns
    builder.operate(
        of_images(Operation(builder.free_name(f"{name}.softmax"), "softmax", words, words), images),
        [marks[0]], [marks[1]],
    )  # fmt: skip
    values = Product(rows, columns, width, (heads,), (heads,))
    layer = values.computed(builder.free_name(f"{name}.values"), images)
    builder.add(layer, [marks[1], value], [step.key])


def _batch_norm(step: Step, builder: NetworkBuilder, images: int) -> None:
    source = step.arguments["input"]
    trained = [step.arguments.get(name) for name in ("weight", "bias")]
    parameters = sum(math.prod(step.shape(each)) for each in trained if each is not None)
    if step.follows_alone(source) and builder.is_direct(source):
        builder.normalize(parameters)
        builder.fuse("batch_norm", [source], [step.key], direct=True)
    else:
        list_step(step, builder, images, "batch_norm")


def _recurrent(step: Step, builder: NetworkBuilder, images: int) -> None:
    source = step.arguments["input"]
    shape = step.shape(source)
    parameters = [
        step.shape(each) for value in step.arguments.values() if isinstance(value, list | tuple)
        for each in value if step.is_constant(each)
    ]  # fmt: skip
    steps = math.prod(shape[:-1])
    macs = steps * sum(math.prod(each) for each in parameters if len(each) == 2)
    list_step(step, builder, images, step.kind, macs)


def _embedding(step: Step, builder: NetworkBuilder, images: int) -> None:
    list_step(step, builder, images, "embedding")
    builder.share(step.root(step.arguments["weight"]), step.name())


_HANDLERS: dict[str, Callable[[Step, NetworkBuilder, int], None]] = {
    "linear": _linear,
    **dict.fromkeys(("matmul", "mm", "bmm", "mv", "dot", "inner"), _matmul),
    **dict.fromkeys(("addmm", "baddbmm", "addmv", "addbmm"), _addmm),
    "einsum": _einsum,
    "embedding": _embedding,
    **dict.fromkeys(_NORMS, _batch_norm),
    **dict.fromkeys(_RECURRENT, _recurrent),
}
