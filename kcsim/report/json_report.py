"""Estimates as JSON; `kcsim.report.schema` says what is in it."""

from __future__ import annotations

import math
import platform
from typing import Any

import numpy as np
from pydantic import TypeAdapter

import kcsim
from kcsim.clustering import NetworkStorage
from kcsim.hardware import Hardware
from kcsim.mapping import Mapping
from kcsim.mapping.search import SearchResult
from kcsim.model.counts import Counts
from kcsim.model.results import Estimate, LayerEstimate, Run
from kcsim.report import schema
from kcsim.report.network_data import storage_parts
from kcsim.workload.layer import TENSORS

__all__ = [
    "DRAFT",
    "ESTIMATE_SCHEMA",
    "LAYER_SCHEMA",
    "estimate_to_dict",
    "layer_to_dict",
    "storage_document",
    "versions",
]

_ESTIMATE = TypeAdapter(schema.EstimateDocument)
_LAYER = TypeAdapter(schema.LayerEstimateDocument)
DRAFT = {"$schema": "https://json-schema.org/draft/2020-12/schema"}

ESTIMATE_SCHEMA: dict[str, Any] = DRAFT | _ESTIMATE.json_schema(mode="serialization")
"""JSON Schema of what `estimate_to_dict` returns."""

LAYER_SCHEMA: dict[str, Any] = DRAFT | _LAYER.json_schema(mode="serialization")
"""JSON Schema of what `layer_to_dict` returns."""


def estimate_to_dict(estimate: Estimate) -> dict[str, Any]:
    """A network's estimate in plain types, for JSON.

    Parameters
    ----------
    estimate : Estimate

    Returns
    -------
    dict
        Valid under `ESTIMATE_SCHEMA`.
    """
    network = estimate.network
    document = schema.EstimateDocument(
        schema="kcsim.estimate/1",
        versions=versions(),
        hardware=_hardware(estimate.hardware),
        network=schema.NetworkDocument(
            name=network.name,
            batch=network.layers[0].batch,
            layers=len(network),
            macs=network.macs,
            weights=network.weights,
        ),
        runs=tuple(_run(run) for run in estimate.runs),
    )
    return dict(_ESTIMATE.dump_python(document, mode="json"))


def layer_to_dict(estimate: LayerEstimate) -> dict[str, Any]:
    """A layer's estimate in plain types, for JSON.

    Parameters
    ----------
    estimate : LayerEstimate

    Returns
    -------
    dict
        Valid under `LAYER_SCHEMA`.
    """
    document = schema.LayerEstimateDocument(
        schema="kcsim.layer/1",
        versions=versions(),
        hardware=_hardware(estimate.counts.hardware),
        layer=_layer(estimate),
    )
    return dict(_LAYER.dump_python(document, mode="json"))


def versions() -> schema.VersionsDocument:
    """What computes."""
    return schema.VersionsDocument(
        kcsim=kcsim.__version__, python=platform.python_version(), numpy=np.__version__
    )


def _hardware(hardware: Hardware) -> schema.HardwareDocument:
    return schema.HardwareDocument(
        name=hardware.name,
        energy_unit=hardware.energy_unit,
        clock_mhz=hardware.clock_mhz,
        levels=hardware.level_names,
        mac_units=hardware.mac_units,
    )


def _run(run: Run) -> schema.RunDocument:
    return schema.RunDocument(
        weights=run.weights,
        totals=_totals(run),
        layers=tuple(_layer(layer) for layer in run.layers),
    )


def _totals(run: Run) -> schema.TotalsDocument:
    costs = run.deep_kmeans_total
    return schema.TotalsDocument(
        energy_pj=run.energy_pj,
        energy_by_component_pj=run.energy_by_component(),
        energy_by_tensor_pj=run.energy_by_tensor(),
        cycles=run.cycles,
        macs=run.macs,
        utilization=run.utilization,
        seconds=run.seconds,
        weight_bits=run.weight_bits,
        storage=None if run.storage is None else storage_document(run.storage),
        lookups=run.lookups,
        innermost_accesses_per_mac=run.mac_side_accesses_per_mac(),
        deep_kmeans=schema.DeepKMeansDocument(
            computational_full_adders=costs.computational_full_adders,
            weight_bit_uses=costs.weight_bit_uses,
            activation_bit_uses=costs.activation_bit_uses,
            mac_units=costs.mac_units,
        ),
    )


