"""The closed-form counts against the plain walk, and what holds for every mapping."""

import dataclasses
import itertools
import math
from contextlib import contextmanager

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mapped_layers import mapped_layers
from oracle import TENSORS, walk
from reference import CASES

from kcsim.hardware.level import Fanout, Level
from kcsim.hardware.schema import Compute, Hardware
from kcsim.kernels.count import positions
from kcsim.mapping.nest import LevelLoops, Loop, Mapping
from kcsim.model.counts import count_layer
from kcsim.workload.layer import ConvLayer

NORMAL = settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
THOROUGH = settings(NORMAL, max_examples=5000)


def differences(layer, hardware, mapping):
    """Everything that kcsim and the walk count differently: place, kcsim's, the walk's."""
    counts, walked = count_layer(layer, hardware, mapping), walk(layer, hardware, mapping)
    found = []
    for level in hardware.level_names:
        for tensor in TENSORS:
            for action in ("reads", "fills", "updates"):
                ours = counts.words(level, tensor, action)
                theirs = getattr(walked, action)[level, tensor]
                found.append((level, tensor, action, ours, theirs))
            for direction in ("down", "up", "forwarded"):
                ours = counts.moved(level, tensor, direction)
                theirs = getattr(walked, direction)[level, tensor]
                found.append((level, tensor, direction, ours, theirs))
            tile = int(counts.tile_words[hardware.level_index(level), TENSORS.index(tensor)])
            found.append((level, tensor, "tile words", tile, walked.tile_words[level, tensor]))
    found.append(("", "", "instances", counts.instances.tolist(), walked.instances))
    found.append(("", "", "steps", counts.temporal_steps, walked.temporal_steps))
    return [entry for entry in found if entry[-2] != entry[-1]]


@NORMAL
@given(mapped_layers())
def test_counts_equal_the_walk(mapped):
    assert differences(*mapped) == []


@pytest.mark.slow
@THOROUGH
@given(mapped_layers(largest=400))
def test_counts_equal_the_walk_thoroughly(mapped):
    assert differences(*mapped) == []


@NORMAL
@given(mapped_layers(windows=True, words=False))
def test_forwarding_equals_the_walk(mapped):
    assert differences(*mapped) == []


@pytest.mark.slow
@THOROUGH
@given(mapped_layers(largest=400, windows=True, words=False))
def test_forwarding_equals_the_walk_thoroughly(mapped):
    assert differences(*mapped) == []


def test_forwarding_below_a_network_of_words():
    # Four tiles of 4 rows begin at rows 0, 2, 4, 6; all move by 4, where the two lower ones
    # take what their neighbors just had. Rows 0 to 9 are read at first, then rows 8 to 13.
    layer = ConvLayer("conv", 1, 1, 14, 1, 4, 1, dilation=(2, 1))
    outer = Level(
        name="DRAM", read_pj=1, write_pj=1,
        fanout=Fanout(x=2, y=2, multicast="word", forwarding=("inputs",)),
    )  # fmt: skip
    inner = Level(name="buffer", read_pj=1, write_pj=1, capacity_words=100)
    hardware = Hardware(name="words", levels=(outer, inner), compute=Compute(mac_pj=1))
    mapping = Mapping(
        (
            LevelLoops("DRAM", (Loop("P", 2),), (Loop("R", 2),), (Loop("R", 2),)),
            LevelLoops("buffer", (Loop("P", 4),)),
        )
    )
    assert walk(layer, hardware, mapping).reads["DRAM", "inputs"] == 10 + 6
    assert count_layer(layer, hardware, mapping).words("DRAM", "inputs", "reads") == 10 + 6


@pytest.mark.slow
@settings(THOROUGH, max_examples=2000)
@given(mapped_layers(largest=400, windows=True))
def test_forwarding_below_networks_of_words_thoroughly(mapped):
    assert differences(*mapped) == []


def with_networks(hardware, **changes):
    """The hardware with something changed in all its networks."""
    levels = tuple(
        dataclasses.replace(level, fanout=dataclasses.replace(level.fanout, **changes))
        for level in hardware.levels
    )
    return dataclasses.replace(hardware, levels=levels)


@NORMAL
@given(mapped_layers(words=False))
def test_words_are_conserved(mapped):
    layer, hardware, mapping = mapped
    hardware = with_networks(hardware, forwarding=())
    counts = count_layer(layer, hardware, mapping)
    keeps = mapping.keeps_array(hardware)
    innermost = hardware.level_names[-1]
    for column, tensor in enumerate(TENSORS[:2]):
        keepers = [i for i in range(len(hardware.levels)) if keeps[i, column]]
        for parent, child in itertools.pairwise(keepers):
            fanouts = [level.fanout for level in hardware.levels[parent:child]]
            if all(fanout.multicast == "none" for fanout in fanouts):
                sent = counts.words(hardware.level_names[parent], tensor, "reads")
                arrived = counts.words(hardware.level_names[child], tensor, "fills")
                assert sent == arrived
        if keepers[-1] == len(hardware.levels) - 1:
            assert counts.words(innermost, tensor, "reads") == layer.macs


@NORMAL
@given(mapped_layers())
def test_outputs_rise_once(mapped):
    layer, hardware, mapping = mapped
    counts = count_layer(layer, hardware, mapping)
    updates, reads = (counts.words("DRAM", "outputs", a) for a in ("updates", "reads"))
    assert updates - reads == layer.output_words
    assert counts.words("DRAM", "outputs", "fills") == 0
    for level in hardware.level_names:
        for tensor in TENSORS[:2]:
            assert counts.words(level, tensor, "updates") == 0
        rewritten = counts.words(level, "outputs", "updates") - counts.words(
            level, "outputs", "reads"
        )
        assert rewritten >= 0


