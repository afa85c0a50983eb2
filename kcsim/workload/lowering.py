"""Convolutions of one to three dimensions, and transposed ones, as layers of the nest.

The nest of a layer has two dimensions of pixels and two of taps. A convolution of one dimension is
one of images of one row. One of three gives up a dimension: its taps become input channels, its
outputs images. A transposed convolution becomes ordinary ones, each for the output pixels that
meet the same taps. Weights and multiply-accumulates stay what they are; where words do not, a note
says so.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from kcsim.workload.layer import ConvLayer, LayerError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

Margins = tuple[int, int]
AXES = ("depth", "height", "width")


@dataclass(frozen=True)
class Convolution:
    """A convolution of one, two or three dimensions.

    Attributes
    ----------
    name : str
    in_channels, out_channels : int
        Of all groups together.
    size, kernel, stride, dilation : tuple of int
        One for each axis, the width last.
    padding : tuple of (int, int)
        Before and behind each axis.
    groups, batch : int
    bias : bool
    """

    name: str
    in_channels: int
    out_channels: int
    size: tuple[int, ...]
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[Margins, ...]
    dilation: tuple[int, ...]
    groups: int = 1
    batch: int = 1
    bias: bool = False

    @property
    def out_size(self) -> tuple[int, ...]:
        """Output pixels along each axis; below 1 where the filter does not fit."""
        return tuple(map(self._outputs, range(len(self.size))))

    def _outputs(self, axis: int) -> int:
        reach = self.dilation[axis] * (self.kernel[axis] - 1) + 1
        return (self.size[axis] + sum(self.padding[axis]) - reach) // self.stride[axis] + 1

    def without(self, axis: int) -> Convolution:
        """The convolution of the other axes alone."""

        def rest(values: tuple[Any, ...]) -> tuple[Any, ...]:
            return values[:axis] + values[axis + 1 :]

        return replace(
            self,
            size=rest(self.size),
            kernel=rest(self.kernel),
            stride=rest(self.stride),
            padding=rest(self.padding),
            dilation=rest(self.dilation),
        )


@dataclass(frozen=True)
class Lowered:
    """The layers that stand for a convolution.

    Attributes
    ----------
    layers : tuple of ConvLayer
    notes : tuple of str
        What of it they do not say.
    cut : callable
        Makes of the weights of the source (M, C, taps...; C, M, taps... of a transposed one)
        those of the layers, each (M, C, R, S).
    biases_apart : int
        Trained biases that no layer has, as several of its output channels share them.
    """

    layers: tuple[ConvLayer, ...]
    notes: tuple[str, ...]
    cut: Callable[[Array], list[Array]]
    biases_apart: int = 0


def lower(conv: Convolution) -> Lowered:
    """A convolution as a layer.

    Raises
    ------
    LayerError
        If there is no such convolution.
    """
    axes = len(conv.size)
    if axes < 3:
        layer = _plane(conv)
        shape = (layer.kernel_height, layer.kernel_width)
        return Lowered((layer,), (), lambda weights: [weights.reshape(*weights.shape[:2], *shape)])
    for axis, outputs in enumerate(conv.out_size):
        if outputs < 1:
            kernel = conv.kernel[axis]
            padded = conv.size[axis] + sum(conv.padding[axis])
            fault = (f"kernel_{AXES[axis]}", f"kernel_{AXES[axis]} is {kernel}",
                     f"at most the padded input {AXES[axis]} ({padded})")  # fmt: skip
            raise LayerError(conv.name, [fault])
    axis = min(range(axes), key=lambda each: _repeated(conv, each))
    frames, taps = conv.out_size[axis], conv.kernel[axis]
    flat = replace(
        conv.without(axis), in_channels=conv.in_channels * taps, batch=conv.batch * frames
    )
    layer = replace(_plane(flat), per_image=frames)

    def cut(weights: Array) -> list[Array]:
        # Channels and the taps of the axis together, channels outside.
        import numpy as np

        moved = np.moveaxis(weights, axis + 2, 2)
        return [moved.reshape(moved.shape[0], -1, *moved.shape[3:])]

    times = _repeated(conv, axis)
    notes: tuple[str, ...] = ()
    if times > 1:
        notes = (
            f"{conv.name}: filters that overlap along the {AXES[axis]} read their inputs anew, "
            f"{times:.3g} times in all.",
        )
    return Lowered((layer,), notes, cut)


def _repeated(conv: Convolution, axis: int) -> float:
    """How often an input is read if an axis becomes channels and images; 1 at least."""
    return max(1.0, conv.out_size[axis] * conv.kernel[axis] / conv.size[axis])


def _plane(conv: Convolution) -> ConvLayer:
    """A convolution of one or two axes as a layer."""

    def both(values: tuple[int, ...]) -> tuple[int, int]:
        return (values[0], values[1]) if len(values) > 1 else (1, values[0])

    padding: tuple[Margins, ...] = ((0, 0), *conv.padding)[-2:]
    (height, width), (rows, columns) = both(conv.size), both(conv.kernel)
    return ConvLayer(
        conv.name,
        conv.in_channels,
        conv.out_channels,
        height,
        width,
        rows,
        columns,
        stride=both(conv.stride),
        padding=tuple(itertools.chain(*padding)),
        dilation=both(conv.dilation),
        groups=conv.groups,
        batch=conv.batch,
        bias=conv.bias,
    )


# --- transposed convolutions


@dataclass(frozen=True)
class _Phase:
    """Output pixels of one axis that meet the same taps.

    Attributes
    ----------
    taps : tuple of int
        In the order in which an ordinary convolution has them.
    dilation : int
    size : int
        Input pixels from the first to the last that any of them may meet.
    padding : (int, int)
    outputs : int
    """

    taps: tuple[int, ...]
    dilation: int
    size: int
    padding: Margins
    outputs: int

    @property
    def shape(self) -> tuple[int, int, int, Margins]:
        """Equal for phases that can be filters of one convolution."""
        return len(self.taps), self.dilation, self.size, self.padding


def transposed_size(conv: Convolution, extra: Sequence[int]) -> tuple[int, ...]:
    """Output pixels of a transposed convolution along each axis.

    Parameters
    ----------
    conv : Convolution
        The transposed one, as frameworks describe it: `size` is of its input.
    extra : sequence of int
        Pixels at the end of each axis beside (``output_padding``).
    """
    return tuple(
        (size - 1) * stride - sum(padding) + dilation * (kernel - 1) + 1 + more
        for size, stride, padding, dilation, kernel, more in zip(
            conv.size, conv.stride, conv.padding, conv.dilation, conv.kernel, extra, strict=True
        )
    )


def lower_transposed(conv: Convolution, extra: Sequence[int]) -> Lowered:
    """A transposed convolution as layers, one for each set of taps that output pixels meet.

    Parameters
    ----------
    conv, extra
        As for `transposed_size`.

    Raises
    ------
    LayerError
        If there is no such convolution.
    """
    outputs = transposed_size(conv, extra)
    for size in outputs:
        if size < 1:
            fault = ("kernel_height", f"its output has {size} pixels along an axis", "1 or more")
            raise LayerError(conv.name, [fault])
    axes = [list(_phases(conv, axis, size)) for axis, size in enumerate(outputs)]
    alike: dict[Any, list[tuple[_Phase, ...]]] = {}
    for phases in itertools.product(*axes):
        alike.setdefault(tuple(phase.shape for phase in phases), []).append(phases)
    if not alike:
        fault = ("stride", "no output pixel meets a tap of the filter", "a smaller stride")
        raise LayerError(conv.name, [fault])
    parts = [
        _phase_part(conv, phases, i if len(alike) > 1 else None)
        for i, phases in enumerate(alike.values())
    ]
    notes = [note for part, _ in parts for note in part.notes]
    if len(parts) > 1:
        notes.append(
            f"{conv.name}: a transposed convolution as {len(parts)} layers, each of which reads "
            "its inputs by itself."
        )

    def cut(weights: Array) -> list[Array]:
        return [each for part, select in parts for each in part.cut(select(weights))]

    layers = tuple(layer for part, _ in parts for layer in part.layers)
    has_them = any(layer.bias for layer in layers)
    apart = conv.out_channels if conv.bias and not has_them else 0
    return Lowered(layers, tuple(notes), cut, apart)


def _phase_part(
    conv: Convolution, phases: list[tuple[_Phase, ...]], number: int | None
) -> tuple[Lowered, Callable[[Array], Array]]:
    """The convolution of phases that are alike, and what picks its weights."""
    first = phases[0]
    ordinary = Convolution(
        conv.name if number is None else f"{conv.name}.phase{number}",
        conv.in_channels,
        conv.out_channels * len(phases),
        tuple(phase.size for phase in first),
        tuple(len(phase.taps) for phase in first),
        (1,) * len(first),
        tuple(phase.padding for phase in first),
        tuple(phase.dilation for phase in first),
        conv.groups,
        conv.batch,
        # Each trained bias is to be counted once.
        conv.bias and number in (None, 0) and len(phases) == 1,
    )

    def select(weights: Array) -> Array:
        import numpy as np

        channels, filters = weights.shape[0] // conv.groups, weights.shape[1]
        by_group = weights.reshape(conv.groups, channels, filters, *weights.shape[2:])
        picked = []
        for phase in phases:
            part = by_group
            for axis, each in enumerate(phase):
                part = np.take(part, each.taps, axis=axis + 3)
            picked.append(part.swapaxes(1, 2))
        return np.concatenate(picked, axis=1).reshape(
            -1, channels, *(len(phase.taps) for phase in first)
        )

    return lower(ordinary), select


def _phases(conv: Convolution, axis: int, outputs: int) -> Iterator[_Phase]:
    """Output pixels of an axis by the taps that they meet.

    Pixel ``y`` meets tap ``r`` at the input ``x`` of ``y + before = stride x + dilation r``.
    """
    stride, dilation, size = conv.stride[axis], conv.dilation[axis], conv.size[axis]
    before = conv.padding[axis][0]
    for start in range(min(stride, outputs)):
        taps = [
            r for r in range(conv.kernel[axis]) if (start + before - dilation * r) % stride == 0
        ]
        if not taps:
            continue
        count = (outputs - start - 1) // stride + 1
        # The first input pixel that the first output pixel meets, by the last tap, and the last.
        low = (start + before - dilation * taps[-1]) // stride
        high = (start + before - dilation * taps[0]) // stride + count - 1
        used_low, used_high = max(low, 0), min(high, size - 1)
        if used_low > used_high:
            continue
        yield _Phase(
            tuple(reversed(taps)),
            dilation // math.gcd(stride, dilation),
            used_high - used_low + 1,
            (used_low - low, high - used_high),
            count,
        )
