"""Clusters in the layouts of other tools: blocks, divided codebooks, outliers, scaled filters."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kcsim.clustering.coding import fixed_index_bits
from kcsim.clustering.scheme import Clustering
from kcsim.clustering.unit import Unit
from kcsim.clustering.units import cut_units
from kcsim.weights.clustered_layer import Outliers
from kcsim.weights.found import (
    Found,
    Storing,
    found_layer,
    repeated,
    row_keys,
    zero_first,
)
from kcsim.weights.recognize_units import MAX_SCALARS
from kcsim.workload.layer import ConvLayer

Floats = NDArray[np.float32]
Indexes = NDArray[np.int32]
Integers = NDArray[np.int64]

_SIZES = (2, 4, 8, 16, 32)
_SAMPLE, _BY_CHANCE, _PROBE = 16384, 0.005, 8192
_MOST_OUTLIERS, _LEAST_USES, _MEAN_USES = 0.25, 4, 16
_ROUNDING = 1e-6
_RATIO_TOLERANCE = 1e-5


def shared_blocks(
    layer: ConvLayer, weights: Floats, storing: Storing, fewest: float
) -> Iterator[Found]:
    """One codebook for a layer of blocks: several channels or filters, with or without taps.

    Parameters
    ----------
    layer : ConvLayer
    weights : float32[M, C, R, S]
    storing : Storing
    fewest : float
        Bits of the best that is known.
    """
    if not _recurs(weights.reshape(-1, 1)):
        return
    for unit in _block_units(layer, weights.shape):
        blocks = cut_units(weights, unit)
        units = np.ascontiguousarray(blocks.reshape(-1, unit.size))
        again = _recurring(units) if _recurs(units) else None
        if again is None:
            continue
        entries, indexes = again
        if storing.positions != "all":
            entries, indexes = zero_first(entries, indexes)
        settings = Clustering(
            "block", k=len(entries), shape=_shape_text(unit), dense="none", **storing.settings
        )
        yield found_layer(layer, settings, entries, indexes.reshape(blocks.shape[:4]))


def _block_units(layer: ConvLayer, shape: tuple[int, ...]) -> Iterator[Unit]:
    """Blocks that occur in the wild, and that the layer's weights are cut into."""
    _, channels, rows, columns = shape
    filters = layer.out_channels // layer.groups
    sizes = [(across, along) for across in (1, *_SIZES) for along in (1, *_SIZES)]
    for across, along in sizes:
        if across * along == 1 or across > filters or along > channels:
            continue
        if filters % across or channels % along:
            continue
        yield Unit(along, 1, 1, across)
        if rows * columns > 1 and across * along <= max(_SIZES):
            yield Unit(along, rows, columns, across)


def _shape_text(unit: Unit) -> str:
    return "x".join(map(str, unit.extents))


def divided_codebooks(
    layer: ConvLayer, weights: Floats, storing: Storing, fewest: float
) -> Iterator[Found]:
    """A codebook for each filter, channel, group of either, or tile of both.

    Parameters
    ----------
    layer, weights, storing, fewest
        As for `shared_blocks`.
    """
    if not _recurs(weights.reshape(-1, 1)):
        return
    _, _, rows, columns = weights.shape
    units = {"scalar": Unit(1, 1, 1), "row": Unit(1, 1, columns), "kernel": Unit(1, rows, columns)}
    vectors = [Unit(size, 1, 1) for size in _SIZES if weights.shape[1] % size == 0]
    tried: set[Unit] = set()
    for scheme, unit in (*units.items(), *(("block", unit) for unit in vectors)):
        if unit in tried:
            continue
        tried.add(unit)
        blocks = cut_units(weights, unit)
        flat = np.ascontiguousarray(blocks.reshape(-1, unit.size))
        if not _recurs(flat):
            continue
        labels = np.unique(row_keys(flat), return_inverse=True)[1].astype(np.int32)
        labels = labels.reshape(*blocks.shape[:2], -1)
        stored, positions = _least_stored(flat, storing)
        for across, along in _grids(labels.shape[0], labels.shape[1]):
            if _may_take_fewer(labels, across, along, unit, stored, fewest - positions):
                divided: dict[str, Any] = {}
                if across < labels.shape[0]:
                    divided["codebook_filters"] = across * unit.filters
                if along < labels.shape[1]:
                    divided["codebook_channels"] = along * unit.channels
                if scheme == "block":
                    divided["shape"] = _shape_text(unit)
                found = _divided(layer, scheme, flat, blocks.shape[:4], across, along, divided,
                                 storing)  # fmt: skip
                if found is not None:
                    yield found


def _grids(filters: int, channels: int) -> Iterator[tuple[int, int]]:
    """Blocks of filters and of channels that one codebook may serve, but for all of both."""
    for across, along in itertools.product(_divisors(filters), _divisors(channels)):
        if (across, along) != (filters, channels):
            yield across, along


