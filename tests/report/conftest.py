from fractions import Fraction

import pytest
from small_design import LAYER, MAPPING, design

import kcsim
from kcsim.cost.weight_format import WeightFormat
from kcsim.estimation.result import Result
from kcsim.hardware.schema import CodebookStore
from kcsim.model.layer_estimate import LayerEstimate
from kcsim.workload.layer import ConvLayer
from kcsim.workload.network import Network

# Layers of which shared mappings are found at once.
TINY = Network(
    "tiny",
    (
        ConvLayer("conv1", 2, 12, 10, 10, 3, 3),
        ConvLayer("conv2", 4, 16, 8, 8, 3, 3),
        ConvLayer.linear("ip1", 32, 10),
        ConvLayer.linear("ip2", 10, 4),
    ),
)


@pytest.fixture(scope="session")
def clustered() -> Result:
    return kcsim.estimate("eyeriss", "lenet5", "kernel:k=16,scope=network")


@pytest.fixture(scope="session")
def dense() -> Result:
    return kcsim.estimate("eyeriss_isca2016", "lenet5")


@pytest.fixture(scope="session")
def comparison() -> Result:
    return kcsim.compare_executions("simple", TINY, "kernel:k=4,scope=layer")


@pytest.fixture(scope="session")
def shared() -> Result:
    """Both convolutions share products; distinct entries are expected ones."""
    return kcsim.estimate("simple", TINY, "kernel:k=4,scope=layer", execution="auto")


@pytest.fixture(scope="session")
def layer(clustered: Result) -> LayerEstimate:
    return clustered["decode"].layers[1]


@pytest.fixture
def indexed():
    """The small layer with an index of 8 bits for each kernel, decoded below the buffer."""
    weights = WeightFormat(
        16, (1, 3, 3), Fraction(8), 1, codebook_words=36, codebook_bits=576, loads_codebook=True
    )

    def estimate(store_kib=1, **changes) -> LayerEstimate:
        store = CodebookStore(level="buffer", capacity_kib=store_kib, read_pj=1, write_pj=1)
        return kcsim.evaluate(LAYER, design(codebook=store, **changes), MAPPING, weights)

    return estimate
