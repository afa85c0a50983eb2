from fractions import Fraction

import pytest
from small_design import LAYER, MAPPING, design

import kcsim
from kcsim.hardware import CodebookStore
from kcsim.model.results import Estimate, LayerEstimate
from kcsim.model.weights import WeightFormat


@pytest.fixture(scope="session")
def clustered() -> Estimate:
    return kcsim.estimate("eyeriss", "lenet5", "kernel:k=16,scope=network")


@pytest.fixture(scope="session")
def dense() -> Estimate:
    return kcsim.estimate("eyeriss_isca2016", "lenet5")


@pytest.fixture(scope="session")
def layer(clustered: Estimate) -> LayerEstimate:
    assert clustered.clustered is not None
    return clustered.clustered.layers[1]


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
