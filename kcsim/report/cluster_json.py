"""Clustered weights as JSON: the numbers of the tables, not the weights."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import TypeAdapter
from pydantic.dataclasses import dataclass

from kcsim.clustering.storage import LayerStorage
from kcsim.report.json_report import DRAFT, storage_document, versions
from kcsim.report.layer_schema import STRICT, Amount, Count, Number
from kcsim.report.schema import StorageDocument, VersionsDocument
from kcsim.weights.clustered import ClusteredWeights


@dataclass(frozen=True, config=STRICT, kw_only=True)
class ClusteredLayerDocument:
    """A layer; the counts are `null` if it stays dense."""

    name: str
    """Its name."""
    clustering: str | None
    """The settings that hold for it."""
    unit: tuple[Count, Count, Count] | None
    """Channels, rows and columns that one index stands for."""
    units: Count
    """Units N; 0 if it stays dense."""
    clusters: Count
    """Entries K of a codebook; 0 if it stays dense."""
    used_entries: Count | None
    """Entries that it uses, those of every sub-space counted apart."""
    distinct_per_channel: tuple[Count, ...] | None
    """Distinct entries that the filters have for each input channel (U_c)."""
    distinct_per_filter: tuple[Count, ...] | None
    """Distinct entries that each filter has (V_m)."""
    codebook_bits: Number
    """Its own codebook; 0 for a shared one [bit]."""
    indexes_bits: Number
    """Indexes [bit]."""
    transforms_bits: Count
    """Transforms [bit]."""
    scales_bits: Count
    """Scales [bit]."""
    offsets_bits: Count
    """Offsets [bit]."""
    dense_weights_bits: Count
    """Weights, if it stays dense [bit]."""
    biases_bits: Count
    """Biases [bit]."""
    uncompressed_weights_bits: Count
    """Weights without clustering [bit]."""
    mean_squared_error: Amount | None
    """Of the decoded weights against the given ones, where these are known."""
    variance_kept: float | None
    """1 less the squared error over the variance of the given weights."""


@dataclass(frozen=True, config=STRICT, kw_only=True)
class ClusterDocument:
    """What `kcsim cluster --format json` prints."""

    schema: Literal["kcsim.cluster/1"]
    """Name and version of this format."""
    versions: VersionsDocument
    """What computed it."""
    network: str
    """Name of the network."""
    clustering: str
    """The clustering, or `found`."""
    storage: StorageDocument
    """What the weights occupy."""
    biases_bits: Count
    """What the biases occupy [bit]."""
    ratio: Amount
    """Uncompressed over stored bits, biases included."""
    payload_bytes: Count
    """Tensors of the file, each rounded up to whole bytes [byte]."""
    notes: tuple[str, ...]
    """What was noticed."""
    layers: tuple[ClusteredLayerDocument, ...]
    """In the order of the network."""


_CLUSTER = TypeAdapter(ClusterDocument)

CLUSTER_SCHEMA: dict[str, Any] = DRAFT | _CLUSTER.json_schema(mode="serialization")
"""JSON Schema of what `cluster_to_dict` returns."""


def cluster_to_dict(weights: ClusteredWeights) -> dict[str, Any]:
    """What there is to say about clustered weights in plain types, for JSON.

    Parameters
    ----------
    weights : ClusteredWeights

    Returns
    -------
    dict
        Valid under `CLUSTER_SCHEMA`.
    """
    storage = weights.storage()
    document = ClusterDocument(
        schema="kcsim.cluster/1",
        versions=versions(),
        network=weights.network.name,
        clustering=weights.clustering,
        storage=storage_document(storage),
        biases_bits=sum(layer.biases_bits for layer in storage.layers),
        ratio=storage.ratio(),
        payload_bytes=weights.payload_bytes,
        notes=weights.notes,
        layers=tuple(_layer(layer, weights) for layer in storage.layers),
    )
    return dict(_CLUSTER.dump_python(document, mode="json"))


def _layer(stored: LayerStorage, weights: ClusteredWeights) -> ClusteredLayerDocument:
    part = stored.clustering
    layer = weights.layers.get(part.layer.name)
    return ClusteredLayerDocument(
        name=part.layer.name,
        clustering=str(part.settings) if layer else None,
        unit=part.unit.shape if part.unit else None,
        units=part.units,
        clusters=part.clusters,
        used_entries=layer.used_entries if layer else None,
        distinct_per_channel=tuple(layer.distinct_per_channel.tolist()) if layer else None,
        distinct_per_filter=tuple(layer.distinct_per_filter.tolist()) if layer else None,
        codebook_bits=stored.codebook_bits,
        indexes_bits=stored.indexes_bits,
        transforms_bits=stored.transforms_bits,
        scales_bits=stored.scales_bits,
        offsets_bits=stored.offsets_bits,
        dense_weights_bits=stored.dense_weights_bits,
        biases_bits=stored.biases_bits,
        uncompressed_weights_bits=stored.uncompressed_weights_bits,
        mean_squared_error=layer.mean_squared_error if layer else None,
        variance_kept=layer.variance_kept if layer else None,
    )
