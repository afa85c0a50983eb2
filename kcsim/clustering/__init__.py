"""Clustered weights: schemes, their specifications, and the bits that they take."""

from kcsim.clustering.compute import (
    TableCompute,
    expected_distinct,
    expected_product_share,
    table_compute,
)
from kcsim.clustering.options import SCHEMES, Scheme
from kcsim.clustering.resolve import LayerClustering, resolve_layer, resolve_network
from kcsim.clustering.scheme import Clustering, Override, Unit
from kcsim.clustering.spec import parse_clustering
from kcsim.clustering.storage import (
    LayerStorage,
    NetworkStorage,
    fixed_index_bits,
    layer_storage,
    network_storage,
    worst_case_entropy,
)

__all__ = [
    "SCHEMES",
    "Clustering",
    "LayerClustering",
    "LayerStorage",
    "NetworkStorage",
    "Override",
    "Scheme",
    "TableCompute",
    "Unit",
    "expected_distinct",
    "expected_product_share",
    "fixed_index_bits",
    "layer_storage",
    "network_storage",
    "parse_clustering",
    "resolve_layer",
    "resolve_network",
    "table_compute",
    "worst_case_entropy",
]
