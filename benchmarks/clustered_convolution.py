"""How long clustered convolutions take, against torch's dense convolution.

Run ``python benchmarks/clustered_convolution.py``. The layers are the 3x3 layers of ResNet-18
with stride 1, one image, with one codebook of K kernels and random indexes; both sides have one
thread. Runs of all sides follow each other closely, and ratios are medians over such rounds.
Weights are prepared before, as a module does. The last columns show what the choices within
share products are worth: tiles of the map, several channels gathered at once, and vectors that
are loaded as such instead of found by the compiler.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import time
from dataclasses import replace

import numpy as np
import torch
from numba import njit

from kcsim.clustering.precision import StoredValues
from kcsim.clustering.resolve import resolve_layer
from kcsim.clustering.spec import parse_clustering
from kcsim.conv import geometry, work
from kcsim.conv.execute import ClusteredConvolution
from kcsim.weights.clustered_layer import ClusteredLayer, Codebook
from kcsim.workload.execution import EXECUTIONS
from kcsim.workload.layer import ConvLayer

LAYERS = ((64, 56), (128, 28), (256, 14), (512, 7))
CLUSTERS = (16, 32)


def random_layer(channels, side, clusters):
    """A layer with random kernels and indexes, and its codebook."""
    conv = ConvLayer(f"{channels}x{side}x{side}", channels, channels, side, side, 3, 3, padding=1)
    part = resolve_layer(conv, parse_clustering(f"kernel:k={clusters},scope=layer"))
    generator = np.random.default_rng(0)
    indexes = generator.integers(clusters, size=(channels, channels, 1, 1)).astype(np.int32)
    entries = generator.standard_normal((clusters, 1, 3, 3), np.float32)
    return ClusteredLayer(part, indexes), Codebook(part.codebook, StoredValues(entries, 32))


@njit(nogil=True, fastmath={"contract"})
def plain_products(images, entries, indexes):
    """Share products in loops as one would write them: float32[C, H + 2, W + 2] to [M, H, W]."""
    filters, channels = indexes.shape
    height, width = images.shape[1] - 2, images.shape[2] - 2
    outputs = np.zeros((filters, height, width), np.float32)
    products = np.empty((len(entries), height, width), np.float32)
    for c in range(channels):
        for k in range(len(entries)):
            products[k] = 0
            for r in range(3):
                for s in range(3):
                    weight = entries[k, 0, r, s]
                    for i in range(height):
                        for j in range(width):
                            products[k, i, j] += weight * images[c, i + r, j + s]
        for m in range(filters):
            k = indexes[m, c]
            for i in range(height):
                for j in range(width):
                    outputs[m, i, j] += products[k, i, j]
    return outputs


def prepared(layer, codebook, *, tile=geometry.TILE_WORDS, blocks=work.CHUNK_BLOCKS):
    """Share products with other sizes of tiles and chunks."""
    usual = geometry.TILE_WORDS, work.CHUNK_BLOCKS
    geometry.TILE_WORDS, work.CHUNK_BLOCKS = tile, blocks
    convolution = ClusteredConvolution(layer, codebook, execution="share_products")
    geometry.TILE_WORDS, work.CHUNK_BLOCKS = usual
    return convolution


def sides(layer, codebook, inputs):
    """What is compared, by name: functions of no argument."""
    conv = replace(layer.part.layer, batch=1)
    dense, weights = torch.from_numpy(inputs), torch.from_numpy(layer.decode(codebook))
    padded = np.pad(inputs[0], ((0, 0), (1, 1), (1, 1)))
    indexes, entries = layer.indexes[:, :, 0, 0], codebook.entries.values
    convolutions = {
        name: ClusteredConvolution(layer, codebook, execution=name) for name in EXECUTIONS
    }
    convolutions |= {
        "whole maps": prepared(layer, codebook, tile=conv.padded_input_words),
        "a channel at a time": prepared(layer, codebook, blocks=1),
    }
    runs = {"torch": lambda: torch.nn.functional.conv2d(dense, weights, padding=1)}
    for name, convolution in convolutions.items():
        runs[name] = lambda run=convolution: run(inputs, threads=1)
    runs["plain loops"] = lambda: plain_products(padded, entries, indexes)
    expected = runs["torch"]().numpy()
    for name, run in runs.items():
        difference = np.abs(np.asarray(run()) - expected).max() / np.abs(expected).max()
        assert difference < 1e-4, (name, difference)
    return runs


def measured(runs, rounds):
    """Seconds of every side in every round."""
    times = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            started = time.perf_counter()
            run()
            times[name].append(time.perf_counter() - started)
    return times


def main() -> None:
    """Print the machine and the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=31, help="runs of each side, for the median")
    parser.add_argument("--layers", type=int, default=len(LAYERS), help="of these, the last ones")
    options = parser.parse_args()
    torch.set_num_threads(1)
    load = os.getloadavg()[0]
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, "
          f"torch {torch.__version__}; load {load:.1f}")  # fmt: skip
    print(f"medians of {options.rounds} rounds, ms; in brackets how many times as fast as torch")
    generator = np.random.default_rng(1)
    with torch.inference_mode():
        # At first, memory is returned to the system after every run, which slows torch most.
        for number, (channels, side) in enumerate((LAYERS[-1], *LAYERS[-options.layers :])):
            for clusters in CLUSTERS:
                layer, codebook = random_layer(channels, side, clusters)
                inputs = generator.standard_normal((1, channels, side, side), np.float32)
                times = measured(sides(layer, codebook, inputs), options.rounds)
                if number == 0:
                    continue
                cells = []
                for name, seconds in times.items():
                    pairs = zip(times["torch"], seconds, strict=True)
                    ratio = statistics.median(theirs / ours for theirs, ours in pairs)
                    cells.append(f"{name} {1e3 * statistics.median(seconds):.2f} ({ratio:.2f})")
                print(f"{layer.part.layer.name:9s} K={clusters}: {', '.join(cells)}", flush=True)
    print(f"load at the end {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
