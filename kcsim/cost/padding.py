"""Padding that a level generates: which lines of inputs are never moved, and how far in."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from kcsim.errors import MappingError, Problem
from kcsim.hardware.schema import Hardware
from kcsim.workload.layer import TENSORS, ConvLayer

_INPUTS = TENSORS.index("inputs")
MOST_LINES = 4096
"""Rows or columns of padding that may be left out, on one side: how many are looked at."""


def generates_padding(layer: ConvLayer, hardware: Hardware) -> bool:
    """Whether inputs of a layer are moved without their padding."""
    return hardware.padding == "generated" and any(layer.padding)


def with_padding_moved(hardware: Hardware) -> Hardware:
    """The hardware as it moves padding like other inputs."""
    return replace(hardware, padding="moved", padding_level=None)


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

    Raises
    ------
    MappingError
        If there are more than `MOST_LINES` on one side.
    """
    found, sizes = np.zeros((2, 2), np.int64), layer.dimensions
    before, image = layer.padding[::2], (layer.in_height, layer.in_width)
    for axis, (outs, taps) in enumerate((("P", "R"), ("Q", "S"))):
        stride, dilation = window[axis].tolist()
        length = stride * (sizes[outs] - 1) + dilation * (sizes[taps] - 1) + 1

        def held(line: int, apart: int = layer.stride[axis], kept: int = stride) -> int:
            """Lines that are held, of those before one of the padded map."""
            return line // apart * kept + min(kept, line % apart)

        found[axis, 0] = min(length, held(before[axis]))
        found[axis, 1] = max(0, length - held(before[axis] + image[axis]))
    if found.max() > MOST_LINES:
        message = f"{layer.name} has {found.max()} rows or columns of padding beside its image"
        raise MappingError(Problem(message, f"at most {MOST_LINES}, or padding: moved"))
    return found
