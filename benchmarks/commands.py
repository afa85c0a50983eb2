"""How long the commands take that people wait for.

Run ``python benchmarks/commands.py``. Each figure is the median of several runs
of a fresh process: CPU seconds (user and system, children included) and wall
seconds. The first run is timed with an empty cache of compiled kernels.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time

KCSIM = [sys.executable, "-c", "from kcsim.cli.main import run; run()"]
FIRST = "first run, compiling"
CASES = {
    "kcsim --help": ["--help"],
    "estimate AlexNet on Eyeriss": ["estimate", "--hw", "eyeriss.yaml"],
    "estimate ResNet-18, kernels, K=256": [
        "estimate", "--hw", "eyeriss.yaml", "-n", "resnet18", "--cluster", "kernel:k=256",
    ],
    "estimate DenseNet-121 on Eyeriss": ["estimate", "--hw", "eyeriss.yaml", "-n", "densenet121"],
}  # fmt: skip


def timed(arguments: list[str], environment: dict[str, str]) -> tuple[float, float]:
    """CPU and wall seconds of one process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    subprocess.run(
        [*KCSIM, *arguments], check=True, env=environment, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    wall = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall


def main() -> None:
    """Print the machine and the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5, help="runs of each command, for the median")
    parser.add_argument("--cases", nargs="+", default=(FIRST, *CASES), help="titles of figures")
    options = parser.parse_args()
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    with tempfile.TemporaryDirectory() as cache:
        environment = {**os.environ, "NUMBA_CACHE_DIR": cache}
        if FIRST in options.cases:
            cpu, wall = timed(CASES["estimate AlexNet on Eyeriss"], environment)
            print(f"{FIRST:38s} {cpu:6.2f} s CPU {wall:6.2f} s wall")
        for name in [name for name in CASES if name in options.cases]:
            runs = [timed(CASES[name], environment) for _ in range(options.runs)]
            cpu, wall = (statistics.median(column) for column in zip(*runs, strict=True))
            print(f"{name:38s} {cpu:6.2f} s CPU {wall:6.2f} s wall (median of {len(runs)})")


if __name__ == "__main__":
    main()
