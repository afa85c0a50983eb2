"""Why layers are executed as they are: every number that a reason names is one of the results."""

import re

import pytest

import kcsim
from kcsim.estimation.network_reasons import why_network
from kcsim.estimation.reasons import best_sharing, decoded_at, spill_of, spill_warnings, why
from kcsim.hardware.reader import load_hardware


@pytest.fixture(scope="module")
def crowded():
    """A store of 16 values, for kernels of 25."""
    hardware = load_hardware("simple", ["codebook.capacity_kib=0.03125"])
    return kcsim.compare_executions(hardware, "lenet5", "kernel:k=2")


@pytest.fixture(scope="module")
def roomy():
    return kcsim.compare_executions("simple", "lenet5", "kernel:k=2")


def test_a_codebook_that_is_too_large_is_warned_of_with_what_its_lookups_take(crowded):
    layer = crowded.runs["decode"].layers[0]
    spill = spill_of(layer)
    assert (spill.values, spill.most, spill.level) == (50, 16, "DRAM")
    # Words of DRAM and of the store have 16 bits; one of DRAM takes 200.
    times = 200 / crowded.hardware.codebook.read_pj
    assert spill.times == pytest.approx(times)
    (warning, *_) = spill_warnings(crowded.runs["decode"].layers)
    assert warning.startswith("Warning: conv1")
    text = f"codebook 50 > 16 values: spilled to the DRAM, {times:.3g}× the energy of a lookup"
    assert text in warning


def test_nothing_is_said_of_a_codebook_that_fits(roomy):
    layers = [layer for run in roomy.runs.values() for layer in run.layers]
    assert not any(map(spill_of, layers))
    assert spill_warnings(layers) == ()


def test_what_decoding_takes_at_each_level_is_what_it_takes_on_hardware_that_decodes_there(roomy):
    places = decoded_at(roomy)
    assert [each.level for each in places] == list(roomy.hardware.level_names)
    for each in places:
        hardware = load_hardware("simple", [f"codebook.level={each.level}"])
        run = kcsim.estimate(hardware, "lenet5", "kernel:k=2").runs["decode"]
        assert (each.energy, each.cycles) == (pytest.approx(run.energy), run.cycles)
        assert each.edp == each.energy * each.cycles


def test_every_layer_has_one_line_that_says_why(roomy):
    lines = [why(roomy, i) for i in range(len(roomy.runs["auto"].layers))]
    assert all(line and "\n" not in line for line in lines)
    for layer, line in zip(roomy.runs["auto"].layers, lines, strict=True):
        if layer.execution == "dense":
            assert line == "not clustered"
        elif layer.execution != "decode":
            assert f"table of {layer.intermediate.width} " in line
            assert layer.intermediate.gathered_at in line


@pytest.mark.slow
@pytest.mark.parametrize("objective", ["energy", "cycles", "edp"])
@pytest.mark.parametrize("rate", ["4", "64"])
def test_auto_is_never_worse_than_any_single_way(objective, rate):
    ports = [f"levels.buffer.read_words_per_cycle={rate}", "levels.DRAM.read_words_per_cycle=2"]
    hardware = load_hardware("simple", ports)
    result = kcsim.compare_executions(hardware, "lenet5", "scalar:k=4", objective=objective)

    def value(layer):
        energy, cycles = layer.energy, layer.cycles.total
        return {"energy": energy, "cycles": cycles, "edp": energy * cycles}[objective]

    for name, run in result.runs.items():
        for layer, best in zip(run.layers, result.runs["auto"].layers, strict=True):
            if name != "dense":
                assert value(best) <= value(layer), (name, layer.layer.name)


@pytest.mark.slow
@pytest.mark.parametrize("execution", ["share_products", "share_sums"])
def test_a_larger_buffer_never_takes_more_energy(execution):
    found = []
    # Of the same energy an access: else it follows from the size.
    typed = "levels.buffer.read_pj=6", "levels.buffer.write_pj=6"
    for size in (1, 2, 4, 16, 64):
        hardware = load_hardware("simple", [f"levels.buffer.capacity_kib={size}", *typed])
        result = kcsim.estimate(
            hardware, "lenet5", "scalar:k=4", execution=execution, objective="energy"
        )
        layer = result.runs[execution].layers[1]
        assert layer.execution == execution
        assert layer.search.gap == 0
        found.append(layer.energy)
    assert found == sorted(found, reverse=True)


@pytest.mark.parametrize("name", ["roomy", "crowded"])
def test_a_network_is_summed_up_with_the_numbers_of_its_layers(name, request):
    result = request.getfixturevalue(name)
    layers = result.runs["auto"].layers
    first, *others = why_network(result)
    counted = sum(map(int, re.findall(r"(\d+) (?:decode|share|stay)", first)))
    assert counted == len(layers) == int(first.split()[1])
    decoded = [
        other
        for i, layer in enumerate(layers)
        if layer.execution == "decode" and (other := best_sharing(result, i))
    ]
    said = [text for text in others if "sharing would take" in text]
    assert len(said) == bool(decoded)
    for text in said:
        assert text.startswith(f"In {len(decoded)} layer")
        for end in (min, max):
            assert f"{end(other.energy for other in decoded):.2f}" in text
            assert f"{end(other.cycles for other in decoded):.2f}" in text
    spilled = [text for text in others if text.startswith("Spilled to the ")]
    assert len(spilled) == any(map(spill_of, layers))
