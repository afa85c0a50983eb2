"""What a mapping makes of a hardware: loops, tiles and energy, level by level."""

from __future__ import annotations

import math
from dataclasses import dataclass

from kcsim.hardware.level import Level
from kcsim.model.counts import used_bits
from kcsim.model.layer_estimate import LayerEstimate
from kcsim.sums import exact_sums
from kcsim.workload.layer import TENSORS, Tensor

_AXES = ("", "X", "Y")


@dataclass(frozen=True)
class NestLoop:
    """One loop of the nest, with more than one iteration.

    Attributes
    ----------
    dimension : str
        One of N, G, M, C, P, Q, R, S.
    bound : int
        Number of iterations.
    axis : str
        ``X`` or ``Y`` for a loop over the children below, empty for one in time.
    is_last_short : bool
        Whether the last iteration has less to do (imperfect factors).
    """

    dimension: str
    bound: int
    axis: str = ""
    is_last_short: bool = False


@dataclass(frozen=True)
class Tile:
    """What one instance of a level holds of a tensor at one time.

    Attributes
    ----------
    tensor : str
    words : int
    indexes : int or None
        Units of clustered weights that stand for the words; ``None`` where the
        values themselves are stored.
    bits : float
        What the tile takes.
    """

    tensor: str
    words: int
    indexes: int | None
    bits: float


@dataclass(frozen=True)
class Store:
    """A level, or a partition of one, with the tiles that share it.

    Attributes
    ----------
    tiles : tuple of Tile
        In the order weights, inputs, outputs.
    capacity_bits : int or None
        Room in one instance, half of it under double buffering; ``None`` if unlimited.
    is_half : bool
        Whether that is half of what there is.
    """

    tiles: tuple[Tile, ...]
    capacity_bits: int | None
    is_half: bool

    @property
    def share(self) -> float | None:
        """Part of the capacity that all tiles take."""
        if self.capacity_bits is None:
            return None
        return math.fsum(tile.bits for tile in self.tiles) / self.capacity_bits


@dataclass(frozen=True)
class Account:
    """Energy of one component.

    Attributes
    ----------
    part : str
        ``storage``, ``network``, ``codebook``, ``MAC`` or ``static``.
    energy : dict of str to float
        By tensor, in the hardware's energy unit; under an empty name what is spent on none.
    """

    part: str
    energy: dict[str, float]

    @property
    def total(self) -> float:
        """Of all tensors."""
        return math.fsum(self.energy.values())


@dataclass(frozen=True)
class MappedLevel:
    """One level of a mapped layer, or the MAC units below all levels.

    Attributes
    ----------
    name : str
    used, available : int
        Instances in use, and those that there are.
    nest : tuple of NestLoop or str
        Outermost first; loops that iterate once are left out. Where some loop stands before a
        tensor that is kept here, all of these are named where they stand.
    stores : tuple of Store
        Without those that stay empty.
    passing : tuple of str
        Tensors that are not kept here.
    accounts : tuple of Account
        Where energy goes, here and in the network below.
    """

    name: str
    used: int
    available: int
    nest: tuple[NestLoop | str, ...]
    stores: tuple[Store, ...]
    passing: tuple[str, ...]
    accounts: tuple[Account, ...]

    @property
    def loops(self) -> tuple[NestLoop, ...]:
        """The loops of the nest alone."""
        return tuple(each for each in self.nest if isinstance(each, NestLoop))


