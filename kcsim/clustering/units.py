"""Weight tensors cut into units, and the transforms of a codebook's entries."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kcsim.clustering.scheme import Unit
from kcsim.workload.layer import ConvLayer

Floats = NDArray[np.float32]


def cut_units(weights: Floats, unit: Unit) -> Floats:
    """Cut a weight tensor into units.

    Parameters
    ----------
    weights : array, shape (M, C, R, S)
        Filters, input channels of a group, rows, columns.
    unit : Unit
        The block that shares an entry; it divides (C, R, S).

    Returns
    -------
    array, shape (M, C/channels, R/rows, S/columns, channels, rows, columns)
        Of the same type as `weights`; a view where the memory allows it.
    """
    filters, channels, rows, columns = weights.shape
    blocks = weights.reshape(
        filters,
        channels // unit.channels,
        unit.channels,
        rows // unit.height,
        unit.height,
        columns // unit.width,
        unit.width,
    )
    return blocks.transpose(0, 1, 3, 5, 2, 4, 6)


def join_units(units: Floats) -> Floats:
    """Put units together again; the inverse of `cut_units`.

    Parameters
    ----------
    units : array, shape (M, C/channels, R/rows, S/columns, channels, rows, columns)

    Returns
    -------
    array, shape (M, C, R, S)
    """
    filters, channels, rows, columns, unit_channels, unit_rows, unit_columns = units.shape
    return units.transpose(0, 1, 4, 2, 5, 3, 6).reshape(
        filters, channels * unit_channels, rows * unit_rows, columns * unit_columns
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
