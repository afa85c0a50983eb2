from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.cluster import KMeans as SklearnKMeans

from kcsim.clustering.scheme import Clustering
from kcsim.clustering.units import transformed
from kcsim.errors import InputError
from kcsim.weights.fit import fit_units
from kcsim.weights.lines import fit_lines

REAL = Path(__file__).parents[2].parent / "shared" / "data" / "cifar10_resnet20.npz"

SETTINGS = {
    "scalar": {},
    "row": {"sparse": 0.3},
    "kernel": {"transforms": 2},
    "scaled_kernel": {"transforms": 8},
    "linear_kernel": {},
    "product": {"length": 4},
}
SHAPES = {"scalar": (1, 1, 1), "row": (1, 1, 3), "product": (4, 1, 1)}

small_kernels = arrays(
    np.float32,
    st.tuples(st.integers(1, 20), st.just(1), st.just(3), st.just(3)),
    elements=st.integers(-16, 16).map(lambda i: i / 8),
)


def random_units(scheme, count=400):
    shape = (count, *SHAPES.get(scheme, (1, 3, 3)))
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def trained_kernels():
    """3x3 kernels of a trained network, or else ones with norms as different as there."""
    if REAL.exists():
        with np.load(REAL) as file:
            tensors = [file[name] for name in file.files]
        kernels = [t.reshape(-1, 1, 3, 3) for t in tensors if t.shape[2:] == (3, 3)]
        return np.concatenate(kernels)[::4]
    norms = np.exp(np.random.default_rng(1).normal(size=(4000, 1, 1, 1)))
    return (random_units("kernel", 4000) * norms).astype(np.float32)


def decoded(fitted):
    """offset + scale * transform(entry), unit by unit."""
    result = []
    for i, index in enumerate(fitted.indexes):
        kind = 0 if fitted.transforms is None else int(fitted.transforms[i])
        scale = 1 if fitted.scales is None else float(fitted.scales[i])
        offset = 0 if fitted.offsets is None else float(fitted.offsets[i])
        result.append(offset + scale * transformed(fitted.entries[index], kind).astype(float))
    return np.array(result)


@pytest.mark.parametrize(("scheme", "given_settings"), SETTINGS.items(), ids=SETTINGS)
def test_every_scheme(scheme, given_settings):
    units = random_units(scheme)
    clustering = Clustering(scheme, k=12, **given_settings)
    fitted = fit_units(units, clustering, 12)
    assert fitted.entries.shape == (12, *units.shape[1:])
    assert set(fitted.indexes.tolist()) == set(range(12))
    assert (fitted.transforms is not None) == (clustering.transforms > 1)
    assert (fitted.scales is not None) == clustering.kind.has_scales
    assert (fitted.offsets is not None) == clustering.kind.has_offsets
    expected = decoded(fitted)
    assert fitted.decode() == pytest.approx(expected, rel=1e-5, abs=1e-6)
    error = np.square(expected - units).sum()
    assert fitted.squared_error == pytest.approx(error, rel=1e-5)
    assert fitted.squared_error < np.square(units).sum()


@settings(max_examples=25)
@given(small_kernels)
@pytest.mark.parametrize("scheme", ["kernel", "scaled_kernel", "linear_kernel"])
def test_an_entry_for_each_kernel_leaves_no_error(scheme, units):
    fitted = fit_units(units, Clustering(scheme, k=len(units)), len(units), starts=1)
    assert fitted.decode() == pytest.approx(units, abs=1e-5)


@pytest.mark.parametrize(("share", "tied"), [(0.0, None), (0.3, 30), (0.999, 99)])
def test_sparse_rows_of_least_norm_are_tied_to_zero(share, tied):
    units = random_units("row", 100)
    fitted = fit_units(units, Clustering("row", k=5, sparse=share), 5, starts=10)
    if tied is None:
        assert fitted.entries.any(axis=(1, 2, 3)).all()
        return
    smallest = np.argsort(np.linalg.norm(units.reshape(100, 3), axis=1))[:tied]
    assert sorted(np.flatnonzero(fitted.indexes == 0)) == sorted(smallest)
    assert not fitted.entries[0].any()
    rest = SklearnKMeans(min(4, 100 - tied), n_init=10, random_state=0).fit(
        np.delete(units, smallest, axis=0).reshape(-1, 3)
    )
    zeros = np.square(units[smallest]).sum()
    assert fitted.squared_error < 1.02 * (rest.inertia_ + zeros)


def test_a_single_sparse_entry_is_zero():
    fitted = fit_units(random_units("row", 10), Clustering("row", k=1, sparse=0.5), 1)
    assert not fitted.entries.any()
    assert not fitted.indexes.any()


def published_scaled_error(units, clusters):
    """Son et al.: shapes of unit norm, all alike, and scales that are signed norms."""
    vectors = units.reshape(-1, 9)
    scales = np.linalg.norm(vectors, axis=1) * np.where(vectors[:, 4] < 0, -1, 1)
    shapes = vectors / scales[:, None]
    found = SklearnKMeans(clusters, n_init=2, random_state=0).fit(shapes)
    entries = found.cluster_centers_[found.labels_]
    return np.square(entries * scales[:, None] - vectors).sum()