def mapped_levels(estimate: LayerEstimate) -> tuple[MappedLevel, ...]:
    """A mapped layer, level by level.

    Parameters
    ----------
    estimate : LayerEstimate

    Returns
    -------
    tuple of MappedLevel
        Outermost first; the MAC units last. All accounts add up to the energy of the layer.
    """
    counts, hardware = estimate.counts, estimate.counts.hardware
    nests = _nests(estimate)
    accounts = _accounts(estimate)
    keeps = estimate.mapping.keeps_array(hardware)
    available, levels = 1, []
    for i, level in enumerate(hardware.levels):
        kept = tuple(tensor for tensor, is_kept in zip(TENSORS, keeps[i], strict=True) if is_kept)
        levels.append(
            MappedLevel(
                level.name,
                int(counts.instances[i]),
                available,
                nests.get(level.name, ()),
                _stores(estimate, i, kept),
                tuple(tensor for tensor in TENSORS if tensor not in kept),
                tuple(accounts[i]),
            )
        )
        available *= level.fanout.children
    used = int(counts.instances[-1])
    levels.append(MappedLevel("MAC units", used, available, (), (), (), tuple(accounts[-1])))
    return tuple(levels)


def _nests(estimate: LayerEstimate) -> dict[str, tuple[NestLoop | str, ...]]:
    """The nest of every level that has some loops."""
    mapping, hardware = estimate.mapping, estimate.counts.hardware
    sizes = estimate.layer.dimensions.items()
    short = {d for d, size in sizes if mapping.bound(d) != size}
    nests = {}
    for level in mapping.levels:
        kept = hardware.levels[hardware.level_index(level.level)].kept_tensors
        plain = level.with_loops(level.nests)
        nest: list[NestLoop | str] = []
        for axis, places in zip(_AXES, (plain.places(kept), *plain.nests[1:]), strict=True):
            for each in places:
                if isinstance(each, str):
                    nest.append(each)
                    continue
                # Only the outermost loop over a dimension is cut.
                is_short = each.dimension in short
                short.discard(each.dimension)
                nest.append(NestLoop(each.dimension, each.bound, axis, is_short))
        nests[level.level] = tuple(nest)
    return nests


def _stores(estimate: LayerEstimate, index: int, kept: tuple[Tensor, ...]) -> tuple[Store, ...]:
    level = estimate.counts.hardware.levels[index]
    stores = []
    for group in [p.tensors for p in level.partitions] or [TENSORS]:
        tiles = tuple(_tile(estimate, index, t) for t in kept if t in group)
        if tiles:
            capacity = level.capacity_bits(group[0])
            is_half = capacity is not None and level.buffering == "double"
            stores.append(Store(tiles, capacity, is_half))
    return tuple(stores)


def _tile(estimate: LayerEstimate, index: int, tensor: str) -> Tile:
    counts, weights = estimate.counts, estimate.weight_format
    indexes = None
    if tensor == "weights" and weights.is_indexed(index):
        indexes = weights.units_in(counts.weight_extents[index])
    words = int(counts.tile_words[index, TENSORS.index(tensor)])
    return Tile(tensor, words, indexes, float(used_bits(counts, weights, index, (tensor,))))


def _accounts(estimate: LayerEstimate) -> list[list[Account]]:
    """The accounts of every level, and of the MAC units."""
    hardware = estimate.counts.hardware
    places = {"MAC": (len(hardware.levels), "MAC"), "static": (len(hardware.levels), "static")}
    decoder = hardware.codebook.level if hardware.codebook else ""
    for i, level in enumerate(hardware.levels):
        places |= _places(level, i, decoder)
    accounted: dict[tuple[int, str], dict[str, float]] = {}
    spent = exact_sums(((places[i.component], i.tensor), i.energy) for i in estimate.items)
    for (place, tensor), energy in spent.items():
        accounted.setdefault(place, {})[tensor] = energy
    accounts: list[list[Account]] = [[] for _ in range(len(hardware.levels) + 1)]
    for i, part in dict.fromkeys(places.values()):
        if (i, part) in accounted:
            accounts[i].append(Account(part, accounted[i, part]))
    return accounts


def _places(level: Level, index: int, decoder: str) -> dict[str, tuple[int, str]]:
    """Which components belong to a level, and as what."""
    places = {
        level.name: (index, "storage"),
        # Where a codebook that did not fit its store is read instead.
        f"codebook ({level.name})": (index, "codebook"),
    }
    if level.name == decoder:
        places["codebook"] = index, "codebook"
    return places | {f"{level.name} network": (index, "network")}
