"""The executed loop nest: its counts against the closed forms, its numbers against convolutions."""

import dataclasses

import numpy as np
import oracle
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from mapped_layers import mapped_layers
from reference import CASES

from kcsim.errors import InputError, MappingError
from kcsim.hardware.level import Fanout, Level
from kcsim.hardware.schema import Compute, Hardware
from kcsim.mapping.nest import LevelLoops, Loop, Mapping
from kcsim.model.counts import ACTIONS, DIRECTIONS, count_layer
from kcsim.replay import dense as model
from kcsim.replay.dense import (
    compare,
    direct_convolution,
    random_operands,
    replay_cost,
    replay_layer,
)
from kcsim.workload.layer import ConvLayer

NORMAL = settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
THOROUGH = settings(NORMAL, max_examples=5000)


def check(mapped):
    """Replay a mapped layer; counts and numbers must be those of others."""
    replay = replay_layer(*mapped)
    assert compare(replay, count_layer(*mapped)) == ()
    expected = direct_convolution(mapped[0], replay.inputs, replay.weights)
    assert (replay.outputs == expected).all()


@NORMAL
@given(mapped_layers(largest=400))
def test_replays_equal_the_closed_forms(mapped):
    check(mapped)


@NORMAL
@given(mapped_layers(largest=400, windows=True))
def test_replays_that_forward_equal_the_closed_forms(mapped):
    check(mapped)


@pytest.mark.slow
@settings(THOROUGH, max_examples=20_000)
@given(mapped_layers(largest=3000, most_instances=64))
def test_replays_equal_the_closed_forms_thoroughly(mapped):
    check(mapped)


@pytest.mark.slow
@THOROUGH
@given(mapped_layers(largest=3000, most_instances=64, windows=True))
def test_replays_that_forward_equal_the_closed_forms_thoroughly(mapped):
    check(mapped)


@NORMAL
@given(mapped_layers(largest=400, imperfect=True))
def test_replays_without_skipped_pixels_equal_the_closed_forms(mapped):
    layer, hardware, mapping = mapped
    check((layer, dataclasses.replace(hardware, skipped_pixels="left_out"), mapping))


def check_against_walk(mapped):
    """Replay a mapped layer; what it counts must be what a walk with sets of words counts."""
    replay, walk = replay_layer(*mapped), oracle.walk(*mapped)
    for level, name in enumerate(mapped[1].level_names):
        for j, tensor in enumerate(model.TENSORS):
            place = name, tensor
            walked = [getattr(walk, action)[place] for action in (*ACTIONS, *DIRECTIONS)]
            replayed = [*replay.accesses[level, j], *replay.transfers[level, j]]
            assert replayed == walked, place
            assert replay.tile_words[level, j] == walk.tile_words[place], place
    assert replay.instances.tolist() == walk.instances
    assert replay.temporal_steps == walk.temporal_steps
    expected = direct_convolution(mapped[0], replay.inputs, replay.weights)
    assert (replay.outputs == expected).all()


@NORMAL
@given(mapped_layers(imperfect=True))
def test_imperfect_factors_equal_the_walk(mapped):
    check_against_walk(mapped)


@NORMAL
@given(mapped_layers(imperfect=True, windows=True))
def test_imperfect_factors_that_forward_equal_the_walk(mapped):
    check_against_walk(mapped)


@pytest.mark.slow
@THOROUGH
@given(mapped_layers(imperfect=True))
def test_imperfect_factors_equal_the_walk_thoroughly(mapped):
    check_against_walk(mapped)


@pytest.mark.slow
@THOROUGH
@given(mapped_layers(imperfect=True, windows=True))
def test_imperfect_factors_that_forward_equal_the_walk_thoroughly(mapped):
    check_against_walk(mapped)


@NORMAL
@given(mapped_layers(largest=400, imperfect=True))
def test_imperfect_factors_equal_the_closed_forms(mapped):
    check(mapped)


@NORMAL
@given(mapped_layers(largest=400, imperfect=True, windows=True))
def test_imperfect_factors_that_forward_equal_the_closed_forms(mapped):
    check(mapped)


@pytest.mark.slow
@THOROUGH
@given(mapped_layers(largest=3000, most_instances=64, imperfect=True))
def test_imperfect_factors_equal_the_closed_forms_thoroughly(mapped):
    check(mapped)


@NORMAL
@given(mapped_layers(largest=400, uneven=True))
def test_replays_of_uneven_mappings_equal_the_closed_forms(mapped):
    check(mapped)


@NORMAL
@given(mapped_layers(largest=400, windows=True, uneven=True))
def test_replays_of_uneven_mappings_that_forward_equal_the_closed_forms(mapped):
    check(mapped)


@NORMAL
@given(mapped_layers(imperfect=True, uneven=True))
def test_imperfect_factors_of_uneven_mappings_equal_the_walk(mapped):
    check_against_walk(mapped)


