import subprocess
import sys
from pathlib import Path

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.cluster import KMeans as SklearnKMeans

from kcsim.clustering.units import transformed
from kcsim.errors import InputError
from kcsim.weights import lloyd as lloyd_module
from kcsim.weights.k_means import kmeans, transform_orders
from kcsim.weights.lloyd import Samples, lloyd

REAL = Path(__file__).parents[2].parent / "shared" / "data" / "cifar10_resnet20.npz"

# Multiples of 1/8: squares of differences are exact.
small_vectors = arrays(
    np.float32,
    st.tuples(st.integers(1, 30), st.sampled_from([4, 9])),
    elements=st.integers(-16, 16).map(lambda i: i / 8),
)


def samples(values, orders=None, weights=None):
    values = np.asarray(values, np.float32)
    if orders is None:
        orders = np.arange(values.shape[1])[None]
    weights = np.ones(len(values)) if weights is None else np.asarray(weights, float)
    return Samples(np.ascontiguousarray(values.T), weights, orders)


def plain_lloyd(given_samples, centroids, iterations):
    """Lloyd's algorithm without any shortcut, in the arithmetic that is promised."""
    values, weights, orders = given_samples.values.T, given_samples.weights, given_samples.orders
    labels = np.full(len(values), -1)
    for done in range(1, iterations + 1):
        new = nearest(values, centroids, orders)
        sums, totals = sums_of(values, weights, new, orders, len(centroids))
        moved = fill_empty(values, weights, new, centroids, orders, sums, totals)
        if np.array_equal(new, labels) and not moved:
            return centroids, labels, done
        labels, before = new, centroids
        filled = totals > 0
        centroids = centroids.copy()
        centroids[filled] = sums[filled] / totals[filled, None]
        if np.array_equal(centroids, before):
            break
    return centroids, nearest(values, centroids, orders), done


def nearest(values, centroids, orders):
    expanded = centroids[:, orders].reshape(-1, values.shape[1])
    squares = np.zeros((len(values), len(expanded)), np.float32)
    for i in range(values.shape[1]):
        difference = (values[:, i, None] - expanded[None, :, i]).astype(float)
        squares = (difference * difference + squares).astype(np.float32)
    return squares.argmin(axis=1)


