"""A clustering applied to layers: numbers of units and clusters, and who shares a codebook."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from kcsim.clustering.options import DENSE_GROUPS
from kcsim.clustering.scheme import Clustering
from kcsim.clustering.unit import Unit
from kcsim.errors import InputError, Problem
from kcsim.workload.layer import ConvLayer
from kcsim.workload.network import Network


@dataclass(frozen=True)
class LayerClustering:
    """One layer and how it is clustered.

    Attributes
    ----------
    layer : ConvLayer
        The layer.
    settings : Clustering
        The settings that hold for it, overrides applied.
    unit : Unit or None
        The block of weights that shares an entry; ``None`` if the layer stays dense.
    units : int
        Units N of the layer; 0 if it stays dense.
    subspaces : int
        Codebooks of the layer that serve different units; 1 except in product quantization and
        where `Clustering.codebook_filters` or `codebook_channels` divide them, 0 if it stays
        dense. Stages do not count.
    clusters : int
        Entries K of one codebook; 0 if the layer stays dense.
    clipped : bool
        Whether more entries were asked for than there are units, so K is their number.
    codebook : str
        Name of the codebook: equal for layers that share it; empty if the layer stays dense.
    codebook_units : int
        Units that one codebook serves at most, over all layers that share it.
    """

    layer: ConvLayer
    settings: Clustering
    unit: Unit | None = None
    units: int = 0
    subspaces: int = 0
    clusters: int = 0
    clipped: bool = False
    codebook: str = ""
    codebook_units: int = 0

    @property
    def cluster_rate(self) -> Fraction:
        """K/N of the codebook (Wu et al., Deep k-Means, Section 4); 1 if the layer stays dense."""
        return Fraction(self.clusters, self.codebook_units) if self.unit else Fraction(1)

    @property
    def codebook_words(self) -> int:
        """Values in the layer's codebooks; a short last sub-vector has short entries.

        Beside a bitmask, an entry of zeros is not stored.
        """
        if self.unit is None:
            return 0
        if self.settings.is_product:
            return self.clusters * (self.layer.in_channels // self.layer.groups)
        return self.stored_entries * self.settings.stages * self.subspaces * self.unit.size

    @property
    def stored_entries(self) -> int:
        """Entries of one codebook that are stored: beside a bitmask, none for zero units."""
        return self.clusters - (self.settings.positions == "bitmask" and self.clusters > 0)

    @property
    def unshared(self) -> str:
        """Why neither products nor sums are shared in this layout; empty where they may be."""
        unit, settings = self.unit, self.settings
        if unit is None:
            return "its weights are dense"
        if unit.filters > 1:
            return "its units span several filters"
        if unit.channels > 1 and unit.height * unit.width > 1:
            return "its units span both channels and taps"
        if settings.stages > 1:
            return "its units are sums of entries"
        if self.subspaces > 1 and not settings.is_product:
            return "its filters or channels have codebooks of their own"
        if settings.outliers or settings.filter_scale_bits is not None:
            return "its weights have outliers or scales of filters"
        return ""

    @property
    def codebook_grid(self) -> tuple[int, int]:
        """Codebooks along the filters and along the channels of a group; (0, 0) if it is dense."""
        unit, settings, layer = self.unit, self.settings, self.layer
        if unit is None:
            return (0, 0)
        if settings.is_product:
            return (1, unit.channel_blocks(layer))
        channels = layer.in_channels // layer.groups
        return (
            -(-layer.out_channels // (settings.codebook_filters or layer.out_channels)),
            -(-channels // (settings.codebook_channels or channels)),
        )

    @property
    def codebook_numbers(self) -> NDArray[np.int64]:
        """Which of the layer's codebooks serves a unit: int64[M/filters, C/channels]."""
        assert self.unit is not None
        settings, (_, along) = self.settings, self.codebook_grid
        filters, blocks, _, _ = self.unit.grid(self.layer)
        if settings.is_product:
            return np.broadcast_to(np.arange(blocks), (filters, blocks))
        rows = (settings.codebook_filters or self.layer.out_channels) // self.unit.filters
        columns = -(-blocks // along)
        if settings.codebook_channels:
            columns = settings.codebook_channels // self.unit.channels
        return np.arange(filters)[:, None] // rows * along + np.arange(blocks) // columns


def resolve_layer(layer: ConvLayer, clustering: Clustering) -> LayerClustering:
    """Apply a clustering to one layer on its own.

    It counts as no network's first layer, and a network-wide codebook serves it alone.

    Parameters
    ----------
    layer : ConvLayer
        The layer.
    clustering : Clustering
        How it is clustered; overrides for other layers are ignored.

    Raises
    ------
    InputError
        If the layer has no such units; see `Clustering.unit`.
    """
    return _resolved([(layer, clustering.unit(layer))], clustering)[0]


def resolve_network(
    layers: Iterable[ConvLayer], clustering: Clustering
) -> tuple[LayerClustering, ...]:
    """Apply a clustering to the layers of a network.

    Parameters
    ----------
    layers : iterable of ConvLayer
        The network; of a selection, settings for layers that were left out have no effect, and
        codebooks serve the layers that are left.
    clustering : Clustering
        How it is clustered.

    Returns
    -------
    tuple of LayerClustering
        In the order of the layers.

    Raises
    ------
    InputError
        If a layer has no such units, or a pattern matches no layer or only dense layers.
    """
    if isinstance(layers, Network):
        clustering = settings_of(layers, clustering)
    layers = tuple(layers)
    clustering = clustering.named(layers)
    problems = clustering.network_problems(layers)
    units = []
    for position, layer in enumerate(layers):
        try:
            units.append((layer, clustering.unit(layer, first=position == 0)))
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError(problems)
    return _resolved(units, clustering)


def settings_of(network: Network, clustering: Clustering) -> Clustering:
    """The clustering of a selection of layers, without what is said of the others.

    Parameters
    ----------
    network : Network
        A network, of which `Network.select` may have left layers out.
    clustering : Clustering
        Of the network with all of its layers.

    Raises
    ------
    InputError
        If a pattern matches no layer of the whole network, or only dense layers.
    """
    if not network.whole:
        return clustering
    if problems := clustering.network_problems(network.whole):
        raise InputError(problems)
    first = network.whole[0].name
    names = [layer.name for layer in network]
    dense = [
        item
        for item in clustering.dense.split("+")
        if (first in names if item == "first" else item in DENSE_GROUPS)
        or any(fnmatchcase(name, item) for name in names)
    ]
    overrides = tuple(
        override
        for override in clustering.overrides
        if any(
            override.matches(layer) and not clustering.stays_dense(layer, first=layer.name == first)
            for layer in network
        )
    )
    return replace(clustering, dense="+".join(dense) or "none", overrides=overrides)


def check_units(parts: Iterable[LayerClustering]) -> None:
    """See whether any codebook has as many units as clusters were asked for.

    Raises
    ------
    InputError
        If none has, so that no two units would share an entry.
    """
    clustered = [part for part in parts if part.unit]
    if clustered and all(part.clipped for part in clustered):
        largest = max(clustered, key=lambda part: part.codebook_units)
        most = largest.codebook_units
        what = f"k is {largest.settings.k}, but no codebook serves more than {most}"
        raise InputError(Problem(f"{what} unit{'s' if most > 1 else ''}", f"at most {most}"))


def few_units_notes(parts: Iterable[LayerClustering]) -> tuple[str, ...]:
    """A sentence about layers with fewer units than clusters, if there are any."""
    clustered = [part for part in parts if part.unit]
    small = [part.layer.name for part in clustered if part.clipped]
    if not small:
        return ()
    names = ", ".join(small[:3]) + (", ..." if len(small) > 3 else "")
    return (
        f"Fewer units than clusters: {names} ({len(small)} of {len(clustered)} layers). Each unit "
        "there keeps an entry of its own.",
    )


def cut_layer(
    layer: ConvLayer, unit: Unit | None, settings: Clustering, codebook: str | None = None
) -> LayerClustering:
    """A layer cut into units; everything but the number of clusters.

    Parameters
    ----------
    layer : ConvLayer
    unit : Unit or None
        ``None`` if it stays dense.
    settings : Clustering
        As they hold for the layer.
    codebook : str, optional
        Name of its codebook; when absent, that of the layer, or what layers that share it have in
        common.

    Raises
    ------
    InputError
        If a codebook's filters or channels would cut units.
    """
    if unit is None:
        return LayerClustering(layer, settings)
    for served, extent, what in (
        (settings.codebook_filters, unit.filters, "filters"),
        (settings.codebook_channels, unit.channels, "channels"),
    ):
        if served and served % extent:
            raise InputError(
                Problem(
                    f"layer {layer.name!r}: codebook_{what} is {served}, but units span {extent} "
                    f"{what}",
                    f"a multiple of {extent}",
                )
            )
    if codebook is None:
        shared = f"{'x'.join(map(str, unit.extents))} {settings}"
        codebook = layer.name if settings.scope == "layer" else shared
    part = LayerClustering(layer, settings, unit, units=unit.count(layer), codebook=codebook)
    across, along = part.codebook_grid
    return replace(part, subspaces=across * along, codebook_units=_served_units(part, unit))


def _served_units(part: LayerClustering, unit: Unit) -> int:
    """Units of the layer that one of its codebooks serves at most."""
    filters, blocks, rows, columns = unit.grid(part.layer)
    settings = part.settings
    if settings.is_product:
        blocks = 1
    if settings.codebook_filters:
        filters = min(filters, settings.codebook_filters // unit.filters)
    if settings.codebook_channels:
        blocks = min(blocks, settings.codebook_channels // unit.channels)
    return filters * blocks * rows * columns


def _resolved(
    layers: list[tuple[ConvLayer, Unit | None]], clustering: Clustering
) -> tuple[LayerClustering, ...]:
    parts = [cut_layer(layer, unit, clustering.for_layer(layer)) for layer, unit in layers]
    served: Counter[str] = Counter()
    for part in parts:
        if part.unit:
            served[part.codebook] += part.codebook_units
    return tuple(_with_clusters(part, served[part.codebook]) for part in parts)


def _with_clusters(part: LayerClustering, served: int) -> LayerClustering:
    """The number of clusters, once it is known how many units each codebook serves."""
    if part.unit is None:
        return part
    if part.settings.ratio is not None:
        problem = f"ratio={part.settings.ratio} is no number of clusters yet"
        raise InputError(Problem(problem, "k or rate, or 'meet_ratio' to find k"))
    wanted = part.settings.k or max(1, round((part.settings.rate or 0) * served))
    return replace(
        part, clusters=min(wanted, served), clipped=wanted > served, codebook_units=served
    )
