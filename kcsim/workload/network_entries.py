"""Layers as they may stand in a network file."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Literal, NamedTuple

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from kcsim.workload.layer import LARGEST_COUNT, LARGEST_SIZE, ConvLayer, LayerError
from kcsim.workload.lowering import (
    Convolution,
    Lowered,
    lower,
    lower_transposed,
    transposed_size,
)
from kcsim.workload.precision import MOST_BITS

Size = Annotated[int, Field(ge=1, le=LARGEST_SIZE)]
Margin = Annotated[int, Field(ge=0, le=LARGEST_SIZE)]
Words = Annotated[int, Field(ge=0, le=LARGEST_COUNT)]
Width = Annotated[int, Field(ge=1, le=MOST_BITS)]
Sizes = Size | tuple[Size, ...]
Margins = Margin | tuple[Margin, ...]
Padding = Margins | Literal["same", "valid"]
Share = Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)]

FORBID = ConfigDict(extra="forbid")
_COUNTED = {1: "a whole number", 2: "a whole number or two of them",
            3: "a whole number or three of them"}  # fmt: skip


class Shape(NamedTuple):
    """What one layer hands to the next, for one image; `depth` is 0 but of volumes."""

    channels: int
    height: int
    width: int
    depth: int = 0

    @property
    def words(self) -> int:
        """Words of one image."""
        return self.channels * self.height * self.width * max(1, self.depth)

    @property
    def size(self) -> tuple[int, ...]:
        """Pixels along each axis."""
        return (*([self.depth] if self.depth else []), self.height, self.width)


def shape_of(channels: int, size: tuple[int, ...]) -> Shape:
    """A shape by its channels and axes, the width last."""
    depth = size[0] if len(size) == 3 else 0
    height = size[-2] if len(size) > 1 else 1
    return Shape(channels, height, size[-1], depth)


@dataclass(config=FORBID, kw_only=True)
class Zeros:
    """Shares of values that are zero."""

    weights: Share | None = None
    inputs: Share | None = None
    outputs: Share | None = None

    @property
    def given(self) -> dict[str, float]:
        """The shares that are given."""
        return {tensor: share for tensor, share in vars(self).items() if share is not None}


@dataclass(config=FORBID, kw_only=True)
class Bits:
    """Widths of values that are not those of the hardware."""

    weights: Width | None = None
    inputs: Width | None = None
    outputs: Width | None = None
    partial_sums: Width | None = None

    @property
    def given(self) -> dict[str, int]:
        """The widths that are given."""
        return {name: bits for name, bits in vars(self).items() if bits is not None}


@dataclass(config=FORBID, kw_only=True)
class Step:
    """What all entries have: `from` names what feeds it, in place of the entry before."""

    feeders: Annotated[str | tuple[str, ...] | None, Field(validation_alias="from")] = None

    @property
    def sources(self) -> tuple[str, ...]:
        """The names of what feeds it, if they are given."""
        return (self.feeders,) if isinstance(self.feeders, str) else self.feeders or ()


@dataclass(config=FORBID, kw_only=True)
class _Layer(Step):
    name: str
    batch: Size | None = None
    zeros: Zeros = Field(default_factory=Zeros)
    precision_bits: Bits = Field(default_factory=Bits)


@dataclass(config=FORBID, kw_only=True)
class _Window(_Layer):
    """What convolutions of all kinds share."""

    in_channels: Size | None = None
    in_height: Size | None = None
    in_width: Size | None = None
    in_size: Sizes | None = None
    kernel: Sizes
    stride: Sizes = 1
    padding: Padding = 0
    dilation: Sizes = 1
    bias: bool = False

    def inputs(self, before: Shape | None) -> dict[str, int | None]:
        """The fields of `ConvLayer` that the layer before this one can supply."""
        given = {"in_height": self.in_height, "in_width": self.in_width}
        if self.in_size is not None:
            both = [key for key, size in given.items() if size is not None]
            if both:
                fault = ("in_size", f"both 'in_size' and '{both[0]}' are given", "one of them")
                raise LayerError(self.name, [fault])
            axes = self.axes(None)
            sizes = self._each("in_size", self.in_size, axes)
            given = {"in_height": sizes[-2] if axes > 1 else 1, "in_width": sizes[-1]}
            if axes == 3:
                given["in_depth"] = sizes[0]
        elif self.axes(before) == 3:
            given["in_depth"] = None
        elif self.axes(before) == 1 and before is None:
            given["in_height"] = given["in_height"] or 1
        given = {"in_channels": self.in_channels, **given}
        if before is None:
            return given
        known = before._asdict()
        return {
            key: (known[key.removeprefix("in_")] or None) if own is None else own
            for key, own in given.items()
        }

    def axes(self, before: Shape | None) -> int:
        """Dimensions of the convolution."""
        listed = [self.in_size, self.kernel, self.stride, self.dilation]
        lengths = [len(values) for values in listed if isinstance(values, tuple)]
        if isinstance(self.padding, tuple) and len(self.padding) == 6:
            lengths.append(3)
        volume = before is not None and before.depth > 0 and self.in_size is None
        return 3 if volume or 3 in lengths else 2

    def convolution(self, inputs: dict[str, int], out_channels: int, groups: int) -> Convolution:
        """The convolution, its inputs being known."""
        size = tuple(inputs[f"in_{axis}"] for axis in ("depth", "height", "width")
                     if f"in_{axis}" in inputs)  # fmt: skip
        axes = self.axes(shape_of(1, size) if len(size) == 3 else None)
        size = size[-axes:]
        kernel, stride, dilation = (
            self._each(key, getattr(self, key), axes) for key in ("kernel", "stride", "dilation")
        )
        margins = self._margins(size, kernel, stride, dilation)
        return Convolution(
            self.name, inputs["in_channels"], out_channels, size, kernel, stride, margins,
            dilation, groups, 1, self.bias,
        )  # fmt: skip

    def _margins(
        self,
        size: tuple[int, ...],
        kernel: tuple[int, ...],
        stride: tuple[int, ...],
        dilation: tuple[int, ...],
    ) -> tuple[tuple[int, int], ...]:
        axes, padding = len(size), self.padding
        if padding == "valid":
            padding = 0
        if isinstance(padding, str):
            return tuple(map(same_margins, size, kernel, stride, dilation))
        sides = (padding,) * axes if isinstance(padding, int) else padding
        if len(sides) == 1:
            sides = sides * axes
        if len(sides) == axes:
            return tuple((side, side) for side in sides)
        if len(sides) == 2 * axes:
            return tuple((sides[2 * i], sides[2 * i + 1]) for i in range(axes))
        many = {1: " or two", 2: ", two or four", 3: ", three or six"}[axes]
        fault = ("padding", f"padding is {padding!r}", f"a whole number{many} of them")
        raise LayerError(self.name, [fault])

    def _each(self, key: str, value: Sizes, axes: int) -> tuple[int, ...]:
        values = (value,) * axes if isinstance(value, int) else value
        if len(values) == 1:
            values = values * axes
        if len(values) != axes:
            fault = (key, f"{key} is {list(values)}", _COUNTED[axes])
            raise LayerError(self.name, [fault])
        return values


def same_margins(size: int, kernel: int, stride: int, dilation: int) -> tuple[int, int]:
    """Padding that makes an output for each `stride` pixels, the odd one at the end."""
    total = max(0, (-(-size // stride) - 1) * stride + dilation * (kernel - 1) + 1 - size)
    return total // 2, total - total // 2


@dataclass(config=FORBID, kw_only=True)
class Conv(_Window):
    """A convolution of two or three dimensions."""

    type: Literal["conv", "conv2d", "conv3d"]
    out_channels: Size
    groups: Size = 1
    per_image: Size = 1

    def axes(self, before: Shape | None) -> int:
        """Dimensions of the convolution."""
        return 3 if self.type == "conv3d" else super().axes(before)

    def layers(self, inputs: dict[str, int]) -> tuple[Lowered, Shape]:
        """The layers, and what they hand on."""
        conv = self.convolution(inputs, self.out_channels, self.groups)
        lowered = lower(conv)
        if self.per_image > 1:
            more = tuple(
                replace(layer, per_image=layer.per_image * self.per_image)
                for layer in lowered.layers
            )
            lowered = replace(lowered, layers=more)
        return lowered, shape_of(conv.out_channels, conv.out_size)


@dataclass(config=FORBID, kw_only=True)
class Conv1d(_Window):
    """A convolution of one dimension: images of one row."""

    type: Literal["conv1d"]
    out_channels: Size
    groups: Size = 1

    def axes(self, before: Shape | None) -> int:
        """Dimensions of the convolution."""
        return 1

    def layers(self, inputs: dict[str, int]) -> tuple[Lowered, Shape]:
        """The layers, and what they hand on."""
        if inputs["in_height"] != 1:
            rows = inputs["in_height"]
            fault = ("in_height", f"its input has {rows} rows", "one row")
            raise LayerError(self.name, [fault])
        conv = self.convolution(inputs, self.out_channels, self.groups)
        return lower(conv), shape_of(conv.out_channels, conv.out_size)


@dataclass(config=FORBID, kw_only=True)
class ConvTranspose(_Window):
    """A transposed convolution."""

    type: Literal["conv_transpose"]
    out_channels: Size
    groups: Size = 1
    output_padding: Margins = 0

    def layers(self, inputs: dict[str, int]) -> tuple[Lowered, Shape]:
        """The layers, and what they hand on."""
        conv = self.convolution(inputs, self.out_channels, self.groups)
        axes = len(conv.size)
        if self.padding == "same":
            # As frameworks have it: `stride` output pixels for each of the input.
            spare = [
                max(0, spread * (taps - 1) + 1 - step)
                for taps, spread, step in zip(conv.kernel, conv.dilation, conv.stride, strict=True)
            ]
            margins = tuple((each // 2, each - each // 2) for each in spare)
            conv = replace(conv, padding=margins)
        extra = self.output_padding
        each = (extra,) * axes if isinstance(extra, int) else extra
        if len(each) != axes:
            fault = ("output_padding", f"output_padding is {list(each)}", _COUNTED[axes])
            raise LayerError(self.name, [fault])
        sizes = transposed_size(conv, each)
        return lower_transposed(conv, each), shape_of(conv.out_channels, sizes)


@dataclass(config=FORBID, kw_only=True)
class Depthwise(_Window):
    """A convolution that filters every input channel by itself."""

    type: Literal["depthwise"]
    out_channels: Size | None = None

    def layers(self, inputs: dict[str, int]) -> tuple[Lowered, Shape]:
        """The layers, and what they hand on."""
        channels = inputs["in_channels"]
        conv = self.convolution(inputs, self.out_channels or channels, channels)
        return lower(conv), shape_of(conv.out_channels, conv.out_size)


@dataclass(config=FORBID, kw_only=True)
class Linear(_Layer):
    """A fully connected layer."""

    type: Literal["linear"]
    in_features: Size | None = None
    out_features: Size
    bias: bool = True
    sequence: Size = 1

    def inputs(self, before: Shape | None) -> dict[str, int | None]:
        """The number of input words, taken from the layer before where it is left out."""
        if self.in_features is None and before is not None:
            if before.words % self.sequence:
                fault = ("sequence", f"its input of {before.words} words is no sequence of "
                         f"{self.sequence}", f"a divisor of {before.words}")  # fmt: skip
                raise LayerError(self.name, [fault])
            return {"in_features": before.words // self.sequence}
        return {"in_features": self.in_features}

    def layers(self, inputs: dict[str, int]) -> tuple[Lowered, Shape]:
        """The layer, and what it hands on."""
        layer = ConvLayer.linear(
            self.name, inputs["in_features"], self.out_features, bias=self.bias,
            sequence=self.sequence,
        )  # fmt: skip
        return _alone(layer), Shape(self.out_features, self.sequence, 1)


@dataclass(config=FORBID, kw_only=True)
class Matmul(_Layer):
    """Products of matrices (m, k) by (k, n), both computed unless the right one is trained."""

    type: Literal["matmul"]
    m: Size
    k: Size
    n: Size
    heads: Size = 1
    trained: bool = False

    def inputs(self, before: Shape | None) -> dict[str, int | None]:
        """Nothing: sizes are given."""
        return {}

    def layers(self, inputs: dict[str, int]) -> tuple[Lowered, Shape]:
        """The layer, and what it hands on."""
        if not self.trained:
            layer = ConvLayer.matmul(self.name, self.m, self.k, self.n, heads=self.heads)
        elif self.heads == 1:
            layer = ConvLayer.linear(self.name, self.k, self.n, bias=False, sequence=self.m)
        else:
            channels = self.heads * self.k, self.heads * self.n
            layer = ConvLayer(self.name, *channels, self.m, 1, 1, 1, groups=self.heads)
        return _alone(layer), Shape(self.heads * self.n, self.m, 1)


def _alone(layer: ConvLayer) -> Lowered:
    return Lowered((layer,), (), lambda weights: [weights])


Computing = Conv | Conv1d | ConvTranspose | Depthwise | Linear | Matmul
BY_TYPE = Field(discriminator="type")
