"""What results say, apart from how they look: tables of exact numbers."""

from kcsim.report.cluster_data import cluster_tables
from kcsim.report.layer_data import layer_tables
from kcsim.report.network_data import estimate_tables
from kcsim.report.table import Column, Table

__all__ = ["Column", "Table", "cluster_tables", "estimate_tables", "layer_tables"]
