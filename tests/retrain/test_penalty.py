"""The regularizer of Deep k-Means, in both readings."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from small_models import inputs, model

torch = pytest.importorskip("torch")

from random_clustered import SMALL  # noqa: E402

from kcsim.errors import InputError  # noqa: E402
from kcsim.retrain.layers import arrays_of, network_of, places_of  # noqa: E402
from kcsim.retrain.penalty import KMeansPenalty  # noqa: E402
from kcsim.weights.cluster import cluster_network  # noqa: E402

SPECS = ("row:k=5", "row:k=6,sparse=0.3", "kernel:k=4,scope=layer", "kernel:k=4", "scalar:k=3",
         "product:k=3,length=5")  # fmt: skip


def penalty_of(spec, trained=None, **options):
    options = {"strength": 8.0, "total_rate": 4.0, **options}
    return KMeansPenalty(trained or model(), spec, **options)


def matrices(penalty):
    """W (values by units, as in the paper) and the hard, normalized F of each codebook."""
    for units, group in penalty._units():
        labels = group.labels.numpy()
        indicator = (labels[:, None] == np.arange(group.clusters)).astype(np.float64)
        sizes = indicator.sum(axis=0)
        yield units.detach().double().numpy().T, indicator / np.sqrt(np.maximum(sizes, 1)), group


@pytest.mark.parametrize("spec", [spec for spec in SPECS if "sparse" not in spec])
def test_the_penalty_is_the_trace_form_of_the_paper(spec):
    penalty = penalty_of(spec)
    expected = sum(np.trace(w.T @ w) - np.trace(f.T @ w.T @ w @ f) for w, f, _ in matrices(penalty))
    assert penalty().item() == pytest.approx(2.0 / 2 * expected, rel=1e-4)


@pytest.mark.parametrize("spec", [spec for spec in SPECS if "sparse" not in spec])
def test_gradients_are_lambda_w_times_i_minus_f_f_transposed(spec):
    trained = model()
    penalty = penalty_of(spec, trained)
    penalty.add_gradients()
    squares = 0.0
    for w, f, _ in matrices(penalty):
        squares += float(np.square(2.0 * w @ (np.eye(w.shape[1]) - f @ f.T)).sum())
    grads = [p.grad for p in trained.parameters() if p.grad is not None]
    found = sum(float(g.double().square().sum()) for g in grads)
    assert found == pytest.approx(squares, rel=1e-4)


def test_gradients_land_on_the_weights_that_they_are_of():
    trained = model()
    penalty = penalty_of("row:k=5", trained)
    penalty.add_gradients()
    clusters = {group.parts[0][0]: group for group in penalty._groups}
    rows = trained.conv1.weight.detach().reshape(-1, 3)
    labels = clusters["conv1"].labels
    expected = torch.stack(
        [2.0 * (r - rows[labels == labels[i]].mean(0)) for i, r in enumerate(rows)]
    )
    torch.testing.assert_close(trained.conv1.weight.grad.reshape(-1, 3), expected)
    assert trained.fc.weight.grad is None


def test_gradients_add_to_those_of_the_loss():
    one, both = model(), model()
    one(inputs()).backward()
    penalty = penalty_of("row:k=5", both)
    both(inputs()).backward()
    penalty.add_gradients()
    other = model()
    penalty_of("row:k=5", other).add_gradients()
    total = one.conv2.weight.grad + other.conv2.weight.grad
    torch.testing.assert_close(both.conv2.weight.grad, total)


@pytest.mark.parametrize("spec", SPECS)
def test_distances_shrink_by_the_exponential_of_the_strength(spec):
    trained = model()
    steps, rate = 400, 0.01
    penalty = penalty_of(spec, trained, strength=3.0, total_rate=steps * rate, refresh=10**6)
    before = penalty().item()
    optimizer = torch.optim.SGD(trained.parameters(), lr=rate)
    for _ in range(steps):
        optimizer.zero_grad()
        penalty.add_gradients()
        optimizer.step()
        penalty.step()
    assert np.sqrt(penalty().item() / before) == pytest.approx(np.exp(-3.0), rel=0.02)


@pytest.mark.parametrize("spec", SPECS)
def test_a_refresh_goes_on_from_its_entries_and_finds_no_worse_ones(spec):
    trained = model()
    penalty = penalty_of(spec, trained, refresh=1)
    with torch.no_grad():
        for each in trained.parameters():
            each.add_(0.05 * torch.randn(each.shape, generator=torch.Generator().manual_seed(1)))
    before = penalty.distance()
    labels = [group.labels.clone() for group in penalty._groups]
    penalty.step()
    assert penalty.distance() <= before + 1e-6
    same = np.mean(
        [
            float((a == g.labels).float().mean())
            for a, g in zip(labels, penalty._groups, strict=True)
        ]
    )
    assert same > 0.6


def test_the_share_of_least_norm_is_drawn_to_zero():
    trained = model()
    penalty = penalty_of("row:k=6,sparse=0.3", trained, strength=40.0, total_rate=40.0)
    for _ in range(400):
        trained.zero_grad()
        penalty.add_gradients()
        with torch.no_grad():
            for each in trained.parameters():
                if each.grad is not None:
                    each.sub_(0.1 * each.grad)
    rows = trained.conv1.weight.detach().reshape(-1, 3)
    assert int((rows.norm(dim=1) < 1e-6).sum()) == int(0.3 * len(rows))


def test_the_relaxed_reading_does_nothing_where_there_are_as_many_entries_as_values():
    trained = model()
    with pytest.warns(UserWarning, match=r"relaxed penalty does nothing .* 'conv1'"):
        penalty = penalty_of("row:k=5", trained, reading="relaxed", network=SMALL)
    power = sum(float(p.detach().square().sum()) for p in trained.parameters())
    assert penalty().item() < 1e-10 * power
    penalty.add_gradients()
    assert float(trained.conv1.weight.grad.abs().max()) < 1e-5


def test_the_relaxed_reading_is_what_singular_values_leave_over():
    trained = model()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        penalty = penalty_of("kernel:k=4,scope=layer,dense=pointwise+linear", trained,
                             reading="relaxed")  # fmt: skip
    expected = 0.0
    for units, group in penalty._units():
        values = np.linalg.svd(units.detach().double().numpy(), compute_uv=False)
        expected += float(np.square(values[group.clusters :]).sum())
    assert penalty().item() == pytest.approx(expected, rel=1e-4)


def test_small_distances_do_not_cancel():
    trained = model()
    spec = "row:k=5"
    weights = arrays_of(trained, places_of(trained, network_of(trained)))
    clustered = cluster_network(network_of(trained), weights, spec)
    with torch.no_grad():
        for name in clustered.layers:
            module = trained.get_submodule(name)
            decoded = torch.tensor(clustered.decode(name)).reshape(module.weight.shape)
            module.weight.copy_(decoded + 1e-6 * torch.randn(decoded.shape))
    penalty = penalty_of(spec, trained)
    norms = sum(units.square().sum().item() for units, _ in penalty._units())
    # The trace form would be rounding: 1e-7 of the norms, larger than what is left.
    assert 0 < penalty().item() < 1e-10 * norms


@pytest.mark.parametrize(
    ("spec", "options", "words"),
    [
        ("scaled_kernel:k=4", {}, "no mean to be drawn to"),
        ("kernel:k=4,transforms=4", {}, "no mean to be drawn to"),
        ("row:k=5", {"strength": 0.0}, "strength is 0.0"),
        ("row:k=5", {"refresh": 0}, "refresh is 0"),
        ("row:k=5", {"refresh": 1.5}, "refresh is 1.5"),
        ("row:k=5", {"reading": "soft"}, "no reading 'soft'"),
        ("row:k=5,dense=conv9", {}, "conv9"),
    ],
)
def test_wrong_settings_are_refused(spec, options, words):
    with pytest.raises(InputError, match=words):
        penalty_of(spec, **options)


def test_a_loop_that_says_no_rates_is_told_to():
    penalty = KMeansPenalty(model(), "row:k=5", strength=8, refresh=98)
    with pytest.raises(InputError, match="total_rate="):
        penalty()
