"""Checking a shared convolution: found, counted, executed, and compared with torch."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from kcsim.clustering.precision import StoredValues
from kcsim.clustering.resolve import LayerClustering, resolve_layer
from kcsim.clustering.scheme import Clustering
from kcsim.cost.clustered_formats import weight_formats
from kcsim.cost.padding import with_padding_moved
from kcsim.errors import InputError, Problem
from kcsim.hardware.schema import Hardware
from kcsim.replay.dense import MAC_NANOSECONDS, Difference, least_cost, trusted_convolution
from kcsim.replay.sharing import SharedReplay, compare_shared, replay_shared
from kcsim.sharing.account import SharedEstimate
from kcsim.sharing.distinct_entries import DistinctEntries
from kcsim.sharing.plan import SharedLayer
from kcsim.sharing.search import find_shared_mapping
from kcsim.sharing.strategies import SHARINGS
from kcsim.weights.clustered_layer import ClusteredLayer, Codebook
from kcsim.workload.layer import ConvLayer


@dataclass(frozen=True, eq=False)
class SharingCheck:
    """A shared convolution that was counted in two ways, and computed in two.

    Attributes
    ----------
    estimate : SharedEstimate
    replay : SharedReplay
    differences : tuple of Difference
        Counts that the two disagree on.
    wrong_outputs : int
        Outputs that differ.
    reference : str
        Whose outputs they were compared with.
    """

    estimate: SharedEstimate
    replay: SharedReplay
    differences: tuple[Difference, ...]
    wrong_outputs: int
    reference: str


def check_sharing(
    layer: ConvLayer,
    hardware: Hardware,
    clustering: Clustering,
    sharing: str,
    *,
    objective: str = "edp",
    seed: int = 0,
    limit_seconds: float = np.inf,
) -> SharingCheck:
    """Find a mapping of a clustered layer, execute it with random weights, and compare.

    Parameters
    ----------
    layer : ConvLayer
    hardware : Hardware
        With a codebook store.
    clustering : Clustering
        It must cluster the layer.
    sharing : {"share_products", "share_sums"}
    objective : {"edp", "energy", "cycles"}
        Of the mapping.
    seed : int
        Of indexes, entries and inputs: small whole numbers.
    limit_seconds : float
        What the execution may take at most, as estimated.

    Raises
    ------
    InputError
        If the clustering leaves the layer dense, or the execution would take too long.
    MappingError
        If the hardware has no room for the phases.
    """
    part = resolve_layer(layer, clustering)
    if part.unit and part.unshared:
        raise InputError(f"{layer.name} shares neither products nor sums: {part.unshared}")
    if part.unit is None:
        raise InputError(Problem(f"{clustering} leaves {layer.name} dense", "dense=none"))
    least_cost(layer).check(np.inf)
    _check_time(layer, layer.macs, limit_seconds)
    weights, codebook = random_weights(part, seed)
    without_zeros = "weights" in hardware.compute.zeros
    distinct = DistinctEntries.of(weights, codebook, without_zeros=without_zeros)
    (form,) = weight_formats((layer,), hardware, replace(part.settings, dense="none"))
    moving = with_padding_moved(hardware)
    shared = SharedLayer(layer, moving, form, distinct, SHARINGS[sharing])
    estimate = find_shared_mapping(shared, objective)
    assert estimate is not None
    width = estimate.intermediate.width
    _check_time(layer, estimate.gather.counts.macs * width + layer.macs, limit_seconds)
    replay = replay_shared(shared, estimate.plan, weights, codebook, seed=seed)
    decoded = weights.decode(codebook).astype(np.int64)
    expected, reference = trusted_convolution(layer, replay.inputs, decoded)
    wrong = int(np.count_nonzero(replay.outputs != expected))
    return SharingCheck(estimate, replay, compare_shared(replay, estimate), wrong, reference)


def _check_time(layer: ConvLayer, steps: int, limit_seconds: float) -> None:
    """Refuse what would take longer than the limit."""
    seconds = 1e-9 * MAC_NANOSECONDS * steps
    if seconds > limit_seconds:
        raise InputError(
            Problem(f"executing {layer.name} would take about {seconds:.0f} seconds",
                    f"at most the limit of {limit_seconds:g}: a smaller layer, fewer entries, or "
                    "a higher limit (--limit)")
        )  # fmt: skip


def random_weights(part: LayerClustering, seed: int = 0) -> tuple[ClusteredLayer, Codebook]:
    """Random indexes, and entries, scales and offsets that are small whole numbers."""
    random, layer, unit = np.random.default_rng(seed), part.layer, part.unit
    if unit is None:
        raise ValueError("a dense layer has no units")
    settings, channels = part.settings, layer.in_channels // layer.groups

    def whole(shape: tuple[int, ...]) -> StoredValues:
        return StoredValues(random.integers(-3, 4, shape).astype(np.float32), 32)

    depth = channels if settings.is_product else unit.channels
    codebook = Codebook(part.codebook, whole((part.clusters, depth, unit.height, unit.width)))
    shape = (
        layer.out_channels, unit.channel_blocks(layer),
        layer.kernel_height // unit.height, layer.kernel_width // unit.width,
    )  # fmt: skip
    indexes = random.integers(part.clusters, size=shape).astype(np.int32)
    turns = random.integers(settings.transforms, size=shape).astype(np.uint8)
    return ClusteredLayer(
        part, indexes, turns if settings.transforms > 1 else None,
        whole(shape) if settings.kind.has_scales else None,
        whole(shape) if settings.kind.has_offsets else None,
    ), codebook  # fmt: skip
