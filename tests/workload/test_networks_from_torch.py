"""Networks of torch modules: the zoo's, and what the zoo has not."""

import pytest

import kcsim
from kcsim.errors import InputError
from kcsim.workload import zoo
from kcsim.workload.layer import ConvLayer

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402
from torch.nn.attention import SDPBackend, sdpa_kernel  # noqa: E402
from torch.utils.flop_counter import FlopCounterMode  # noqa: E402
from zoo_in_torch import ZOO, build  # noqa: E402


def half_of_flops(model, *inputs):
    # Other backends of attention are not counted there.
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        model.eval()(*inputs)
    return counter.get_total_flops() // 2


@pytest.mark.parametrize("name", zoo.NAMES)
def test_a_network_of_the_zoo_written_in_torch_is_that_of_the_zoo(name):
    assert set(ZOO) == set(zoo.NAMES)
    module, example = build(name)
    network, known = kcsim.from_torch(module, example), zoo.load(name)
    assert network.layers == known.layers
    assert network.parameters == known.parameters
    assert network.macs == known.macs
    assert network.parameters == sum(p.numel() for p in module.parameters())


LISTED = ("add", "concat", "pool")


def listed(network):
    """Additions, concatenations and poolings in their order, and who feeds whom past all else.

    A pooling of windows of one pixel is none.
    """
    kept = {each.name: each for each in network.operations if each.kind in LISTED}
    kept = {n: e for n, e in kept.items() if e.kind != "pool" or e.adds}
    named = {layer.name: layer.name for layer in network}
    named |= {name: number for number, name in enumerate(kept)}

    def sources(name):
        for feeder in network.feeders(name):
            yield from (named[feeder],) if feeder in named else sources(feeder)

    edges = {(source, named[name]) for name in named for source in sources(name)}
    return [(e.kind, e.input_words, e.output_words, e.adds) for e in kept.values()], edges


@pytest.mark.parametrize("name", zoo.NAMES)
def test_the_zoo_lists_the_additions_concatenations_and_poolings_of_torch(name, monkeypatch):
    # Exported, a response normalization has a pooling of channels.
    monkeypatch.setattr(functional, "local_response_norm", lambda x, *_: x)
    assert listed(zoo.load(name)) == listed(kcsim.from_torch(*build(name)))


class Attention(nn.Module):
    """An encoder block of a vision transformer, written out."""

    def __init__(self, width=48, heads=3):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.fc1, self.fc2 = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        n, tokens, width = x.shape
        parts = self.qkv(self.norm1(x)).reshape(n, tokens, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        query, key, value = parts.unbind(0)
        mixed = self.attend(query, key, value).transpose(1, 2).reshape(n, tokens, width)
        x = x + self.proj(mixed)
        return x + self.fc2(functional.gelu(self.fc1(self.norm2(x))))

    def attend(self, query, key, value):
        scores = (query @ key.transpose(-2, -1)) * query.shape[-1] ** -0.5
        return scores.softmax(-1) @ value


class FusedAttention(Attention):
    def attend(self, query, key, value):
        return functional.scaled_dot_product_attention(query, key, value)


class EinsumAttention(Attention):
    def attend(self, query, key, value):
        scores = torch.einsum("nhqd,nhkd->nhqk", query, key)
        return torch.einsum("nhqk,nhkd->nhqd", scores.softmax(-1), value)


class UNet(nn.Module):
    """Down twice and up again, with skips."""

    def __init__(self, up):
        super().__init__()
        kernel, stride, padding, extra = up
        self.down1, self.down2 = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 16, 3, padding=1)
        self.bottom = nn.Conv2d(16, 32, 3, padding=1)
        self.up1 = nn.ConvTranspose2d(32, 16, kernel, stride, padding, extra)
        self.up2 = nn.ConvTranspose2d(32, 8, kernel, stride, padding, extra, bias=False)
        self.out = nn.Conv2d(16, 2, 1)

    def forward(self, x):
        first = functional.relu(self.down1(x))
        second = functional.relu(self.down2(functional.max_pool2d(first, 2)))
        x = functional.relu(self.bottom(functional.max_pool2d(second, 2)))
        x = torch.cat([self.up1(x), second], 1)
        return self.out(torch.cat([self.up2(x), first], 1))


