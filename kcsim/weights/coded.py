"""Codes and a codebook, and how they make the weights of a layer."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kcsim.clustering.positions import MOST_POSITION_BITS, from_relative
from kcsim.clustering.scheme import Clustering
from kcsim.clustering.unit import Unit
from kcsim.clustering.units import shape_text, weights_shape
from kcsim.errors import InputError
from kcsim.weights.found import Found, found_layer
from kcsim.workload.layer import ConvLayer

Array = NDArray[Any]
Shape = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class CodedTensor:
    """Codes and what they stand for; what weights these make depends on the layer's shape.

    Attributes
    ----------
    codes : integer array
        One for each unit, in the order (M/filters, C/channels, R/rows, S/columns), axes of length
        1 left out or not; of several codebooks that are added up, one axis more, last or first.
    codebook : float array
        ``(K,)`` scalars; ``(K, values)`` or ``(K, ...)`` vectors, with the extents of a unit;
        ``(groups of filters, groups of channels, ..., K)``, with one more axis for vectors, as in
        Core ML and torchao; or ``(stages, K, ...)``, as in AQLM.
    scales : float array or None
        Of the filters, or a single one.
    positions : str
        As `Clustering.positions`; if these are not ``all``, entry 0 is zero.
    zeros_before : integer array or None
        Beside relative positions: zero weights before each code, as many as there are codes.
    """

    codes: Array
    codebook: Array
    scales: Array | None = None
    positions: str = "all"
    zeros_before: Array | None = None

    @property
    def text(self) -> str:
        """What there is, for messages."""
        return (
            f"{shape_text(self.codes.shape)} codes of a {shape_text(self.codebook.shape)} codebook"
        )

    @property
    def weights(self) -> Array | None:
        """The weights, where they do not depend on a layer: of one codebook of scalars."""
        if not is_flat(self.codebook.shape) or self.zeros_before is not None:
            return None
        values = self.codebook.ravel()[self.codes]
        scales = None if self.scales is None else along(self.scales, values)
        if self.scales is not None and scales is None:
            return None
        return np.asarray(values if scales is None else values * scales)

    def fits(self, layer: ConvLayer) -> bool:
        """Whether they make weights of a layer's shape."""
        return next(self._readings(layer), None) is not None

    def as_layer(self, layer: ConvLayer) -> Found:
        """The clustered layer that they are; only if they fit it.

        Parameters
        ----------
        layer : ConvLayer
        """
        reading = next(self._readings(layer))
        unit, grid = reading.unit, reading.unit.grid(layer)
        shape = weights_shape(layer)
        settings: dict[str, Any] = {"scope": "layer", "dense": "none", "positions": self.positions}
        scheme = _scheme(unit, shape)
        if scheme == "block":
            settings["shape"] = "x".join(map(str, unit.extents))
        if self.zeros_before is not None:
            most = int(self.zeros_before.max(initial=1))
            settings["position_bits"] = min(max(most.bit_length(), 1), MOST_POSITION_BITS)
        across, along = reading.groups
        if across > 1:
            settings["codebook_filters"] = shape[0] // across
        if along > 1:
            settings["codebook_channels"] = shape[1] // along
        if reading.stages > 1:
            settings["stages"] = reading.stages
        tables = reading.tables
        scales = None if self.scales is None else np.ravel(self.scales).astype(np.float32)
        if scales is not None and scales.size == 1:
            tables, scales = tables * scales[0], None
        if scales is not None:
            settings["filter_scale_bits"] = 32
        clusters = tables.shape[1]
        # (tables, K, values) as (K, tables * channels, rows, columns).
        entries = tables.astype(np.float32).swapaxes(0, 1).reshape(clusters, -1, *unit.shape[1:])
        indexes = reading.codes.astype(np.int32)
        indexes = (
            indexes.reshape(reading.stages, *grid)
            if reading.stages > 1
            else (indexes.reshape(grid))
        )
        return found_layer(
            layer, Clustering(scheme, k=clusters, **settings), entries, indexes,
            filter_scales=scales,
        )  # fmt: skip

    def _readings(self, layer: ConvLayer) -> Iterator[_Reading]:
        shape = weights_shape(layer)
        if self.scales is not None and self.scales.size not in (1, shape[0]):
            return
        codes = self.codes if self.zeros_before is None else self._spread(math.prod(shape))
        if codes is None:
            return
        for reading in _all_readings(codes, self.codebook, shape):
            unit, clusters = reading.unit, reading.tables.shape[1]
            extents = (unit.filters, *unit.shape)
            if any(size % extent for size, extent in zip(shape, extents, strict=True)):
                continue
            if (shape[0] // layer.groups) % unit.filters:
                continue
            grid = unit.grid(layer)
            found = reading.codes.shape[1:] if reading.stages > 1 else reading.codes.shape
            fits = self.zeros_before is not None or _squeezed(found) == _squeezed(grid)
            if not fits or any(
                size % count for size, count in zip(grid[:2], reading.groups, strict=True)
            ):
                continue
            given = reading.codes
            if given.size and int(given.min()) >= 0 and int(given.max()) < clusters:
                yield reading

    def _spread(self, words: int) -> Array | None:
        """A code for each of so many weights; ``None`` where the positions lead beyond them."""
        assert self.zeros_before is not None
        try:
            return from_relative(self.codes.astype(np.int32), self.zeros_before, words)
        except InputError:
            return None


@dataclass(frozen=True, eq=False)
class _Reading:
    """One way to understand codes and a codebook.

    Attributes
    ----------
    unit : Unit
    tables : array, shape (stages * groups, K, values of a unit)
    codes : integer array
        Of several stages, these are the first axis.
    groups : (int, int)
        Groups of filters and of channels that have codebooks of their own.
    stages : int
    """

    unit: Unit
    tables: Array
    codes: Array
    groups: tuple[int, int] = (1, 1)
    stages: int = 1


def _all_readings(codes: Array, codebook: Array, shape: Shape) -> Iterator[_Reading]:
    """All ways in which codes and a codebook may make weights of a shape."""
    words = math.prod(shape)
    if codes.size and words % codes.size == 0:
        values = words // codes.size
        for tables, groups, units in _tables(codebook, values, shape, codes.ndim):
            wrapped = unsigned(codes, tables.shape[1])
            for unit in units:
                yield _Reading(unit, tables, wrapped, groups)
    if codebook.ndim < 3 or codebook.shape[0] < 2:
        return
    stages = codebook.shape[0]
    for axis in (-1, 0):
        if codes.ndim < 2 or codes.shape[axis] != stages or words % (codes.size // stages):
            continue
        values = words // (codes.size // stages)
        if math.prod(codebook.shape[2:]) != values:
            continue
        tables = codebook.reshape(stages, codebook.shape[1], values)
        moved = unsigned(np.moveaxis(codes, axis, 0), codebook.shape[1])
        for unit in _units(codebook.shape[2:], values, shape):
            yield _Reading(unit, tables, moved, stages=stages)


def _tables(
    codebook: Array, values: int, shape: Shape, axes: int
) -> Iterator[tuple[Array, tuple[int, int], list[Unit]]]:
    """Codebooks one by one, how many there are along filters and channels, and their units."""
    book = codebook.shape
    if values == 1:
        bare = book[:-1] if len(book) > 1 and book[-1] == 1 else book
        yield from _grouped(codebook.reshape(bare), 1, shape, [Unit(1, 1, 1)])
        return
    if len(book) > 1 and math.prod(book[1:]) == values:
        yield codebook.reshape(1, book[0], values), (1, 1), _units(book[1:], values, shape)
    if len(book) > 2 and book[-1] == values:
        units = _units((values,), values, shape)
        yield from _grouped(codebook, values, shape, units)


def _grouped(
    codebook: Array, values: int, shape: Shape, units: list[Unit]
) -> Iterator[tuple[Array, tuple[int, int], list[Unit]]]:
    """Codebooks behind axes that say which filters and which channels they serve."""
    lead = codebook.shape[: -1 if values == 1 else -2]
    clusters = codebook.shape[len(lead)]
    tables = codebook.reshape(-1, clusters, values)
    if any(size > 1 for size in lead[2:]):
        return
    sizes = (*lead[:2], 1, 1)[:2]
    yield tables, (sizes[0], sizes[1]), units
    if len(lead) == 1 and lead[0] > 1:
        yield tables, (1, lead[0]), units


def _units(extents: Shape, values: int, shape: Shape) -> list[Unit]:
    """Units of so many values, whose extents a codebook may name."""
    _, _, rows, columns = shape
    if len(extents) == 4:
        return [Unit(*extents[1:], extents[0])]
    if len(extents) == 3:
        return [Unit(*extents)]
    if len(extents) == 2 and extents == (rows, columns):
        return [Unit(1, rows, columns)]
    if len(extents) == 2 and 1 not in (rows * columns,) and extents[1] == rows * columns:
        return [Unit(extents[0], rows, columns)]
    if len(extents) == 2:
        return [Unit(extents[1], 1, 1, extents[0])]
    taps = rows * columns
    found = []
    if values == taps:
        found.append(Unit(1, rows, columns))
    found += [Unit(values, 1, 1), Unit(1, 1, 1, values)]
    if values % taps == 0 and taps > 1 and values > taps:
        found += [Unit(values // taps, rows, columns), Unit(1, rows, columns, values // taps)]
    if values == columns and rows > 1:
        found.append(Unit(1, 1, columns))
    return found


def _scheme(unit: Unit, shape: Shape) -> str:
    if unit.size == 1:
        return "scalar"
    return "kernel" if unit == Unit(1, *shape[2:]) else "block"


def unsigned(codes: Array, clusters: int) -> Array:
    """Codes of which the highest bit was taken for a sign, as they were meant."""
    if codes.dtype.kind == "i" and codes.size and int(codes.min()) < 0:
        bits = 8 * codes.dtype.itemsize
        if clusters == 2**bits:
            return codes.view(np.dtype(f"u{codes.dtype.itemsize}"))
    return codes


def _squeezed(shape: Shape) -> Shape:
    return tuple(size for size in shape if size > 1)


def is_flat(shape: Shape) -> bool:
    """Whether at most one axis is longer than 1."""
    return len(_squeezed(shape)) <= 1


def along(factors: Array, values: Array) -> Array | None:
    """Factors of a tensor, its filters, or groups of its columns, as they meet the values."""
    if factors.size == 1:
        return factors.reshape((1,) * values.ndim)
    if factors.size == len(values):
        return factors.reshape(-1, *(1,) * (values.ndim - 1))
    is_grouped = factors.ndim == values.ndim == 2 and len(factors) == len(values)
    if is_grouped and values.shape[1] % factors.shape[1] == 0:
        return np.repeat(factors, values.shape[1] // factors.shape[1], axis=1)
    return None
