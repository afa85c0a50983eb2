"""Searches for fronts: seeded, resumable, within the evaluations, and exact where asked for."""

import pytest
from sweeps import results

import kcsim
from kcsim.errors import InputError
from kcsim.exploration.answers import front

pytest.importorskip("optuna")
SPACE = {
    "hardware": "simple",
    "networks": ["lenet5"],
    "clusterings": ["none", "kernel:k=16,scope=layer"],
    "axes": {
        "levels.buffer.capacity": {"log2": ["4 KiB", "64 KiB"]},
        "levels.register file.capacity": ["64 B", "256 B", "1 KiB"],
        "levels.buffer.fanout.x": [4, 16],
    },
}
"""60 points."""
SEARCH = {"minimize": ["energy", "area_mm2"], "evaluations": 15, "population": 5, "seed": 2}


@pytest.fixture(scope="module")
def everything(tmp_path_factory):
    return kcsim.explore(SPACE, tmp_path_factory.mktemp("all"), workers=2).points()


def fronts_of(frame):
    found = front(frame, ["energy", "area_mm2"])
    return set(found["point"])


def test_a_search_evaluates_no_more_than_it_may_and_depends_on_its_seed_alone(tmp_path):
    space = {**SPACE, "search": SEARCH}
    first = kcsim.explore(space, tmp_path / "a", workers=2)
    assert len(first.points()) == 15
    # In the same folder all that was found is there: the search repeats without any work.
    states = []
    kcsim.explore(space, tmp_path / "a", workers=1, progress=states.append)
    assert not states
    kcsim.explore(space, tmp_path / "b", workers=1)
    assert results(tmp_path / "a").equals(results(tmp_path / "b"))


def test_an_exact_search_finds_the_whole_front_and_leaves_points_out(tmp_path, everything):
    space = {**SPACE, "search": {**SEARCH, "evaluations": 10, "exact": True}}
    found = kcsim.explore(space, tmp_path, workers=2).points()
    assert fronts_of(found) == fronts_of(everything)
    assert len(found) < len(everything)


def test_what_cannot_be_searched_is_told(tmp_path):
    with pytest.raises(InputError, match="did you mean 'energy'"):
        kcsim.explore({**SPACE, "search": {"minimize": ["enrgy"]}}, tmp_path)
    endless = {**SPACE, "axes": {"levels.buffer.capacity": {"log": ["4 KiB", "64 KiB"]}},
               "search": {**SEARCH, "exact": True}}  # fmt: skip
    with pytest.raises(InputError, match="finitely many"):
        kcsim.explore(endless, tmp_path)
