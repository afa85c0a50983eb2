"""Clustered convolutions in torch models."""

from __future__ import annotations

import copy
import io
import sys

import numpy as np
import pytest
from random_clustered import random_clustered

from kcsim.errors import InputError
from kcsim.workload.execution import EXECUTIONS
from kcsim.workload.layer import ConvLayer
from kcsim.workload.network import Network

torch = pytest.importorskip("torch")

NETWORK = Network(
    "small",
    (
        ConvLayer("conv1", 3, 8, 12, 12, 3, 3, stride=2, padding=1, bias=True),
        ConvLayer("conv2", 8, 6, 6, 6, 3, 3, padding=(0, 0, 1, 1), groups=2),
        ConvLayer.linear("fc", 6, 7),
    ),
)
ARCHITECTURES = ("kernel:k=7", "linear_kernel:k=4", "kernel:k=5,transforms=4", "scalar:k=9")


def small_model():
    nn = torch.nn
    model = nn.Sequential()
    model.add_module("conv1", nn.Conv2d(3, 8, 3, stride=2, padding=1))
    model.add_module("relu", nn.ReLU())
    model.add_module("conv2", nn.Conv2d(8, 6, 3, padding=(0, 1), groups=2, bias=False))
    model.add_module("pool", nn.AdaptiveAvgPool2d(1))
    model.add_module("flat", nn.Flatten())
    model.add_module("fc", nn.Linear(6, 7))
    return model


def decoded(model, clustered):
    """The model with dense weights that are the decoded ones."""
    for name, module in model.named_modules():
        if name in {layer.name for layer in NETWORK}:
            weights = torch.from_numpy(np.array(clustered.decode(name)))
            module.weight.data = weights.reshape(module.weight.shape)
    return model


@pytest.mark.parametrize("execution", ["auto", *EXECUTIONS])
@pytest.mark.parametrize("spec", ARCHITECTURES)
def test_a_model_computes_the_same(spec, execution):
    from kcsim.conv.module import ClusteredConv2d, cluster_model

    clustered = random_clustered(NETWORK, spec)
    model = small_model()
    inputs = torch.randn(2, 3, 12, 12)
    expected = decoded(model, clustered)(inputs)
    changed = cluster_model(model, clustered, execution=execution, threads=1)
    assert changed is model
    swapped = {name for name, part in model.named_modules() if isinstance(part, ClusteredConv2d)}
    assert swapped == set(clustered.layers) - {"fc"}
    torch.testing.assert_close(model(inputs), expected, rtol=1e-4, atol=1e-4)
    assert model.conv2.operations.multiplies > 0
    other = torch.randn(1, 3, 9, 20)
    assert model(other).shape == (1, 7)


@pytest.mark.parametrize("spec", ARCHITECTURES)
def test_a_state_dict_round_trip(spec, tmp_path):
    from safetensors.torch import load_file, save_file

    from kcsim.conv.module import cluster_model

    inputs = torch.randn(1, 3, 12, 12)
    saved = cluster_model(small_model(), random_clustered(NETWORK, spec, seed=1), threads=1)
    expected = saved(inputs)
    save_file(saved.state_dict(), tmp_path / "model.safetensors")
    loaded = cluster_model(small_model(), random_clustered(NETWORK, spec, seed=2), threads=1)
    assert not torch.equal(loaded(inputs), expected)
    loaded.load_state_dict(load_file(tmp_path / "model.safetensors"))
    assert torch.equal(loaded(inputs), expected)


INPUTS = (2, 3, 12, 12)
EVERYTHING = "linear_kernel:k=5,scope=layer"


def clustered_model(spec="kernel:k=7", **options):
    from kcsim.conv.module import cluster_model

    torch.manual_seed(0)
    return cluster_model(small_model(), random_clustered(NETWORK, spec), threads=1, **options)


def same_model(model, spec="kernel:k=7"):
    """A model that never ran, with what the buffers of another hold now."""
    fresh = clustered_model(spec)
    fresh.load_state_dict({name: value.clone() for name, value in model.state_dict().items()})
    return fresh


def double(tensor):
    tensor.mul_(2)


def double_data(tensor):
    tensor.data.mul_(2)


def double_array(tensor):
    array = tensor.numpy()
    array *= 2


@pytest.mark.parametrize("change", [double, double_data, double_array])
@pytest.mark.parametrize("execution", EXECUTIONS)
@pytest.mark.parametrize("part", ["codebook", "scales", "offsets", "bias"])
def test_values_changed_in_place_are_used(part, execution, change):
    model, inputs = clustered_model(EVERYTHING, execution=execution), torch.randn(INPUTS)
    before = model(inputs)
    change(getattr(model.conv1, part))
    after = model(inputs)
    assert not torch.equal(after, before)
    torch.testing.assert_close(after, same_model(model, EVERYTHING)(inputs))


