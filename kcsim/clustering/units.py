"""Weight tensors cut into units, and the transforms of a codebook's entries."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kcsim.clustering.unit import Unit
from kcsim.workload.layer import ConvLayer

Floats = NDArray[np.float32]


def cut_units(weights: Floats, unit: Unit) -> Floats:
    """Cut a weight tensor into units.

    Parameters
    ----------
    weights : array, shape (M, C, R, S)
        Filters, input channels of a group, rows, columns.
    unit : Unit
        The block that shares an entry; it divides (M, C, R, S).

    Returns
    -------
    array, shape (M/filters, C/channels, R/rows, S/columns, filters * channels, rows, columns)
        Of the same type as `weights`; a view where the memory allows it. The channels of a
        unit's filters follow each other.
    """
    filters, channels, rows, columns = weights.shape
    blocks = weights.reshape(
        filters // unit.filters,
        unit.filters,
        channels // unit.channels,
        unit.channels,
        rows // unit.height,
        unit.height,
        columns // unit.width,
        unit.width,
    ).transpose(0, 2, 4, 6, 1, 3, 5, 7)
    if unit.filters == 1:
        return blocks[:, :, :, :, 0]
    depth = unit.filters * unit.channels
    return blocks.reshape(*blocks.shape[:4], depth, unit.height, unit.width)


def join_units(units: Floats, filters: int = 1) -> Floats:
    """Put units together again; the inverse of `cut_units`.

    Parameters
    ----------
    units : array, shape (M/filters, C/channels, R/rows, S/columns, filters * channels, rows, \
columns)
    filters : int
        Filters that a unit spans.

    Returns
    -------
    array, shape (M, C, R, S)
    """
    across, blocks, down, along, depth, rows, columns = units.shape
    channels = depth // filters
    split = units.reshape(across, blocks, down, along, filters, channels, rows, columns)
    return split.transpose(0, 4, 1, 5, 2, 6, 3, 7).reshape(
        across * filters, blocks * channels, down * rows, along * columns
    )


def transformed(entries: Floats, transform: int) -> Floats:
    """Entries under one of the eight transforms of Son, Nah, Lee (ECCV 2018, Section 3.3).

    Parameters
    ----------
    entries : array, shape (..., rows, columns)
        Square from transform 4 on.
    transform : int
        0 identity, 1 flipped left to right, 2 flipped upside down, 3 both; 4 to 7 the same four,
        then rotated by 90 degrees counter-clockwise.

    Returns
    -------
    array of the same shape
        A view of `entries`.
    """
    if transform & 1:
        entries = entries[..., ::-1]
    if transform & 2:
        entries = entries[..., ::-1, :]
    return np.rot90(entries, axes=(-2, -1)) if transform & 4 else entries


def weights_shape(layer: ConvLayer) -> tuple[int, int, int, int]:
    """Shape (M, C, R, S) of a layer's weight tensor, C within a group."""
    return (
        layer.out_channels,
        layer.in_channels // layer.groups,
        layer.kernel_height,
        layer.kernel_width,
    )


def shape_text(shape: tuple[int, ...]) -> str:
    """A shape for messages, as ``16x3x3x3``; ``a single value`` for an empty one."""
    return "x".join(map(str, shape)) if shape else "a single value"
