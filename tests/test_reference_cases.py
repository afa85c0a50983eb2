"""Every count, cycle and picojoule of the reference cases, through the public interface."""

import dataclasses
import functools

import pytest
from oracle import TENSORS, fills_of_one_instance
from reference import CASES

from kcsim import evaluate

FORWARDING_IN_ONE_COLUMN = "eyeriss_alex_conv3"
TRUNCATED = "tiny0208"
EXTRAPOLATED = "large0065"
IMPERFECT = "al2_imperfect_K"
APART = {FORWARDING_IN_ONE_COLUMN, TRUNCATED, EXTRAPOLATED}
EXACT = [name for name in CASES if name not in APART]
# Only the widest multicast of these is printed; others of the same network reach fewer.
UNEVEN_MULTICAST = {
    "tiny0135",
    "large0094",
    "large0134",
    "alex3_rs",
    "alex4_links_P13xR3C4",
    "alex4_simple_P13xR3C4",
}


@functools.cache
def result(name):
    case = CASES[name]
    return evaluate(case.layer, case.hardware, case.mapping)


def accesses(counts, level, tensor):
    return [counts.words(level, tensor, action) for action in ("reads", "fills", "updates")]


def level_energy(estimate, level, tensor):
    return sum(i.energy for i in estimate.items if (i.component, i.tensor) == (level, tensor))


def wrong_counts(name):
    """Level and tensor: kcsim's reads, fills and updates, and the true ones."""
    counts = result(name).counts
    found = {place: accesses(counts, *place) for place in CASES[name].true_counts()}
    return {
        place: (found[place], numbers)
        for place, numbers in CASES[name].true_counts().items()
        if found[place] != numbers
    }


def test_all_cases_are_there():
    assert len(CASES) == 107
    assert len(EXACT) == 104


@pytest.mark.parametrize("name", EXACT)
def test_accesses(name):
    assert wrong_counts(name) == {}


@pytest.mark.parametrize("name", [name for name in EXACT if "exact" in CASES[name].data])
def test_the_default_extrapolation_is_off_where_there_are_exact_counts(name):
    data = CASES[name].data
    assert any(
        data["exact"][level][tensor] != numbers[:3]
        for level, tensors in data["counts"].items()
        for tensor, numbers in tensors.items()
    )


@pytest.mark.parametrize("name", CASES)
def test_tiles_instances_macs(name):
    case, counts = CASES[name], result(name).counts
    assert counts.macs == case.data["macs"]
    for level, tensors in case.data["counts"].items():
        index = case.hardware.level_index(level)
        for tensor, (_, _, _, tile, instances, _) in tensors.items():
            assert counts.tile_words[index, TENSORS.index(tensor)] == tile
            assert counts.instances[index] == instances


@pytest.mark.parametrize("name", CASES)
def test_what_a_level_does_not_keep_never_touches_it(name):
    case, counts = CASES[name], result(name).counts
    for level in case.hardware.level_names:
        for tensor in TENSORS:
            if (level, tensor) not in case.true_counts():
                assert accesses(counts, level, tensor) == [0, 0, 0]


@pytest.mark.parametrize("name", [name for name in CASES if name != IMPERFECT])
def test_cycles_and_utilization(name):
    data, estimate = CASES[name].data, result(name)
    assert estimate.cycles.total == data["cycles"]
    # The tool's is of the cycles that it took; ours of the MAC units in use.
    stretched = estimate.counts.utilization * estimate.cycles.compute / estimate.cycles.total
    assert 100 * stretched == pytest.approx(data["utilization_percent"], abs=0.005_001)


def test_cycles_are_bound_by_the_buffer_of_the_bandwidth_case():
    cycles = result("alex3_bw_K16xQ13").cycles
    assert cycles.compute == 718_848
    # (884736 weights + 3594240 inputs + 16548480 outputs read) / 16 words a cycle.
    assert cycles.transfer["GLB"] == cycles.total == 1_314_216
    assert cycles.bound_by == "GLB"


@pytest.mark.parametrize("name", EXACT)
def test_energy(name):
    case, estimate = CASES[name], result(name)
    truth = case.true_counts()
    total = case.data["mac_pj"] * case.data["macs"]
    for level in case.data["levels"]:
        for tensor, printed in case.data["counts"].get(level["name"], {}).items():
            numbers = truth[level["name"], tensor]
            energy = sum(n * pj for n, pj in zip(numbers, level["pj"], strict=True))
            if numbers == printed[:3]:
                assert energy == pytest.approx(printed[5], rel=1e-9)
            assert level_energy(estimate, level["name"], tensor) == pytest.approx(energy, rel=1e-9)
            total += energy
    assert estimate.energy == pytest.approx(total, rel=1e-9)
    if "exact" not in case.data:
        if "total_pj" in case.data:
            assert estimate.energy == pytest.approx(case.data["total_pj"], rel=1e-9)
        else:
            assert estimate.energy / 1e6 == pytest.approx(case.data["total_uj"], abs=0.005_001)


@pytest.mark.parametrize("name", EXACT)
def test_networks(name):
    case, counts = CASES[name], result(name).counts
    names, keeps = case.hardware.level_names, case.mapping.keeps_array(case.hardware)
    for level, tensors in case.data["networks"].items():
        index = names.index(level)
        instances = int(counts.instances[index])
        for tensor, (entering, widest, handed_on, added_up) in tensors.items():
            assert counts.moved(level, tensor, "forwarded") == handed_on
            if tensor == "outputs":
                if keeps[index, 2]:
                    rising = counts.moved(level, tensor, "up")
                    merged = rising - counts.words(level, tensor, "updates")
                    assert merged == added_up * instances
            elif "exact" not in case.data:
                delivered = counts.moved(level, tensor, "down")
                assert delivered <= entering * widest * instances
                if name not in UNEVEN_MULTICAST:
                    assert delivered == entering * widest * instances


