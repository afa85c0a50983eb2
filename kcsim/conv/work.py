"""What the kernels of `kcsim.kernels` are to do for a layer: lists made from its indexes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kcsim.clustering.units import transformed
from kcsim.conv.geometry import Geometry, Place, flat_tiles, strip_tiles, whole_map
from kcsim.kernels.conv.planes import Filters, Tiles
from kcsim.kernels.conv.products import Products
from kcsim.kernels.conv.sums import Sums
from kcsim.weights.clustered_layer import ClusteredLayer, Codebook
from kcsim.workload.layer import ConvLayer

CHUNK_WORDS = 131072
CHUNK_BLOCKS = 8

Words = NDArray[Any]
Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Units:
    """The units of a layer, as both ways of sharing need them.

    Attributes
    ----------
    keys : int64[G, M/G, blocks, rows, columns]
        Entry and transform of each unit.
    entries : list of word[keys, taps of the unit]
        Turned entries of each block of channels; one for all, except in product quantization.
    factors : two of word[G, M/G, blocks, rows, columns] or None
        Scales and offsets; where there are offsets, there are scales.
    """

    keys: Integers
    entries: list[Words]
    factors: tuple[Words | None, Words | None]

    @classmethod
    def of(cls, layer: ClusteredLayer, codebook: Codebook, dtype: Any) -> Units:
        """The units of a layer, with values of a type."""

        def grouped(values: Words) -> Words:
            groups = layer.part.layer.groups
            return values.reshape(groups, len(values) // groups, *values.shape[1:])

        entries = codebook.entries.values.astype(dtype)
        keys = layer.indexes.astype(np.int64)
        if layer.transforms is not None:
            kinds = layer.part.settings.transforms
            keys = keys * kinds + layer.transforms
            turned = [transformed(entries, kind) for kind in range(kinds)]
            entries = np.stack(turned, axis=1).reshape(-1, *entries.shape[1:])
        length = layer.part.settings.length if layer.part.settings.is_product else None
        step = length or entries.shape[1]
        blocks = [entries[:, at : at + step] for at in range(0, entries.shape[1], step)]
        stored = (layer.scales, layer.offsets)
        scales, offsets = (
            None if each is None else grouped(each.values.astype(dtype)) for each in stored
        )
        if offsets is not None and scales is None:
            scales = np.ones_like(offsets)
        flat = [np.ascontiguousarray(block.reshape(len(block), -1)) for block in blocks]
        return cls(grouped(keys), flat, (scales, offsets))

    def block_entries(self, block: int) -> Words:
        """Turned entries of one block of channels."""
        return self.entries[block if len(self.entries) > 1 else 0]


def dense_work(layer: ConvLayer, weights: Words) -> tuple[Filters, Tiles]:
    """The dense convolution; weights word[M, C, R, S]."""
    geometry = Geometry(layer)
    _, channels, rows, columns = weights.shape
    groups = layer.groups
    packed = [_in_fours(part.reshape(len(part), -1)) for part in np.split(weights, groups)]
    taps = geometry.taps(channels, rows, columns)
    work = Filters(taps, groups, channels * geometry.channel_words, np.concatenate(packed))
    return work, flat_tiles(geometry)


def products_work(
    layer: ClusteredLayer, codebook: Codebook, conv: ConvLayer, dtype: Any
) -> tuple[Products, Tiles]:
    """The lists for `kcsim.kernels.conv.products.share_products`."""
    unit = layer.part.unit
    assert unit is not None
    geometry, units = Geometry(conv), Units.of(layer, codebook, dtype)
    places = geometry.unit_places(unit)
    reach = max(place.shifts[-1] for place in places)
    tiles = strip_tiles(geometry, reach) if reach else flat_tiles(geometry)
    lists = _ProductLists(units, tiles.row_length)
    groups, _, blocks, _, _ = units.keys.shape
    for g in range(groups):
        lists.start_chunk()
        lists.group.append(len(lists.chunk) - 1)
        for block in range(blocks):
            channel = g * (conv.in_channels // groups) + block * unit.channels
            for place in places:
                lists.add(g, block, place, channel * geometry.channel_words + place.origin)
    lists.start_chunk()
    taps = geometry.taps(unit.channels, unit.height, unit.width)
    return lists.work(taps, dtype), tiles


class _ProductLists:
    """`Products` while its blocks are added one by one."""

    def __init__(self, units: Units, row_length: int) -> None:
        self.chunk: list[int] = []
        self.group: list[int] = []
        self._units, self._row_length = units, row_length
        self._blocks: list[tuple[int, int, int, tuple[int, int]]] = []
        self._weights: list[Words] = []
        self._reads: list[list[Words]] = []
        self._scales: list[list[Words]] = []
        self._rows = 0

    def start_chunk(self) -> None:
        """Let the next block be the first of a chunk."""
        if not self.chunk or self.chunk[-1] < len(self._blocks):
            self.chunk.append(len(self._blocks))
            self._rows = 0

    def add(self, group: int, block: int, place: Place, origin: int) -> None:
        """Add the products of some units of one block of channels with the same inputs."""
        rows, columns = zip(*place.members, strict=True)
        keys = self._units.keys[group, :, block, rows, columns].T
        entries = self._units.block_entries(block)
        used = np.zeros(len(entries), bool)
        used[keys] = True
        scales, offsets = self._units.factors
        count = int(used.sum()) + (offsets is not None)
        blocks = len(self._blocks) - self.chunk[-1]
        too_long = (self._rows + count) * self._row_length > CHUNK_WORDS
        if blocks and (too_long or blocks == CHUNK_BLOCKS):
            self.start_chunk()
        if self.chunk[-1] == len(self._blocks):
            self._reads.append([])
            self._scales.append([])
        numbers = self._rows + np.cumsum(used) - 1
        shifts = np.array(place.shifts)
        self._reads[-1].append(numbers[keys] * self._row_length + shifts)
        if scales is not None:
            self._scales[-1].append(scales[group, :, block, rows, columns].T)
        if offsets is not None:
            box = (self._rows + count - 1) * self._row_length + shifts
            self._reads[-1].append(np.broadcast_to(box, keys.shape))
            self._scales[-1].append(offsets[group, :, block, rows, columns].T)
        self._rows += count
        self._weights.append(_in_fours(entries[used]))
        self._blocks.append((origin, entries.shape[1], int(used.sum()), place.reach))

    def work(self, taps: Integers, dtype: Any) -> Products:
        """All of it, once the last block is added."""
        origins, tap_counts, row_counts, reaches = zip(*self._blocks, strict=True)
        reads = [np.concatenate(each, axis=1) for each in self._reads]
        scales = [np.concatenate(each, axis=1).ravel() for each in self._scales if each]
        return Products(
            taps=taps,
            origin=np.array(origins),
            tap_count=np.array(tap_counts),
            row_count=np.array(row_counts),
            reach=np.array(reaches),
            weights_at=_starts([each.size for each in self._weights])[:-1],
            weights=np.concatenate(self._weights),
            boxes=int(self._units.factors[1] is not None),
            chunk=np.array(self.chunk),
            group=np.array([*self.group, len(self.chunk) - 1]),
            reads_at=_starts([each.size for each in reads])[:-1],
            read_count=np.array([each.shape[1] for each in reads]),
            reads=np.concatenate([each.ravel() for each in reads]).astype(np.int32),
            scales=np.concatenate(scales) if scales else np.zeros(0, dtype),
        )


def sums_work(
    layer: ClusteredLayer, codebook: Codebook, conv: ConvLayer, dtype: Any
) -> tuple[Sums, Tiles]:
    """The lists for `kcsim.kernels.conv.sums.share_sums`."""
    unit = layer.part.unit
    assert unit is not None
    geometry, units = Geometry(conv), Units.of(layer, codebook, dtype)
    blocks = units.keys.shape[2]
    # Blocks of different sub-spaces have different entries.
    spread = len(units.entries[0]) if len(units.entries) > 1 else 0
    keys = (units.keys + spread * np.arange(blocks)[:, None, None]).reshape(conv.out_channels, -1)
    places = _origins(geometry, units, unit.channels, layer)
    origins = np.broadcast_to(places[:, None], units.keys.shape).reshape(keys.shape)
    width = max(block.shape[1] for block in units.entries)
    weights = np.zeros((sum(map(len, units.entries)), width), dtype)
    tap_count = np.repeat([each.shape[1] for each in units.entries], list(map(len, units.entries)))
    for number, block in enumerate(units.entries):
        weights[number * spread : number * spread + len(block), : block.shape[1]] = block
    factors = [each.reshape(keys.shape) for each in units.factors if each is not None]
    if len(factors) == 2:
        # Offsets make one more entry, of ones, which all units have.
        keys = np.concatenate([keys, np.full_like(keys, len(weights))], axis=1)
        origins = np.concatenate([origins, origins], axis=1)
        factors = [np.concatenate(factors, axis=1)]
    order = np.argsort(keys, axis=1, kind="stable")
    ordered = np.take_along_axis(keys, order, axis=1)
    begins = np.ones(keys.shape, bool)
    begins[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    entry = ordered[begins]
    parts, taps = _parts(geometry, unit.channels, unit.height, unit.width)
    used_taps = np.append(tap_count, width)[entry]
    work = Sums(
        planes=np.array([place for place, _ in parts]),
        reach=np.array([reach for _, reach in parts]),
        taps=taps,
        filter=_starts(begins.sum(axis=1)),
        unit=np.append(np.flatnonzero(begins), keys.size),
        entry=np.where(entry == len(weights), -1, entry),
        tap_count=used_taps,
        part_count=np.array([taps[:count, 0].max() + 1 for count in range(1, width + 1)])[
            used_taps - 1
        ],
        weights=weights,
        origins=np.take_along_axis(origins, order, axis=1).ravel(),
        scales=np.take_along_axis(factors[0], order, axis=1).ravel()
        if factors
        else np.zeros(0, dtype),
    )
    return work, whole_map(geometry, int(taps[:, 1].max()))


def _origins(
    geometry: Geometry, units: Units, unit_channels: int, layer: ClusteredLayer
) -> Integers:
    """First word that each unit of a group's filter meets: int64[G, blocks, rows, columns]."""
    groups, _, blocks, rows, columns = units.keys.shape
    unit = layer.part.unit
    assert unit is not None
    grid = np.zeros((rows, columns), np.int64)
    for place in geometry.unit_places(unit):
        for (i, j), shift in zip(place.members, place.shifts, strict=True):
            grid[i, j] = place.origin + shift
    first = np.arange(groups) * (geometry.layer.in_channels // groups)
    channels = np.add.outer(first, np.arange(blocks) * unit_channels)
    origins: Integers = np.add.outer(channels * geometry.channel_words, grid)
    return origins


def _parts(
    geometry: Geometry, channels: int, rows: int, columns: int
) -> tuple[list[tuple[int, tuple[int, int]]], Integers]:
    """The planes that the taps of a unit meet, and which of them each tap meets where."""
    places = geometry.places(rows, columns, 1, 1)
    parts: list[tuple[int, tuple[int, int]]] = []
    taps = np.zeros((channels, rows, columns, 2), np.int64)
    for channel in range(channels):
        for place in places:
            for (row, column), shift in zip(place.members, place.shifts, strict=True):
                taps[channel, row, column] = len(parts), shift
            parts.append((channel * geometry.channel_words + place.origin, place.reach))
    return parts, taps.reshape(-1, 2)


def _in_fours(rows: Words) -> Words:
    """Rows of weights in the order of `kcsim.kernels.conv.planes.multiply`."""
    fours = len(rows) // 4 * 4
    taken = rows[:fours].reshape(-1, 4, rows.shape[1]).transpose(0, 2, 1)
    return np.concatenate([taken.ravel(), rows[fours:].ravel()])


def _starts(sizes: Any) -> Integers:
    starts: Integers = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    return starts
