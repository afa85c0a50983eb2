"""Retraining on a GPU, where there is one: the CPU's weights, gradients and results."""

from __future__ import annotations

import pytest
from test_fit import RECIPE, StoppedError, equal, images, parts, small_model, state_of, tied_model

torch = pytest.importorskip("torch")

from kcsim.retrain.fit import fit  # noqa: E402
from kcsim.retrain.norms import accuracy  # noqa: E402
from kcsim.retrain.penalty import KMeansPenalty  # noqa: E402

if not torch.cuda.is_available():
    pytest.skip("no GPU", allow_module_level=True)
SPECS = (
    "scalar:k=4", "row:k=6", "row:k=6,sparse=0.3", "kernel:k=6,scope=layer",
    "kernel:k=6,transforms=8", "scaled_kernel:k=6", "linear_kernel:k=4", "product:k=3,length=5",
)  # fmt: skip


@pytest.mark.parametrize("spec", SPECS)
def test_weights_and_gradients_are_those_of_the_cpu(spec):
    pictures = images().training_batch(16, 0, 0)[0]
    found = {}
    for place in ("cpu", "cuda"):
        tied = tied_model(spec)
        tied.model.to(place)
        tied.model.double()(pictures.to(place).double()).square().sum().backward()
        found[place] = {
            name: (value.detach().cpu(), value.grad.cpu())
            for name, value in tied.model.named_parameters()
            if value.requires_grad
        }
    for name, pair in found["cpu"].items():
        for expected, value in zip(pair, found["cuda"][name], strict=True):
            torch.testing.assert_close(value, expected, rtol=1e-9, atol=1e-12)


@pytest.fixture
def _in_a_fixed_order(monkeypatch):
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True, warn_only=True)
    yield
    torch.use_deterministic_algorithms(False)


@pytest.mark.filterwarnings("ignore:adaptive_avg_pool2d_backward_cuda")
@pytest.mark.usefixtures("_in_a_fixed_order")
@pytest.mark.parametrize("kind", ["tied", "reassigned", "pruned", "hard", "relaxed"])
def test_a_run_that_was_stopped_goes_on_there(kind, tmp_path, monkeypatch):
    monkeypatch.setattr("kcsim.retrain.checkpoint.LEAST_SECONDS", 0.0)
    monkeypatch.setattr("kcsim.retrain.checkpoint.LARGEST_SHARE", float("inf"))
    file, random = tmp_path / "run.checkpoint", torch.get_rng_state()

    def interrupt(done, total):
        if done == 5:
            raise StoppedError

    def run(**options):
        model, given = parts(kind)
        for each in (model, given.get("teacher")):
            if each is not None:
                getattr(each, "model", each).to("cuda")
        found = fit(model, images(), RECIPE, seed=1, **given, **options)
        return found.losses, state_of(model)

    losses, state = run()
    with pytest.raises(StoppedError):
        run(checkpoint=file, progress=interrupt)
    again, resumed = run(checkpoint=file)
    assert again == losses
    assert equal(resumed, state)
    assert all(value.device.type == "cuda" for value in state.values())
    assert torch.equal(random, torch.get_rng_state())


def test_a_penalty_is_that_of_the_cpu():
    values = {}
    for place in ("cpu", "cuda"):
        model = small_model().to(place)
        penalty = KMeansPenalty(model, "row:k=3", strength=8.0, total_rate=4.0)
        penalty.add_gradients()
        values[place] = penalty().item(), accuracy(model, images(50, 1))
    assert values["cuda"] == pytest.approx(values["cpu"], rel=1e-5)
