"""The sweep file that a comparison writes."""

import pytest
import yaml

from kcsim.errors import InputError
from kcsim.exploration.codebook_sweep import codebook_sweep
from kcsim.exploration.plan import Planner
from kcsim.exploration.space_reader import read_space
from kcsim.hardware.reader import load_hardware, shipped_names


@pytest.mark.parametrize("name", shipped_names())
def test_it_is_a_sweep_around_the_codebook_on_every_shipped_hardware(name):
    hardware = load_hardware(name)
    text = codebook_sweep(hardware, "kernel:k=16,scope=layer", hardware_file=name, network="lenet5")
    points = Planner(read_space(yaml.safe_load(text))).plan().points
    assert {point.inputs["k"] for point in points} >= {2, 4, 8, 16, 32, 64, 128}
    assert {point.inputs["execution"] for point in points} >= {"decode", "share_sums"}


@pytest.mark.parametrize("clustering", ["row:rate=0.05", "kernel:k=16;conv1:k=8", ""])
def test_one_number_of_entries_is_asked_for(clustering):
    with pytest.raises(InputError, match="a sweep over entries needs one number of them"):
        codebook_sweep(
            load_hardware("simple"), clustering, hardware_file="simple", network="lenet5"
        )
