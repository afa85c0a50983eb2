"""How long the proved best mapping of every convolution takes, on one core.

Run ``python benchmarks/mapping.py``. It maps every distinct convolution of AlexNet, VGG-16 and
ResNet-18 (batch 1) on Eyeriss and on a plain DRAM + 128 KB buffer + 256 PEs of 512 B, for the
least energy and the least energy-delay product, and prints the optimum, CPU seconds, mappings
evaluated and pruned; then how long all of ResNet-18 (the last network) takes on all cores, mapped
anew and with the results of an earlier run. Compilation is not timed, nor are results kept between
runs.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import tempfile
import time

import kcsim
from kcsim.mapping.cache import MappingCache
from kcsim.mapping.layers import MappingTask, map_layers

NETWORKS = ("alexnet", "vgg16", "resnet18")
HARDWARES = ("eyeriss", "simple")
OBJECTIVES = ("energy", "edp")


def convolutions(networks):
    """Every distinct convolution, with a name; fully connected layers are left out."""
    found = {}
    for name in networks:
        for layer in kcsim.load_network(name):
            if (layer.out_height, layer.out_width) != (1, 1):
                found.setdefault(layer.shape_key, (f"{name}/{layer.name}", layer))
    return list(found.values())


def time_layers(hardware, networks, objective, runs):
    """Map every convolution some times; prints a line each and returns the medians."""
    unit, medians = hardware.energy_unit, []
    print(f"\n{hardware.name}, least {objective}")
    print(f"{'layer':32s} {f'energy [{unit}]':>14s} {'cycles':>12s} {'CPU s':>7s}", end="")
    print(f" {'evaluated':>9s} {'pruned':>9s}")
    for name, layer in convolutions(networks):
        seconds = []
        for _ in range(runs):
            started = time.process_time()
            found = kcsim.search_mapping(layer, hardware, objective=objective)
            seconds.append(time.process_time() - started)
        assert found.proved
        medians.append(statistics.median(seconds))
        print(
            f"{name:32s} {found.energy:14.6g} {found.cycles:12,.0f} {medians[-1]:7.3f} "
            f"{found.evaluated:9,d} {found.pruned:9.3g}",
            flush=True,
        )
    print(f"median {statistics.median(medians):.3f} s, longest {max(medians):.3f} s")


def time_network(hardware, network):
    """All of a network on all cores, without and with results of an earlier run."""
    tasks = [MappingTask(layer) for layer in kcsim.load_network(network)]
    with tempfile.TemporaryDirectory() as folder:
        for label in ("mapped anew", "from the cache"):
            started = time.perf_counter()
            map_layers(tasks, hardware, objective="energy", cache=MappingCache(folder))
            seconds = time.perf_counter() - started
            print(f"{network} on {hardware.name}, {label}: {seconds:.3f} s")


def main() -> None:
    """Print the machine and all times."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=3, help="runs of each layer, for the median")
    parser.add_argument(
        "--networks", nargs="+", default=NETWORKS, help="names or files of networks"
    )
    options = parser.parse_args()
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    kcsim.search_mapping(kcsim.load_layer("lenet5/conv1"), kcsim.load_hardware("simple"))
    for name in HARDWARES:
        for objective in OBJECTIVES:
            time_layers(kcsim.load_hardware(name), options.networks, objective, options.runs)
    print()
    for name in HARDWARES:
        time_network(kcsim.load_hardware(name), options.networks[-1])


if __name__ == "__main__":
    main()
