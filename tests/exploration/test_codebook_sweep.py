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


def test_no_more_entries_are_swept_than_the_network_has_units_for():
    text = codebook_sweep(
        load_hardware("simple"), "kernel:k=400", hardware_file="simple", network="lenet5"
    )
    # The second convolution has 1,000 kernels.
    assert yaml.safe_load(text)["parameters"]["k"] == [50, 100, 200, 400, 800]


def test_what_else_is_demanded_is_in_the_sweep():
    overrides = ["levels.buffer.read_pj=12", "levels.buffer.capacity=64 KiB"]
    demanded = {"batches": 2, "zeros": "inputs=0.5", "even": True, "imperfect": False,
                "precisions": None, "time_limit": 3.5}  # fmt: skip
    text = codebook_sweep(
        load_hardware("simple", overrides), "kernel:k=16", hardware_file="simple",
        network="lenet5", overrides=overrides, demanded=demanded,
    )  # fmt: skip
    file = read_space(yaml.safe_load(text)).file
    assert (file.batches, file.zeros, file.precisions) == ((2,), ("inputs=0.5",), (None,))
    assert (file.even, file.imperfect, file.time_limit) == (True, False, 3.5)
    # Sizes of the largest memory vary around what was set.
    assert file.set == {"levels.buffer.read_pj": 12}
    assert file.axes == {"levels.buffer.capacity": ["32 KiB", "64 KiB", "128 KiB"]}


@pytest.mark.parametrize("clustering", ["row:rate=0.05", "kernel:k=16;conv1:k=8", ""])
def test_one_number_of_entries_is_asked_for(clustering):
    with pytest.raises(InputError, match="a sweep over entries needs one number of them"):
        codebook_sweep(
            load_hardware("simple"), clustering, hardware_file="simple", network="lenet5"
        )