@pytest.mark.parametrize("execution", EXECUTIONS)
def test_indexes_and_transforms_changed_in_place_are_used(execution):
    spec = "kernel:k=5,transforms=4"
    model, inputs = clustered_model(spec, execution=execution), torch.randn(INPUTS)
    outputs = [model(inputs)]
    model.conv1.indexes.copy_((model.conv1.indexes + 1) % 5)
    outputs.append(model(inputs))
    model.conv1.transforms.copy_((model.conv1.transforms + 1) % 4)
    outputs.append(model(inputs))
    assert not torch.equal(outputs[0], outputs[1])
    assert not torch.equal(outputs[1], outputs[2])
    torch.testing.assert_close(outputs[2], same_model(model, spec)(inputs))


def test_doubled_entries_double_the_outputs():
    module, inputs = clustered_model().conv2, torch.randn(2, 8, 6, 6)
    before = module(inputs)
    module.codebook.mul_(2)
    assert torch.equal(module(inputs), 2 * before)


def test_assigned_buffers_are_used():
    module, inputs = clustered_model().conv2, torch.randn(2, 8, 6, 6)
    before = module(inputs)
    module.codebook = -module.codebook
    torch.testing.assert_close(module(inputs), -before)
    module.indexes = module.indexes.long()
    torch.testing.assert_close(module(inputs), -before)
    # The memory of the old tensor may be that of the next one.
    for number in range(3):
        module.codebook = torch.full_like(module.codebook, number)
        first = module(torch.ones(1, 8, 6, 6))[0, 0, 3, 3]
        assert first == pytest.approx(4 * 9 * number)
    module.bias = torch.arange(6.0)
    module.codebook = torch.zeros_like(module.codebook)
    assert torch.equal(module(inputs)[0, :, 0, 0], torch.arange(6.0))


def test_a_chosen_execution_is_used():
    module, inputs = clustered_model(execution="decode").conv2, torch.randn(2, 8, 6, 6)
    expected = module(inputs)
    dense = module.operations
    module.execution = "share_products"
    torch.testing.assert_close(module(inputs), expected)
    assert module.operations.multiplies < dense.multiplies
    module.execution = "products"
    with pytest.raises(InputError, match="products"):
        module(inputs)


def test_buffers_that_are_lent_for_a_call_are_used():
    model, inputs = clustered_model(), torch.randn(INPUTS)
    before = model(inputs)
    state = model.state_dict()
    lent = {**state, "conv1.codebook": 2 * state["conv1.codebook"]}
    assert not torch.equal(torch.func.functional_call(model, lent, (inputs,)), before)
    assert torch.equal(model(inputs), before)


def test_copies_change_apart():
    model, inputs = clustered_model(), torch.randn(INPUTS)
    before = model(inputs)
    copied = copy.deepcopy(model)
    assert torch.equal(copied(inputs), before)
    copied.conv1.codebook.mul_(2)
    assert not torch.equal(copied(inputs), before)
    assert torch.equal(model(inputs), before)


def test_a_saved_module_computes_the_same():
    model, inputs = clustered_model(), torch.randn(INPUTS)
    never_run = io.BytesIO()
    torch.save(model, never_run)
    before = model(inputs)
    file = io.BytesIO()
    torch.save(model, file)
    # What was prepared stays behind.
    assert len(file.getvalue()) < 1.2 * len(never_run.getvalue())
    file.seek(0)
    assert torch.equal(torch.load(file, weights_only=False)(inputs), before)


@pytest.mark.parametrize(
    ("buffer", "values", "message"),
    [
        ("codebook", torch.zeros(7, 1, 3, 2), "buffer 'codebook' is 7x1x3x2; expected 7x1x3x3"),
        ("codebook", None, "layer 'conv1' has no codebook; expected 7x1x3x3"),
        ("codebook", torch.zeros(7, 1, 3, 3, device="meta"), "cannot be on meta; expected the CPU"),
        ("indexes", torch.zeros(8, 3, 1, 1), "an index is float32; expected whole numbers"),
        ("indexes", torch.full((8, 3, 1, 1), -1), "an index is -1; expected 0 to 6"),
        ("indexes", torch.zeros(8, 3, 1, dtype=torch.int8), "'indexes' is 8x3x1; expected 8x3x1x1"),
        ("transforms", torch.ones(8, 3, 1, 1).byte(), "a transform is 1; expected 0 to 0"),
        ("bias", torch.zeros(7), "bias is float32 7; expected 8 numbers"),
        ("scales", torch.zeros(8), "buffer 'scales' is 8; expected 8x3x1x1"),
    ],
)  # fmt: skip
def test_wrong_buffers_are_refused(buffer, values, message):
    module = clustered_model().conv1
    module(torch.randn(INPUTS))
    setattr(module, buffer, values)
    for _ in range(2):
        with pytest.raises(InputError) as caught:
            module(torch.randn(INPUTS))
        assert message in str(caught.value)


