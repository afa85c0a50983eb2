"""Weights tied to codebooks: what they are, what their gradients are, and what becomes of them."""

from __future__ import annotations

import copy
import io
import pickle

import numpy as np
import pytest
from random_clustered import SMALL, SPECS, random_clustered, zeroed

torch = pytest.importorskip("torch")

from dataclasses import replace  # noqa: E402

from small_models import decoded, inputs, model  # noqa: E402

from kcsim.errors import InputError  # noqa: E402
from kcsim.retrain.ahead import stop_ahead  # noqa: E402
from kcsim.retrain.tie import PARTS, TRAINED, tie  # noqa: E402
from kcsim.weights.clustered_layer import Outliers  # noqa: E402


def tied_to(spec, seed=0, **options):
    clustered = random_clustered(spec=spec, seed=seed)
    return tie(model(seed), clustered, **options), clustered


def weight(tied, layer):
    return getattr(tied.model, layer).weight


def trained(tied, steps=3, optimizer=None, seed=1):
    optimizer = optimizer or torch.optim.Adam(tied.parameter_groups(lr=0.01))
    for step in range(steps):
        optimizer.zero_grad()
        tied.model(inputs(seed + step)).backward()
        optimizer.step()
        tied.step(optimizer)
    return optimizer


@pytest.mark.parametrize("spec", SPECS)
def test_weights_are_the_decoded_ones_to_the_bit(spec):
    tied, clustered = tied_to(spec)
    for layer in SMALL:
        expected = clustered.decode(layer.name)
        found = weight(tied, layer.name).detach().numpy().reshape(expected.shape)
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("spec", SPECS)
def test_gradients_are_those_of_weights_decoded_unit_by_unit(spec):
    tied, clustered = tied_to(spec, train=[p for p in PARTS if p in present(spec)])
    tied.model(inputs()).backward()
    parts = {
        name: torch.tensor(codebook.entries.values, dtype=torch.float64, requires_grad=True)
        for name, codebook in clustered.codebooks.items()
    }
    extras = {}
    plain = model().double()
    loss = 0
    for name, values in inputs().items():
        module = getattr(plain, name)
        bias = torch.tensor(clustered.biases[name]).double() if name in clustered.biases else None
        if name not in clustered.layers:
            weights = torch.tensor(clustered.dense[name]).double()
        else:
            layer = clustered.layers[name]
            extras[name] = [
                None if stored is None
                else torch.tensor(stored.values, dtype=torch.float64, requires_grad=True)
                for stored in (layer.scales, layer.offsets)
            ]  # fmt: skip
            weights = decoded(layer, parts[layer.part.codebook], *extras[name])
        if name == "fc":
            outputs = torch.nn.functional.linear(values.double(), weights[:, :, 0, 0], bias)
        else:
            outputs = torch.nn.functional.conv2d(
                values.double(), weights, bias, groups=module.groups
            )
        if name == "conv1":
            outputs = plain.norm(outputs)
        loss = loss + (outputs**2).sum() / 2
    loss.backward()
    for name, codebook in tied.codebooks.items():
        # Entries that are zero have no gradient, so that they stay zero.
        moves = parts[name].detach().flatten(1).any(1)[:, None, None, None]
        same(codebook.entries.grad, parts[name].grad * moves)
    for name, each in tied.weights.items():
        for ours, theirs in zip((each.scales, each.offsets), extras[name], strict=True):
            if ours is not None:
                moves = sum(extra.detach().abs() for extra in extras[name] if extra is not None)
                same(ours.grad, theirs.grad * (moves > 0))


def present(spec):
    scheme = spec.partition(":")[0]
    has = {"scaled_kernel": ("scales",), "linear_kernel": ("scales", "offsets")}
    return ("codebook", *has.get(scheme, ()))


