"""What commands on one layer share: the layer, its weights, and the file of its mapping."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kcsim.cost.weight_format import WeightFormat
    from kcsim.hardware.schema import Hardware
    from kcsim.mapping.fixed import FixedMapping
    from kcsim.model.layer_estimate import LayerEstimate
    from kcsim.workload.layer import ConvLayer


def read_layer(
    name: str, batch: int | None, zeros: str | None = None, precision: str | None = None
) -> ConvLayer:
    """The layer that options ask for."""
    from kcsim.workload.precision_reader import layer_with_precision
    from kcsim.workload.reader import load_layer
    from kcsim.workload.zeros_reader import layer_with_zeros

    layer = load_layer(name)
    layer = layer if batch is None else layer.with_batch(batch)
    layer = layer if zeros is None else layer_with_zeros(layer, zeros)
    return layer if precision is None else layer_with_precision(layer, precision)


def read_format(name: str, hardware: Hardware, cluster: str | None) -> WeightFormat:
    """The format of its weights: dense ones, or as the clustering of its network says."""
    from kcsim.clustering.spec import parse_clustering
    from kcsim.cost.clustered_formats import selected_format
    from kcsim.workload.reader import select_layer

    clustering = parse_clustering(cluster) if cluster else None
    return selected_format(select_layer(name), hardware, clustering)


def read_fix(path: str | None) -> FixedMapping | None:
    """What is fixed of a mapping, if anything is."""
    from kcsim.mapping.fixed_reader import read_fixed

    return None if path is None else read_fixed(path)


def mapping_file(found: LayerEstimate, objective: str) -> str:
    """A mapping as YAML, after comments on how it was found."""
    from kcsim.report.search_data import search_comment

    assert found.search is not None
    hardware = found.counts.hardware
    comment = search_comment(found.layer, hardware, objective, found.search)
    return comment + found.mapping.to_yaml(hardware)
