"""What designs have in common: the same optima, optima that are taken over, bounds."""

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kcsim
from kcsim.exploration.designs import Request, _bound, evaluate
from kcsim.exploration.problems import SharingMapper, taken_over, upper_bound
from kcsim.hardware.variants import hardware_data, variant
from kcsim.mapping.as_mapped import as_mapped, relaxed, sizes_of
from kcsim.mapping.cache import MappingCache
from kcsim.mapping.layers import MappingTask
from kcsim.mapping.search import search_mapping

LAYER = kcsim.ConvLayer("conv", 8, 12, 10, 10, 3, 3)
DATA = hardware_data("simple")
PRICED = [("levels.buffer.read", "6 pJ"), ("levels.buffer.write", "6 pJ")]
SIZES = st.sampled_from(["64 B", "256 B", "1 KiB", "4 KiB", "64 KiB"])


def design(size, *, priced=True, x=4, registers="64 B"):
    settings_ = [("levels.buffer.capacity", size), ("levels.buffer.fanout.x", x),
                 ("levels.register file.capacity", registers)]  # fmt: skip
    return variant(DATA, [*settings_, *(PRICED if priced else [])])


@pytest.fixture
def mapper(tmp_path):
    return SharingMapper(MappingCache(tmp_path))


def value(found, objective):
    return {"edp": found.energy * found.cycles, "energy": found.energy}[objective]


def test_what_the_mapper_does_not_see_makes_no_other_problem():
    plain = kcsim.load_hardware("simple")
    other = dataclasses.replace(plain, name="x", clock_mhz=5.0, layout_factor=2.0, codebook=None)
    assert repr(as_mapped(plain)) == repr(as_mapped(other))
    assert repr(as_mapped(plain)) != repr(as_mapped(design("4 KiB")))
    found = search_mapping(LAYER, plain), search_mapping(LAYER, as_mapped(plain))
    assert found[0].mapping == found[1].mapping
    assert found[0].energy == found[1].energy


@settings(max_examples=15)
@given(small=SIZES, large=SIZES, objective=st.sampled_from(["edp", "energy"]))
def test_an_optimum_that_is_taken_over_is_that_of_a_search(small, large, objective):
    one, other = design(small), design(large)
    if sizes_of(one) > sizes_of(other):
        one, other = other, one
    task = MappingTask(LAYER)
    above = search_mapping(LAYER, other, objective=objective)
    found = taken_over(above, task, one, objective)
    wanted = search_mapping(LAYER, one, objective=objective)
    if found is not None:
        assert value(found, objective) == pytest.approx(value(wanted, objective), rel=1e-9)
        assert found.proved
    # Whether it fits or not, the larger design bounds the smaller one from below.
    assert value(above, objective) <= value(wanted, objective) * (1 + 1e-9)
    assert upper_bound(task, one, objective, [above.mapping]) >= value(wanted, objective) * (
        1 - 1e-9
    )


def test_each_problem_is_searched_once_and_taken_over_where_it_fits(mapper):
    large, small = design("64 KiB"), design("32 KiB")
    mapper.expect(small, [large])
    task = MappingTask(LAYER)
    first = mapper.solve(task, small, "edp")
    assert (mapper.searched, mapper.taken_over) == (1, 1)
    assert mapper.solve(task, large, "edp").mapping == first.mapping
    assert (mapper.searched, mapper.taken_over) == (1, 1)


def test_an_optimum_of_a_cheaper_design_is_not_taken_over_where_it_costs_more():
    cheaper = variant(DATA, [("levels.buffer.read", "3 pJ"), ("levels.buffer.write", "3 pJ")])
    above = search_mapping(LAYER, cheaper, objective="energy")
    dearer = variant(DATA, PRICED)
    assert taken_over(above, MappingTask(LAYER), dearer, "energy") is None
    assert taken_over(above, MappingTask(LAYER), cheaper, "energy") is not None


def test_what_does_not_fit_is_searched(mapper):
    large, small = design("64 KiB"), design("64 B")
    mapper.expect(small, [large])
    found = mapper.solve(MappingTask(LAYER), small, "edp")
    wanted = search_mapping(LAYER, small)
    # Of mappings that are equal, another one may be found.
    assert (found.energy, found.cycles) == pytest.approx((wanted.energy, wanted.cycles), rel=1e-12)
    assert mapper.searched == 2


@settings(max_examples=10)
@given(st.data())
def test_a_relaxed_design_bounds_all_that_it_comes_from(data):
    larger = st.sampled_from(["1 KiB", "4 KiB", "64 KiB"])
    sizes = st.tuples(larger, st.sampled_from([1, 2, 4, 8]), st.sampled_from(["32 B", "128 B"]))
    chosen = data.draw(st.lists(sizes, min_size=1, max_size=3, unique=True))
    designs = [design(size, priced=False, x=x, registers=r) for size, x, r in chosen]
    best = relaxed(designs)
    assert best is not None
    for objective in ("energy", "cycles"):
        least = getattr(search_mapping(LAYER, best, objective=objective), objective)
        for each in designs:
            own = getattr(search_mapping(LAYER, each, objective=objective), objective)
            assert least <= own * (1 + 1e-9)


def test_designs_that_differ_in_more_than_sizes_and_prices_are_not_compared():
    one = design("4 KiB")
    other = variant(DATA, [("levels.buffer.fanout.multicast", "none")])
    assert relaxed([one, other]) is None
    assert relaxed([one, variant(DATA, [("precision_bits.weights", 8)])]) is None


@pytest.mark.parametrize("clustering", [None, "kernel:k=16,scope=layer"])
def test_bounds_are_below_what_points_come_to(clustering, mapper):
    settings_ = [
        (("levels.buffer.capacity", size), ("levels.buffer.fanout.x", x))
        for size in ("16 KiB", "64 KiB") for x in (8, 16)
    ]  # fmt: skip
    request = Request(
        "p", DATA, settings_[0], (), "lenet5", None, clustering, None, "decode", None, "energy",
        None,
    )  # fmt: skip
    rows = [evaluate(dataclasses.replace(request, settings=s), mapper)[0] for s in settings_]
    for objective in ("energy", "cycles"):
        asked = dataclasses.replace(request, objective=objective, bound_of=tuple(settings_))
        least = _bound(asked, mapper)
        assert 0 < least <= min(row[objective] for row in rows)


def test_a_chain_of_larger_designs_is_decided_before_anything_runs():
    from kcsim.exploration.plan import Planner
    from kcsim.exploration.space_reader import read_space

    space = {
        "hardware": "simple", "networks": ["lenet5"], "set": dict(PRICED),
        "axes": {"levels.buffer.capacity": ["16 KiB", "64 KiB", "32 KiB"]},
    }  # fmt: skip
    plan = Planner(read_space(space)).plan()
    chains = {p.inputs["levels.buffer.capacity"]: len(p.request.larger) for p in plan.points}
    assert chains == {16: 2, 32: 1, 64: 0}
    # Where energies follow from sizes, no design takes anything from another.
    plan = Planner(read_space({**space, "set": {}})).plan()
    assert not any(p.request.larger for p in plan.points)
