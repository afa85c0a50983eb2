"""Multiplications that sharing saves: distinct entries, and tables of products."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass

from kcsim.clustering.resolve import LayerClustering
from kcsim.errors import InputError
from kcsim.sums import exact_sum


@dataclass(frozen=True)
class TableCompute:
    """Operations of product quantization with tables of inner products, of the whole batch.

    Attributes
    ----------
    table_macs : int
        Multiply-accumulates that fill the tables.
    lookup_adds : int
        Table entries that are read and added.
    """

    table_macs: int
    lookup_adds: int

    @property
    def total(self) -> int:
        """All operations, as the paper counts them."""
        return self.table_macs + self.lookup_adds


def expected_distinct(clusters: int, draws: int) -> float:
    """Expected number of distinct entries among uniform draws: K (1 - (1 - 1/K)^n).

    It stands in for the distinct kernels of Son, Nah, Lee (ECCV 2018, Section 3.4) where there
    are no weights to count in.

    Parameters
    ----------
    clusters : int
        Entries K, at least 1.
    draws : int
        Units n, each with an entry of its own; at least 0.
    """
    if clusters == 1:
        return float(min(draws, 1))
    # The plain power loses all digits where 1/K is below the precision of 1 - 1/K.
    return -clusters * math.expm1(draws * math.log1p(-1 / clusters))


def expected_product_share(part: LayerClustering) -> float:
    """Share of the products that is left if each is computed once; an expectation.

    Units that meet the same input pixels and have the same entry give the same products: units of
    all filters and, for units smaller than a kernel, of all taps whose distance is a multiple of
    the stride. If n units meet, U of them distinct, U/n of the products are left. A transformed
    entry counts as an entry of its own. Borders of the image are neglected.

    Parameters
    ----------
    part : LayerClustering
        The layer; one that stays dense, or in a layout in which nothing is shared
        (`LayerClustering.unshared`), shares nothing.

    Returns
    -------
    float
        Above 0 and at most 1.
    """
    if part.unit is None or part.unshared:
        return 1.0
    layer, unit = part.layer, part.unit
    filters = layer.out_channels // layer.groups
    rows = _phases(layer.kernel_height // unit.height, layer.dilation[0], layer.stride[0])
    columns = _phases(layer.kernel_width // unit.width, layer.dilation[1], layer.stride[1])
    meeting = [filters * high * wide for high in rows for wide in columns]
    entries = part.clusters * part.settings.transforms
    return exact_sum(expected_distinct(entries, count) for count in meeting) / sum(meeting)


def _phases(taps: int, dilation: int, stride: int) -> list[int]:
    """How many taps along one axis meet the same pixels, for every such set of pixels."""
    return list(Counter(tap * dilation % stride for tap in range(taps)).values())


def table_compute(part: LayerClustering) -> TableCompute:
    """Operations of a layer in product quantization.

    Wu et al., Quantized Convolutional Neural Networks for Mobile Devices, CVPR 2016, Section 3:
    with d_s and d_t the sides of input and output, C_s and C_t their channels, K sub-codewords and
    M sub-spaces, the d_t^2 d_k^2 C_s C_t operations of a convolution become
    d_s^2 C_s K + d_t^2 d_k^2 C_t M. Every input pixel gets a table, also those that a stride
    passes over; padding gets none.

    Parameters
    ----------
    part : LayerClustering
        The layer, clustered with the product scheme.

    Raises
    ------
    InputError
        If the layer is not clustered in that way.
    """
    if part.unit is None or not part.settings.is_product:
        raise InputError(f"layer {part.layer.name!r} is not in product quantization")
    layer = part.layer
    return TableCompute(
        table_macs=layer.input_words * part.clusters,
        lookup_adds=layer.batch * layer.out_height * layer.out_width * part.units,
    )