def test_scaled_kernels_are_at_least_as_good_as_published():
    units = trained_kernels()
    fitted = fit_units(units, Clustering("scaled_kernel", k=32), 32, starts=2)
    assert fitted.squared_error < published_scaled_error(units, 32)


def test_scaled_copies_of_turned_shapes_are_recovered():
    generator = np.random.default_rng(0)
    shapes = generator.normal(size=(4, 3, 3))
    kinds, scales = generator.integers(0, 8, 200), generator.normal(size=200) * 10
    copies = [
        scale * transformed(shapes[i % 4], kind)
        for i, (kind, scale) in enumerate(zip(kinds, scales, strict=True))
    ]
    units = np.array(copies, np.float32)[:, None]
    fitted = fit_units(units, Clustering("scaled_kernel", k=4, transforms=8), 4, starts=10)
    assert fitted.decode() == pytest.approx(units, rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("scheme", ["scaled_kernel", "linear_kernel"])
def test_zero_and_constant_kernels(scheme):
    units = random_units("kernel", 20)
    units[3] = 0
    units[5, 0, 1, 1] = 0
    units[7] = 2
    fitted = fit_units(units, Clustering(scheme, k=5), 5)
    assert not fitted.decode()[3].any()
    if scheme == "linear_kernel":
        assert (fitted.decode()[7] == 2).all()
    nothing = fit_units(np.zeros_like(units), Clustering(scheme, k=5), 5)
    assert nothing.squared_error == 0


@given(small_kernels, st.integers(1, 4))
def test_scales_are_least_squares(units, clusters):
    clusters = min(clusters, len(units))
    fitted = fit_units(units, Clustering("scaled_kernel", k=clusters), clusters, starts=1)
    entries = fitted.entries[fitted.indexes].reshape(-1, 9).astype(float)
    left = units.reshape(-1, 9) - fitted.scales[:, None] * entries
    assert np.einsum("nd,nd->n", left, entries) == pytest.approx(0, abs=1e-4)


def test_linear_copies_are_recovered():
    generator = np.random.default_rng(0)
    shapes = generator.normal(size=(6, 3, 3))
    scales, offsets = generator.normal(size=(2, 300, 1, 1))
    units = (scales * shapes[np.arange(300) % 6] + offsets).astype(np.float32)[:, None]
    fitted = fit_units(units, Clustering("linear_kernel", k=6), 6, starts=10)
    assert fitted.decode() == pytest.approx(units, abs=1e-4)


def test_linear_kernels_have_the_largest_correlation():
    units = trained_kernels()[:500]
    fitted = fit_units(units, Clustering("linear_kernel", k=10), 10)
    correlations = np.corrcoef(units.reshape(-1, 9), fitted.entries.reshape(-1, 9))[:500, 500:]
    chosen = np.abs(correlations)[np.arange(500), fitted.indexes]
    assert chosen == pytest.approx(np.abs(correlations).max(axis=1), abs=2e-3)


def test_linear_kernels_leave_less_than_k_means_of_normalized_ones():
    units = trained_kernels()
    vectors = units.reshape(-1, 9)
    centered = vectors - vectors.mean(axis=1, keepdims=True)
    norms = np.linalg.norm(centered, axis=1, keepdims=True)
    found = SklearnKMeans(32, n_init=2, random_state=0).fit(centered / norms)
    entries = found.cluster_centers_[found.labels_]
    scales = (centered * entries).sum(axis=1) / np.square(entries).sum(axis=1)
    error = np.square(centered - scales[:, None] * entries).sum()
    fitted = fit_units(units, Clustering("linear_kernel", k=32), 32, starts=2)
    assert fitted.squared_error < error


def test_one_line_is_the_leading_singular_vector():
    vectors = np.random.default_rng(0).normal(size=(300, 9)) * np.arange(1, 10)
    directions, labels = fit_lines(vectors, 1, 0, 1)
    singular = np.linalg.svd(vectors)[2][0]
    assert abs(directions[0] @ singular) == pytest.approx(1, abs=1e-6)
    assert not labels.any()


def test_seeds_and_starts():
    units, clustering = trained_kernels()[:1000], Clustering("linear_kernel", k=16)
    first, again = (fit_units(units, clustering, 16, seed=3) for _ in range(2))
    assert np.array_equal(first.decode(), again.decode())
    assert first.squared_error <= fit_units(units, clustering, 16, seed=3, starts=1).squared_error


@pytest.mark.parametrize("scheme", ["kernel", "scaled_kernel", "linear_kernel"])
@pytest.mark.parametrize("clusters", [0, 401])
def test_wrong_number_of_clusters(scheme, clusters):
    with pytest.raises(InputError, match=f"clusters is {clusters}; expected 1 to 400"):
        fit_units(random_units(scheme), Clustering(scheme, k=1), clusters)


def test_wrong_units():
    with pytest.raises(InputError, match="units have the shape 3x3"):
        fit_units(np.zeros((3, 3)), Clustering("kernel", k=1), 1)
    with pytest.raises(InputError, match="units hold NaN or infinite values"):
        fit_units(np.full((2, 1, 3, 3), np.nan), Clustering("linear_kernel", k=1), 1)