@NORMAL
@given(mapped_layers(imperfect=True, windows=True, uneven=True))
def test_imperfect_factors_of_uneven_mappings_that_forward_equal_the_walk(mapped):
    check_against_walk(mapped)


@pytest.mark.parametrize("name", [name for name in CASES if name.startswith("tiny")][:20])
def test_replays_equal_the_reference_tool(name):
    case = CASES[name]
    replay = replay_layer(case.layer, case.hardware, case.mapping)
    for (level, tensor), printed in case.true_counts().items():
        place = case.hardware.level_index(level), model.TENSORS.index(tensor)
        if (name, level, tensor) != ("tiny0208", "RF", "inputs"):  # see test_reference_cases
            assert replay.accesses[place].tolist() == list(printed)


def level(name, **changes):
    changes = {"read_pj": 1, "write_pj": 1, "capacity_words": 10**6, **changes}
    return Level(name=name, **changes)


def six_levels():
    """Six levels, with bypasses of every tensor, and a layer with everything that layers have."""
    layer = ConvLayer(
        "all", 4, 6, 9, 8, 3, 2, stride=(2, 1), padding=(1, 0, 2, 1), dilation=(1, 2), groups=2,
        batch=2,
    )  # fmt: skip
    levels = (
        level("a", capacity_words=None, fanout=Fanout(x=2, multicast="none")),
        level("b", keeps=("inputs", "outputs")),
        level("c", keeps=("weights",), fanout=Fanout(x=3, y=2, reduction=False)),
        level("d", fanout=Fanout(y=3, multicast="word", forwarding=("inputs",))),
        level("e", keeps=("inputs",)),
        level("f", keeps=("outputs", "weights"), fanout=Fanout(x=2)),
    )
    p, q = layer.out_height, layer.out_width
    mapping = Mapping(
        (
            LevelLoops("a", (Loop("N", 2), Loop("C", 2)), (Loop("G", 2),)),
            LevelLoops("b", (Loop("M", 3),)),
            LevelLoops("c", (Loop("P", p),), (Loop("R", 3),)),
            LevelLoops("d", (Loop("Q", q // 3),), (), (Loop("Q", 3),)),
            LevelLoops("e", (Loop("S", 2),)),
        )
    )
    hardware = Hardware(name="six", levels=levels, compute=Compute(mac_pj=1))
    return layer, hardware, mapping


def test_six_levels_with_padding_groups_stride_and_dilation():
    layer, hardware, mapping = six_levels()
    assert layer.out_width % 3 == 0
    check((layer, hardware, mapping))


def two_arrays(layer, *loops):
    """Buffers of DRAM that have two buffers each that have two more each."""
    fanout = Fanout(x=2)
    levels = (
        level("DRAM", capacity_words=None, fanout=fanout),
        level("buffer", fanout=fanout),
        level("registers"),
    )
    hardware = Hardware(name="two", levels=levels, compute=Compute(mac_pj=1))
    return layer, hardware, Mapping(loops)


def test_idle_instances_send_up_their_sums_with_the_others():
    """The second registers have no row while their buffer turns to row 4 and back.

    In the second case their buffer has no channel left either by then.
    """
    for channels, spread in ((2, ()), (3, (Loop("C", 2),))):
        mapped = two_arrays(
            ConvLayer("conv", channels, 1, 5, 1, 1, 1),
            LevelLoops("DRAM", (Loop("C", 2), Loop("P", 2)), spread),
            LevelLoops("buffer", (), (Loop("P", 2),)),
            LevelLoops("registers", (Loop("P", 2),)),
        )
        check_against_walk(mapped)
        check(mapped)


def test_windows_that_shrink_and_grow():
    check_against_walk(
        two_arrays(
            ConvLayer("conv", 2, 1, 9, 1, 3, 1),
            LevelLoops("DRAM", (Loop("C", 2), Loop("P", 2)), (Loop("P", 2),)),
            LevelLoops("buffer", (Loop("R", 2),), (Loop("R", 2),)),
            LevelLoops("registers", (Loop("P", 2),)),
        )
    )


def test_one_level():
    layer = ConvLayer("conv", 2, 3, 6, 5, 3, 3, padding=1)
    loops = tuple(Loop(d, n) for d, n in layer.dimensions.items() if n > 1)
    dram = level("DRAM", capacity_words=None)
    hardware = Hardware(name="one", levels=(dram,), compute=Compute(mac_pj=1))
    check((layer, hardware, Mapping((LevelLoops("DRAM", loops),))))


def torch_convolution(layer, inputs, weights):
    torch = pytest.importorskip("torch")
    top, bottom, left, right = layer.padding
    pixels, filters = torch.from_numpy(inputs), torch.from_numpy(weights)
    pixels = torch.nn.functional.pad(pixels, (left, right, top, bottom))
    return torch.nn.functional.conv2d(
        pixels, filters, stride=layer.stride, dilation=layer.dilation, groups=layer.groups
    ).numpy()


@settings(NORMAL, max_examples=50)
@given(mapped_layers(largest=400), st.integers(0, 2**32 - 1))
def test_integers_equal_torch(mapped, seed):
    inputs, weights = random_operands(mapped[0], seed)
    replay = replay_layer(*mapped, inputs, weights)
    assert replay.outputs.dtype == np.int64
    expected = torch_convolution(mapped[0], inputs, weights)
    assert (replay.outputs == expected).all()
    assert (direct_convolution(mapped[0], inputs, weights) == expected).all()


def test_floats_equal_torch():
    mapped = six_levels()
    inputs, weights = (array / 7 for array in random_operands(mapped[0], seed=3))
    replay = replay_layer(*mapped, inputs, weights)
    assert replay.outputs.dtype == np.float64
    expected = torch_convolution(mapped[0], inputs, weights)
    np.testing.assert_allclose(replay.outputs, expected, rtol=1e-9, atol=1e-12)
    assert compare(replay, count_layer(*mapped)) == ()


def test_equal_seeds_give_equal_operands():
    layer = six_levels()[0]
    for one, other in zip(random_operands(layer, 5), random_operands(layer, 5), strict=True):
        assert (one == other).all()
    assert (random_operands(layer, 5)[0] != random_operands(layer, 6)[0]).any()


@pytest.mark.parametrize(
    ("field", "place", "action"),
    [
        ("accesses", (2, 0, 1), "fills"),
        ("transfers", (3, 1, 2), "forwarded"),
        ("tile_words", (1, 2), "tile words"),
        ("instances", (4,), "instances"),
    ],
)
def test_a_wrong_count_is_found(field, place, action):
    mapped = six_levels()
    counts = count_layer(*mapped)
    wrong = getattr(counts, field).copy()
    wrong[place] += 1
    (found,) = compare(replay_layer(*mapped), dataclasses.replace(counts, **{field: wrong}))
    assert (found.action, found.counted) == (action, found.replayed + 1)
    assert f"{action}: counted {found.counted}, replayed {found.replayed}" in str(found)


def test_a_wrong_number_of_steps_is_found():
    mapped = six_levels()
    counts = dataclasses.replace(count_layer(*mapped), temporal_steps=1)
    (found,) = compare(replay_layer(*mapped), counts)
    assert found.action == "temporal steps"


@pytest.mark.parametrize("place", range(3))
def test_words_are_only_taken_from_where_they_are(monkeypatch, place):
    # Buffers of DRAM that claim to hold other words than they do: every reader notices.
    honest = model.load

    def dishonest(shape, nest, state, inputs, weights):
        honest(shape, nest, state, inputs, weights)
        start = int(nest.banks["base"][0, place])
        state.tags[start : start + 2] = state.tags[start : start + 2][::-1].copy()

    monkeypatch.setattr(model, "load", dishonest)
    with pytest.raises(AssertionError, match="does not hold"):
        replay_layer(*six_levels())


def test_operands_of_the_wrong_shape():
    layer, hardware, mapping = six_levels()
    inputs, weights = random_operands(layer)
    with pytest.raises(InputError, match=r"the inputs given for all .* of shape \(2, 4, 9, 8\)"):
        replay_layer(layer, hardware, mapping, inputs[:, :, 1:])
    with pytest.raises(InputError, match="the weights given for all are complex128"):
        replay_layer(layer, hardware, mapping, inputs, weights * 1j)


def test_a_mapping_that_does_not_cover_the_layer():
    layer, hardware, mapping = six_levels()
    with pytest.raises(MappingError, match="the loops over N multiply to 2"):
        replay_layer(layer.with_batch(3), hardware, mapping)
    with pytest.raises(MappingError, match="the loops over N multiply to 2"):
        replay_cost(layer.with_batch(3), hardware, mapping)


@NORMAL
@given(mapped_layers(windows=True))
@example(six_levels())
def test_the_cost_bounds_what_is_moved(mapped):
    cost, counts = replay_cost(*mapped), count_layer(*mapped)
    assert counts.accesses[:, :, 1].sum() <= cost.words
    assert cost.macs == counts.macs
    assert 0 < cost.seconds < 1


def test_what_is_too_large_is_refused():
    cost = dataclasses.replace(replay_cost(*six_levels()), macs=10**12)
    with pytest.raises(InputError, match=r"would take about .* hours; expected .*--limit\) of \d+"):
        cost.check(60.0)
    with pytest.raises(InputError, match=r"8\.0 GiB of memory"):
        dataclasses.replace(cost, memory_bytes=2**33).check(1e9)
    replay_cost(*six_levels()).check(60.0)
