"""How long it takes to compare all ways to execute a clustered network.

Run ``python benchmarks/executions.py``. For AlexNet (one codebook of 32 kernels for each layer),
VGG-16 and ResNet-18 (batch 1) on a plain DRAM + 128 KB buffer + 256 PEs of 512 B it compares
``decode``, ``share_products``, ``share_sums`` and ``auto`` with the decoder at every level, and
prints the median seconds on all cores. For every way to share it prints the tiles mapped and
those that bounds ruled out or that were left, summed over layers, and the largest gap: by how much
another tile could be better at most. Compilation is not timed, nor are results kept between runs.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import time

import kcsim
from kcsim.mapping.cache import CACHE_VARIABLE
from kcsim.mapping.search import OBJECTIVES

NETWORKS = ("alexnet", "vgg16", "resnet18")
CLUSTERING = "kernel:k=32,scope=layer"
HARDWARE = "simple"


def compile_kernels(objective):
    """Compare a layer that takes no time."""
    network = kcsim.Network("tiny", (kcsim.ConvLayer("conv", 2, 4, 3, 3, 3, 3),))
    started = time.perf_counter()
    kcsim.compare_executions(HARDWARE, network, "kernel:k=3,dense=none", objective=objective)
    print(f"a tiny layer, compilation or loading of compiled kernels included: "
          f"{time.perf_counter() - started:.1f} s")  # fmt: skip


def time_network(name, objective, runs):
    """Compare one network some times, and print what was searched."""
    seconds = []
    for _ in range(runs):
        started = time.perf_counter()
        compared = kcsim.compare_executions(HARDWARE, name, CLUSTERING, objective=objective)
        seconds.append(time.perf_counter() - started)
    spread = f"{min(seconds):.1f} to {max(seconds):.1f}"
    print(
        f"\n{name}, {CLUSTERING}: median {statistics.median(seconds):.1f} s ({spread}, {runs} runs)"
    )
    print(f"{'run':16s} {'energy':>12s} {'cycles':>14s} {'shared':>7s} {'decoded':>7s}"
          f" {'tiles':>9s} {'mapped':>7s} {'not':>9s} {'longest':>8s} {'gap':>7s}")  # fmt: skip
    for label, run in compared.runs.items():
        shared = [layer for layer in run.layers if layer.execution.startswith("share")]
        decoded = sum(layer.execution == "decode" for layer in run.layers)
        searches = [layer.search for layer in shared]
        tiles = sum(search.mappings for search in searches)
        mapped = sum(search.evaluated for search in searches)
        longest = max((search.seconds for search in searches), default=0.0)
        gap = max((search.gap for search in searches), default=0.0)
        print(
            f"{label:16s} {run.energy:12.5g} {run.cycles:14,d} {len(shared):7d} {decoded:7d} "
            f"{tiles:9,d} {mapped:7,d} {tiles - mapped:9,d} {longest:7.1f}s {gap:7.1%}",
            flush=True,
        )


def main() -> None:
    """Print the machine and all times."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=3, help="runs of each network, for the median")
    parser.add_argument("--objective", choices=OBJECTIVES, default="edp")
    parser.add_argument(
        "--networks", nargs="+", default=NETWORKS, help="names or files of networks"
    )
    options = parser.parse_args()
    # Mappings that earlier runs have found would hide what finding them takes.
    os.environ[CACHE_VARIABLE] = ""
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    print(f"{HARDWARE}, least {options.objective}")
    compile_kernels(options.objective)
    for name in options.networks:
        time_network(name, options.objective, options.runs)


if __name__ == "__main__":
    main()
