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
    assert sum(i.energy for e in layers(hardware) for i in e.items if i.component == "MAC") == (
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
    assert 3.9 <= run("eyeriss_isca2016").innermost_accesses_per_mac <= 4.0


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
                energy[item.tensor] += item.energy
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
        assert counts.words("register", "weights", "fills") >= estimate.layer.weight_words
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
    assert run("no_local_reuse").innermost_accesses_per_mac == 0
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
        assert counts.words("DRAM", "weights", "reads") >= estimate.layer.weight_words


def test_row_stationary_needs_least_energy():
    # Figs 11 and 12: it does so among all dataflows of equal area.
    energy = {
        hardware: sum(e.energy for e in layers(hardware) if e.layer.kind == "conv")
        for hardware in SHIPPED
    }
    assert min(energy, key=energy.__getitem__) == "eyeriss_isca2016"


# Chen, Emer, Sze, ISCA 2016, Fig. 10, read off the drawing: row stationary, 256 PEs, 16 images;
# 10^9 MACs of energy for MACs, DRAM, buffer, array and register files.
FIGURE_10 = {
    "conv1": (1.687, 2.190, 0.150, 0.375, 6.440),
    "conv2": (3.583, 2.223, 0.292, 0.583, 14.124),
    "conv3": (2.392, 1.837, 0.296, 0.470, 9.339),
    "conv4": (1.794, 1.568, 0.178, 0.360, 7.028),
    "conv5": (1.196, 1.045, 0.133, 0.237, 4.685),
    "fc6": (0.604, 7.622, 0.045, 0.239, 2.315),
    "fc7": (0.268, 3.395, 0.019, 0.103, 1.040),
    "fc8": (0.066, 0.836, 0.005, 0.025, 0.253),
}
COMPONENTS = ("MAC", "DRAM", "buffer", "buffer network", "register file")


@functools.cache
def of_figure_10():
    """The energy items of each layer, for the even mappings of least energy, as in the paper.

    Others need less of DRAM.
    """
    found = kcsim.estimate(
        "eyeriss_isca2016", "alexnet", batch=16, objective="energy", even=True
    ).dense
    return {estimate.layer.name: estimate.items for estimate in found.layers}


def energies(layer, without=()):
    items = of_figure_10()[layer]
    return [
        sum(i.energy for i in items if i.component == component and i.action not in without) / 1e9
        for component in COMPONENTS
    ]


def over_figure_10(layers, without=()):
    """Energy by component over that of the figure."""
    ratios = {}
    for place, component in enumerate(COMPONENTS):
        found = sum(energies(layer, without)[place] for layer in layers)
        ratios[component] = found / sum(FIGURE_10[layer][place] for layer in layers)
    return ratios


CONVOLUTIONS = tuple(name for name in FIGURE_10 if name.startswith("conv"))
LINEAR = tuple(name for name in FIGURE_10 if name.startswith("fc"))


@pytest.mark.parametrize("layers", [*((name,) for name in FIGURE_10), CONVOLUTIONS, LINEAR])
def test_every_level_of_figure_10(layers):
    # The paper counts no fills of registers. What the mappings choose differs, most of all in the
    # buffer and the array, where another published model of the same design is 2 to 4 times off.
    ratio = over_figure_10(layers, without=("fill",))
    assert ratio["MAC"] == pytest.approx(1, abs=0.01)
    assert ratio["register file"] == pytest.approx(1, abs=0.05)
    ratio = over_figure_10(layers)
    for component in ("buffer", "buffer network"):
        assert 0.5 <= ratio[component] <= 2


@pytest.mark.parametrize("layers", [CONVOLUTIONS, LINEAR])
def test_dram_of_figure_10(layers):
    assert over_figure_10(layers)["DRAM"] == pytest.approx(1, abs=0.12)


def test_registers_of_figure_10_with_their_fills():
    assert over_figure_10(CONVOLUTIONS)["register file"] == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize(("layers", "tolerance"), [(CONVOLUTIONS, 0.05), (LINEAR, 0.07)])
def test_total_of_figure_10(layers, tolerance):
    found = sum(sum(energies(layer)) for layer in layers)
    assert found / sum(sum(FIGURE_10[layer]) for layer in layers) == pytest.approx(1, abs=tolerance)


def test_weights_pass_the_buffer_by_on_the_row_stationary_design():
    for items in of_figure_10().values():
        assert not any(i.component == "buffer" and i.tensor == "weights" for i in items)