def same(found, expected):
    scale = float(expected.abs().max()) or 1.0
    torch.testing.assert_close(found.double() / scale, expected / scale, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("spec", SPECS)
def test_units_of_one_entry_stay_equal_and_finalize_gives_what_was_computed_with(spec):
    tied, clustered = tied_to(spec)
    before = {name: weight(tied, name).detach().clone() for name in clustered.layers}
    trained(tied)
    final, plain = tied.finalize()
    assert any(not torch.equal(weight(tied, name), old) for name, old in before.items())
    for layer in SMALL:
        found = weight(tied, layer.name).detach().numpy()
        np.testing.assert_array_equal(found, final.decode(layer.name).reshape(found.shape))
        np.testing.assert_array_equal(found, getattr(plain, layer.name).weight.detach().numpy())
    assert torch.equal(tied.model(inputs()), plain(inputs()))
    for name, layer in final.layers.items():
        np.testing.assert_array_equal(layer.indexes, clustered.layers[name].indexes)


@pytest.mark.parametrize("scheme", sorted(TRAINED))
def test_what_the_papers_train_is_trained_and_nothing_else_of_a_layer(scheme):
    tied, _ = tied_to(f"{scheme}:k=4" + (",length=4" if scheme == "product" else ""))
    expected = {*TRAINED[scheme], "rest"}
    assert {group["name"] for group in tied.parameter_groups(lr=1)} == expected
    entries = {name: each.entries.detach().clone() for name, each in tied.codebooks.items()}
    trained(tied)
    changed = any(not torch.equal(each.entries, entries[n]) for n, each in tied.codebooks.items())
    assert changed == ("codebook" in TRAINED[scheme])


def test_parts_that_are_trained_can_be_chosen_and_rates_differ_by_group():
    tied, _ = tied_to("linear_kernel:k=4", train=["codebook"])
    groups = tied.parameter_groups(lr=0.1, codebook=0.5)
    rates = {group["name"]: group["lr"] for group in groups}
    assert rates == {"codebook": 0.05, "rest": 0.1}
    count = sum(p.numel() for group in groups for p in group["params"])
    wanted = [each for each in tied.model.parameters() if each.requires_grad]
    assert count == sum(p.numel() for p in wanted)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"train": ["codebok"]}, "codebook"),
        ({"train": ["scales"]}, "have no scales"),
        ({"reassign_every": 0}, "reassign_every is 0"),
        ({"reassign_every": 1, "reassign_until": 0}, "reassign_until is 0"),
        ({"reassign_until": 5}, "reassign_until is given alone"),
    ],
)
def test_wrong_choices_are_refused(options, words):
    with pytest.raises(InputError, match=words):
        tied_to("kernel:k=4", **options)
    with pytest.raises(InputError, match="codebook"):
        tied_to("kernel:k=4")[0].parameter_groups(lr=1, codebok=2)


def test_entries_that_are_zero_stay_zero():
    clustered = random_clustered(spec="scalar:k=5")
    name = next(iter(clustered.codebooks))
    books = {key: zeroed(each, 2) for key, each in clustered.codebooks.items()}
    tied = tie(model(), replace(clustered, codebooks=books))
    trained(tied, 5)
    final, _ = tied.finalize()
    assert (final.codebooks[name].entries.values[2] == 0).all()
    assert (final.codebooks[name].entries.values[[0, 1, 3, 4]] != 0).all()
    assert (weight(tied, "conv1").detach().numpy() == 0).any()


def test_a_codebook_is_kept_once_and_there_are_no_dense_weights():
    tied, _ = tied_to("kernel:k=7")
    assert {name for name, _ in tied.model.named_parameters()}.isdisjoint({"conv1.weight"})
    entries = [p for p in tied.model.parameters() if p.shape == (7, 1, 3, 3)]
    assert len(entries) == 1
    shared = [each.shared for each in tied.weights.values() if each.shared.name.startswith("1x3x3")]
    assert len(shared) == 2
    assert shared[0] is shared[1]
    assert all(each.indexes.dtype == torch.uint8 for each in tied.weights.values())


