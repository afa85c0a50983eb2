"""Gradual pruning, and sharing that keeps zeros."""

from __future__ import annotations

import numpy as np
import pytest
from random_clustered import SMALL
from small_models import inputs, model

torch = pytest.importorskip("torch")

from kcsim.errors import InputError  # noqa: E402
from kcsim.retrain.layers import arrays_of, places_of  # noqa: E402
from kcsim.retrain.pruning import MagnitudePruning, parse_shares  # noqa: E402
from kcsim.retrain.tie import tie  # noqa: E402
from kcsim.retrain.zeros import keep_zeros  # noqa: E402
from kcsim.weights.cluster import cluster_network  # noqa: E402


def trained_with(pruning, pruned, steps):
    optimizer = torch.optim.Adam(pruned.parameters(), lr=0.01)
    shares = []
    for step in range(steps):
        optimizer.zero_grad()
        pruned(inputs(step)).backward()
        optimizer.step()
        pruning.step()
        shares.append(pruning.zeros["conv1"])
    return shares


def test_the_share_grows_as_published_and_zeros_stay():
    pruned = model()
    pruning = MagnitudePruning(pruned, 0.5, steps=20, every=5)
    shares = trained_with(pruning, pruned, 30)
    count = pruned.conv1.weight.numel()
    for step, share in enumerate(shares, start=1):
        reached = min(step // 5 * 5 / 20, 1)
        assert round(share * count) == int(0.5 * (1 - (1 - reached) ** 3) * count)


def test_what_is_pruned_is_of_least_magnitude():
    pruned = model()
    before = pruned.conv2.weight.detach().abs().flatten().clone()
    pruning = MagnitudePruning(pruned, {"conv2": 0.25}, steps=1, every=1)
    pruning.step()
    zeros = pruned.conv2.weight.detach().flatten() == 0
    assert int(zeros.sum()) == int(0.25 * len(before))
    assert before[zeros].max() <= before[~zeros].min()
    assert not (pruned.conv1.weight == 0).any()


def test_the_last_pattern_that_matches_wins():
    pruning = MagnitudePruning(model(), {"*": 0.5, "conv*": 0.25, "fc": 0.0}, steps=1)
    assert pruning.shares == {"conv1": 0.25, "conv2": 0.25, "wide": 0.5, "point": 0.5}


@pytest.mark.parametrize(
    ("share", "words"),
    [(1.0, "1.0 is out of range"), (-0.1, "out of range"), ({"conv9": 0.5}, "'conv9' matches no")],
)
def test_wrong_shares_are_refused(share, words):
    with pytest.raises(InputError, match=words):
        MagnitudePruning(model(), share, steps=10)


def test_shares_are_read_from_text():
    assert parse_shares("0.7") == {"*": 0.7}
    assert parse_shares("0.7; conv1=0.3") == {"*": 0.7, "conv1": 0.3}
    with pytest.raises(InputError, match="--prune has 'much'"):
        parse_shares("0.5;much")


@pytest.mark.parametrize("spec", ["scalar:k=5", "scalar:k=5,scope=network,codebook_bits=8",
                                  "row:k=4,dense=linear", "kernel:k=3", "scaled_kernel:k=3",
                                  "linear_kernel:k=3"])  # fmt: skip
def test_units_that_are_zero_stay_zero_through_sharing_and_training(spec):
    pruned = model()
    places = places_of(pruned, SMALL)
    with torch.no_grad():
        for name in ("conv1", "conv2"):
            weight = getattr(pruned, name).weight
            weight[::2] = 0
            weight[1, 0, 0, 0] = 0
    arrays = arrays_of(pruned, places)
    weights = {layer.name: arrays[f"{layer.name}.weight"] for layer in SMALL}
    clustered = keep_zeros(cluster_network(SMALL, arrays, spec), weights)
    tied = tie(pruned, clustered)
    optimizer = torch.optim.Adam(tied.parameter_groups(lr=0.05))
    for step in range(4):
        optimizer.zero_grad()
        tied.model(inputs(step)).backward()
        optimizer.step()
        tied.step(optimizer)
    final, _ = tied.finalize()
    for name in ("conv1", "conv2"):
        decoded = final.decode(name)
        assert (decoded[::2] == 0).all()
        assert (decoded[1::2] != 0).any()
        if spec.startswith("scalar"):
            np.testing.assert_array_equal(decoded == 0, weights[name] == 0)


def test_what_is_left_is_shared_by_the_other_entries_as_well_as_can_be():
    rng = np.random.default_rng(0)
    pruned = model()
    values = rng.normal(size=pruned.conv1.weight.shape).astype(np.float32)
    values[np.abs(values) < 0.5] = 0
    with torch.no_grad():
        pruned.conv1.weight.copy_(torch.from_numpy(values))
    arrays = arrays_of(pruned, places_of(pruned, SMALL))
    weights = {layer.name: arrays[f"{layer.name}.weight"] for layer in SMALL}
    clustered = keep_zeros(cluster_network(SMALL, arrays, "scalar:k=4"), weights)
    entries = clustered.codebooks["conv1"].entries.values.ravel()
    left = values[values != 0].astype(np.float64)
    assert entries[0] == 0
    found = clustered.decode("conv1")[values != 0]
    # Three entries for what is left; zero is no choice for it.
    cuts = np.sort(left)
    best = min(
        sum(((part - part.mean()) ** 2).sum() for part in np.split(cuts, [i, j]))
        for i in range(1, len(cuts) - 1)
        for j in range(i + 1, len(cuts))
    )
    assert float(((found - left) ** 2).sum()) == pytest.approx(best, rel=1e-5)


def test_weights_without_zeros_are_clustered_as_ever():
    arrays = arrays_of(model(), places_of(model(), SMALL))
    weights = {layer.name: arrays[f"{layer.name}.weight"] for layer in SMALL}
    clustered = cluster_network(SMALL, arrays, "scalar:k=4")
    kept = keep_zeros(clustered, weights)
    for layer in SMALL:
        np.testing.assert_array_equal(kept.decode(layer.name), clustered.decode(layer.name))
