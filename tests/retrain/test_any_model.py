"""Ties in models of every kind: modules and tensors that are shared, layers of any dimension."""

from __future__ import annotations

import copy
import io

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import kcsim  # noqa: E402
from kcsim.errors import InputError  # noqa: E402
from kcsim.retrain.layers import arrays_of, four_axes, network_of, places_of  # noqa: E402
from kcsim.retrain.tie import tie  # noqa: E402
from kcsim.weights.cluster import cluster_network  # noqa: E402

nn = torch.nn


class Twice(nn.Module):
    """One module under two names."""

    def __init__(self):
        super().__init__()
        self.a = nn.Conv2d(4, 4, 3, padding=1)
        self.b = self.a
        self.fc = nn.Linear(4, 3)

    def forward(self, x):
        return self.fc(self.b(self.a(x)).mean((2, 3)))


class OneTensor(nn.Module):
    """Two modules with one weight, but biases of their own."""

    def __init__(self):
        super().__init__()
        self.a, self.b = (nn.Conv2d(4, 4, 3, padding=1) for _ in range(2))
        self.b.weight = self.a.weight
        self.fc = nn.Linear(4, 3)

    def forward(self, x):
        return self.fc(self.b(self.a(x)).mean((2, 3)))


class ReadBack(nn.Module):
    """An embedding whose weight the last layer reads back."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(10, 6)
        self.fc = nn.Linear(6, 10, bias=False)
        self.fc.weight = self.embedding.weight

    def forward(self, x):
        return self.fc(self.embedding(x))


class Attention(nn.Module):
    """Attention whose queries, keys and values differ in size."""

    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, kdim=6, vdim=5, batch_first=True)

    def forward(self, x):
        return self.attention(x, x[..., :6], x[..., :5])[0]


class Centered(nn.Conv2d):
    """A convolution of a user who computes with something else than its weight."""

    def forward(self, x):
        return self._conv_forward(x, self.weight - self.weight.mean(), self.bias)


PLANE = (2, 4, 8, 8)
MODELS = {
    "a layer alone": (lambda: nn.Conv2d(4, 8, 3), PLANE, "row:k=4"),
    "a module twice": (Twice, PLANE, "kernel:k=4"),
    "one tensor": (OneTensor, PLANE, "kernel:k=4"),
    "one tensor, codebooks by layer": (OneTensor, PLANE, "row:k=4"),
    "an embedding": (ReadBack, None, "scalar:k=4"),
    "groups": (
        lambda: nn.Sequential(nn.Conv2d(4, 8, 3, groups=2), nn.Conv2d(8, 8, 3, groups=8)),
        PLANE, "kernel:k=4",
    ),
    "groups, product": (
        lambda: nn.Sequential(nn.Conv2d(4, 8, 3, groups=2), nn.Conv2d(8, 8, 3)),
        PLANE, "product:k=4,length=3",
    ),
    "one dimension": (
        lambda: nn.Sequential(nn.Conv1d(4, 8, 3), nn.Conv1d(8, 6, 5, dilation=2)),
        (2, 4, 30), "row:k=4",
    ),
    "three dimensions": (lambda: nn.Sequential(nn.Conv3d(4, 6, (2, 3, 3), groups=2)),
                         (1, 4, 5, 5, 5), "kernel:k=4"),
    "transposed": (
        lambda: nn.Sequential(
            nn.ConvTranspose2d(4, 8, 3, stride=2, groups=2, output_padding=1),
            nn.Conv2d(8, 4, 3),
        ),
        PLANE, "scaled_kernel:k=4,transforms=4",
    ),
    "transposed, one dimension": (lambda: nn.Sequential(nn.ConvTranspose1d(4, 8, 4, stride=2)),
                                  (2, 4, 9), "row:k=4"),
    "transposed, three dimensions": (lambda: nn.Sequential(nn.ConvTranspose3d(4, 6, 3)),
                                     (1, 4, 4, 4, 4), "linear_kernel:k=4"),
    "fully connected": (lambda: nn.Sequential(nn.Linear(12, 5), nn.Linear(5, 3)),
                        (2, 12), "scalar:k=4"),
    "a transformer": (lambda: nn.TransformerEncoderLayer(8, 2, 16, batch_first=True),
                      (2, 5, 8), "scalar:k=4"),
    "attention of several sizes": (Attention, (2, 3, 8), "scalar:k=4"),
    "a layer of a user": (lambda: nn.Sequential(Centered(4, 6, 3)), PLANE, "kernel:k=4"),
}  # fmt: skip
every_model = pytest.mark.parametrize("kind", MODELS)


def made(kind, **options):
    """A tied model, what it is called with, and its clustered weights."""
    make, shape, spec = MODELS[kind]
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model = make().eval()
        x = torch.arange(5)[None] if shape is None else torch.randn(shape)
    network = network_of(model)
    arrays = arrays_of(model, places_of(model, network))
    return tie(model, cluster_network(network, arrays, spec), **options), x


def trained(tied, x, steps=2):
    optimizer = torch.optim.Adam(tied.parameter_groups(lr=0.01))
    for _ in range(steps):
        optimizer.zero_grad()
        tied.model(x).square().mean().backward()
        optimizer.step()
        tied.step(optimizer)


@every_model
def test_a_plain_model_computes_what_the_tied_one_does_also_after_training(kind):
    tied, x = made(kind)
    before = {name: each().detach().clone() for name, each in tied.weights.items()}
    trained(tied, x)
    clustered, plain = tied.finalize()
    assert torch.equal(plain(x), tied.model(x))
    assert type(plain).__name__ in repr(plain).split("(")[0]
    assert not any("Parametrized" in type(each).__name__ for each in plain.modules())
    places = places_of(plain, clustered.network)
    for name in tied.weights:
        weight = places[name].weight_of(plain)
        decoded = clustered.decode(name)
        assert decoded.shape == four_axes(weight)
        np.testing.assert_array_equal(weight.detach().numpy().ravel(), decoded.ravel())
        assert not torch.equal(weight, before[name])


@every_model
def test_gradients_are_those_of_the_plain_model_summed_over_units_of_an_entry(kind):
    tied, x = made(kind)
    _, plain = tied.finalize()
    plain(x).square().mean().backward()
    tied.model(x).square().mean().backward()
    for codebook in {id(each): each for each in tied.codebooks.values()}.values():
        if codebook.entries.grad is None:
            continue
        expected = torch.zeros_like(codebook.entries)
        seen = set()
        for name, each in tied.weights.items():
            if each.shared is not codebook or id(each) in seen:
                continue
            seen.add(id(each))
            gradient = tied._places[name].weight_of(plain).grad
            (found,) = torch.autograd.grad(each(), codebook.entries, gradient)
            expected += found
        torch.testing.assert_close(codebook.entries.grad, expected)


@every_model
def test_copies_states_and_types_work(kind):
    tied, x = made(kind)
    twin = copy.deepcopy(tied)
    trained(twin, x)
    assert torch.equal(tied.finalize()[1](x), tied.model(x))
    held = io.BytesIO()
    torch.save(twin.state_dict(), held)
    held.seek(0)
    resumed, _ = made(kind)
    resumed.load_state_dict(torch.load(held, weights_only=True))
    assert torch.equal(resumed.model(x), twin.model(x))
    torch.save(twin.finalize()[1], io.BytesIO())
    y = x.double() if x.is_floating_point() else x
    assert tied.model.double()(y).dtype == torch.float64


@every_model
def test_units_change_their_entries_in_every_model(kind):
    tied, x = made(kind, reassign_every=1)
    tied.model.train()
    tied.model(x).square().mean().backward()
    generator = torch.Generator().manual_seed(0)
    for each in tied.weights.values():
        assert each.drift.any()
        each.drift.copy_(0.3 * torch.randn(each.drift.shape, generator=generator))
    moved = tied.step()
    assert moved > 0
    clustered, plain = tied.finalize()
    assert torch.equal(plain.eval()(x), tied.model.eval()(x))
    places = places_of(plain, clustered.network)
    for name in tied.weights:
        weight = places[name].weight_of(plain).detach().numpy()
        np.testing.assert_array_equal(weight.ravel(), clustered.decode(name).ravel())


@pytest.mark.parametrize("kind", ["one tensor", "one tensor, codebooks by layer", "an embedding"])
def test_one_tensor_stays_one_in_the_tied_model_and_in_the_plain_one(kind):
    tied, x = made(kind)
    trained(tied, x)
    clustered, plain = tied.finalize()
    modules = [m for m in plain.modules() if isinstance(m, nn.Conv2d | nn.Embedding)]
    modules += [plain.fc] if kind == "an embedding" else []
    assert modules[0].weight is modules[1].weight
    assert not any(name.endswith("weight") for name in clustered.others)
    if "a" in clustered.layers:
        np.testing.assert_array_equal(clustered.decode("a"), clustered.decode("b"))
        assert tied.weights["a"] is tied.weights["b"]


def test_one_tensor_of_two_clusterings_is_refused():
    model = OneTensor()
    network = network_of(model)
    arrays = arrays_of(model, places_of(model, network))
    with pytest.raises(InputError, match="'a' and 'b' have one tensor"):
        tie(model, cluster_network(network, arrays, "row:k=4,dense=b"))
    for name in ("a.weight", "b.weight"):
        other = {**arrays, name: arrays[name] + 1}
        with pytest.raises(InputError, match="'a' and 'b' have one tensor"):
            tie(OneTensor(), cluster_network(network, other, "row:k=4"))


@pytest.mark.parametrize(
    "kind",
    ["a module twice", "one tensor", "fully connected", "a transformer", "groups",
     "attention of several sizes"],
)  # fmt: skip
def test_networks_of_from_torch_name_the_same_layers(kind):
    make, shape, spec = MODELS[kind]
    model = make().eval()
    x = torch.randn(shape)
    network = kcsim.from_torch(model, x)
    tied = tie(model, cluster_network(network, network.weights, spec))
    _, plain = tied.finalize()
    assert torch.equal(plain(x), tied.model(x))
    for name in tied.weights:
        found = tied._places[name].weight_of(plain).detach().numpy()
        np.testing.assert_array_equal(found.ravel(), tied.current().decode(name).ravel())


def test_a_transposed_convolution_has_the_kernels_of_the_one_that_it_transposes():
    transposed = nn.ConvTranspose2d(4, 6, 3, stride=2, groups=2)
    (layer,) = network_of(transposed).layers
    straight = nn.Conv2d(layer.in_channels, layer.out_channels, 3, stride=2, groups=2, bias=False)
    assert straight.weight.shape == transposed.weight.shape
    straight.weight = transposed.weight
    x, y = torch.randn(1, 6, 9, 9, requires_grad=True), torch.randn(1, 4, 4, 4)
    straight(x).backward(y)
    expected = transposed(y) - transposed.bias[:, None, None]
    torch.testing.assert_close(x.grad, expected)
