"""Convolution with clustered weights, executed: decoded, sharing products or sharing sums."""

from __future__ import annotations

from kcsim.conv.counts import EXECUTIONS, Operations, count_operations
from kcsim.conv.execute import ClusteredConvolution, clustered_conv2d

__all__ = [
    "EXECUTIONS",
    "ClusteredConvolution",
    "Operations",
    "clustered_conv2d",
    "count_operations",
]
