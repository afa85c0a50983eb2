import itertools

import kmeans1d
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits

from kcsim.kernels.kmeans.scalar import optimal_cuts
from kcsim.weights.k_means import kmeans

# Halves of small integers: sums are exact, so ties are ties.
exact_values = st.lists(st.integers(-40, 40).map(lambda i: i / 2), min_size=1, max_size=9)


def cost(values, weights):
    return float(weights @ (values - np.average(values, weights=weights)) ** 2)


def path_cost(values, weights, cuts):
    return sum(cost(values[a:b], weights[a:b]) for a, b in itertools.pairwise(cuts))


def least_cost(values, weights, clusters):
    """Over every way to cut the sorted values."""
    return min(
        path_cost(values, weights, (0, *inner, len(values)))
        for inner in itertools.combinations(range(1, len(values)), clusters - 1)
    )


@given(exact_values, st.data())
def test_against_all_partitions(values, data):
    values = np.unique(values)
    weights = np.array(data.draw(st.lists(st.integers(1, 9), min_size=9, max_size=9)), float)
    weights = weights[: len(values)]
    for clusters in range(1, len(values) + 1):
        cuts = optimal_cuts(values, weights, clusters)
        assert cuts[0] == 0
        assert cuts[-1] == len(values)
        assert len(cuts) == clusters + 1
        assert (np.diff(cuts) > 0).all()
        least = least_cost(values, weights, clusters)
        assert path_cost(values, weights, cuts) == pytest.approx(least, rel=1e-9, abs=1e-9)


SAMPLES = {
    "normal": lambda g: g.normal(size=900),
    "heavy tails": lambda g: g.standard_t(2, 900),
    "clumps": lambda g: g.integers(0, 9, 900) + 1e-3 * g.normal(size=900),
    "far from zero": lambda g: 1000 + g.normal(size=900),
    # Every gap is the same, so many numbers of clusters tie under one penalty.
    "grid": lambda g: np.arange(300.0),
    "repeats": lambda g: g.integers(0, 200, 900).astype(float),
}


@pytest.mark.parametrize("sample", SAMPLES.values(), ids=SAMPLES)
def test_against_kmeans1d(sample):
    vectors = sample(np.random.default_rng(0)).astype(np.float32)
    for clusters in (1, 2, 3, 7, 16, 64, 130):
        other = kmeans1d.cluster(vectors.astype(float), clusters)
        centroids = np.array(other.centroids)
        least = np.square(vectors - centroids[other.clusters]).sum()
        found = kmeans(vectors[:, None], clusters)
        # Entries are stored in single precision.
        room = len(vectors) * np.square(np.spacing(np.abs(vectors).max(), dtype=np.float32))
        assert found.inertia == pytest.approx(least, rel=1e-6, abs=float(room))
        assert (np.diff(found.centroids[:, 0]) > 0).all()


@settings(max_examples=30)
@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=2, max_size=40))
def test_more_clusters_are_never_worse(values):
    vectors = np.array(values, np.float32)[:, None]
    spread = float(vectors.var(dtype=np.float64)) * len(vectors)
    before = np.inf
    for clusters in range(1, len(vectors) + 1):
        inertia = kmeans(vectors, clusters).inertia
        assert inertia <= before + 1e-12 * spread
        before = inertia
    assert before == 0


@given(exact_values, st.integers(1, 4))
def test_repeats_are_weights(values, clusters):
    distinct, counts = np.unique(values, return_counts=True)
    clusters = min(clusters, len(distinct))
    repeated = kmeans(np.array(values)[:, None], clusters)
    weighted = kmeans(distinct[:, None], clusters, weights=counts)
    assert np.array_equal(repeated.centroids, weighted.centroids)
    assert repeated.inertia == pytest.approx(weighted.inertia, abs=1e-9)


def test_labels_are_nearest_and_weightless_values_do_not_count():
    values = np.array([[5.0], [0.0], [1.0], [4.5], [100.0]])
    found = kmeans(values, 2, weights=[1, 1, 1, 1, 0])
    assert found.centroids[:, 0].tolist() == [0.5, 4.75]
    assert found.labels.tolist() == [1, 0, 0, 1, 1]
    assert found.inertia == 0.625
    assert found.converged


def test_spare_entries_repeat_the_last():
    found = kmeans([[3.0], [1.0], [3.0], [1.0]], 3)
    assert found.centroids[:, 0].tolist() == [1, 3, 3]
    assert found.labels.tolist() == [1, 0, 1, 0]
    assert found.inertia == 0


def test_threads_of_linear_algebra_change_nothing():
    values = np.random.default_rng(0).standard_t(4, (40_000, 1)).astype(np.float32)
    errors = []
    for threads in (1, 2, 3):
        with threadpool_limits(threads, "blas"):
            errors.append(kmeans(values, 16).inertia)
    assert len(set(errors)) == 1


@pytest.mark.slow
def test_a_whole_layer_against_kmeans1d():
    values = np.random.default_rng(0).standard_t(4, 200_000).astype(np.float32)
    other = kmeans1d.cluster(values.astype(float), 256)
    least = np.square(values - np.array(other.centroids)[other.clusters]).sum()
    assert kmeans(values[:, None], 256).inertia == pytest.approx(least, rel=1e-7)
