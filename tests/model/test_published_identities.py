"""What the figures of Chen, Emer, Sze (ISCA 2016, Figs 11 to 14) imply, exactly.

The paper does not count the last write of a partial sum at a register; kcsim, as the reference
tool does, counts an update for every MAC. So a register costs O/M more here than there, O
outputs over M MACs: 1.999 instead of 1.998 for the convolutions of AlexNet.
"""

import functools

import pytest

import kcsim

TENSORS = ("weights", "inputs", "outputs")
MACS = 724_406_816
CONV_MACS = 665_784_864


@functools.cache
def run(hardware):
    return kcsim.estimate(hardware, "alexnet").dense


def at_macs(layer, level):
    """Reads and updates of the innermost level."""
    return sum(
        layer.counts.words(level, tensor, action)
        for tensor in TENSORS
        for action in ("reads", "updates")
    )


def layers(hardware):
    return run(hardware).layers


SHIPPED = (
    "eyeriss_isca2016",
    "output_stationary",
    "weight_stationary",
    "input_stationary",
    "no_local_reuse",
)


@pytest.mark.parametrize("hardware", SHIPPED)
def test_macs(hardware):
    assert run(hardware).macs == MACS
    assert sum(e.counts.macs for e in layers(hardware) if e.layer.kind == "conv") == CONV_MACS
    assert sum(i.energy_pj for e in layers(hardware) for i in e.items if i.component == "MAC") == (
        MACS
    )


def first_writes(estimate, level):
    """Distinct words of outputs that the instances of a level ever hold, each for itself."""
    counts = estimate.counts
    words = (counts.words(level, "outputs", action) for action in ("updates", "reads"))
    return next(words) - next(words)


def test_row_stationary_registers():
    # RF = 1 + 1 + 2 (1 - 1/d) in the paper, d accumulations in a register.
    for estimate in layers("eyeriss_isca2016"):
        counts, level = estimate.counts, "register file"
        for tensor in ("weights", "inputs"):
            assert counts.words(level, tensor, "reads") == counts.macs
        assert counts.words(level, "outputs", "updates") == counts.macs
        first = first_writes(estimate, level)
        assert at_macs(estimate, level) == 4 * counts.macs - first
        instances = int(counts.instances[-2])
        # Every instance holds the outputs of its loops, all instances at least all outputs.
        assert first >= estimate.layer.output_words
        assert first % instances == 0
    assert 3.9 <= run("eyeriss_isca2016").mac_side_accesses_per_mac() <= 4.0


def test_output_stationary_registers():
    for estimate in layers("output_stationary"):
        counts, outputs = estimate.counts, estimate.layer.output_words
        in_time = {
            loop.dimension
            for level in estimate.mapping.levels
            for nest in (level.spatial_x, level.spatial_y)
            for loop in nest
        }
        assert in_time.isdisjoint("CRS")  # each output is accumulated in one PE
        assert at_macs(estimate, "register") == 2 * counts.macs - outputs
        assert counts.words("register", "weights", "reads") == 0
        assert counts.words("register", "inputs", "reads") == 0
    convolutions = [e for e in layers("output_stationary") if e.layer.kind == "conv"]
    outputs = sum(e.layer.output_words for e in convolutions)
    per_mac = sum(at_macs(e, "register") for e in convolutions) / CONV_MACS
    assert per_mac == pytest.approx(2 - outputs / CONV_MACS, rel=1e-12)
    paper = 2 * (1 - outputs / CONV_MACS)
    assert paper == pytest.approx(1.998, abs=5e-5)
    assert per_mac - paper == pytest.approx(outputs / CONV_MACS, rel=1e-9)


def test_output_stationary_array():
    # Two operands cross the array for each MAC, at an energy of 2 each: 4.00.
    for estimate in layers("output_stationary"):
        energy = {"weights": 0.0, "inputs": 0.0, "outputs": 0.0}
        for item in estimate.items:
            if item.component == "buffer network":
                energy[item.tensor] += item.energy_pj
        for tensor in ("weights", "inputs"):
            assert estimate.counts.moved("buffer", tensor, "down") == estimate.counts.macs
        assert energy["weights"] + energy["inputs"] == 4.0 * estimate.counts.macs
        # Sums leave the array once a visit, which is rare.
        assert energy["outputs"] <= 0.01 * estimate.counts.macs


def test_weight_stationary():
    for estimate in layers("weight_stationary"):
        counts = estimate.counts
        assert at_macs(estimate, "register") == counts.macs
        assert counts.words("register", "weights", "reads") == counts.macs
        assert counts.words("register", "weights", "fills") >= estimate.layer.weights
        # An input comes and a partial sum leaves with every MAC.
        assert counts.moved("buffer", "inputs", "down") == counts.macs
        assert counts.moved("buffer", "outputs", "up") == counts.macs


def test_input_stationary():
    for estimate in layers("input_stationary"):
        counts = estimate.counts
        assert at_macs(estimate, "register") == counts.words("register", "inputs", "reads")
        assert counts.words("register", "inputs", "reads") == counts.macs
        assert counts.moved("buffer", "weights", "down") == counts.macs


def test_no_local_reuse():
    assert run("no_local_reuse").mac_side_accesses_per_mac() == 0
    for estimate in layers("no_local_reuse"):
        counts = estimate.counts
        assert (counts.accesses[-1] == 0).all()
        for tensor in ("weights", "inputs"):
            assert counts.moved("buffer", tensor, "down") == counts.macs
        assert counts.moved("buffer", "outputs", "up") == counts.macs


@pytest.mark.parametrize("hardware", SHIPPED)
def test_every_output_is_written_to_dram_once_more_than_it_is_read(hardware):
    # DRAM writes of the paper: one for each output of the layer.
    for estimate in layers(hardware):
        counts = estimate.counts
        written = counts.words("DRAM", "outputs", "updates")
        assert written - counts.words("DRAM", "outputs", "reads") == estimate.layer.output_words
        assert counts.words("DRAM", "weights", "reads") >= estimate.layer.weights


def test_row_stationary_needs_least_energy():
    # Figs 11 and 12: it does so among all dataflows of equal area.
    energy = {
        hardware: sum(e.energy_pj for e in layers(hardware) if e.layer.kind == "conv")
        for hardware in SHIPPED
    }
    assert min(energy, key=energy.__getitem__) == "eyeriss_isca2016"


def test_row_stationary_total_of_figure_10():
    """Chen, Emer, Sze, ISCA 2016, Fig. 10: convolutions of AlexNet, 16 images, per MAC."""
    convolutions = kcsim.load_network("alexnet").select(["conv*"])
    found = kcsim.estimate("eyeriss_isca2016", convolutions, batch=16, objective="energy").dense
    assert found.energy_pj / found.macs == pytest.approx(64.21 / 10.65, rel=0.05)
