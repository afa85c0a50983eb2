"""A network as a record of JSON documents."""

from __future__ import annotations

from operator import attrgetter

from kcsim.report.records import Record
from kcsim.workload.network import Network
from kcsim.workload.unmodeled import unmodeled


def _unmodeled_share(network: Network, name: str) -> float:
    """Of all that is not modeled, with values of one width."""
    rows = unmodeled(network)
    return float(getattr(rows[-1], name)) if rows else 0.0


OPERATION = Record(
    "Operation", "A step of the network that is no layer; numbers are of one image.",
    "name operation input_words output_words weight_words macs adds",
    {"operation": attrgetter("kind")},
)  # fmt: skip

EDGE = Record(
    "Edge", "One layer or operation that feeds another.", "source target",
    {"source": lambda edge: edge[0], "target": lambda edge: edge[1]},
)  # fmt: skip

NETWORK = Record(
    "Network", "The network.",
    "name batch layer_count macs weight_words macs_share bytes_share operations edges notes",
    {
        "batch": attrgetter("images"),
        "layer_count": len,
        "macs_share": lambda network: _unmodeled_share(network, "macs_share"),
        "bytes_share": lambda network: _unmodeled_share(network, "bytes_share"),
    },
    {"operations": OPERATION, "edges": EDGE},
)  # fmt: skip
