"""What may stand in a network file beside layers."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from kcsim.workload.lowering import lower
from kcsim.workload.network_entries import (
    FORBID,
    Conv,
    Padding,
    Shape,
    Size,
    Sizes,
    Step,
    Words,
    shape_of,
)
from kcsim.workload.operation import Operation, addition, concatenation, pooling


@dataclass(config=FORBID, kw_only=True)
class Pool(Step):
    """A pooling."""

    type: Literal["pool"]
    name: str = "pool"
    kernel: Sizes
    stride: Sizes | None = None
    padding: Padding = 0
    ceil_mode: bool = False

    def operation(self, name: str, before: tuple[Shape, ...]) -> tuple[Operation, Shape]:
        """The pooling and the shape behind it, by PyTorch's rule."""
        shape = before[0]
        window = Conv(
            type="conv", name=self.name, out_channels=shape.channels, groups=shape.channels,
            kernel=self.kernel, stride=self.kernel if self.stride is None else self.stride,
            padding=self.padding,
        )  # fmt: skip
        inputs = {"in_channels": shape.channels, "in_height": shape.height, "in_width": shape.width}
        if shape.depth:
            inputs["in_depth"] = shape.depth
        conv = window.convolution(inputs, shape.channels, shape.channels)
        if len(conv.size) < 3:
            # What cannot be is found by the layer's own checks.
            lower(conv)
        hanging = conv
        if self.ceil_mode:
            hanging = replace(conv, padding=tuple(
                (first, last + step - 1)
                for (first, last), step in zip(conv.padding, conv.stride, strict=True)
            ))  # fmt: skip
        # A window may hang over the end, but not begin there.
        begins = [
            (size + start - 1) // step + 1
            for size, (start, _), step in zip(conv.size, conv.padding, conv.stride, strict=True)
        ]
        behind = shape_of(shape.channels, tuple(map(min, hanging.out_size, begins)))
        return pooling(name, shape.words, behind.words, math.prod(conv.kernel)), behind


@dataclass(config=FORBID, kw_only=True)
class GlobalPool(Step):
    """A pooling of each channel to one value."""

    type: Literal["global_pool"]
    name: str = "global_pool"

    def operation(self, name: str, before: tuple[Shape, ...]) -> tuple[Operation, Shape]:
        """The pooling, and the shape behind it."""
        shape = before[0]
        behind = Shape(shape.channels, 1, 1)
        return pooling(name, shape.words, behind.words, shape.words // shape.channels), behind


@dataclass(config=FORBID, kw_only=True)
class Add(Step):
    """The sum of tensors of one shape."""

    type: Literal["add"]
    name: str = "add"
    channels: Size | None = None
    height: Size | None = None
    width: Size | None = None
    operands: Annotated[int, Field(ge=2, le=2**20)] = 2

    def given(self, before: tuple[Shape, ...]) -> Shape | None:
        """The shape as given, the rest as before."""
        sizes = (self.channels, self.height, self.width)
        known = before[0] if before else (None, None, None)
        both = [own or other for own, other in zip(sizes, known, strict=False)]
        if None in both:
            return None
        channels, height, width = (size or 1 for size in both)
        return Shape(channels, height, width, before[0].depth if before else 0)

    def operation(self, name: str, before: tuple[Shape, ...]) -> tuple[Operation, Shape]:
        """The sum, and its shape."""
        shape = self.given(before) or before[0]
        return addition(name, shape.words, max(self.operands, len(before))), shape


@dataclass(config=FORBID, kw_only=True)
class Concat(Step):
    """Channels of several tensors, one behind the other."""

    type: Literal["concat"]
    name: str = "concat"

    def operation(self, name: str, before: tuple[Shape, ...]) -> tuple[Operation, Shape]:
        """The concatenation, and its shape."""
        shape = before[0]._replace(channels=sum(shape.channels for shape in before))
        return concatenation(name, shape.words), shape


@dataclass(config=FORBID, kw_only=True)
class Recurrent(Step):
    """A recurrent layer, which is listed with its multiply-accumulates."""

    type: Literal["lstm", "gru", "rnn"]
    name: str
    in_features: Size | None = None
    out_features: Size
    sequence: Size = 1

    def operation(self, name: str, before: tuple[Shape, ...]) -> tuple[Operation, Shape]:
        """The layer, and what it hands on."""
        features = self.in_features or max(1, before[0].words // self.sequence)
        gates = {"lstm": 4, "gru": 3, "rnn": 1}[self.type]
        weights = gates * self.out_features * (features + self.out_features)
        words = self.sequence * features, self.sequence * self.out_features
        operation = Operation(
            name, self.type, *words, weights + 2 * gates * self.out_features,
            self.sequence * weights,
        )  # fmt: skip
        return operation, Shape(self.out_features, self.sequence, 1)


@dataclass(config=FORBID, kw_only=True)
class Other(Step):
    """Anything else, with what it moves and computes for one image."""

    type: Literal["other"]
    name: str
    operation_: Annotated[str, Field(validation_alias="operation")]
    input_words: Words = 0
    output_words: Words = 0
    weight_words: Words = 0
    macs: Words = 0
    adds: Words = 0

    def operation(self, name: str, before: tuple[Shape, ...]) -> tuple[Operation, Shape | None]:
        """The operation; it hands on the shape that it gets."""
        known = Operation(
            name, self.operation_, self.input_words, self.output_words, self.weight_words,
            self.macs, self.adds,
        )  # fmt: skip
        return known, before[0] if before else None


# --- what moves nothing of its own


@dataclass(config=FORBID, kw_only=True)
class Fused(Step):
    """What is done where outputs leave; a batch normalization is folded."""

    type: Literal["batch_norm", "batchnorm", "relu", "activation", "dropout", "flatten"]
    name: str = ""

    def parameters(self, before: Shape) -> int:
        """Trained scales and shifts."""
        return 2 * before.channels if self.type.startswith("batch") else 0

    def behind(self, before: Shape) -> Shape:
        """The shape behind it."""
        return Shape(before.words, 1, 1) if self.type == "flatten" else before


Listed = Pool | GlobalPool | Add | Concat | Recurrent | Other