def _divisors(number: int) -> list[int]:
    return [each for each in range(number, 0, -1) if number % each == 0]


def _may_take_fewer(
    labels: Indexes, across: int, along: int, unit: Unit, stored: int, fewest: float
) -> bool:
    """Whether the first codebook alone does not rule a grid out, with that many indexes."""
    filters, channels, _ = labels.shape
    first = labels[:across, :along]
    if first.size < 2:
        return False
    tables = (filters // across) * (channels // along)
    # A few units often rule it out, and are counted at once.
    rows = max(1, _PROBE // first[0].size)
    for part in (first[:rows], first) if rows < across else (first,):
        clusters = len(np.unique(part)) if part.size <= _PROBE else _distinct_labels(part)
        bits: float = 32 * (clusters - 1) * unit.size * tables
        bits += fixed_index_bits(clusters - 1) * stored
        if bits >= fewest or 2 * clusters > first.size:
            return False
        if unit.size == 1 and clusters > MAX_SCALARS:
            return False
    return True


def _distinct_labels(labels: Indexes) -> int:
    return int(np.count_nonzero(np.bincount(labels.ravel())))


def _least_stored(units: Floats, storing: Storing) -> tuple[int, int]:
    """Indexes of a length of their own that units need at least, and bits of their positions."""
    used = len(units)
    if storing.positions != "all":
        used = int(np.count_nonzero(units.any(axis=1)))
    positions = {"all": 0, "relative": used * storing.position_bits, "bitmask": len(units)}
    return used if storing.index == "fixed" else 0, positions[storing.positions]


def _divided(
    layer: ConvLayer,
    scheme: str,
    units: Floats,
    grid: tuple[int, ...],
    across: int,
    along: int,
    divided: dict[str, Any],
    storing: Storing,
) -> Found | None:
    """The codebooks of a grid, if all entries occur twice or more on average."""
    filters, channels, *_ = grid
    rows, columns = filters // across, channels // along
    numbers = np.arange(filters)[:, None] // across * columns + np.arange(channels) // along
    of_units = np.broadcast_to(numbers[:, :, None, None], grid).ravel()
    order = np.argsort(of_units, kind="stable").reshape(rows * columns, -1)
    tables, indexes = [], np.empty(len(units), np.int32)
    for own in order:
        again = _recurring(units[own])
        if again is None or (units.shape[1] == 1 and len(again[0]) > MAX_SCALARS):
            return None
        entries, chosen = again if storing.positions == "all" else zero_first(*again)
        tables.append(entries)
        indexes[own] = chosen
    clusters = max(map(len, tables))
    # Codebooks with fewer entries have zeros at the end, which no index stands for.
    padded = [np.pad(table, ((0, clusters - len(table)), (0, 0))) for table in tables]
    settings = Clustering(
        scheme, k=clusters, scope="layer", dense="none", **divided, **storing.settings
    )
    return found_layer(layer, settings, np.concatenate(padded, axis=1), indexes.reshape(grid))


def frequent_values(
    layer: ConvLayer, weights: Floats, storing: Storing, fewest: float
) -> Iterator[Found]:
    """Few values that most weights have, beside others that are kept exactly.

    The values occur 16 times on average, each of them 4 times or more, and twice as often as any
    of the others. The others are at most a quarter of the weights, and fewer than the weights
    other than zero that have one of the values.

    Parameters
    ----------
    layer, weights, storing, fewest
        As for `shared_blocks`.
    """
    flat = weights.ravel()
    if flat.size < 4 or not _recurs(flat[:, None]):
        return
    bits, first, numbers, counts = np.unique(
        flat.view(np.uint32), return_index=True, return_inverse=True, return_counts=True
    )
    order = np.argsort(-counts, kind="stable")
    following = np.append(counts[order], 0)[1 : MAX_SCALARS + 1]
    order = order[:MAX_SCALARS]
    served = np.cumsum(counts[order])
    left = flat.size - served
    clusters = np.arange(1, len(order) + 1)
    each = 32 + fixed_index_bits(flat.size)
    width = np.array([fixed_index_bits(int(number)) for number in clusters])
    cost = 32 * clusters + width * flat.size + each * left
    zeros = int((flat == 0).sum())
    allowed = (clusters > 1) & (left <= _MOST_OUTLIERS * flat.size) & (left < served - zeros)
    allowed &= counts[order] >= np.maximum(2 * following, _LEAST_USES)
    allowed &= (served >= _MEAN_USES * clusters) & (left > 0)
    if not allowed.any():
        return
    chosen = order[: int(np.argmin(np.where(allowed, cost, np.inf))) + 1]
    entries = flat[first[chosen]][:, None]
    ascending = np.argsort(entries[:, 0], kind="stable")
    entries = entries[ascending]
    entry = np.full(len(bits), -1, np.int32)
    entry[chosen[ascending]] = np.arange(len(chosen), dtype=np.int32)
    indexes = entry[numbers.ravel()]
    places = np.flatnonzero(indexes < 0)
    indexes[places] = 0
    if storing.positions != "all":
        entries, indexes = zero_first(entries, indexes)
        indexes[places] = 0
    settings = Clustering(
        "scalar", k=len(entries), dense="none", outliers=len(places) / flat.size,
        **storing.settings,
    )  # fmt: skip
    yield found_layer(
        layer, settings, entries, indexes.reshape(weights.shape),
        outliers=Outliers(places, flat[places]),
    )  # fmt: skip


def scaled_filters(
    layer: ConvLayer, weights: Floats, storing: Storing, fewest: float
) -> Iterator[Found]:
    """Few values for the layer, times a scale for each filter; to within 1e-6 of its largest.

    Parameters
    ----------
    layer, weights, storing, fewest
        As for `shared_blocks`.
    """
    filters = []
    for each in weights.reshape(len(weights), -1):
        values = np.unique(each)
        if len(values) > MAX_SCALARS or 2 * len(values) > each.size:
            return
        filters.append(values)
    if len(filters) < 2:
        return
    stored, positions = _least_stored(weights.reshape(-1, 1), storing)
    least = fixed_index_bits(max(map(len, filters)) - 1) * stored + positions
    if least + 32 * len(filters) >= fewest:
        return
    fit = _common_values(filters)
    if fit is None:
        return
    common, scales = fit
    flat = weights.reshape(len(weights), -1)
    wanted = flat / scales[:, None]
    middles = (common[1:] + common[:-1]) / 2
    indexes = np.searchsorted(middles, wanted).astype(np.int32)
    entries = common.astype(np.float32)
    factors = scales.astype(np.float32)
    error = np.abs(entries[indexes] * factors[:, None] - flat)
    if (error > _ROUNDING * np.abs(flat).max(axis=1, keepdims=True)).any():
        return
    entries = entries[:, None]
    if storing.positions != "all":
        entries, indexes = zero_first(entries, indexes)
    settings = Clustering(
        "scalar", k=len(entries), filter_scale_bits=32, dense="none", **storing.settings
    )
    yield found_layer(
        layer, settings, entries, indexes.reshape(weights.shape), filter_scales=factors
    )


def _common_values(
    filters: Sequence[Floats],
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Values of which those of each filter are some, times a scale: values and scales.

    The filter with most values comes first; its scale is 1. Each other one has the scale under
    which all of its values are known, or as many as possible, the others being added.
    """
    order = sorted(range(len(filters)), key=lambda number: -len(filters[number]))
    values = filters[order[0]].astype(np.float64)
    scales = np.ones(len(filters))
    for number in order[1:]:
        own = filters[number].astype(np.float64)
        largest = own[np.abs(own).argmax()]
        if largest == 0:
            continue
        tried = abs(largest) / np.unique(np.abs(values[values != 0]))
        if not tried.size:
            return None
        misses = [_missing(own / scale, values) for scale in tried]
        best = min(range(len(tried)), key=lambda at: len(misses[at]))
        if 2 * len(misses[best]) > len(own):
            return None
        scales[number] = tried[best]
        values = np.sort(np.concatenate([values, misses[best]]))
        if len(values) > MAX_SCALARS:
            return None
    return values, scales


def _missing(own: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values that are not among others, but for rounding."""
    above = np.searchsorted(values, own).clip(0, len(values) - 1)
    below = (above - 1).clip(0)
    near = np.minimum(np.abs(own - values[above]), np.abs(own - values[below]))
    missing: NDArray[np.float64] = own[near > _RATIO_TOLERANCE * np.abs(values).max()]
    return missing


def _recurring(units: Floats) -> tuple[Floats, Indexes] | None:
    """As `repeated`, if units other than zero also occur twice or more on average."""
    again = repeated(units)
    if again is None:
        return None
    entries, indexes = again
    is_zero = (entries == 0).all(axis=1)
    used = len(units) - int(is_zero[indexes].sum())
    return again if 2 * (len(entries) - int(is_zero.sum())) <= used else None


def _recurs(units: Floats) -> bool:
    """Whether units of a sample occur twice, and more than a few of them, as by chance."""
    if len(units) > _SAMPLE:
        units = units[np.unique(np.random.default_rng(0).integers(len(units), size=_SAMPLE))]
    keys = row_keys(np.ascontiguousarray(units))
    return len(keys) - len(np.unique(keys)) > _BY_CHANCE * len(keys)