def test_truncated_link_transfers():
    # Three registers move down a column of 4 words a step. After the first step two of the
    # three take their 4 words from a neighbor, in each of two steps: 16 words. The tool
    # divides by the three instances before it multiplies again: 15.
    case, counts = CASES[TRUNCATED], result(TRUNCATED).counts
    assert counts.moved("GLB", "inputs", "forwarded") == 16
    assert case.data["networks"]["GLB"]["inputs"][2] == 16
    assert wrong_counts(TRUNCATED) == {("RF", "inputs"): ([144 + 16, 36, 0], [144 + 15, 36, 0])}
    assert result(TRUNCATED).energy == pytest.approx(case.data["total_pj"] + 1.0)


def test_extrapolated_windows():
    # Loops over Q and S of one window axis stand above the tile: when Q advances by 2 columns
    # S starts again, 2 columns back, and the tile is where it was. The tool's extrapolation
    # fills it again; its exhaustive count cannot run with link transfers on.
    case, counts = CASES[EXTRAPOLATED], result(EXTRAPOLATED).counts
    assert wrong_counts(EXTRAPOLATED) == {
        ("RF", "inputs"): ([462_422_016, 344_064, 0], [462_422_016, 473_088, 0]),
        ("GLB", "inputs"): ([344_064, 131_072, 0], [473_088, 180_224, 0]),
        ("DRAM", "inputs"): ([131_072, 0, 0], [180_224, 0, 0]),
    }
    parts = case.layer, case.hardware, case.mapping
    walked = {level: fills_of_one_instance(*parts, level, "inputs") for level in ("GLB", "RF")}
    assert walked["GLB"] == 131_072
    assert walked["RF"] * int(counts.instances[2]) == 344_064


def test_forwarding_in_every_column():
    # 12 columns of 12 PEs: M along X, so all columns have the same inputs, and S innermost
    # along Y, so a PE takes from its neighbor what that had one column of the image before.
    # The tool hands on words in one column of the twelve; the others are filled by nobody.
    case, counts = CASES[FORWARDING_IN_ONE_COLUMN], result(FORWARDING_IN_ONE_COLUMN).counts
    macs = case.data["macs"]
    in_one, in_all = 7_667_712, 92_012_544
    assert in_all == 12 * in_one
    assert counts.moved("shared_glb", "inputs", "forwarded") == in_all
    assert case.data["networks"]["inter_PE_spatial"]["inputs"][2] == in_one
    from_above = 57_507_840
    assert wrong_counts(FORWARDING_IN_ONE_COLUMN) == {
        ("ifmap_spad", "inputs"): (
            [macs + in_all, from_above + in_all, 0],
            [macs + in_one, from_above + in_one, 0],
        )
    }
    # Every MAC needs another input, so with each filled once all is told.
    assert from_above + in_all == macs


def test_energy_of_blocks_and_leakage():
    # 8-bit words in blocks of 8: DRAM at 512 pJ, the buffer at its printed energies.
    case, estimate = CASES[FORWARDING_IN_ONE_COLUMN], result(FORWARDING_IN_ONE_COLUMN)
    checked = 0
    for level in ("DRAM", "shared_glb"):
        for tensor, printed in case.data["counts"][level].items():
            # The tool prints energies a vector access with six digits.
            assert level_energy(estimate, level, tensor) == pytest.approx(printed[5], rel=1e-6)
            checked += 1
    assert checked == 5
    (static,) = (item for item in estimate.items if item.component == "static")
    assert static.energy == pytest.approx(case.data["leakage_pj"]["shared_glb"], rel=1e-5)
    spads = sum(
        case.data["counts"][level][tensor][5]
        for level, tensor in (
            ("psum_spad", "outputs"),
            ("weights_spad", "weights"),
            ("ifmap_spad", "inputs"),
        )
    )
    leaking = sum(e for k, e in case.data["leakage_pj"].items() if k.endswith("spad"))
    total = (estimate.energy + spads + leaking) / 1e6
    assert total == pytest.approx(case.data["total_uj"], abs=0.005_001)


def test_cycles_of_imperfect_factors_are_the_real_ones():
    # M = 256 in rounds of 96: the tool counts 6 iterations in each of 3, we 6, 6 and 4.
    data, cycles = CASES[IMPERFECT].data, result(IMPERFECT).cycles
    assert data["cycles"] == 27 * 3 * 3 * (3 * 6) * 27 * 25 // 3
    assert cycles.total == 27 * 3 * (6 + 6 + 4) * 27 * 25
    assert cycles.total * 256 == CASES[IMPERFECT].layer.macs


@pytest.mark.parametrize("name", [name for name in EXACT if name != IMPERFECT])
def test_slides_of_repeated_moves_are_those_of_the_tool(name):
    case = CASES[name]
    hardware = dataclasses.replace(case.hardware, slides="repeated")
    counts = evaluate(case.layer, hardware, case.mapping).counts
    truth = case.true_counts()
    assert {place: accesses(counts, *place) for place in truth} == truth