def sums_of(values, weights, labels, orders, clusters):
    turned = np.zeros((clusters * len(orders), values.shape[1]))
    np.add.at(turned, labels, weights[:, None] * values)
    sums = np.zeros((clusters, values.shape[1]))
    for transform, order in enumerate(orders):
        sums[:, order] += turned[transform :: len(orders)]
    return sums, np.bincount(labels // len(orders), weights, clusters)


def fill_empty(values, weights, labels, centroids, orders, sums, totals):
    expanded = centroids[:, orders].reshape(-1, values.shape[1]).astype(float)
    squares = weights * np.square(values - expanded[labels]).sum(axis=1)
    empty, moved = list(np.flatnonzero(totals == 0)), 0
    for vector in sorted(range(len(values)), key=lambda i: (-squares[i], i)):
        old, transform = divmod(labels[vector], len(orders))
        if moved < len(empty) and squares[vector] > 0 and totals[old] > weights[vector]:
            entry, share = empty[moved], weights[vector] * values[vector].astype(float)
            sums[old, orders[transform]] -= share
            totals[old] -= weights[vector]
            sums[entry], totals[entry] = share, weights[vector]
            labels[vector] = entry * len(orders)
            moved += 1
    return moved


def assert_same_as_plain(given_samples, centroids, iterations=100):
    centroids = np.asarray(centroids, np.float32)
    expected, labels, done = plain_lloyd(given_samples, centroids, iterations)
    for group_size in (2, lloyd_module.GROUP_SIZE):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(lloyd_module, "GROUP_SIZE", group_size)
            run = lloyd(given_samples, centroids, iterations, 0.0)
        assert run.iterations == done
        assert np.array_equal(run.labels, labels)
        assert np.array_equal(run.centroids, expected)


@pytest.mark.parametrize(
    ("size", "clusters", "transforms"),
    [(2, 5, 1), (3, 1, 1), (8, 40, 1), (9, 150, 1), (10, 7, 1), (25, 130, 1),
     (9, 20, 2), (9, 50, 4), (9, 24, 8), (25, 16, 8)],
)  # fmt: skip
def test_labels_and_centroids_of_the_plain_algorithm(size, clusters, transforms):
    generator = np.random.default_rng(size)
    side = round(size**0.5)
    orders = transform_orders(transforms, (side, side) if side * side == size else (1, size))
    values = generator.normal(size=(1500, size)) * generator.exponential(size=(1500, 1))
    weights = generator.integers(1, 4, 1500)
    given_samples = samples(values, orders, weights)
    assert_same_as_plain(given_samples, values[:clusters])


@given(small_vectors, st.data())
def test_ties_and_duplicates_as_in_the_plain_algorithm(values, data):
    places = st.lists(st.integers(0, len(values) - 1), min_size=1, max_size=8)
    assert_same_as_plain(samples(values), values[data.draw(places)])


@pytest.mark.parametrize("seed", range(40))
def test_whole_numbers_as_in_the_plain_algorithm(seed):
    # Many ties between groups, and empty entries that draw vectors away and lose them again.
    generator = np.random.default_rng(seed)
    values = generator.integers(-3, 4, (200, 3)) * generator.integers(1, 4, (200, 1))
    centroids = values[:12] + 40 * (generator.random((12, 1)) < 0.3)
    assert_same_as_plain(samples(values), centroids)


def test_empty_entries_as_in_the_plain_algorithm():
    values = np.random.default_rng(0).normal(size=(400, 4))
    values[7] = 30
    centroids = np.concatenate((values[:3], [[1e3] * 4, [2e3] * 4, [3e3] * 4]))
    assert_same_as_plain(samples(values), centroids)
    assert_same_as_plain(samples(values), centroids, iterations=1)
    run = lloyd(samples(values), centroids.astype(np.float32), 100, 0.0)
    assert len(set(run.labels.tolist())) == 6


def test_vectors_moved_to_empty_entries_forget_their_bounds():
    # Found by search: of 6000 seeds the one where a stale bound gives a wrong label.
    generator = np.random.default_rng(2903)
    values = (generator.standard_exponential((40, 2)) ** 2).astype(np.float32)
    centroids = values[:8].copy()
    centroids[generator.random(8) < 0.5] += 1e3
    weights = generator.integers(1, 4, 40) ** 3
    assert_same_as_plain(samples(values, weights=weights), centroids, iterations=50)


def kernels(count, seed=0):
    """Neighboring taps are alike, norms have a heavy tail: as in a trained network."""
    generator = np.random.default_rng(seed)
    rows, columns = np.divmod(np.arange(9), 3)
    distance = np.hypot(rows[:, None] - rows, columns[:, None] - columns)
    taps = generator.normal(size=(count, 9)) @ np.linalg.cholesky(np.exp(-distance / 1.5)).T
    return (taps * np.exp(0.5 * generator.normal(size=(count, 1)))).astype(np.float32)


@pytest.mark.parametrize("clusters", [8, 100])
def test_as_good_as_scikit_learn(clusters):
    values = kernels(6000)
    other = SklearnKMeans(clusters, n_init=2, random_state=0).fit(values)
    assert kmeans(values, clusters, starts=2).inertia < 1.005 * other.inertia_


@pytest.mark.skipif(not REAL.exists(), reason="no trained weights")
def test_as_good_as_scikit_learn_on_a_trained_network():
    with np.load(REAL) as file:
        tensors = [file[name] for name in file.files]
    values = np.concatenate([t.reshape(-1, 9) for t in tensors if t.shape[2:] == (3, 3)])[::3]
    other = SklearnKMeans(64, n_init=2, random_state=0).fit(values)
    assert kmeans(values, 64, starts=2).inertia < 1.005 * other.inertia_


def test_threads_change_nothing(monkeypatch):
    monkeypatch.setattr(lloyd_module, "CHUNK", 700)
    results = []
    for threads in (1, 2, 3):
        monkeypatch.setattr(numba.config, "NUMBA_NUM_THREADS", threads)
        results.append(kmeans(kernels(5000), 130, starts=1, iterations=20))
    for result in results[1:]:
        assert np.array_equal(result.labels, results[0].labels)
        assert np.array_equal(result.centroids, results[0].centroids)
        assert result.inertia == results[0].inertia


def test_kernels_load_only_where_they_are_used():
    modules = "spec, kcsim.clustering.target, kcsim.weights.weight_files"
    code = f"import sys, kcsim.clustering.{modules}; assert 'numba' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_seeds():
    values = kernels(3000)
    first, again = kmeans(values, 50, seed=1), kmeans(values, 50, seed=1)
    assert np.array_equal(first.labels, again.labels)
    assert np.array_equal(first.centroids, again.centroids)
    assert not np.array_equal(first.labels, kmeans(values, 50, seed=2).labels)


def test_more_starts_are_never_worse():
    values = kernels(1000)
    inertias = [kmeans(values, 20, starts=starts).inertia for starts in range(1, 6)]
    assert inertias == sorted(inertias, reverse=True)
    assert inertias[-1] < inertias[0]


@given(small_vectors)
def test_as_many_entries_as_distinct_vectors_leave_no_error(values):
    clusters = len(np.unique(values, axis=0))
    found = kmeans(values, clusters, starts=1)
    assert found.inertia == 0
    assert np.array_equal(found.centroids[found.labels], values)
    assert kmeans(values, len(values), starts=1).inertia == 0


@settings(max_examples=40)
@given(small_vectors, st.sampled_from([2, 4, 8]), st.integers(1, 4), st.integers(0, 9))
def test_transforms_are_never_worse(values, transforms, clusters, seed):
    side = {4: 2, 9: 3}[values.shape[1]]
    clusters = min(clusters, len(values))
    turned = kmeans(
        values, clusters, transforms=transforms, kernel_shape=(side, side), starts=1, seed=seed
    )
    assert turned.inertia <= kmeans(values, clusters, starts=1, seed=seed).inertia
    decoded = [
        transformed(turned.centroids[label].reshape(side, side), kind).ravel()
        for label, kind in zip(turned.labels, turned.transforms, strict=True)
    ]
    error = np.square(np.subtract(decoded, values, dtype=float)).sum()
    assert turned.inertia == pytest.approx(error, abs=1e-12)


@pytest.mark.parametrize("transforms", [2, 4, 8])
def test_turned_copies_need_one_entry(transforms):
    generator = np.random.default_rng(0)
    entries = generator.normal(size=(3, 5, 5)).astype(np.float32)
    copies = [transformed(entry, kind) for entry in entries for kind in range(transforms)]
    values = np.reshape(copies, (-1, 25))
    found = kmeans(values, 3, transforms=transforms, kernel_shape=(5, 5))
    assert found.inertia < 1e-9
    assert len(set(zip(found.labels, found.transforms, strict=True))) == len(values)


@given(small_vectors, st.integers(1, 5))
def test_inertia_is_the_error_of_nearest_entries(values, clusters):
    found = kmeans(values, min(clusters, len(values)), starts=1)
    squares = np.square(values[:, None] - found.centroids.astype(float)[None]).sum(axis=2)
    assert found.inertia == pytest.approx(squares.min(axis=1).sum(), abs=1e-5)


@pytest.mark.parametrize("exponent", [-100, 110])
def test_powers_of_two_change_no_digit(exponent):
    values = kernels(500)
    plain, scaled = kmeans(values, 9), kmeans(np.ldexp(values, exponent), 9)
    assert np.array_equal(plain.labels, scaled.labels)
    assert np.array_equal(np.ldexp(plain.centroids, exponent), scaled.centroids)
    assert scaled.inertia == np.ldexp(plain.inertia, 2 * exponent)


def test_weights_are_repeats():
    values, weights = kernels(300), np.random.default_rng(0).integers(0, 4, 300)
    weighted = lloyd(samples(values, weights=weights), values[:8], 50, 0.0)
    repeated = lloyd(samples(np.repeat(values, weights, axis=0)), values[:8], 50, 0.0)
    assert weighted.inertia == pytest.approx(repeated.inertia, rel=1e-5)
    assert weighted.centroids == pytest.approx(repeated.centroids, rel=1e-3, abs=1e-5)


def test_tolerance_and_iterations_end_a_run():
    values = kernels(3000)
    full = kmeans(values, 30, starts=1)
    loose = kmeans(values, 30, starts=1, tolerance=1e-3)
    short = kmeans(values, 30, starts=1, iterations=2)
    assert full.converged
    assert loose.converged
    assert not short.converged
    assert short.iterations == 2 < loose.iterations < full.iterations
    assert full.inertia < loose.inertia < short.inertia


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"vectors": [[0.0, np.nan]]}, "vectors hold NaN or infinite values"),
        ({"vectors": [[0.0, np.inf]]}, "vectors hold NaN or infinite values"),
        ({"vectors": [1.0, 2.0]}, r"vectors have the shape 2; expected \(n, d\)"),
        ({"clusters": 0}, "clusters is 0; expected 1 to 2, the number of vectors"),
        ({"clusters": 3}, "clusters is 3; expected 1 to 2, the number of vectors"),
        ({"starts": 0}, "starts is 0"),
        ({"iterations": 0}, "iterations is 0"),
        ({"tolerance": -1.0}, "tolerance is -1"),
        ({"weights": [1.0]}, "1 weights; expected 2"),
        ({"weights": [1.0, -1.0]}, "weights are out of range"),
        ({"weights": [0.0, 0.0]}, "weights are out of range"),
        ({"transforms": 3}, "transforms is 3; expected 1, 2, 4 or 8"),
        ({"transforms": 2, "kernel_shape": (3, 3)}, r"kernel_shape is \(3, 3\); expected 4"),
        ({"transforms": 8, "kernel_shape": (1, 4)}, "a 1x4 kernel cannot be rotated"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(InputError, match=message):
        kmeans(**{"vectors": np.arange(8.0).reshape(2, 4), "clusters": 1} | arguments)
