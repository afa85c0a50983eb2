"""One convolution or fully connected layer: its shape, and the counts that follow from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Literal, get_args

from kcsim.errors import InputError, Problem
from kcsim.workload.precision import AS_HARDWARE, LayerBits
from kcsim.workload.short_forms import integers
from kcsim.workload.zeros import NO_ZEROS, ZeroShares

Dimension = Literal["N", "G", "M", "C", "P", "Q", "R", "S"]
DIMENSIONS: tuple[Dimension, ...] = get_args(Dimension)
"""Loop variables: batch, group, output and input channel within the group, output row and
column, filter row and column."""

Kind = Literal["conv", "linear", "matmul"]
KINDS: tuple[Kind, ...] = get_args(Kind)

Tensor = Literal["weights", "inputs", "outputs"]
TENSORS: tuple[Tensor, ...] = get_args(Tensor)

LARGEST_SIZE = 2**31
LARGEST_COUNT = 2**63 - 1

_SIZES = (
    "in_channels",
    "out_channels",
    "in_height",
    "in_width",
    "kernel_height",
    "kernel_width",
    "groups",
    "batch",
    "per_image",
)
_Fault = tuple[str, str, str]
"""Field, what is wrong with it, what was expected."""


class LayerError(InputError):
    """A layer cannot exist as described.

    Attributes
    ----------
    fields : tuple of str
        The field of `ConvLayer` that each of `problems` is about, in the same order.
    """

    def __init__(self, layer: object, faults: list[_Fault]) -> None:
        self.fields = tuple(field for field, _, _ in faults)
        super().__init__(
            [Problem(f"layer {layer!r}: {message}", expected) for _, message, expected in faults]
        )


@dataclass(frozen=True)
class ConvLayer:
    """A 2-D convolution, or a product of matrices written as a 1x1 convolution.

    Parameters
    ----------
    name : str
        Unique within a network.
    in_channels, out_channels : int
        Channels of all groups together.
    in_height, in_width : int
        Size of the input image in pixels, without padding.
    kernel_height, kernel_width : int
        Size of the filter in taps, without dilation.
    stride : (int, int)
        Vertical and horizontal step; a single int stands for both.
    padding : (int, int, int, int)
        Zero pixels added at the top, bottom, left and right; a pair stands for vertical and
        horizontal, a single int for all four.
    dilation : (int, int)
        Vertical and horizontal distance of filter taps; a single int stands for both.
    groups : int
        Every group connects its own share of the input channels to its own share of the output
        channels.
    batch : int
        Images processed together.
    bias : bool
        Whether every output channel has a trained offset.
    kind : {"conv", "linear", "matmul"}
        ``"linear"`` for fully connected, see `linear`; ``"matmul"`` where what stands for the
        weights is computed, too, see `matmul`.
    zeros : ZeroShares
        Shares of the values that are zero.
    precision_bits : LayerBits
        Widths of its values that are not those of the hardware.
    per_image : int
        How much of `batch`, or of `groups` in a product of computed matrices, one image of the
        network brings: output frames of a 3-D convolution, heads of an attention.

    Raises
    ------
    LayerError
        If no such layer exists, or one of its counts does not fit in a signed 64-bit integer; an
        `InputError` that names every field at fault.
    """

    name: str
    in_channels: int
    out_channels: int
    in_height: int
    in_width: int
    kernel_height: int
    kernel_width: int
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1
    batch: int = 1
    bias: bool = False
    kind: Kind = "conv"
    zeros: ZeroShares = NO_ZEROS
    per_image: int = 1
    precision_bits: LayerBits = AS_HARDWARE

    if TYPE_CHECKING:
        # The short forms are accepted, the long ones are stored.
        def __init__(
            self,
            name: str,
            in_channels: int,
            out_channels: int,
            in_height: int,
            in_width: int,
            kernel_height: int,
            kernel_width: int,
            stride: int | tuple[int, int] = ...,
            padding: int | tuple[int, ...] = ...,
            dilation: int | tuple[int, int] = ...,
            groups: int = ...,
            batch: int = ...,
            bias: bool = ...,
            kind: Kind = ...,
            zeros: ZeroShares = ...,
            per_image: int = ...,
            precision_bits: LayerBits = ...,
        ) -> None: ...

    def __post_init__(self) -> None:
        faults = [*self._normalize()]
        # The later checks compute with what the earlier ones found sound.
        faults = faults or [*self._shape_faults()]
        faults = faults or [*self._count_faults()]
        if faults:
            raise LayerError(self.name, faults)

    @classmethod
    def linear(
        cls,
        name: str,
        in_features: int,
        out_features: int,
        *,
        bias: bool = True,
        batch: int = 1,
        sequence: int = 1,
    ) -> ConvLayer:
        """A fully connected layer: a 1x1 convolution of an image of one column.

        Parameters
        ----------
        name : str
            Unique within a network.
        in_features, out_features : int
            Words of one token's input and output.
        bias : bool
            Whether every output has a trained offset.
        batch : int
            Images processed together.
        sequence : int
            Tokens of an image, which all meet the same weights.

        Raises
        ------
        LayerError
            As for the class itself.
        """
        return cls(
            name, in_features, out_features, sequence, 1, 1, 1,
            batch=batch, bias=bias, kind="linear",
        )  # fmt: skip

    @classmethod
    def matmul(cls, name: str, m: int, k: int, n: int, *, heads: int = 1) -> ConvLayer:
        """Products of computed matrices, (m, k) by (k, n), as in an attention.

        Each is a group of its own. The left matrix stands for the inputs, the right one for the
        weights: it is counted, moved and stored as these are, but is not trained.

        Parameters
        ----------
        name : str
            Unique within a network.
        m, k, n : int
            Rows of the left matrix, its columns, columns of the right one.
        heads : int
            Independent products of one image.

        Raises
        ------
        LayerError
            As for the class itself.
        """
        return cls(
            name, heads * k, heads * n, m, 1, 1, 1,
            groups=heads, kind="matmul", per_image=heads,
        )  # fmt: skip

    @property
    def out_height(self) -> int:
        """Output rows."""
        top, bottom, _, _ = self.padding
        taps = self.dilation[0] * (self.kernel_height - 1) + 1
        return (self.in_height + top + bottom - taps) // self.stride[0] + 1

    @property
    def out_width(self) -> int:
        """Output columns."""
        _, _, left, right = self.padding
        taps = self.dilation[1] * (self.kernel_width - 1) + 1
        return (self.in_width + left + right - taps) // self.stride[1] + 1

    @property
    def dimensions(self) -> dict[str, int]:
        """Extent of every loop variable, in the order of `DIMENSIONS`."""
        extents = (
            self.batch,
            self.groups,
            self.out_channels // self.groups,
            self.in_channels // self.groups,
            self.out_height,
            self.out_width,
            self.kernel_height,
            self.kernel_width,
        )
        return dict(zip(DIMENSIONS, extents, strict=True))

    @property
    def macs(self) -> int:
        """Multiply-accumulates of the whole batch, those with padding included."""
        return self.output_words * (self.weight_words // self.out_channels)

    @property
    def weight_words(self) -> int:
        """Words of the weight tensor, without biases."""
        taps = self.kernel_height * self.kernel_width
        return self.out_channels * (self.in_channels // self.groups) * taps

    @property
    def trained_words(self) -> int:
        """Words of the weight tensor, none of which is trained where it is computed."""
        return 0 if self.kind == "matmul" else self.weight_words

    @property
    def biases(self) -> int:
        """Words of the bias vector; 0 without one."""
        return self.out_channels if self.bias else 0

    @property
    def parameters(self) -> int:
        """Weights and biases."""
        return self.trained_words + self.biases

    @property
    def images(self) -> int:
        """Images of the network that are processed together."""
        return max(1, (self.groups if self.kind == "matmul" else self.batch) // self.per_image)

    @property
    def input_words(self) -> int:
        """Words of the input tensor of the whole batch, without padding."""
        return self.batch * self.in_channels * self.in_height * self.in_width

    @property
    def padded_input_words(self) -> int:
        """Words of the input tensor of the whole batch, with the padding around every image."""
        top, bottom, left, right = self.padding
        rows = self.in_height + top + bottom
        columns = self.in_width + left + right
        return self.batch * self.in_channels * rows * columns

    @property
    def output_words(self) -> int:
        """Words of the output tensor of the whole batch."""
        return self.batch * self.out_channels * self.out_height * self.out_width

    @property
    def is_depthwise(self) -> bool:
        """Whether every input channel is a group of its own."""
        return self.groups == self.in_channels > 1

    @property
    def is_pointwise(self) -> bool:
        """Whether the filter is 1x1."""
        return self.kernel_height == self.kernel_width == 1

    @property
    def shape_key(self) -> tuple[object, ...]:
        """Equal for layers whose mappings and counts are the same."""
        apart = ("name", "per_image")
        return tuple(getattr(self, field.name) for field in fields(self) if field.name not in apart)

    def with_batch(self, batch: int) -> ConvLayer:
        """The same layer for another number of images of the network."""
        if self.kind != "matmul":
            return replace(self, batch=batch * self.per_image if self.per_image > 1 else batch)
        groups = batch * self.per_image
        channels = (self.in_channels // self.groups, self.out_channels // self.groups)
        return replace(
            self, groups=groups, in_channels=channels[0] * groups, out_channels=channels[1] * groups
        )

    def _normalize(self) -> Iterator[_Fault]:
        """Store every field in its full form; yield the fields that are wrong by themselves."""
        if not is_name(self.name):
            yield "name", f"name is {self.name!r}", "a printable text"
        for field in _SIZES:
            yield from self._normalize_numbers(field, length=1, smallest=1)
        yield from self._normalize_numbers("stride", length=2, smallest=1)
        yield from self._normalize_numbers("padding", length=4, smallest=0)
        yield from self._normalize_numbers("dilation", length=2, smallest=1)
        bias: object = self.bias
        if not isinstance(bias, bool):
            yield "bias", f"bias is {bias!r}", "true or false"
        kind: object = self.kind
        if not isinstance(kind, str) or kind not in KINDS:
            yield "kind", f"kind is {self.kind!r}", "'conv', 'linear' or 'matmul'"
        zeros: object = self.zeros
        if not isinstance(zeros, ZeroShares):
            yield "zeros", f"zeros is {zeros!r}", "ZeroShares"
        bits: object = self.precision_bits
        if not isinstance(bits, LayerBits):
            yield "precision_bits", f"precision_bits is {bits!r}", "LayerBits"

    def _normalize_numbers(self, field: str, length: int, smallest: int) -> Iterator[_Fault]:
        given: object = getattr(self, field)
        numbers = integers(given, length)
        if numbers is None:
            tuples = {1: "", 2: " or two of them", 4: ", two or four of them"}[length]
            yield field, f"{field} is {given!r}", f"a whole number{tuples}"
        elif not all(smallest <= number <= LARGEST_SIZE for number in numbers):
            yield field, f"{field} is {given!r}", f"{smallest} to {LARGEST_SIZE} (2^31)"
        else:
            object.__setattr__(self, field, numbers if length > 1 else numbers[0])

    def _shape_faults(self) -> Iterator[_Fault]:
        for field in ("in_channels", "out_channels"):
            channels = getattr(self, field)
            if channels % self.groups:
                yield "groups", f"groups is {self.groups}", f"a divisor of {field} ({channels})"
        top, bottom, left, right = self.padding
        for side, dilation, padding in (
            ("height", self.dilation[0], top + bottom),
            ("width", self.dilation[1], left + right),
        ):
            kernel = getattr(self, f"kernel_{side}")
            taps = dilation * (kernel - 1) + 1
            padded = getattr(self, f"in_{side}") + padding
            if taps > padded:
                dilated = f" ({taps} with dilation {dilation})" if dilation > 1 else ""
                expected = f"at most the padded input {side} ({padded})"
                yield f"kernel_{side}", f"kernel_{side} is {kernel}{dilated}", expected
        if self.kind != "conv":
            yield from self._product_faults()

    def _product_faults(self) -> Iterator[_Fault]:
        """What makes it no product of matrices."""
        trivial = ((1,) * 3, (1, 1), (0,) * 4, (1, 1))
        sizes = (self.in_width, self.kernel_height, self.kernel_width)
        linear = self.kind == "linear"
        is_trivial = (sizes, self.stride, self.padding, self.dilation) == trivial
        if not is_trivial or (linear and self.groups > 1):
            expected = "a 1x1 kernel, an image of one column, stride and dilation 1, no padding"
            yield "kind", f"kind is {self.kind!r}", expected + (", no groups" if linear else "")
        elif self.kind == "matmul" and (self.bias or self.batch > 1):
            fault = f"bias is {self.bias}" if self.bias else f"batch is {self.batch}"
            yield "kind", f"kind is 'matmul' and {fault}", "no bias; images among the groups"

    def _count_faults(self) -> Iterator[_Fault]:
        for what, count in (
            ("multiply-accumulates", self.macs),
            ("padded input words", self.padded_input_words),
        ):
            if count > LARGEST_COUNT:
                yield "name", f"it has {count} {what}", f"at most {LARGEST_COUNT} (2^63 - 1)"


def is_name(value: object) -> bool:
    """Whether a value can stand for something in messages and tables: a text of one line."""
    return isinstance(value, str) and value.strip() != "" and value.isprintable()
