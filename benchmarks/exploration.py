"""Points per second of an exploration, by the number of points, from an empty cache.

Run ``python benchmarks/exploration.py``. It explores docs/sweeps/thousand.yaml (1,000 designs of
ResNet-18, dense and clustered), or as many of its points as ``--points`` says, drawn evenly, with
results kept nowhere before; prints wall time, points per second, CPU seconds of the workers and of
this process, the memory of this process and of the largest worker, and how busy the machine is;
then the time of one process a point for ``--alone`` of them, with warm kernels and no kept results.
``--sweep docs/sweeps/sizes.yaml --points 10 100 1000 10000`` measures how it grows.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from kcsim.exploration.explore import explore
from kcsim.exploration.plan import Planner
from kcsim.exploration.space_reader import read_space
from kcsim.reading.source import read_yaml

SWEEP = Path(__file__).resolve().parent.parent / "docs" / "sweeps" / "thousand.yaml"
_ALONE = "import sys; from kcsim.cli.main import run; run()"


def children_seconds() -> float:
    """CPU time of processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measure(space: dict[str, Any], workers: int | None) -> None:
    """Explore a space from nothing; prints a line."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["KCSIM_CACHE_DIR"] = str(Path(folder) / "mappings")
        before, wall, own = children_seconds(), time.perf_counter(), time.process_time()
        found = explore(space, Path(folder) / "out", workers=workers)
        wall, own = time.perf_counter() - wall, time.process_time() - own
        others, frame = children_seconds() - before, found.points()
    memory, largest = (
        resource.getrusage(who).ru_maxrss / 1024
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    spent = float(frame["evaluation_seconds"].sum())
    print(
        f"{len(frame):>6} points {wall:8.1f} s {len(frame) / wall:8.2f} points/s; CPU of workers "
        f"{others:.1f} s ({spent:.1f} s on points, by the wall), of this process {own:.1f} s; "
        f"{memory:.0f} MB, a worker {largest:.0f} MB; load {os.getloadavg()[0]:.1f}",
        flush=True,
    )


def measure_alone(space: dict[str, Any], count: int) -> None:
    """One process a point, by the command line; prints a line."""
    points = Planner(read_space(space)).plan().points
    chosen = points[:: max(1, len(points) // count)][:count]
    before, wall = children_seconds(), time.perf_counter()
    for point in chosen:
        request = point.request
        settings = [text for path, v in request.settings for text in ("--set", f"{path}={v}")]
        clustering = ["--cluster", request.clustering] if request.clustering else []
        subprocess.run(
            [sys.executable, "-c", _ALONE, "estimate", "--hw", str(point.inputs["hardware"]),
             "-n", request.network, *settings, *clustering, "--format", "csv"],
            env={**os.environ, "KCSIM_CACHE_DIR": ""}, check=True, capture_output=True,
        )  # fmt: skip
    wall, cpu = time.perf_counter() - wall, children_seconds() - before
    print(
        f"alone: {wall / len(chosen):.2f} s a point, {cpu / len(chosen):.2f} s of CPU, "
        f"of {len(chosen)} points"
    )


def main() -> None:
    """Print all measures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sweep", default=str(SWEEP))
    parser.add_argument("--points", type=int, nargs="*", help="of the sweep; all when absent")
    parser.add_argument("--workers", type=int)
    parser.add_argument("--alone", type=int, default=3, help="points that run alone")
    arguments = parser.parse_args()
    space = read_yaml(arguments.sweep).data
    # The kernels are compiled, and the workers started, before anything is measured.
    first = {**space, "sample": {"quasi_random": 1}}
    measure(first, 1)
    for count in arguments.points or [0]:
        measured = {**space, "sample": {"quasi_random": count}} if count else space
        measure(measured, arguments.workers)
    if arguments.alone:
        measure_alone(space, arguments.alone)


if __name__ == "__main__":
    main()