def test_assigning_a_tied_weight_is_refused():
    tied, _ = tied_to("kernel:k=7")
    with pytest.raises(InputError, match=r"layer 'conv1' is tied .* cannot be assigned"):
        tied.model.conv1.weight = torch.zeros(8, 3, 3, 3)
    with pytest.raises(InputError, match="parametrized already"):
        tie(tied.model, random_clustered(spec="kernel:k=7"))


@pytest.mark.parametrize("spec", SPECS)
def test_a_deep_copy_stands_alone_with_its_ties(spec):
    tied, clustered = tied_to(spec)
    twin = copy.deepcopy(tied)
    assert torch.equal(twin.model(inputs()), tied.model(inputs()))
    expected = {name: weight(tied, name).detach().clone() for name in clustered.layers}
    trained(twin)
    for name in clustered.layers:
        assert torch.equal(weight(tied, name), expected[name])
    final, plain = twin.finalize()
    assert torch.equal(plain(inputs()), twin.model(inputs()))
    # What is made plain in a copy is still tied here.
    assert torch.equal(tied.model(inputs()), tied.model(inputs()))
    trained(tied)
    assert torch.equal(tied.finalize()[1](inputs()), twin.model(inputs()))
    assert {each.part.codebook for each in final.layers.values()} == set(final.codebooks)


@pytest.mark.parametrize("spec", SPECS)
def test_a_state_dict_goes_on_to_the_same_bits(spec):
    straight, _ = tied_to(spec)
    optimizer = trained(straight, 2)
    saved = io.BytesIO()
    torch.save((straight.state_dict(), optimizer.state_dict()), saved)
    trained(straight, 2, optimizer, seed=3)
    saved.seek(0)
    state, of_optimizer = torch.load(saved, weights_only=True)
    resumed, _ = tied_to(spec)
    resumed.load_state_dict(state)
    again = torch.optim.Adam(resumed.parameter_groups(lr=0.01))
    again.load_state_dict(of_optimizer)
    trained(resumed, 2, again, seed=3)
    for name, value in straight.model.state_dict().items():
        assert torch.equal(value, resumed.model.state_dict()[name]), name


def test_a_state_of_another_model_is_refused_in_one_line():
    tied, _ = tied_to("kernel:k=7")
    other, _ = tied_to("row:k=3")
    with pytest.raises(InputError, match="belongs to no model that was tied so"):
        tied.load_state_dict(other.state_dict())


def test_pickling_names_what_serves_and_a_final_model_pickles():
    tied, _ = tied_to("kernel:k=7")
    with pytest.raises(RuntimeError, match="state_dict"):
        pickle.dumps(tied.model)
    _, plain = tied.finalize()
    again = pickle.loads(pickle.dumps(plain))
    assert torch.equal(again(inputs()), plain(inputs()))


def test_moving_to_another_type_or_device_keeps_codebooks_shared():
    tied, _ = tied_to("kernel:k=7,transforms=4")
    tied.model.to(torch.float64)
    values = {name: value.double() for name, value in inputs().items()}
    tied.model(values).backward()
    held = {id(each.shared.entries) for each in tied.weights.values()}
    assert len(held) == len(tied.codebooks)
    assert weight(tied, "conv1").dtype == torch.float64
    tied.model.to("meta")
    assert all(each.is_meta for each in tied.model.parameters())
    assert weight(tied, "conv2").is_meta


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("spec", SPECS)
def test_gradients_are_the_same_bits_on_any_number_of_threads(spec, threads):
    before = torch.get_num_threads()
    found = []
    try:
        for count in (1, threads, threads):
            torch.set_num_threads(count)
            tied, _ = tied_to(spec, train=[p for p in PARTS if p in present(spec)])
            for each in tied.weights.values():
                (each() * torch.arange(each().numel()).view(each().shape).sin()).sum().backward()
            found.append([p.grad.clone() for p in tied.model.parameters() if p.grad is not None])
    finally:
        torch.set_num_threads(before)
    for other in found[1:]:
        assert all(torch.equal(a, b) for a, b in zip(found[0], other, strict=True))


