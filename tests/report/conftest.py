import pytest

import kcsim
from kcsim.model.results import Estimate, LayerEstimate


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
