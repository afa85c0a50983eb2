"""How many mappings a second the closed-form counter evaluates on one core.

Run ``python benchmarks/counting.py``. It counts random mappings of a convolution
on DRAM, buffer, register files and MAC units: every access of every level and
tensor, every transfer, all tiles.
"""

from __future__ import annotations

import os
import platform
import statistics
import time

import numpy as np
from numba import njit

import kcsim
from kcsim.kernels.counting import count_nest
from kcsim.kernels.nest import SPATIAL_X, TEMPORAL, new_workspace
from kcsim.mapping.costs import build_machine

MAPPINGS, RUNS = 100_000, 7


@njit
def count_all(nests, lengths, machine):
    """Count every nest; returns a checksum, so that nothing is optimised away."""
    levels = machine.keeps.shape[0]
    work = new_workspace(levels, nests.shape[1])
    tiles = np.empty((levels, 3), np.int64)
    instances = np.empty(levels + 1, np.int64)
    counts = np.empty((levels, 3, 3), np.int64)
    transfers = np.empty((levels, 3, 3), np.int64)
    total = 0
    for i in range(nests.shape[0]):
        count_nest(
            nests[i], lengths[i], machine.window, machine.keeps, machine.multicast,
            machine.reduction, machine.forwarding, work, tiles, instances, counts, transfers,
        )  # fmt: skip
        total += counts.sum()
    return total


def random_nests(layer, levels, generator):
    """Random tile factors in random loop orders, as int64[mappings, loops, 4]."""
    primes = [
        (dimension, prime)
        for dimension, size in enumerate(layer.dimensions.values())
        for prime in factors(size)
    ]
    nests = np.zeros((MAPPINGS, len(primes), 4), np.int64)
    lengths = np.zeros(MAPPINGS, np.int64)
    for i in range(MAPPINGS):
        bounds: dict[tuple[int, int, int], int] = {}
        for (dimension, prime), place in zip(
            primes, generator.integers(0, levels + 1, len(primes)), strict=True
        ):
            # One place beside the levels: the array below the buffer.
            level, kind = (1, SPATIAL_X) if place == levels else (int(place), TEMPORAL)
            bounds[level, kind, dimension] = bounds.get((level, kind, dimension), 1) * prime
        loops = [(*key, bound) for key, bound in bounds.items()]
        generator.shuffle(loops)
        lengths[i] = len(loops)
        nests[i, : len(loops)] = sorted(loops, key=lambda loop: loop[:2])
    return nests, lengths


def factors(number):
    """Prime factors with repetition."""
    divisor = 2
    while number > 1:
        while number % divisor == 0:
            yield divisor
            number //= divisor
        divisor += 1


def main() -> None:
    """Print the machine and the rate."""
    layer, hardware = kcsim.load_layer("resnet18/layer2.0.conv2"), kcsim.load_hardware("simple")
    machine = build_machine(layer, hardware)
    nests, lengths = random_nests(layer, len(hardware.levels), np.random.default_rng(0))
    count_all(nests[:1], lengths[:1], machine)
    rates = []
    for _ in range(RUNS):
        started = time.perf_counter()
        count_all(nests, lengths, machine)
        rates.append(MAPPINGS / (time.perf_counter() - started))
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    print(f"{layer.name} on {hardware.name}, {lengths.mean():.1f} loops a mapping")
    print(f"{statistics.median(rates) / 1e6:.2f} million mappings a second (median of {RUNS})")


if __name__ == "__main__":
    main()
