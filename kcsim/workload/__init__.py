"""What is computed: convolution and fully connected layers, and networks of them."""

from kcsim.workload import zoo
from kcsim.workload.layer import DIMENSIONS, TENSORS, ConvLayer
from kcsim.workload.network import Network
from kcsim.workload.reader import load_layer, load_network, network_to_yaml, read_network
from kcsim.workload.zeros import ZeroShares

__all__ = [
    "DIMENSIONS",
    "TENSORS",
    "ConvLayer",
    "Network",
    "ZeroShares",
    "load_layer",
    "load_network",
    "network_to_yaml",
    "read_network",
    "zoo",
]