def storage_document(storage: NetworkStorage) -> schema.StorageDocument:
    """What clustered weights occupy, part by part."""
    parts = storage_parts(storage)
    return schema.StorageDocument(
        **{f"{name.replace(' ', '_')}_bits": bits for name, bits in parts.items()},
        total_bits=sum(parts.values()),
        uncompressed_bits=sum(layer.uncompressed_weights_bits for layer in storage.layers),
        is_expectation=storage.is_expectation,
    )


def _layer(estimate: LayerEstimate) -> schema.LayerDocument:
    counts, cycles = estimate.counts, estimate.cycles
    return schema.LayerDocument(
        name=estimate.layer.name,
        kind=estimate.layer.kind,
        dimensions=estimate.layer.dimensions,
        macs=counts.macs,
        energy_pj=estimate.energy_pj,
        utilization=estimate.utilization,
        mac_units_used=int(counts.instances[-1]),
        lookups=estimate.lookups,
        weights=_weights(estimate),
        zeros=_zeros(estimate),
        mapping=_mapping(estimate.mapping),
        search=_search(estimate.search),
        accesses=_accesses(counts),
        transfers=_transfers(counts),
        cycles=schema.CyclesDocument(
            compute=cycles.compute,
            transfer=cycles.transfer,
            total=cycles.total,
            bound_by=cycles.bound_by,
        ),
        energy=tuple(schema.EnergyDocument(**vars(item)) for item in estimate.items),
    )


def _search(search: SearchResult | None) -> schema.SearchDocument | None:
    if search is None:
        return None
    return schema.SearchDocument(
        proved=search.is_optimal,
        gap=None if math.isnan(search.gap) else search.gap,
        mappings=search.mappings,
        evaluated=search.evaluated,
        note=search.note,
    )


def _weights(estimate: LayerEstimate) -> schema.WeightsDocument:
    weights = estimate.weights
    names = estimate.counts.hardware.level_names
    return schema.WeightsDocument(
        value_bits=weights.value_bits,
        unit=weights.unit,
        unit_bits=float(weights.unit_bits),
        decode_level=names[weights.decode_level] if weights.unit else None,
        codebook_words=weights.codebook_words,
        codebook_bits=weights.codebook_bits,
        loads_codebook=weights.loads_codebook,
    )


def _zeros(estimate: LayerEstimate) -> schema.ZerosDocument:
    shares, macs = estimate.layer.zeros, estimate.macs_left
    return schema.ZerosDocument(
        weights=shares.weights,
        inputs=shares.inputs,
        outputs=shares.outputs,
        computed_macs=macs.computed,
        gated_macs=macs.gated,
        skipped_macs=macs.skipped,
        stored=tuple(schema.StoredDocument(**s._asdict()) for s in estimate.stored_tensors),
        is_expectation=estimate.rests_on_zeros,
    )


def _mapping(mapping: Mapping) -> tuple[schema.LoopsDocument, ...]:
    return tuple(
        schema.LoopsDocument(
            level=level.level,
            temporal=tuple(map(str, level.temporal)),
            spatial_x=tuple(map(str, level.spatial_x)),
            spatial_y=tuple(map(str, level.spatial_y)),
            bypass=level.bypass,  # type: ignore[arg-type]
        )
        for level in mapping.levels
    )


def _accesses(counts: Counts) -> tuple[schema.AccessDocument, ...]:
    keeps = counts.mapping.keeps_array(counts.hardware)
    return tuple(
        schema.AccessDocument(
            level=name,
            tensor=tensor,
            instances=int(counts.instances[i]),
            tile_words=int(counts.tile_words[i, j]),
            reads=counts.words(name, tensor, "reads"),
            fills=counts.words(name, tensor, "fills"),
            updates=counts.words(name, tensor, "updates"),
        )
        for i, name in enumerate(counts.hardware.level_names)
        for j, tensor in enumerate(TENSORS)
        if keeps[i, j]
    )


def _transfers(counts: Counts) -> tuple[schema.TransferDocument, ...]:
    return tuple(
        schema.TransferDocument(
            level=name,
            tensor=tensor,
            down=counts.moved(name, tensor, "down"),
            up=counts.moved(name, tensor, "up"),
            forwarded=counts.moved(name, tensor, "forwarded"),
        )
        for i, name in enumerate(counts.hardware.level_names)
        for j, tensor in enumerate(TENSORS)
        if counts.transfers[i, j].any()
    )