@pytest.mark.parametrize("spec", SPECS)
def test_reassignment_takes_the_nearest_entry_and_keeps_ties(spec):
    tied, _clustered = tied_to(spec, reassign_every=2, reassign_rate=0.05)
    entries = {name: each.entries.detach().clone() for name, each in tied.codebooks.items()}
    tied.model.train()
    optimizer = torch.optim.SGD(tied.parameter_groups(lr=0.0))
    targets = {}
    for step in range(2):
        optimizer.zero_grad()
        tied.model(inputs(step)).backward()
        if step:
            targets = {
                name: each.join(each.units() + each.drift).detach()
                for name, each in tied.weights.items()
            }
        moved = tied.step(optimizer)
    assert moved > 0 or spec == "scalar:k=1,codebook_bits=16"
    for name, each in tied.codebooks.items():
        assert torch.equal(each.entries, entries[name])
    for name, each in tied.weights.items():
        if each.scales is None:
            nearest_of_all(each, targets[name])
    final, _ = tied.finalize()
    for name in tied.weights:
        np.testing.assert_array_equal(
            final.decode(name).ravel(), weight(tied, name).detach().numpy().ravel()
        )


def hooks_of(module):
    return [*module._forward_pre_hooks, *module._forward_hooks,
            *module._forward_hooks_always_called]  # fmt: skip


@pytest.mark.parametrize("spec", SPECS)
def test_weights_decoded_ahead_are_the_same_and_do_not_outlive_a_pass(spec):
    ahead, _ = tied_to(spec)
    plainly, _ = tied_to(spec)
    ahead.model.train()
    plainly.model.train()
    stop_ahead(plainly.model)
    for tied in (ahead, plainly):
        trained(tied)
        assert all(each.ready is None for each in tied.weights.values())
    for name, value in ahead.model.state_dict().items():
        assert torch.equal(value, plainly.model.state_dict()[name]), name
    with torch.no_grad():
        for codebook in ahead.codebooks.values():
            codebook.entries.mul_(2)
        for name in ahead.weights:
            current = ahead.current().decode(name)
            np.testing.assert_array_equal(weight(ahead, name).numpy().ravel(), current.ravel())
    assert hooks_of(ahead.model)
    assert not hooks_of(ahead.finalize()[1])
    assert hooks_of(ahead.model)


def test_a_pass_that_fails_leaves_nothing_decoded():
    tied, _ = tied_to("kernel:k=7")
    tied.model.train()
    with pytest.raises(RuntimeError):
        tied.model({"conv1": torch.zeros(1, 99, 6, 6)})
    assert all(each.ready is None for each in tied.weights.values())


@pytest.mark.parametrize("reentrant", [True, False])
def test_parts_that_are_computed_again_for_gradients_have_the_same_ones(reentrant):
    from torch.utils.checkpoint import checkpoint

    class Again(torch.nn.Module):
        def __init__(self, inner):
            super().__init__()
            self.inner = inner

        def forward(self, values):
            def part(conv1):
                return self.inner(values | {"conv1": conv1})

            return checkpoint(part, values["conv1"], use_reentrant=reentrant)

    found = []
    for again in (False, True):
        inner = model()
        clustered = random_clustered(spec="scaled_kernel:k=7")
        outer = torch.nn.ModuleDict({"inner": inner}) if not again else Again(inner)
        tied = tie(outer, replace(clustered))
        outer.train()
        values = inputs()
        values["conv1"].requires_grad_()
        (outer(values) if again else inner(values)).backward()
        found.append({name: each.shared.entries.grad for name, each in tied.weights.items()})
    for name, gradient in found[0].items():
        torch.testing.assert_close(found[1][name], gradient)