def test_a_module_without_buffers_is_refused_at_its_first_call():
    module = clustered_model().conv2
    module.codebook = module.indexes = None
    with pytest.raises(InputError, match="layer 'conv2' has no codebook"):
        module(torch.randn(2, 8, 6, 6))


def test_images_without_pixels_are_refused():
    with pytest.raises(InputError, match="in_height is 0"):
        clustered_model().conv1(torch.randn(2, 3, 0, 12))


def test_gradients_are_not_lost():
    module = clustered_model().conv1
    inputs = torch.randn(INPUTS, requires_grad=True)
    with pytest.raises(InputError, match=r"'conv1': inputs cannot require gradients.*no_grad\(\)"):
        module(inputs)
    with torch.no_grad():
        expected = module(inputs)
    assert torch.equal(module(inputs.detach()), expected)
    with torch.inference_mode():
        assert torch.equal(module(inputs), expected)
    module.codebook.requires_grad_()
    with pytest.raises(InputError, match="buffer 'codebook' cannot require gradients"):
        module(inputs.detach())
    with torch.no_grad():
        assert torch.equal(module(inputs), expected)
    module.codebook = torch.nn.Parameter(2 * module.codebook.detach(), requires_grad=False)
    assert not torch.equal(module(inputs.detach()), expected)


def test_tangents_are_not_lost():
    from torch.autograd import forward_ad

    module, inputs = clustered_model().conv1, torch.randn(INPUTS)
    with forward_ad.dual_level(), pytest.raises(InputError, match="inputs cannot have a tangent"):
        module(forward_ad.make_dual(inputs, inputs))


@pytest.mark.parametrize(
    "transform",
    [
        lambda call, inputs: torch.func.vmap(call)(inputs[:, None]),
        lambda call, inputs: torch.func.grad(lambda each: call(each).sum())(inputs),
        lambda call, inputs: torch.func.jvp(call, (inputs,), (inputs,)),
        lambda call, inputs: call(inputs.to_sparse()),
        lambda call, inputs: call(inputs.to("meta")),
        lambda call, inputs: call(inputs.double()),
        lambda call, inputs: call(inputs.int()),
        lambda call, inputs: call(inputs[0]),
        lambda call, inputs: call(inputs.numpy()),
    ],
)
def test_what_is_no_plain_tensor_is_refused(transform):
    module = clustered_model().conv1
    with pytest.raises(InputError, match="layer 'conv1': inputs"):
        transform(module, torch.randn(INPUTS))


def exported(model, inputs):
    return torch.export.export(model, (inputs,), strict=False)


def fake(model, inputs):
    from torch.fx.experimental.proxy_tensor import make_fx

    return make_fx(model, tracing_mode="fake")(inputs)


def recorded(model, inputs):
    from torch.fx.experimental.proxy_tensor import make_fx

    return make_fx(model)(inputs)


@pytest.mark.parametrize(
    "trace",
    [torch.jit.trace, exported, fake, recorded, lambda model, _: torch.fx.symbolic_trace(model)],
)
def test_tracing_is_refused(trace):
    model, inputs = clustered_model(), torch.randn(INPUTS)
    expected = model(inputs)
    with pytest.raises(InputError, match="layer 'conv1' is clustered: it cannot be traced"):
        trace(model, inputs)
    assert torch.equal(model(inputs), expected)


def test_strict_export_is_refused():
    with pytest.raises(Exception, match="ClusteredConv2d"):
        torch.export.export(clustered_model(), (torch.randn(INPUTS),), strict=True)


