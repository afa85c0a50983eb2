"""Clustered weights: schemes, their specifications, and the bits that they take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kcsim.clustering.clustered import (
    ClusteredLayer,
    ClusteredWeights,
    Codebook,
    stored_network,
)
from kcsim.clustering.coding import fixed_index_bits
from kcsim.clustering.compute import (
    TableCompute,
    expected_distinct,
    expected_product_share,
    table_compute,
)
from kcsim.clustering.options import SCHEMES, Scheme
from kcsim.clustering.resolve import (
    LayerClustering,
    check_units,
    few_units_notes,
    resolve_layer,
    resolve_network,
    settings_of,
)
from kcsim.clustering.scheme import Clustering, Override, Unit
from kcsim.clustering.spec import parse_clustering
from kcsim.clustering.storage import (
    LayerStorage,
    NetworkStorage,
    layer_storage,
    network_storage,
    parts_storage,
    worst_case_entropy,
)
from kcsim.clustering.target import meet_ratio

if TYPE_CHECKING:
    from kcsim.clustering.fit import FittedUnits, fit_units
    from kcsim.clustering.k_means import KMeans, kmeans

_HOMES = {
    "FittedUnits": "kcsim.clustering.fit",
    "KMeans": "kcsim.clustering.k_means",
    "fit_units": "kcsim.clustering.fit",
    "kmeans": "kcsim.clustering.k_means",
}

__all__ = [
    "SCHEMES",
    "ClusteredLayer",
    "ClusteredWeights",
    "Clustering",
    "Codebook",
    "FittedUnits",
    "KMeans",
    "LayerClustering",
    "LayerStorage",
    "NetworkStorage",
    "Override",
    "Scheme",
    "TableCompute",
    "Unit",
    "check_units",
    "expected_distinct",
    "expected_product_share",
    "few_units_notes",
    "fit_units",
    "fixed_index_bits",
    "kmeans",
    "layer_storage",
    "meet_ratio",
    "network_storage",
    "parse_clustering",
    "parts_storage",
    "resolve_layer",
    "resolve_network",
    "settings_of",
    "stored_network",
    "table_compute",
    "worst_case_entropy",
]


def __getattr__(name: str) -> Any:
    """Load what needs compiled kernels only when it is asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module 'kcsim.clustering' has no attribute '{name}'")
    import importlib

    return getattr(importlib.import_module(_HOMES[name]), name)
