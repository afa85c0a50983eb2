"""kcsim: what a CNN accelerator spends on a network, with dense or clustered weights.

>>> import kcsim
>>> kcsim.estimate("eyeriss.yaml", "alexnet", "kernel:k=256,scope=network")  # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kcsim.clustering import ClusteredWeights, Clustering, parse_clustering
    from kcsim.clustering.cluster import cluster_network
    from kcsim.clustering.clustered_file import load_clustered, save_clustered
    from kcsim.clustering.weight_files import load_weights
    from kcsim.conv import clustered_conv2d
    from kcsim.conv.module import cluster_model
    from kcsim.errors import InputError, KcsimError, MappingError
    from kcsim.hardware import Hardware, load_hardware
    from kcsim.mapping import LevelLoops, Loop, Mapping
    from kcsim.mapping.layers import MappingTask, map_layers
    from kcsim.mapping.reader import read_mapping
    from kcsim.mapping.search import (
        FrontPoint,
        SearchResult,
        find_front,
        find_mapping,
        search_mapping,
    )
    from kcsim.model.bulk import BulkCounts, count_mappings, stack_mappings
    from kcsim.model.compare import compare_executions
    from kcsim.model.counts import Counts, count_layer
    from kcsim.model.estimate import estimate
    from kcsim.model.evaluate import evaluate, map_layer
    from kcsim.model.replay import replay_layer
    from kcsim.model.results import Estimate, LayerEstimate, Run
    from kcsim.workload import ConvLayer, Network, ZeroShares, load_layer, load_network

__version__ = "0.1.0"

_HOMES = {
    "BulkCounts": "kcsim.model.bulk",
    "ClusteredWeights": "kcsim.clustering",
    "Clustering": "kcsim.clustering",
    "ConvLayer": "kcsim.workload",
    "Counts": "kcsim.model.counts",
    "Estimate": "kcsim.model.results",
    "FrontPoint": "kcsim.mapping.search",
    "Hardware": "kcsim.hardware",
    "InputError": "kcsim.errors",
    "KcsimError": "kcsim.errors",
    "LayerEstimate": "kcsim.model.results",
    "LevelLoops": "kcsim.mapping",
    "Loop": "kcsim.mapping",
    "Mapping": "kcsim.mapping",
    "MappingError": "kcsim.errors",
    "MappingTask": "kcsim.mapping.layers",
    "Network": "kcsim.workload",
    "Run": "kcsim.model.results",
    "SearchResult": "kcsim.mapping.search",
    "ZeroShares": "kcsim.workload",
    "cluster_model": "kcsim.conv.module",
    "cluster_network": "kcsim.clustering.cluster",
    "clustered_conv2d": "kcsim.conv",
    "compare_executions": "kcsim.model.compare",
    "count_layer": "kcsim.model.counts",
    "count_mappings": "kcsim.model.bulk",
    "estimate": "kcsim.model.estimate",
    "evaluate": "kcsim.model.evaluate",
    "find_front": "kcsim.mapping.search",
    "find_mapping": "kcsim.mapping.search",
    "load_clustered": "kcsim.clustering.clustered_file",
    "load_hardware": "kcsim.hardware",
    "load_layer": "kcsim.workload",
    "load_network": "kcsim.workload",
    "load_weights": "kcsim.clustering.weight_files",
    "map_layer": "kcsim.model.evaluate",
    "map_layers": "kcsim.mapping.layers",
    "parse_clustering": "kcsim.clustering",
    "read_mapping": "kcsim.mapping.reader",
    "replay_layer": "kcsim.model.replay",
    "save_clustered": "kcsim.clustering.clustered_file",
    "search_mapping": "kcsim.mapping.search",
    "stack_mappings": "kcsim.model.bulk",
}

__all__ = [
    "BulkCounts",
    "ClusteredWeights",
    "Clustering",
    "ConvLayer",
    "Counts",
    "Estimate",
    "FrontPoint",
    "Hardware",
    "InputError",
    "KcsimError",
    "LayerEstimate",
    "LevelLoops",
    "Loop",
    "Mapping",
    "MappingError",
    "MappingTask",
    "Network",
    "Run",
    "SearchResult",
    "ZeroShares",
    "cluster_model",
    "cluster_network",
    "clustered_conv2d",
    "compare_executions",
    "count_layer",
    "count_mappings",
    "estimate",
    "evaluate",
    "find_front",
    "find_mapping",
    "load_clustered",
    "load_hardware",
    "load_layer",
    "load_network",
    "load_weights",
    "map_layer",
    "map_layers",
    "parse_clustering",
    "read_mapping",
    "replay_layer",
    "save_clustered",
    "search_mapping",
    "stack_mappings",
]


def __getattr__(name: str) -> Any:
    """Load what is asked for, so that importing kcsim costs nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module 'kcsim' has no attribute '{name}'")
    import importlib

    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
