"""The same points on a real cluster of dask on this machine."""

from __future__ import annotations

import os
import signal
import threading
import warnings

import pandas as pd
import pytest
from sweeps import SMALL, results

import kcsim
from kcsim.errors import InputError
from kcsim.exploration.worker import SINGLE_THREADED

distributed = pytest.importorskip("distributed")
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::UserWarning")


@pytest.fixture(scope="module")
def local(tmp_path_factory):
    folder = tmp_path_factory.mktemp("local") / "out"
    kcsim.explore(SMALL, folder, workers=2)
    return folder


def assert_same(folder, other):
    for table in ("points.parquet", "layers.parquet"):
        pd.testing.assert_frame_equal(results(folder, table), results(other, table))


def test_a_cluster_of_two_workers_gives_the_tables_of_the_local_engine(local, tmp_path):
    kcsim.explore(SMALL, tmp_path / "out", engine="dask", workers=2)
    assert_same(tmp_path / "out", local)


def test_a_worker_killed_in_the_middle_costs_nothing_but_time(local, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cluster = distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None, env=SINGLE_THREADED
        )
    killed = threading.Event()

    def kill_one(state):
        if state.found >= 3 and not killed.is_set():
            os.kill(next(iter(cluster.workers.values())).pid, signal.SIGKILL)
            killed.set()

    with cluster:
        kcsim.explore(
            SMALL, tmp_path / "out", engine="dask", scheduler=cluster.scheduler_address,
            progress=kill_one,
        )  # fmt: skip
    assert killed.is_set()
    assert_same(tmp_path / "out", local)


def test_workers_with_several_threads_give_the_same_tables(local, tmp_path):
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=3, dashboard_address=None, env=SINGLE_THREADED
        ) as cluster
    ):  # fmt: skip
        address = cluster.scheduler_address
        kcsim.explore(SMALL, tmp_path / "out", engine="dask", scheduler=address)
    assert_same(tmp_path / "out", local)


def test_a_scheduler_that_is_not_there_is_one_line(tmp_path, monkeypatch):
    from kcsim.exploration import dask_engine

    monkeypatch.setattr(dask_engine, "CONNECT_SECONDS", 1)
    with pytest.raises(InputError, match="there is no scheduler of dask at 'tcp://127"):
        kcsim.explore(SMALL, tmp_path, engine="dask", scheduler="tcp://127.0.0.1:9")