def test_a_compiled_model_follows_its_buffers():
    model, inputs = clustered_model(), torch.randn(INPUTS)
    compiled = torch.compile(model, backend="eager")
    before = compiled(inputs)
    assert torch.equal(before, model(inputs))
    model.conv1.codebook.mul_(2)
    assert not torch.equal(compiled(inputs), before)
    assert torch.equal(compiled(inputs), model(inputs))
    other = torch.randn(INPUTS)
    assert torch.equal(compiled(other), model(other))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision(dtype):
    model, inputs = clustered_model(), torch.randn(INPUTS)
    halved = copy.deepcopy(model).to(dtype)
    outputs = halved(inputs.to(dtype))
    assert outputs.dtype == dtype
    torch.testing.assert_close(outputs.float(), model(inputs), rtol=0.05, atol=0.3)
    rounded = halved.conv1(inputs.to(dtype))
    plain = same_model(halved).conv1(inputs.to(dtype).float())
    assert torch.equal(rounded, plain.to(dtype))


def test_memory_in_any_order():
    module, inputs = clustered_model().conv1, torch.randn(INPUTS)
    expected = module(inputs)
    padded = torch.zeros(2, 3, 24, 15)
    padded[:, :, ::2, 3:] = inputs
    for same in (
        inputs.contiguous(memory_format=torch.channels_last),
        padded[:, :, ::2, 3:],
        torch.complex(torch.zeros(INPUTS), -inputs).conj().imag,
    ):
        assert torch.equal(module(same), expected)
    module.codebook = module.codebook.transpose(2, 3).contiguous().transpose(2, 3)
    assert torch.equal(module(inputs), expected)


def test_an_index_beyond_the_codebook_is_refused():
    from kcsim.conv.module import cluster_model

    model = cluster_model(small_model(), random_clustered(NETWORK))
    state = model.state_dict()
    state["conv1.indexes"][0, 0] = 7
    model.load_state_dict(state)
    with pytest.raises(InputError, match="an index is 7; expected 0 to 6"):
        model(torch.randn(1, 3, 12, 12))


def test_other_padding_is_refused():
    from kcsim.conv.module import cluster_model

    model = small_model()
    model.conv1 = torch.nn.Conv2d(3, 8, 3, padding=1, padding_mode="reflect")
    with pytest.raises(InputError, match="pads by 'reflect'"):
        cluster_model(model, random_clustered(NETWORK))


def test_a_model_without_a_layer_is_refused():
    from kcsim.conv.module import cluster_model

    model = small_model()
    model.conv2 = torch.nn.Conv2d(8, 6, 5)
    with pytest.raises(InputError, match="conv2"):
        cluster_model(model, random_clustered(NETWORK))


def test_a_module_in_two_places_is_clustered_in_both():
    model = small_model()
    model.again = torch.nn.Sequential(model.conv1)
    from kcsim.conv.module import cluster_model

    cluster_model(model, random_clustered(NETWORK))
    assert model.again[0] is model.conv1
    assert model.conv1.codebook.shape == (7, 1, 3, 3)


class Standardized(torch.nn.Conv2d):
    def forward(self, inputs):
        return self._conv_forward(inputs, self.weight - self.weight.mean(), self.bias)


def standardized():
    return Standardized(8, 6, 3, padding=(0, 1), groups=2, bias=False)


def normed(module):
    return torch.nn.utils.parametrizations.weight_norm(module)


def pruned(module):
    from torch.nn.utils import prune

    return prune.l1_unstructured(module, "weight", 0.5)


@pytest.mark.parametrize(
    ("path", "change", "message"),
    [
        ("conv2", lambda _: standardized(), "'conv2': its Standardized changes its weights"),
        ("fc", normed, "'fc': its ParametrizedLinear changes its weights at each call"),
        ("fc", pruned, "'fc': its Linear changes its weights at each call"),
        ("conv1", lambda module: module.to("meta"), "layer 'conv1' is on meta; expected the CPU"),
        ("conv1", lambda _: torch.nn.LazyConv2d(8, 3), "conv1.weight' has no values yet"),
    ],
)
def test_modules_that_would_compute_something_else_are_refused(path, change, message):
    from kcsim.conv.module import cluster_model

    model = small_model()
    setattr(model, path, change(getattr(model, path)))
    with pytest.raises(InputError, match=message):
        cluster_model(model, random_clustered(NETWORK))
    assert isinstance(model.conv1, torch.nn.Conv2d)


def test_a_single_layer_is_no_model():
    from kcsim.conv.module import cluster_model

    network = Network("one", NETWORK.layers[:1])
    with pytest.raises(InputError, match="the model is a single layer"):
        cluster_model(torch.nn.Conv2d(3, 8, 3), random_clustered(network))


def test_without_torch(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "kcsim.conv.module", raising=False)
    with pytest.raises(InputError, match=r"pip install 'kcsim\[torch\]'"):
        import kcsim.conv.module  # noqa: F401