@NORMAL
@given(mapped_layers())
def test_the_more_a_network_shares_the_fewer_reads(mapped):
    layer, hardware, mapping = mapped
    reads = []
    for multicast in ("word", "tile", "none"):
        changed = with_networks(hardware, multicast=multicast, forwarding=())
        counts = count_layer(layer, changed, mapping)
        reads.append(counts.accesses[:, :2, 0])
    assert (reads[0] <= reads[1]).all()
    assert (reads[1] <= reads[2]).all()


@NORMAL
@given(mapped_layers(), st.sampled_from("NGMCPQRS"), st.data())
def test_loops_of_one_iteration_change_nothing(mapped, dimension, data):
    layer, hardware, mapping = mapped
    place = data.draw(st.integers(0, len(mapping.levels) - 1))
    level = mapping.levels[place]
    longer = dataclasses.replace(level, temporal=(*level.temporal, Loop(dimension, 1)))
    changed = Mapping((*mapping.levels[:place], longer, *mapping.levels[place + 1 :]))
    before, after = (count_layer(layer, hardware, m) for m in (mapping, changed))
    assert (before.accesses == after.accesses).all()
    assert (before.transfers == after.transfers).all()


@settings(deadline=None)
@given(st.integers(1, 12), st.integers(1, 12), st.integers(1, 12), st.integers(1, 12))
def test_distinct_positions(count_a, step_a, count_b, step_b):
    expected = {step_a * i + step_b * j for i in range(count_a) for j in range(count_b)}
    with plain_python():
        found = positions.distinct_positions(count_a, step_a, count_b, step_b)
    assert found == len(expected)


@settings(deadline=None)
@given(*[st.integers(1, 9)] * 4, st.integers(1, 20))
def test_covered_length(count_a, step_a, count_b, step_b, length):
    covered = {
        step_a * i + step_b * j + k
        for i in range(count_a)
        for j in range(count_b)
        for k in range(length)
    }
    with plain_python():
        found = positions.covered_length.py_func(count_a, step_a, count_b, step_b, length)
    assert found == len(covered)


def test_a_covered_length_takes_no_longer_for_more_positions():
    """A billion positions of three taps, and as many taps of three positions."""
    with plain_python():
        for arguments in ((10**9, 7, 3, 1_000_003, 5), (3, 1_000_003, 10**9, 7, 5)):
            found = positions.covered_length.py_func(*arguments)
            # The taps, 4 and 1 pixels off, close each other's gaps but near the ends.
            assert 7 * 10**9 - 100 <= found <= 7 * (10**9 + 2 * 1_000_003)


@contextmanager
def plain_python():
    """The helpers call one another; in Python they have to call Python."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("greatest_common_divisor", "distinct_positions"):
            patch.setattr(positions, name, getattr(positions, name).py_func)
        yield


@settings(deadline=None)
@given(st.integers(1, 10**6), st.integers(1, 10**6))
def test_greatest_common_divisor(a, b):
    assert positions.greatest_common_divisor.py_func(a, b) == math.gcd(a, b)


def test_the_walk_agrees_with_the_reference_tool():
    # So that the oracle of the tests above is not merely a second opinion of ours.
    small = [case for name, case in CASES.items() if name.startswith("tiny")]
    for case in small:
        walked = walk(case.layer, case.hardware, case.mapping)
        for (level, tensor), printed in case.true_counts().items():
            place = level, tensor
            counted = [walked.reads[place], walked.fills[place], walked.updates[place]]
            if (case.name, *place) != ("tiny0208", "RF", "inputs"):  # see test_reference_cases
                assert counted == printed, (case.name, place)


@NORMAL
@given(mapped_layers(imperfect=True))
def test_imperfect_factors_equal_the_walk(mapped):
    assert differences(*mapped) == []


@NORMAL
@given(mapped_layers(imperfect=True, windows=True))
def test_imperfect_factors_that_forward_equal_the_walk(mapped):
    assert differences(*mapped) == []


@pytest.mark.slow
@THOROUGH
@given(mapped_layers(largest=400, imperfect=True))
def test_imperfect_factors_equal_the_walk_thoroughly(mapped):
    assert differences(*mapped) == []


@pytest.mark.slow
@THOROUGH
@given(mapped_layers(largest=400, imperfect=True, windows=True))
def test_imperfect_factors_that_forward_equal_the_walk_thoroughly(mapped):
    assert differences(*mapped) == []


@NORMAL
@given(mapped_layers(uneven=True))
def test_counts_of_uneven_mappings_equal_the_walk(mapped):
    assert differences(*mapped) == []


@NORMAL
@given(mapped_layers(windows=True, words=False, uneven=True))
def test_forwarding_of_uneven_mappings_equals_the_walk(mapped):
    assert differences(*mapped) == []


@NORMAL
@given(mapped_layers(imperfect=True, uneven=True))
def test_imperfect_factors_of_uneven_mappings_equal_the_walk(mapped):
    assert differences(*mapped) == []


@NORMAL
@given(mapped_layers(imperfect=True, windows=True, uneven=True))
def test_imperfect_factors_of_uneven_mappings_that_forward_equal_the_walk(mapped):
    assert differences(*mapped) == []


@pytest.mark.slow
@THOROUGH
@given(mapped_layers(largest=400, uneven=True))
def test_counts_of_uneven_mappings_equal_the_walk_thoroughly(mapped):
    assert differences(*mapped) == []


@pytest.mark.slow
@THOROUGH
@given(mapped_layers(largest=400, imperfect=True, uneven=True))
def test_imperfect_factors_of_uneven_mappings_equal_the_walk_thoroughly(mapped):
    assert differences(*mapped) == []
