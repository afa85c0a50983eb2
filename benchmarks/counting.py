"""How many mappings a second the closed-form counter evaluates on one core.

Run ``python benchmarks/counting.py``. It counts random mappings of a convolution
on DRAM, buffer, register files and MAC units: every access of every level and
tensor, every transfer, all tiles; once within a kernel, and once through
``kcsim.count_mappings``, which also checks every mapping.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import time

import numpy as np
from numba import njit

import kcsim
from kcsim.cost.prices import rule_array, window_array
from kcsim.kernels.count.counting import count_nest
from kcsim.kernels.layout import COUNT, LOOP, SPAN, SPATIAL_X, STEP, TEMPORAL


@njit
def count_all(nests, lengths, window, rules):
    """Count every nest; returns a checksum, so that nothing is optimized away."""
    levels = rules.shape[0]
    steps = np.empty(nests.shape[1], STEP)
    heights = np.zeros((levels, 3), np.int64)
    spans, counts = np.empty(levels + 1, SPAN), np.empty((levels, 3), COUNT)
    total = 0
    for i in range(nests.shape[0]):
        count_nest(nests[i, : lengths[i]], heights, window, rules, spans, steps, counts)
        for count in counts.flat:
            total += count.reads + count.fills + count.updates
            total += count.down + count.up + count.forwarded
    return total


def random_nests(layer, hardware, count, generator):
    """Random tile factors in random loop orders, as int64[mappings, loops, 4]."""
    levels, room = len(hardware.levels), hardware.levels[1].fanout.x
    primes = [
        (dimension, prime)
        for dimension, size in enumerate(layer.dimensions.values())
        for prime in factors(size)
    ]
    nests = np.zeros((count, len(primes), 4), np.int64)
    lengths = np.zeros(count, np.int64)
    for i in range(count):
        bounds: dict[tuple[int, int, int], int] = {}
        spread = 1
        for (dimension, prime), place in zip(
            primes, generator.integers(0, levels + 1, len(primes)), strict=True
        ):
            # One place beside the levels: the array below the buffer.
            level, kind = int(place) % levels, TEMPORAL
            if place == levels and spread * prime <= room:
                level, kind, spread = 1, SPATIAL_X, spread * prime
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


def rate(count, mappings, runs, *arguments):
    """Mappings a second of CPU time, the median of some runs after one that compiles."""
    rates = []
    for _ in range(runs + 1):
        started = time.process_time()
        count(*arguments)
        rates.append(mappings / (time.process_time() - started))
    return statistics.median(rates[1:])


def main() -> None:
    """Print the machine and the rates."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mappings", type=int, default=100_000, help="mappings of each run")
    parser.add_argument("--runs", type=int, default=7, help="runs, for the median")
    sizes = vars(parser.parse_args())
    layer, hardware = kcsim.load_layer("resnet18/layer2.0.conv2"), kcsim.load_hardware("simple")
    keeps = np.ones((len(hardware.levels), 3), np.bool_)
    machine = window_array(layer, hardware), rule_array(layer, hardware, keeps)
    nests, lengths = random_nests(layer, hardware, sizes["mappings"], np.random.default_rng(0))
    records = nests.view(LOOP)[..., 0]
    in_kernel = rate(count_all, *sizes.values(), records, lengths, *machine)
    for nest, length in zip(nests, lengths, strict=True):
        nest[length:] = len(hardware.levels) - 1, 0, 0, 1
    in_bulk = rate(kcsim.count_mappings, *sizes.values(), layer, hardware, nests)
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    print(f"{layer.name} on {hardware.name}, {lengths.mean():.1f} loops a mapping; one core")
    print(f"medians of {sizes['runs']} runs:")
    print(f"{in_kernel / 1e6:.2f} million mappings a second in the kernel")
    print(f"{in_bulk / 1e6:.2f} million mappings a second through kcsim.count_mappings")


if __name__ == "__main__":
    main()
