"""Steps of a graph of another tool, and how those are listed that are no layers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Protocol

from kcsim.workload.imports.builder import NetworkBuilder
from kcsim.workload.imports.contractions import Contraction
from kcsim.workload.imports.kinds import (
    CONCATENATIONS,
    CREATIONS,
    POINTWISE,
    POOLS,
    TWO_TENSORS,
    VIEWS,
)
from kcsim.workload.operation import Operation, addition, concatenation, pooling


class Step(Protocol):
    """One operation of a graph.

    Attributes
    ----------
    kind : str
        What it does, in small letters.
    key : hashable
        What stands for its output.
    """

    kind: str

    @property
    def key(self) -> Any:
        """What stands for its output."""

    @property
    def moving(self) -> list[Any]:
        """Computed tensors that it reads."""

    @property
    def trained(self) -> list[Any]:
        """Constant tensors that it reads, of more than one value."""

    @property
    def has_output(self) -> bool:
        """Whether it makes a tensor."""

    @property
    def output(self) -> tuple[int, ...]:
        """Shape of its first output."""

    @property
    def window(self) -> int:
        """Taps of the window of a pooling; 0 where that is not said."""

    @property
    def is_folded_padding(self) -> bool:
        """Whether the convolutions that read it pad in its place."""

    def shape(self, value: Any) -> tuple[int, ...]:
        """Shape of a tensor."""

    def is_constant(self, value: Any) -> bool:
        """Whether a tensor is no computed one."""

    def maker(self, value: Any) -> Callable[[], Any] | None:
        """What makes the array of a constant; ``None`` where there is none."""

    def unseen_words(self, values: list[Any]) -> int:
        """Words of constants that no operation had before."""

    def name(self, weight: Any = None) -> str:
        """What to call it."""


def take_other(step: Step, builder: NetworkBuilder, images: int) -> None:
    """Append a step that is no layer: fuse it, or list it."""
    kind, moving = step.kind, step.moving
    words = math.prod(step.output)
    nothing = not step.has_output or not (moving or step.trained)
    if nothing or kind in CREATIONS or kind in VIEWS or step.is_folded_padding:
        builder.fuse("", moving, [step.key])
    elif kind in CONCATENATIONS:
        name = builder.free_name(step.name())
        builder.operate(of_images(concatenation(name, words), images), moving, [step.key])
    elif kind in ("add", "sum") and len(moving) > 1:
        operation = addition(builder.free_name(step.name()), words, len(moving))
        builder.operate(of_images(operation, images), moving, [step.key])
    elif kind in POOLS and len(moving) == 1:
        source = math.prod(step.shape(moving[0]))
        taps = step.window or max(1, -(-source // max(1, words)))
        operation = pooling(builder.free_name(step.name()), source, words, taps)
        builder.operate(of_images(operation, images), moving, [step.key])
    elif kind == "add" and len(moving) == len(step.trained) == 1 and _is_bias(step, builder):
        return
    elif kind in POINTWISE and len(moving) == 1 and not (step.trained and kind in TWO_TENSORS):
        builder.fuse(kind, moving, [step.key])
    else:
        list_step(step, builder, images, kind)


def _is_bias(step: Step, builder: NetworkBuilder) -> bool:
    """Take an addition of a constant for the bias of the layer before, if it is one."""
    constant = step.trained[0]
    if step.output != step.shape(step.moving[0]):
        return False
    maker = step.maker(constant)
    size = math.prod(step.shape(constant))
    bias = None if maker is None else lambda: maker().ravel()
    return builder.give_bias(step.moving[0], step.key, size, bias)


def list_step(step: Step, builder: NetworkBuilder, images: int, kind: str, macs: int = 0) -> None:
    """Append an operation that is not modeled."""
    words = sum(math.prod(step.shape(each)) for each in step.moving)
    operation = Operation(
        builder.free_name(step.name()), kind, words, math.prod(step.output),
        step.unseen_words(step.trained), macs,
    )  # fmt: skip
    builder.operate(of_images(operation, images), step.moving, [step.key])


def take_contraction(
    step: Step,
    builder: NetworkBuilder,
    images: int,
    contraction: Contraction | None,
    operands: Sequence[Any],
) -> None:
    """Append an einsum as a layer: trained where one operand is constant, else computed."""
    if contraction is None:
        list_step(step, builder, images, "einsum")
        return
    left, right = operands
    if step.is_constant(left) and not step.is_constant(right):
        contraction, left, right = contraction.turned(), right, left
    if step.is_constant(right):
        layer, arrange = contraction.trained(builder.free_name(step.name(right)), images)
        builder.add(layer, [left], [step.key], arranged(step.maker(right), arrange))
        return
    layer = contraction.product().computed(builder.free_name(step.name()), images)
    builder.add(layer, [left, right], [step.key])


def of_images(operation: Operation, images: int) -> Operation:
    """An operation whose numbers are of all images, as one of each image where they divide."""
    fields = ("input_words", "output_words", "macs", "adds")
    numbers = [getattr(operation, field) for field in fields]
    if any(number % images for number in numbers):
        return operation
    divided = {field: number // images for field, number in zip(fields, numbers, strict=True)}
    return replace(operation, **divided, batch=images)


def arranged(
    maker: Callable[[], Any] | None, arrange: Callable[[Any], Any]
) -> Callable[[], Any] | None:
    """What makes an array and arranges it; ``None`` where nothing makes one."""
    return None if maker is None else lambda: arrange(maker())