class Audio(nn.Module):
    """A 1-D network for sound."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv1d(1, 8, 9, 4, 4), nn.BatchNorm1d(8), nn.ReLU(),
            nn.Conv1d(8, 16, 5, dilation=2, groups=4), nn.BatchNorm1d(16), nn.ReLU(),
            nn.MaxPool1d(2),
            nn.ConvTranspose1d(16, 8, 4, 2, 1), nn.AdaptiveAvgPool1d(1), nn.Flatten(),
            nn.Linear(8, 10),
        )  # fmt: skip

    def forward(self, x):
        return self.layers(x)


MODELS = {
    "ViT block": (Attention(), (2, 10, 48)),
    "ViT block, fused attention": (FusedAttention(), (1, 10, 48)),
    "ViT block, Einstein sums": (EinsumAttention(), (2, 10, 48)),
    "torch's encoder": (nn.TransformerEncoderLayer(48, 3, 96, batch_first=True), (2, 10, 48)),
    "U-Net, 2x2 upwards": (UNet((2, 2, 0, 0)), (1, 3, 16, 24)),
    "U-Net, 3x3 upwards": (UNet((3, 2, 1, 1)), (1, 3, 16, 24)),
    "U-Net, 4x4 upwards": (UNet((4, 2, 1, 0)), (2, 3, 16, 24)),
    "1-D audio": (Audio(), (1, 1, 400)),
    "3-D": (nn.Sequential(nn.Conv3d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv3d(8, 4, (1, 3, 3))),
            (2, 3, 6, 8, 10)),
    "patches": (nn.Conv3d(3, 8, (2, 4, 4), (2, 4, 4)), (1, 3, 4, 8, 8)),
}  # fmt: skip


@pytest.mark.parametrize("name", MODELS)
def test_macs_are_half_of_what_torch_counts(name):
    model, shape = MODELS[name]
    example = torch.zeros(shape)
    network = kcsim.from_torch(model, example)
    assert network.macs == half_of_flops(model, example)
    assert network.images == shape[0]
    assert network.parameters == sum(p.numel() for p in model.parameters())
    assert {layer.name for layer in network.trained_layers} <= {
        name.partition(".weight")[0] for name in network.weights
    }


@pytest.mark.parametrize("name", MODELS)
def test_another_batch_is_what_torch_has_of_more_images(name):
    model, shape = MODELS[name]
    three = kcsim.from_torch(model, torch.zeros(shape)).with_batch(3)
    again = kcsim.from_torch(model, torch.zeros(3, *shape[1:]))
    assert [layer.dimensions for layer in three] == [layer.dimensions for layer in again]
    assert three.operations == again.operations


def test_recurrent_layers_are_listed_with_their_macs():
    class Tagger(nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn, self.fc = nn.LSTM(6, 5, batch_first=True), nn.Linear(5, 3)

        def forward(self, x):
            return self.fc(self.rnn(x)[0])

    network = kcsim.from_torch(Tagger(), torch.zeros(2, 7, 6))
    (lstm,) = network.operations
    assert lstm.kind == "lstm"
    assert lstm.all_macs == 2 * 7 * 4 * 5 * (6 + 5)
    assert network.macs == 2 * 7 * 15
    assert network.edges == ((lstm.name, "fc"),)


def test_the_graph_comes_along():
    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.c = (nn.Conv2d(4, 4, 3, padding=1) for _ in range(3))

        def forward(self, x):
            y = functional.relu(self.a(x))
            return torch.cat([self.b(y) + y, self.c(y)], 1)

    network = kcsim.from_torch(Block(), torch.zeros(1, 4, 8, 8))
    add, cat = (operation.name for operation in network.operations)
    assert set(network.edges) == {
        ("a", "b"), ("a", "c"), ("a", add), ("b", add), (add, cat), ("c", cat),
    }  # fmt: skip
    assert network.feeders(cat) == (add, "c")
    assert [operation.moved_words for operation in network.operations] == [3 * 256, 2 * 512]


def test_zeros_that_are_padded_apart_are_padding_of_the_convolution():
    class Padded(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3, stride=2)

        def forward(self, x):
            return self.conv(functional.pad(x, (0, 1, 2, 1)))

    (layer,) = kcsim.from_torch(Padded(), torch.zeros(1, 3, 8, 8))
    assert layer == ConvLayer("conv", 3, 4, 8, 8, 3, 3, 2, (2, 1, 0, 1), bias=True)


def test_batch_normalization_is_folded_behind_a_layer_alone():
    class Both(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.after, self.before = nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), \
                nn.BatchNorm2d(3)  # fmt: skip

        def forward(self, x):
            return self.after(self.conv(self.before(x)))

    network = kcsim.from_torch(Both(), torch.zeros(1, 3, 8, 8))
    assert network.norm_parameters == 8
    (operation,) = network.operations
    assert (operation.kind, operation.weight_words) == ("batch_norm", 6)
    assert any("1 batch_norm" in note for note in network.notes)


class Undecided(nn.Module):
    """Cannot be exported: what it does depends on values."""

    def __init__(self):
        super().__init__()
        self.conv, self.bn = nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8)
        self.lstm, self.fc = nn.LSTM(8, 4, batch_first=True), nn.Linear(4, 2)

    def forward(self, x):
        y = functional.relu(self.bn(self.conv(x)))
        if float(y.sum()) > 1e9:
            y = y * 2
        y = y.flatten(2).transpose(1, 2)
        return self.fc(self.lstm(y @ (y.transpose(1, 2) @ y))[0])


def test_a_module_that_cannot_be_exported_is_watched_and_nothing_is_lost():
    model, example = Undecided(), torch.zeros(2, 3, 6, 6)
    network = kcsim.from_torch(model, example)
    assert [layer.name for layer in network] == ["conv", "fc"]
    assert network.norm_parameters == 16
    assert "torch.export fails" in network.notes[0]
    kinds = {operation.kind: operation for operation in network.operations}
    assert kinds["functions"].all_macs == 2 * 2 * 8 * 16 * 8
    assert kinds["lstm"].all_macs == 2 * 16 * 4 * 4 * (8 + 4)
    assert network.macs == 2 * 16 * (27 * 8 + 4 * 2)
    assert network.weights["conv.weight"].shape == (8, 3, 3, 3)
    assert network.images == 2


def test_branches_that_depend_on_values_are_watched_and_what_is_wrapped_is_read():
    class Choice(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 4)

        def forward(self, x):
            with torch.no_grad():
                x = self.a(x)
            return torch.cond(x.sum() > 0, lambda y: self.b(y) + 1, lambda y: self.b(y) - 1, (x,))

    class Wrapped(Choice):
        def forward(self, x):
            with torch.no_grad():
                x = functional.relu(self.a(x))
            return self.b(x)

    for model in (Choice(), Wrapped()):
        network = kcsim.from_torch(model, torch.zeros(2, 4))
        # Both branches of a choice are looked at.
        assert [layer.name for layer in network][:2] == ["a", "b"]
        assert network.weights["b.weight"].shape == (4, 4, 1, 1)
        assert (model.a.weight.detach().numpy() == network.weights["a.weight"][:, :, 0, 0]).all()
    assert network.edges == (("a", "b"),)


def test_weights_are_those_of_the_module_and_clustered():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 5))
    network = kcsim.from_torch(model, torch.zeros(1, 3, 8, 8))
    assert (network.weights["0.weight"] == model[0].weight.detach().numpy()).all()
    result = kcsim.estimate("simple", network, "scalar:k=8")
    known = kcsim.cluster_network(network, dict(network.weights), "scalar:k=8")
    assert result["decode"].storage.weights_bits == known.storage(weight_bits=16).weights_bits
    assert not result["decode"].storage.is_expectation


def test_weights_that_two_steps_share_are_told():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.words, self.head = nn.Embedding(20, 6), nn.Linear(6, 20, bias=False)
            self.head.weight = self.words.weight

        def forward(self, x):
            return self.head(self.words(x))

    network = kcsim.from_torch(Tied(), torch.zeros(1, 5, dtype=torch.long))
    assert "head has the weights of words.embedding; parameters count both." in network.notes
    twice = nn.Linear(4, 4)
    network = kcsim.from_torch(nn.Sequential(twice, nn.ReLU(), twice), torch.zeros(1, 4))
    assert [layer.name for layer in network] == ["0", "2"]
    assert "2 has the weights of 0; parameters count both." in network.notes


def test_two_matrices_on_either_side_of_trained_ones():
    class Sides(nn.Module):
        def __init__(self):
            super().__init__()
            self.left, self.right = nn.Parameter(torch.randn(5, 6)), nn.Parameter(torch.randn(4, 3))

        def forward(self, x):
            return self.left @ x @ self.right

    model = Sides()
    network = kcsim.from_torch(model, torch.zeros(2, 6, 4))
    shapes = [(layer.in_channels, layer.out_channels, layer.in_height) for layer in network]
    assert shapes == [(6, 5, 4), (4, 3, 5)]
    assert (network.weights["left.weight"][:, :, 0, 0] == model.left.detach().numpy()).all()
    assert (network.weights["right.weight"][:, :, 0, 0] == model.right.detach().numpy().T).all()


@pytest.mark.parametrize(
    ("model", "example", "message"),
    [
        (nn.ReLU(), torch.zeros(1, 3), "has no convolution and no product of matrices"),
        (nn.Conv2d(3, 4, 9), torch.zeros(1, 3, 4, 4), "cannot be run on the example: RuntimeError"),
        (nn.Conv2d(3, 4, 3), "image", "example is 'image'; expected"),
        ("model", torch.zeros(1), "model is 'model'; expected a Module"),
    ],
)
def test_what_is_no_network_gets_one_line(model, example, message):
    with pytest.raises(InputError) as caught:
        kcsim.from_torch(model, example)
    assert message in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_modules_keep_their_mode():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    model[1].eval()
    kcsim.from_torch(model, torch.zeros(1, 3, 8, 8))
    assert [module.training for module in model.modules()] == [True, True, False]


FACTORIES = """
from torch import nn, zeros

def small():
    return nn.Conv2d(3, 4, 3)

def whole():
    return small(), zeros(1, 3, 8, 8)

def broken():
    raise RuntimeError("no weights here")
"""


def test_factories_run_only_when_they_are_named_as_such(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_models.py").write_text(FACTORIES)
    assert kcsim.load_network("my_models:whole").macs == 36 * 108
    assert kcsim.load_network("my_models:small@2x3x6x6").images == 2
    for spec, message in {
        "my_models:small": "returns Conv2d; expected a module and an example, or the shape",
        "my_models:broken": "cannot be called: RuntimeError: no weights here",
        "my_models:absent": "cannot be called: AttributeError",
        "absent_models:small": "cannot be called: ModuleNotFoundError",
    }.items():
        with pytest.raises(InputError, match=message):
            kcsim.load_network(spec)
    with pytest.raises(InputError, match="no network is called"):
        kcsim.load_network("my_models.whole")
