"""The codebooks of layers: what the units of each are, and what is stored beside them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kcsim.clustering.precision import quantize
from kcsim.clustering.resolve import LayerClustering
from kcsim.clustering.scheme import Clustering
from kcsim.clustering.units import cut_units
from kcsim.weights.clustered_layer import ClusteredLayer, Codebook, Outliers
from kcsim.weights.fit import FittedUnits, fit_units
from kcsim.weights.stages import fit_stages

Floats = NDArray[np.float32]
Fitted = tuple[Codebook, list[ClusteredLayer]]


def fit_layers(
    parts: Sequence[LayerClustering],
    tensors: Sequence[Floats],
    seed: int,
    starts: int,
    advance: Callable[[], None],
) -> Fitted:
    """Cluster layers that share a codebook, or one with codebooks of its own.

    Outliers are the weights of largest magnitude in each layer; what is clustered is the rest. A
    filter's scale is first its largest magnitude, by which it is divided; once there is a
    codebook, the scale is refitted by least squares.

    Parameters
    ----------
    parts : sequence of LayerClustering
        With the same codebook.
    tensors : sequence of float32[M, C, R, S]
        Their weights.
    seed, starts : int
        As for `kcsim.weights.k_means`.
    advance : callable
        Called once each codebook is done.

    Raises
    ------
    InputError
        If values do not fit the bits that they are stored in.
    """
    prepared = [_prepared(part, weights) for part, weights in zip(parts, tensors, strict=True)]
    if parts[0].settings.is_product:
        codebook, layers = _fit_subspaces(prepared[0], seed, starts, advance)
    elif parts[0].subspaces > 1 or parts[0].settings.stages > 1:
        codebook, layers = _fit_grid(prepared[0], seed, starts, advance)
    else:
        codebook, layers = _fit_units(prepared, seed, starts, advance)
    finished = [
        _finished(layer, codebook, given, weights)
        for layer, given, weights in zip(layers, prepared, tensors, strict=True)
    ]
    return codebook, finished


@dataclass(frozen=True, eq=False)
class _Prepared:
    """What is to be clustered of a layer.

    Attributes
    ----------
    part : LayerClustering
    weights : float32[M, C, R, S]
        Without outliers, which are 0, and over the scales of filters.
    scales : float32[M] or None
    outliers : int64[n] or None
        Places in the flat weights.
    """

    part: LayerClustering
    weights: Floats
    scales: Floats | None
    outliers: NDArray[np.int64] | None

    @property
    def masses(self) -> NDArray[np.float64] | None:
        """What the squared error of each unit counts; ``None`` where it is 1 for all."""
        unit = self.part.unit
        assert unit is not None
        if self.scales is None:
            return None
        squares = np.square(self.scales, dtype=np.float64).reshape(-1, unit.filters).mean(axis=1)
        grid = unit.grid(self.part.layer)
        return np.broadcast_to(squares[:, None, None, None], grid).ravel()

    @property
    def fitted(self) -> NDArray[np.bool_] | None:
        """Which units a codebook is fitted to: not those that are a single outlier."""
        if self.outliers is None or self.part.unit is None or self.part.unit.size > 1:
            return None
        kept = np.ones(self.weights.size, np.bool_)
        kept[self.outliers] = False
        return kept


def _prepared(part: LayerClustering, weights: Floats) -> _Prepared:
    settings, outliers, scales = part.settings, None, None
    count = round(settings.outliers * weights.size)
    if count:
        largest = np.argsort(-np.abs(weights.ravel()), kind="stable")[:count]
        outliers = np.sort(largest)
        weights = weights.copy()
        weights.ravel()[outliers] = 0
    if settings.filter_scale_bits is not None:
        scales = np.abs(weights).reshape(len(weights), -1).max(axis=1)
        scales[scales == 0] = 1
        weights = weights / scales[:, None, None, None]
    return _Prepared(part, weights, scales, outliers)


def _finished(
    layer: ClusteredLayer, codebook: Codebook, given: _Prepared, weights: Floats
) -> ClusteredLayer:
    """The layer with the scales of its filters and its outliers."""
    bits, name = layer.part.settings.filter_scale_bits, layer.part.layer.name
    if bits is not None:
        decoded = layer.decode(codebook).astype(np.float64)
        wanted = weights.astype(np.float64)
        if given.outliers is not None:
            wanted.ravel()[given.outliers] = 0
            decoded = np.ascontiguousarray(decoded)
            decoded.ravel()[given.outliers] = 0
        axes = (1, 2, 3)
        norms = np.square(decoded).sum(axis=axes)
        scales = (wanted * decoded).sum(axis=axes) / np.where(norms == 0, 1, norms)
        what = f"the scale of a filter of layer {name!r}"
        layer = replace(layer, filter_scales=quantize(scales, bits, what))
    if given.outliers is not None:
        values = weights.ravel()[given.outliers]
        layer = replace(layer, outliers=Outliers(given.outliers, values))
    return layer


def _fit_units(
    prepared: Sequence[_Prepared], seed: int, starts: int, advance: Callable[[], None]
) -> Fitted:
    """One codebook for the units of all layers that share it."""
    part = prepared[0].part
    name, settings, unit = part.codebook, part.settings, part.unit
    assert unit is not None
    blocks = [cut_units(each.weights, unit) for each in prepared]
    shapes = [block.shape[:4] for block in blocks]
    units = np.concatenate([block.reshape(-1, *block.shape[4:]) for block in blocks])
    masses = [each.masses for each in prepared]
    fitted = _fit(
        units, settings, part.clusters, _joined(masses), _joined([p.fitted for p in prepared]),
        seed, starts,
    )  # fmt: skip
    advance()
    layers, start = [], 0
    for part, shape in zip((each.part for each in prepared), shapes, strict=True):
        own = slice(start, start + part.units)
        start += part.units
        turns = fitted.transforms
        scales, offsets = (
            None if values is None else quantize(values[own].reshape(shape), bits, what)
            for values, bits, what in (
                (fitted.scales, settings.scale_bits, f"the scale of layer {part.layer.name!r}"),
                (fitted.offsets, settings.offset_bits, f"the offset of layer {part.layer.name!r}"),
            )
        )
        indexes = fitted.indexes[own].reshape(shape)
        turned = None if turns is None else turns[own].reshape(shape)
        layers.append(ClusteredLayer(part, indexes, turned, scales, offsets))
    return _codebook(name, fitted.entries, settings), layers


def _fit_grid(given: _Prepared, seed: int, starts: int, advance: Callable[[], None]) -> Fitted:
    """The codebooks of one layer, for some of its filters and channels each, stage by stage."""
    part = given.part
    settings, unit = part.settings, part.unit
    assert unit is not None
    blocks = cut_units(given.weights, unit)
    grid, shape = blocks.shape[:4], blocks.shape[4:]
    units = blocks.reshape(-1, *shape)
    numbers = np.broadcast_to(part.codebook_numbers[:, :, None, None], grid).ravel()
    entries = np.zeros((part.clusters, settings.stages, part.subspaces, *shape), np.float32)
    indexes = np.zeros((settings.stages, len(units)), np.int32)
    turns = np.zeros(len(units), np.uint8)
    masses, kept = given.masses, given.fitted
    for number in range(part.subspaces):
        own = np.flatnonzero(numbers == number)
        chosen = own if kept is None else own[kept[own]]
        advance()
        if not chosen.size:
            continue
        clusters = min(part.clusters, len(chosen))
        weights = None if masses is None else masses[chosen]
        if settings.stages > 1:
            found, labels = fit_stages(
                units[chosen], settings.stages, clusters, seed=seed, starts=starts, weights=weights
            )
            entries[:clusters, :, number] = found.swapaxes(0, 1)
            indexes[:, chosen] = labels
        else:
            fitted = fit_units(
                units[chosen], settings, clusters, seed=seed, starts=starts, weights=weights
            )
            entries[:clusters, 0, number] = fitted.entries
            indexes[0, chosen] = fitted.indexes
            if fitted.transforms is not None:
                turns[chosen] = fitted.transforms
    flat = entries.reshape(part.clusters, -1, *shape[1:])
    layer = ClusteredLayer(
        part,
        indexes.reshape(settings.stages, *grid) if settings.stages > 1 else indexes.reshape(grid),
        turns.reshape(grid) if settings.transforms > 1 else None,
    )
    return _codebook(part.codebook, flat, settings), [layer]


def _fit_subspaces(given: _Prepared, seed: int, starts: int, advance: Callable[[], None]) -> Fitted:
    """The codebooks of one layer in product quantization, one for each sub-space."""
    part, weights = given.part, given.weights
    settings, length = part.settings, part.settings.length or 1
    filters, channels, rows, columns = weights.shape
    masses = None
    if given.scales is not None:
        squares = np.square(given.scales, dtype=np.float64)
        masses = np.repeat(squares, rows * columns)
    kept = None if given.fitted is None else given.fitted.reshape(weights.shape)
    entries, indexes = [], []
    for start in range(0, channels, length):
        vectors = np.moveaxis(weights[:, start : start + length], 1, -1)
        units = vectors.reshape(-1, vectors.shape[-1], 1, 1)
        own = None if kept is None else kept[:, start].ravel()
        fitted = _fit(units, settings, part.clusters, masses, own, seed, starts)
        advance()
        entries.append(fitted.entries)
        indexes.append(fitted.indexes.reshape(filters, rows, columns))
    codebook = _codebook(part.codebook, np.concatenate(entries, axis=1), settings)
    return codebook, [ClusteredLayer(part, np.stack(indexes, axis=1))]


def _fit(
    units: Floats,
    settings: Clustering,
    clusters: int,
    weights: NDArray[np.float64] | None,
    kept: NDArray[np.bool_] | None,
    seed: int,
    starts: int,
) -> FittedUnits:
    """The codebook of the units that are kept; the others get entry 0."""
    if kept is None or kept.all():
        return fit_units(units, settings, clusters, seed=seed, starts=starts, weights=weights)
    masses = None if weights is None else weights[kept]
    wanted = min(clusters, int(kept.sum()))
    fitted = fit_units(units[kept], settings, wanted, seed=seed, starts=starts, weights=masses)
    entries = np.zeros((clusters, *units.shape[1:]), np.float32)
    entries[:wanted] = fitted.entries
    indexes = np.zeros(len(units), np.int32)
    indexes[kept] = fitted.indexes
    turns = None
    if fitted.transforms is not None:
        turns = np.zeros(len(units), np.uint8)
        turns[kept] = fitted.transforms
    return FittedUnits(units, entries, indexes, turns)


def _joined(arrays: Sequence[NDArray[Any] | None]) -> NDArray[Any] | None:
    """Arrays one after the other, if there are any."""
    given = [each for each in arrays if each is not None]
    return np.concatenate(given) if len(given) == len(arrays) else None


def _codebook(name: str, entries: Floats, settings: Clustering) -> Codebook:
    return Codebook(name, quantize(entries, settings.codebook_bits or 32, f"codebook {name!r}"))
