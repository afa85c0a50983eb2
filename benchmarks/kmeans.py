"""How long k-means takes, against scikit-learn and kmeans1d.

Run ``python benchmarks/kmeans.py``. It clusters as many 3x3 kernels as VGG-16 for
CIFAR has into one codebook of 256: once as they are, once divided by norm and sign as Son, Nah,
Lee (ECCV 2018) do, and once around 256 real centroids. Both sides get the same starting centroids,
iterations and threads, in turn, each run in a process of its own, whose peak memory it
reports. Scalars follow: the optimum against kmeans1d (the same optimum) and Lloyd's algorithm.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time

import numpy as np

CLUSTERS = 256
LAYERS = ((3, 64), (64, 64), (64, 128), (128, 128), (128, 256), (256, 256), (256, 256),
          (256, 512), *[(512, 512)] * 5)  # fmt: skip


def trained_kernels(count):
    """3x3 kernels of VGG-16: neighboring taps are alike, norms differ by layer and kernel."""
    generator = np.random.default_rng(0)
    rows, columns = np.divmod(np.arange(9), 3)
    distance = np.hypot(rows[:, None] - rows, columns[:, None] - columns)
    factor = np.linalg.cholesky(np.exp(-distance / 1.5))
    layers = []
    for inputs, outputs in LAYERS:
        if sum(map(len, layers)) >= count:
            break
        taps = generator.standard_normal((inputs * outputs, 9)) @ factor.T
        spread = np.exp(0.5 * generator.standard_normal((inputs * outputs, 1)))
        layers.append((taps * spread * np.sqrt(2 / (9 * outputs))).astype(np.float32))
    return np.concatenate(layers)[:count]


def shapes(count):
    """The same at unit norm, with positive centroid taps."""
    kernels = trained_kernels(count)
    norms = np.linalg.norm(kernels, axis=1) * np.where(kernels[:, 4] < 0, -1, 1)
    return (kernels / norms[:, None]).astype(np.float32)


def clumps(count):
    """Kernels around as many centroids as there are clusters."""
    generator = np.random.default_rng(0)
    centroids = generator.standard_normal((CLUSTERS, 9))
    noise = 0.25 * generator.standard_normal((count, 9))
    return (centroids[generator.integers(0, CLUSTERS, count)] + noise).astype(np.float32)


SIDES = ("kcsim", "scikit-learn")
DATA = {"kernels": trained_kernels, "shapes": shapes, "clumps": clumps}


def run_kcsim(vectors, start, iterations):
    """Error and iterations by kcsim; seconds of the clock and of the processor."""
    from kcsim.weights.lloyd import Samples, lloyd

    order = np.arange(vectors.shape[1])[None]
    small = Samples(np.ascontiguousarray(vectors[:300].T), np.ones(300), order)
    lloyd(small, vectors[:130], 2, 0.0)
    started, used = time.perf_counter(), time.process_time()
    samples = Samples(np.ascontiguousarray(vectors.T), np.ones(len(vectors)), order)
    found = lloyd(samples, start, iterations, 0.0)
    seconds = time.perf_counter() - started, time.process_time() - used
    return found.inertia, found.iterations, *seconds


def run_sklearn(vectors, start, iterations):
    """The same by scikit-learn."""
    import warnings

    from sklearn.cluster import KMeans

    warnings.simplefilter("ignore")
    started, used = time.perf_counter(), time.process_time()
    model = KMeans(len(start), init=start, n_init=1, max_iter=iterations, tol=0)
    model.fit(vectors)
    seconds = time.perf_counter() - started, time.process_time() - used
    return model.inertia_, model.n_iter_, *seconds


def measured(side, name, kernels, iterations, threads):
    """One run in a fresh process: as `run_kcsim`, and the peak of memory in GB."""
    environment = {**os.environ, "NUMBA_NUM_THREADS": str(threads)}
    environment |= {"OMP_NUM_THREADS": str(threads), "OPENBLAS_NUM_THREADS": str(threads)}
    command = [sys.executable, __file__, "--one", side, name, str(kernels), str(iterations)]
    output = subprocess.run(command, check=True, env=environment, capture_output=True).stdout
    return json.loads(output)


def one_run(side, name, kernels, iterations):
    """Print what `measured` reads."""
    vectors = DATA[name](int(kernels))
    chosen = np.random.default_rng(1).choice(len(vectors), CLUSTERS, replace=False)
    run = {"kcsim": run_kcsim, "scikit-learn": run_sklearn}[side]
    result = run(vectors, vectors[chosen].copy(), int(iterations))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(json.dumps([*map(float, result), peak]))


def compare_vectors(names, kernels, iterations, runs):
    """Print the first of several pairs of runs, and the medians of their ratios."""
    print(f"{kernels} kernels, {CLUSTERS} clusters, at most {iterations} iterations:")
    for name in names:
        for threads in (1, 2):
            pairs = [
                [measured(side, name, kernels, iterations, threads) for side in SIDES]
                for _ in range(runs)
            ]
            ratios = [[theirs[i] / ours[i] for ours, theirs in pairs] for i in (2, 3)]
            fast, frugal = (statistics.median(ratio) for ratio in ratios)
            ours, theirs = pairs[0]
            print(
                f"{name:8s} {threads} threads: {ours[2]:6.2f} s and {theirs[2]:6.2f} s, "
                f"{fast:4.1f} times as fast, {frugal:4.1f} times less processor time; "
                f"{ours[4]:.2f} and {theirs[4]:.2f} GB; {ours[1]:.0f} and {theirs[1]:.0f} "
                f"iterations; errors {ours[0] / theirs[0]:.6f}",
                flush=True,
            )


def compare_scalars(counts):
    """Print times and errors for the weights of whole layers."""
    import kmeans1d

    from kcsim.weights.k_means import kmeans

    kmeans([[0.0], [1.0], [2.0]], 2)
    print("scalars, 256 clusters:")
    for count in counts:
        values = np.random.default_rng(0).standard_t(4, count).astype(np.float32)
        started = time.perf_counter()
        found = kmeans(values[:, None], CLUSTERS)
        seconds = time.perf_counter() - started
        print(f"{count:8d} values: {seconds:6.2f} s, error {found.inertia:.8g}")
        if count > 100_000:
            continue  # kmeans1d would need 5 GB
        started = time.perf_counter()
        other = kmeans1d.cluster(values.astype(float), CLUSTERS)
        seconds = time.perf_counter() - started
        error = np.square(values - np.array(other.centroids)[other.clusters]).sum()
        print(f"{'kmeans1d':>15s}: {seconds:6.2f} s, error {error:.8g}")
        quantiles = np.quantile(values, (np.arange(CLUSTERS) + 0.5) / CLUSTERS)[:, None]
        error, _, seconds, _ = run_sklearn(values[:, None], quantiles.astype(np.float32), 300)
        print(f"{'scikit-learn':>15s}: {seconds:6.2f} s, error {error:.8g}")


def main() -> None:
    """Print the machine and the figures."""
    if sys.argv[1:2] == ["--one"]:
        one_run(*sys.argv[2:])
        return
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", nargs="+", choices=DATA, default=[*DATA], help="kinds of kernels")
    parser.add_argument("--kernels", type=int, default=1_634_496, help="at most these")
    parser.add_argument("--iterations", type=int, default=100, help="at most these")
    parser.add_argument("--runs", type=int, default=3, help="pairs of runs, for the median")
    parser.add_argument("--scalars", type=int, nargs="+", default=(100_000, 2_359_296))
    options = parser.parse_args()
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    compare_vectors(options.data, options.kernels, options.iterations, options.runs)
    compare_scalars(options.scalars)


if __name__ == "__main__":
    main()
