"""Estimates as JSON; `kcsim.report.schema` says what is in it."""

from __future__ import annotations

import platform
from typing import Any

import numpy as np
from pydantic import TypeAdapter

import kcsim
from kcsim.clustering.storage import NetworkStorage
from kcsim.estimation.result import Estimate, Run
from kcsim.hardware.notes import hardware_notes
from kcsim.hardware.schema import Hardware
from kcsim.model.layer_estimate import LayerEstimate
from kcsim.report import schema
from kcsim.report.layer_json import layer_document, operations_document
from kcsim.report.network_data import storage_parts
from kcsim.sums import exact_sum
from kcsim.workload.network import Network

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
    document = schema.EstimateDocument(
        schema="kcsim.estimate/2",
        versions=versions(),
        hardware=hardware_document(estimate.hardware),
        network=network_document(estimate.network),
        runs=tuple(run_document(run) for run in estimate.runs),
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
        schema="kcsim.layer/2",
        versions=versions(),
        hardware=hardware_document(estimate.counts.hardware),
        layer=layer_document(estimate),
    )
    return dict(_LAYER.dump_python(document, mode="json"))


def versions() -> schema.VersionsDocument:
    """What computes."""
    return schema.VersionsDocument(
        kcsim=kcsim.__version__, python=platform.python_version(), numpy=np.__version__
    )


def network_document(network: Network) -> schema.NetworkDocument:
    """What runs."""
    return schema.NetworkDocument(
        name=network.name,
        batch=network.layers[0].batch,
        layers=len(network),
        macs=network.macs,
        weights=network.weights,
    )


def hardware_document(hardware: Hardware) -> schema.HardwareDocument:
    """What it runs on."""
    return schema.HardwareDocument(
        name=hardware.name,
        energy_unit=hardware.energy_unit,
        clock_mhz=hardware.clock_mhz,
        levels=hardware.level_names,
        mac_units=hardware.mac_units,
        notes=hardware_notes(hardware),
    )


def run_document(run: Run) -> schema.RunDocument:
    """One run."""
    return schema.RunDocument(
        weights=run.weights,
        execution=run.execution,  # type: ignore[arg-type]
        totals=_totals(run),
        layers=tuple(layer_document(layer) for layer in run.layers),
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
        operations=operations_document(run.operations, run.full_adders),
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
        total_bits=exact_sum(parts.values()),
        uncompressed_bits=sum(layer.uncompressed_weights_bits for layer in storage.layers),
        is_expectation=storage.is_expectation,
    )
