"""What of the tiles of inputs is padding that is not moved."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from kcsim.kernels.layout import INPUTS, C, G, N, P, R
from kcsim.kernels.search.machine import Machine
from kcsim.kernels.search.padding import Margins


class _Axis(NamedTuple):
    """Rows or columns of tiles, by the number of a tile's extent; see `Margins`."""

    pairs: np.ndarray
    begins: np.ndarray
    places: np.ndarray
    real: np.ndarray
    touched: np.ndarray
    most: np.ndarray


class Clipped(NamedTuple):
    """Padding that is not moved.

    Attributes
    ----------
    margins : Margins
    distinct : float64[tiles]
        Words of the image that windows touch in a tile, the mean of all tiles.
    along : float64[tiles]
        How many times those that windows touch rows or columns of all tiles are at most.
    """

    margins: Margins
    distinct: np.ndarray
    along: np.ndarray


def no_margins(levels: int) -> Margins:
    """Those of a layer without padding, on hardware that does not move any."""
    nothing = np.empty(0)
    return Margins(
        np.zeros((2, 2), np.int64), np.zeros(levels, np.bool_), np.zeros((2, 0), np.int64),
        np.zeros((2, 0, 0)), np.zeros((2, 0)), np.zeros(2), nothing, nothing, False, True,
    )  # fmt: skip


def clip_tiles(machine: Machine, extents: np.ndarray, slides: np.ndarray) -> Clipped | None:
    """What of tiles is not moved; nothing where that is no padding.

    Parameters
    ----------
    machine : Machine
        Of a mapping that keeps every tensor wherever it may be.
    extents : int64[tiles, 8]
        Of tiles; the last one is the whole layer.
    slides : bool[2]
        Whether windows overlap along rows and columns.
    """
    padding: np.ndarray = machine.rules["padding"]
    clips, lines = np.asarray(padding.any(axis=(1, 2))), padding[0]
    # Where neighbors pass inputs on, padding is searched as if it were moved.
    if not clips[1:].any() or machine.rules["forwards"][:, INPUTS].any():
        return None
    axes = [_along(machine, extents, lines[axis], axis, int(lines.max())) for axis in range(2)]
    images = extents[:, [N, G, C]].astype(float).prod(axis=1)
    filled, held, distinct, along = images.copy(), images.copy(), images, np.ones(len(images))
    shape = 2, max(len(axis.real) for axis in axes)
    begins, real, touched = np.zeros((*shape, int(lines.max()))), np.zeros(shape), np.zeros(2)
    for i, axis in enumerate(axes):
        own, count = axis.pairs, len(axis.real)
        begins[i, :count], real[i, :count] = axis.begins, axis.real
        touched[i] = axis.touched[own[-1]]
        filled *= (axis.real / axis.places)[own]
        held *= axis.most[own]
        distinct = distinct * (axis.touched / axis.places)[own]
        if slides[i]:
            spared = axis.real / max(touched[i], 1.0)
            along = np.maximum(along, np.minimum(axis.places, spared)[own])
    pairs = np.array([axis.pairs for axis in axes])
    margins = Margins(
        lines.copy(), clips, pairs, begins, real, touched, filled, held, True, True
    )  # fmt: skip
    return Clipped(margins, distinct, along)


def _along(machine: Machine, extents: np.ndarray, lines: np.ndarray, axis: int, most: int) -> _Axis:
    """Rows (0) or columns of tiles, between lines of padding at both ends."""
    stride, dilation = machine.window[axis].item()
    (outs, taps), before = extents[-1, [P + axis, R + axis]].tolist(), int(lines[0])
    end = stride * (outs - 1) + dilation * (taps - 1) + 1 - int(lines[1])
    found, pairs = np.unique(extents[:, [P + axis, R + axis]], axis=0, return_inverse=True)
    rows: list[tuple[np.ndarray, float, float, float, float]] = []
    for out, tap in found.tolist():
        length = stride * (out - 1) + dilation * (tap - 1) + 1
        first = stride * out * np.arange(outs // out)[:, None]
        first = (first + dilation * tap * np.arange(taps // tap)).ravel()
        begins = np.bincount(first[first < most], minlength=most).astype(float)
        real = np.maximum(0, np.minimum(first + length, end) - np.maximum(first, before))
        own = np.unique(stride * np.arange(out)[:, None] + dilation * np.arange(tap))
        reached = first[:, None] + own
        touched = np.count_nonzero((reached >= before) & (reached < end))
        rows.append((begins, len(first), float(real.sum()), float(touched), float(real.max())))
    table = np.array([row[0] for row in rows]).reshape(len(rows), most)
    columns = np.array([row[1:] for row in rows], np.float64).T
    return _Axis(pairs.ravel(), table, *columns)
