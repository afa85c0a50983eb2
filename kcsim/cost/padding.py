"""Padding that a level generates: which lines of inputs are never moved, and how far in."""

from __future__ import annotations

import numpy as np

from kcsim.hardware.schema import Hardware
from kcsim.workload.layer import TENSORS, ConvLayer

_INPUTS = TENSORS.index("inputs")


def generates_padding(layer: ConvLayer, hardware: Hardware) -> bool:
    """Whether inputs of a layer are moved without their padding."""
    return hardware.padding == "generated" and any(layer.padding)


def generating_level(hardware: Hardware, keeps: np.ndarray) -> int:
    """Position of the level that generates padding.

    Parameters
    ----------
    hardware : Hardware
    keeps : bool[levels, 3]
        Whether a level stores a tensor.

    Returns
    -------
    int
        The level that the hardware names, the innermost one by default; where that does not keep
        inputs, the next one outwards that does; -1 for none.
    """
    named = hardware.padding_level
    last = len(keeps) - 1 if named is None else hardware.level_index(named)
    return max(np.flatnonzero(keeps[: last + 1, _INPUTS]).tolist(), default=-1)


def padding_lines(layer: ConvLayer, window: np.ndarray) -> np.ndarray:
    """Rows and columns of padding before an image and behind it: int64[2, 2].

    Of those that windows reach over; where skipped pixels are left out, of those that are left.

    Parameters
    ----------
    layer : ConvLayer
    window : WINDOW[2]
        See `kcsim.cost.prices.window_array`.
    """
    found, sizes = np.zeros((2, 2), np.int64), layer.dimensions
    before = layer.padding[::2]
    image = layer.in_height, layer.in_width
    for axis, (outs, taps) in enumerate((("P", "R"), ("Q", "S"))):
        stride, dilation = window[axis].tolist()
        length = stride * (sizes[outs] - 1) + dilation * (sizes[taps] - 1) + 1
        held = np.arange(length)
        lines = held // stride * layer.stride[axis] + held % stride
        found[axis, 0] = np.count_nonzero(lines < before[axis])
        found[axis, 1] = np.count_nonzero(lines >= before[axis] + image[axis])
    return found
