"""Explorations that are killed, share a folder, or run out of space."""

from __future__ import annotations

import errno
import os
import random
import time

import pandas as pd
import pytest
from sweeps import SMALL, results, start, write_sweep

import kcsim
from kcsim.errors import InputError
from kcsim.exploration import store as store_module
from kcsim.exploration.store import Store

MOMENTS = 5


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    return write_sweep(tmp_path_factory.mktemp("sweep") / "sweep.yaml", SMALL)


@pytest.fixture(scope="module")
def undisturbed(sweep, tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed") / "out"
    kcsim.explore(sweep, folder, workers=1)
    return folder


def assert_same(folder, other):
    for table in ("points.parquet", "layers.parquet"):
        pd.testing.assert_frame_equal(results(folder, table), results(other, table))


def kill_and_resume(sweep, folder, moments, seed, longest):
    """Kill an exploration at random moments, then let it finish; how often it was killed."""
    generator, killed = random.Random(seed), 0
    for _ in range(moments):
        process = start(sweep, folder)
        time.sleep(generator.uniform(0.2, longest))
        killed += process.poll() is None
        process.kill()
        process.communicate()
    process = start(sweep, folder)
    assert process.wait(300) == 0, process.stderr.read().decode()
    process.stderr.close()
    return killed


def test_a_killed_exploration_resumes_to_the_same_tables(sweep, undisturbed, tmp_path):
    assert kill_and_resume(sweep, tmp_path / "out", 3, 1, 6.0)
    assert_same(tmp_path / "out", undisturbed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(MOMENTS))
def test_twenty_kills_at_random_moments_change_nothing(sweep, undisturbed, tmp_path, seed):
    kill_and_resume(sweep, tmp_path / "out", 20 // MOMENTS, seed, 8.0)
    assert_same(tmp_path / "out", undisturbed)


def test_two_processes_on_one_folder_share_the_work_without_doing_any_twice(
    sweep, undisturbed, tmp_path
):
    both = [start(sweep, tmp_path / "out", workers=1) for _ in range(2)]
    for process in both:
        _, text = process.communicate(timeout=300)
        assert process.returncode == 0, text.decode()
    assert_same(tmp_path / "out", undisturbed)
    parts = (tmp_path / "out" / "results").glob("*.points.parquet")
    found = [point for part in parts for point in pd.read_parquet(part)["point"]]
    assert len(found) == len(set(found)) == len(results(undisturbed))


def test_the_same_sweep_again_evaluates_nothing(sweep, undisturbed):
    before = sorted(os.listdir(undisturbed / "results"))
    states = []
    kcsim.explore(sweep, undisturbed, workers=1, progress=states.append)
    assert not states
    assert sorted(os.listdir(undisturbed / "results")) == before


def test_a_wider_sweep_evaluates_its_new_points_alone(sweep, tmp_path):
    kcsim.explore(SMALL, tmp_path / "out", workers=1)
    axes = {**SMALL["axes"], "levels.register file.capacity": ["128 B", "512 B", "256 B"]}
    states = []
    found = kcsim.explore(
        {**SMALL, "axes": axes}, tmp_path / "out", workers=1,
        progress=lambda state: states.append((state.known, state.found)),
    )  # fmt: skip
    assert states[-1] == (18, 9)
    assert len(found.points()) == 27


def test_points_of_an_older_sweep_stay_out_of_the_tables_of_a_narrower_one(tmp_path):
    kcsim.explore(SMALL, tmp_path / "out", workers=1)
    axes = {**SMALL["axes"], "levels.buffer.capacity": ["32 KiB"]}
    found = kcsim.explore({**SMALL, "axes": axes}, tmp_path / "out", workers=1)
    assert set(found.points()["levels.buffer.capacity"]) == {32}
    assert set(found.layers()["levels.buffer.capacity"]) == {32}


def test_a_full_disk_is_one_line_and_leaves_what_was_found(
    sweep, undisturbed, tmp_path, monkeypatch
):
    written = [0]

    def write(file, data):
        written[0] += 1
        if written[0] == 7:
            # A part of the line is on the disk when it is full.
            os.write(file, data[: len(data) // 2])
        if written[0] >= 7:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return os.write(file, data)

    class Full:
        def __getattr__(self, name):
            return write if name == "write" else getattr(os, name)

    with monkeypatch.context() as patch:
        patch.setattr(store_module, "os", Full())
        with pytest.raises(InputError, match=r"no space left on device; 6 points are kept") as info:
            kcsim.explore(sweep, tmp_path / "out", workers=1)
    assert "\n" not in str(info.value)
    states = []
    kcsim.explore(
        sweep, tmp_path / "out", workers=1, progress=lambda state: states.append(state.known)
    )
    assert states[0] == 6
    assert_same(tmp_path / "out", undisturbed)


def test_a_torn_last_line_of_a_journal_is_left_out(tmp_path):
    first = Store(tmp_path)
    first.add({"point": "a"}, [{"number": 0}])
    first.add({"point": "b"}, [])
    (journal,) = first.folder.glob("*.journal")
    first.let_go()
    journal.write_bytes(journal.read_bytes()[:-5])
    second = Store(tmp_path)
    assert second.done == {"a"}
    second.close()
    assert not list(second.folder.glob("*.journal"))