def test_units_stay_after_the_last_step_at_which_they_may_move():
    tied, _ = tied_to("row:k=7", reassign_every=2, reassign_until=4, reassign_rate=0.05)
    tied.model.train()
    moved = []
    for step in range(8):
        tied.model(inputs(step)).backward()
        moved.append(tied.step())
    assert moved[1] > 0
    assert moved[3] > 0
    assert moved[4:] == [0, 0, 0, 0]


def nearest_of_all(each, target):
    """No entry under any transform is nearer to a unit's target than the one that it has."""
    units = each.cut(target).flatten(-3).flatten(0, -2)
    now = each.cut(each()).detach().flatten(-3).flatten(0, -2)
    table = each.table().detach()
    for places, start, count in each.block_rows():
        distances = torch.cdist(units[places].double(), table[start : start + count].double())
        chosen = (units[places] - now[places]).double().norm(dim=1)
        movable = each.moves()[places]
        assert (chosen[movable] <= distances.min(1).values[movable] + 1e-5).all()


@pytest.mark.parametrize(("spec", "rate"), [("kernel:k=12", 0.03), ("scaled_kernel:k=12", 3e-3)])
def test_momenta_are_forgotten_where_entries_serve_other_units_and_nowhere_else(spec, rate):
    tied, _ = tied_to(spec, reassign_every=1, reassign_rate=rate)
    tied.model.train()
    for each in tied.weights.values():
        each.drift.zero_()
    optimizer = torch.optim.Adam(tied.parameter_groups(lr=0.01))
    tied.model(inputs()).backward()
    optimizer.step()
    layer = tied.weights["conv1"]
    momenta = optimizer.state[layer.shared.entries]["exp_avg"]
    before, old = momenta.clone(), {n: w.indexes.clone() for n, w in tied.weights.items()}
    assert tied.step(optimizer)
    changed = set()
    for name, each in tied.weights.items():
        if each.shared is layer.shared:
            moved = each.indexes != old[name]
            changed |= {*old[name][moved].tolist(), *each.indexes[moved].tolist()}
    kept = [k for k in range(12) if k not in changed]
    assert changed
    assert before[sorted(changed)].any()
    assert not momenta[sorted(changed)].any()
    assert before[kept].any()
    assert torch.equal(momenta[kept], before[kept])
    if layer.scales is not None:
        moved = layer.indexes != old["conv1"]
        assert not optimizer.state[layer.scales]["exp_avg"][moved].any()


@pytest.mark.parametrize("change", ["stages", "codebooks", "outliers"])
def test_layouts_of_more_than_an_entry_for_each_unit_are_refused(change):
    clustered = random_clustered(spec="row:k=5")
    layer, codebook = clustered.layers["conv1"], clustered.codebooks["conv1"]
    if change == "stages":
        layer = replace(layer, indexes=np.stack([layer.indexes] * 2))
    elif change == "codebooks":
        codes = np.concatenate([codebook.entries.codes] * 2, axis=1)
        codebook = replace(codebook, entries=replace(codebook.entries, codes=codes))
    else:
        layer = replace(layer, outliers=Outliers(np.array([3]), np.ones(1, np.float32)))
    changed = replace(
        clustered, layers={**clustered.layers, "conv1": layer},
        codebooks={**clustered.codebooks, "conv1": codebook},
    )  # fmt: skip
    with pytest.raises(InputError, match=r"layer 'conv1' \(row:k=5\) cannot be tied"):
        tie(model(), changed)


def test_models_that_do_not_fit_are_refused():
    clustered = random_clustered(spec="kernel:k=7")
    with pytest.raises(InputError, match=r"float64.*expected torch.float32"):
        tie(model().double(), clustered)
    other = model()
    other.conv1 = torch.nn.Conv2d(3, 9, 3)
    with pytest.raises(InputError, match="conv1"):
        tie(other, clustered)
    normed = model()
    torch.nn.utils.spectral_norm(normed.conv1)
    with pytest.raises(InputError, match=r"conv1"):
        tie(normed, clustered)
