"""The loop of training: the same bits from the same seed, also after it was killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from kcsim.errors import InputError  # noqa: E402
from kcsim.retrain.checkpoint import Checkpoint  # noqa: E402
from kcsim.retrain.fit import fit  # noqa: E402
from kcsim.retrain.images import Images, Preparation  # noqa: E402
from kcsim.retrain.layers import arrays_of, network_of, places_of  # noqa: E402
from kcsim.retrain.norms import accuracy, estimate_norms  # noqa: E402
from kcsim.retrain.penalty import KMeansPenalty  # noqa: E402
from kcsim.retrain.pruning import MagnitudePruning  # noqa: E402
from kcsim.retrain.recipe import Recipe  # noqa: E402
from kcsim.retrain.tie import Tied, tie  # noqa: E402
from kcsim.weights.cluster import cluster_network  # noqa: E402

RECIPE = Recipe(epochs=2, batch=16, warmup_steps=2, norm_images=64)


def images(count=96, seed=0):
    """Bright halves, left or right, top or bottom: four classes with noise."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 4, count)
    pixels = rng.integers(0, 120, (count, 10, 10, 3), np.uint8)
    halves = [np.s_[:, :5], np.s_[:, 5:], np.s_[:5], np.s_[5:]]
    for picture, label in zip(pixels, labels, strict=True):
        picture[halves[label]] += 100
    return Images(pixels, labels, Preparation((0.5,), (0.25,), shift=1), "halves")


def small_model():
    nn = torch.nn
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return nn.Sequential(
            nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3),
            nn.ReLU(), nn.Dropout(0.1), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(32, 4),
        ).eval()  # fmt: skip


def tied_model(spec="kernel:k=6,scope=layer", **options):
    model = small_model()
    network = network_of(model)
    weights = arrays_of(model, places_of(model, network))
    return tie(model, cluster_network(network, weights, spec), **options)


def state_of(model):
    module = model.model if isinstance(model, Tied) else model
    return {name: value.clone() for name, value in module.state_dict().items()}


def equal(left, right):
    return left.keys() == right.keys() and all(torch.equal(left[n], right[n]) for n in left)


def test_training_learns_and_leaves_modes_and_torch_random_numbers_alone():
    tied = tied_model()
    before, random = accuracy(tied.model, images(200, 1)), torch.get_rng_state()
    found = fit(tied, images(), replace(RECIPE, epochs=8, lr=0.02))
    assert len(found.losses) == 48
    assert np.mean(found.losses[-6:]) < np.mean(found.losses[:6])
    assert accuracy(tied.model, images(200, 1)) > max(before, 0.6)
    assert not any(module.training for module in tied.model.modules())
    assert torch.equal(random, torch.get_rng_state())


@pytest.mark.parametrize("threads", [1, 2])
def test_the_same_seed_gives_the_same_bits(threads):
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        states = []
        for seed in (5, 5, 6):
            tied = tied_model(reassign_every=3)
            fit(tied, images(), RECIPE, seed=seed, teacher=small_model())
            estimate_norms(tied.model, images(), 64, seed)
            states.append(state_of(tied))
    finally:
        torch.set_num_threads(before)
    assert equal(states[0], states[1])
    assert not equal(states[0], states[2])


def parts(kind):
    """A model of its own and what it is trained with, for each kind of run."""
    if kind == "tied":
        return tied_model(), {}
    if kind == "reassigned":
        return tied_model(reassign_every=3), {"teacher": small_model()}
    model = small_model()
    if kind == "pruned":
        return model, {"pruning": MagnitudePruning(model, 0.6, steps=9, every=2)}
    spec, reading = ("row:k=4,sparse=0.2", "hard") if kind == "hard" else ("row:k=2", "relaxed")
    return model, {"penalty": KMeansPenalty(model, spec, refresh=4, reading=reading)}


class StoppedError(Exception):
    pass


@pytest.mark.parametrize("kind", ["tied", "reassigned", "pruned", "hard", "relaxed"])
@pytest.mark.parametrize("stop", [1, 7])
def test_a_run_that_was_stopped_goes_on_to_the_same_bits(kind, stop, tmp_path, monkeypatch):
    monkeypatch.setattr("kcsim.retrain.checkpoint.LEAST_SECONDS", 0.0)
    monkeypatch.setattr("kcsim.retrain.checkpoint.LARGEST_SHARE", float("inf"))
    straight, given = parts(kind)
    expected = fit(straight, images(), RECIPE, seed=1, **given)

    def interrupt(done, total):
        assert total == 12
        if done == stop + 1:
            raise StoppedError

    file = tmp_path / "run.checkpoint"
    stopped, given = parts(kind)
    with pytest.raises(StoppedError):
        fit(stopped, images(), RECIPE, seed=1, checkpoint=file, progress=interrupt, **given)
    resumed, given = parts(kind)
    found = fit(resumed, images(), RECIPE, seed=1, checkpoint=file, **given)
    assert found.resumed_at == stop
    assert found.losses == expected.losses
    assert equal(state_of(resumed), state_of(straight))
    done, given = parts(kind)
    again = fit(done, images(), RECIPE, seed=1, checkpoint=file, **given)
    assert again.resumed_at == 12
    assert equal(state_of(done), state_of(straight))


def test_a_killed_process_goes_on_to_the_same_bits(tmp_path):
    script = tmp_path / "train.py"
    script.write_text(
        textwrap.dedent(
            """
            import sys, time
            sys.path[:0] = sys.argv[3:]
            import torch
            torch.set_num_threads(1)
            import kcsim.retrain.checkpoint
            kcsim.retrain.checkpoint.LEAST_SECONDS = 0.0
            kcsim.retrain.checkpoint.LARGEST_SHARE = float("inf")
            from test_fit import RECIPE, images, tied_model, state_of
            from kcsim.retrain.fit import fit
            tied = tied_model(reassign_every=3)
            slow = sys.argv[2] == "slow"
            def tell(done, total):
                print(done, flush=True)
                if slow:
                    time.sleep(0.2)
            fit(tied, images(), RECIPE, checkpoint=sys.argv[1] + ".checkpoint", progress=tell)
            torch.save(state_of(tied), sys.argv[1])
            """
        )
    )
    paths = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

    def start(name, pace):
        command = [sys.executable, str(script), str(tmp_path / name), pace, *paths]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ})

    with start("straight", "fast") as process:
        process.communicate()
    with start("killed", "slow") as victim:
        for line in victim.stdout:
            if int(line) >= 5:
                break
        victim.send_signal(signal.SIGKILL)
    assert not (tmp_path / "killed").exists()
    with start("killed", "fast") as survivor:
        first = int(survivor.communicate()[0].split()[0])
    assert survivor.returncode == 0
    assert first > 1
    left, right = (
        torch.load(tmp_path / name, weights_only=True) for name in ("straight", "killed")
    )
    assert equal(left, right)


def test_the_checkpoint_of_another_run_is_refused(tmp_path):
    file = tmp_path / "run.checkpoint"
    fit(tied_model(), images(), replace(RECIPE, epochs=1), checkpoint=file)
    for recipe, seed, data in (
        (RECIPE, 0, images()),
        (replace(RECIPE, epochs=1), 1, images()),
        (replace(RECIPE, epochs=1), 0, images(seed=4)),
    ):
        with pytest.raises(InputError, match="the checkpoint of another run"):
            fit(tied_model(), data, recipe, seed=seed, checkpoint=file)
    for other, given in (
        (tied_model("row:k=3"), {}),
        (tied_model(reassign_every=5), {}),
        (tied_model(), {"teacher": small_model()}),
    ):
        with pytest.raises(InputError, match="another run"):
            fit(other, images(), replace(RECIPE, epochs=1), checkpoint=file, **given)


@pytest.mark.parametrize("change", ["teacher", "rate"])
def test_a_checkpoint_knows_its_teacher_and_how_far_units_move(change, tmp_path):
    file, recipe = tmp_path / "run.checkpoint", replace(RECIPE, epochs=1)
    fit(tied_model(reassign_every=3), images(), recipe, teacher=small_model(), checkpoint=file)
    other = small_model()
    if change == "teacher":
        with torch.no_grad():
            other[0].weight[0, 0, 0, 0] += 1
    rate = 0.5 if change == "rate" else 0.01
    tied = tied_model(reassign_every=3, reassign_rate=rate)
    with pytest.raises(InputError, match="another run"):
        fit(tied, images(), recipe, teacher=other, checkpoint=file)


def test_batch_norms_are_estimated_in_the_end_or_left_as_training_made_them():
    tied, plain = tied_model(), tied_model()
    fit(tied, images(), RECIPE)
    fit(plain, images(), RECIPE, norms=False)
    assert not torch.equal(tied.model[1].running_mean, plain.model[1].running_mean)
    estimate_norms(plain.model, images(), RECIPE.norm_images, 0)
    assert equal(state_of(tied), state_of(plain))


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04", b"\x80\x02."])
def test_a_file_that_is_no_checkpoint_is_refused_and_kept(content, tmp_path):
    file = tmp_path / "run.checkpoint"
    file.write_bytes(content)
    with pytest.raises(InputError, match="is no checkpoint of kcsim"):
        fit(tied_model(), images(), RECIPE, checkpoint=file)
    assert file.read_bytes() == content


def test_checkpoints_are_written_now_and_then(tmp_path, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    file = Checkpoint(tmp_path / "run.checkpoint", "run")
    written = []

    def state():
        written.append(clock[0])
        clock[0] += 1.0
        return {}

    for _ in range(100):
        clock[0] += 1.0
        file.save(state, is_last=False)
    assert written == [10.0, 61.0]
    file.save(state, is_last=True)
    assert len(written) == 3
    assert file.load() == {}


def test_a_loss_that_is_not_finite_is_an_error_that_says_what_to_do():
    with pytest.raises(InputError, match=r"the loss is nan at step \d+; expected a learning rate"):
        fit(tied_model(), images(), replace(RECIPE, optimizer="sgd", lr=1e12, epochs=20))


def test_distillation_alone_teaches_an_untrained_network():
    teacher = small_model()
    fit(teacher, images(), replace(RECIPE, epochs=20, lr=0.02))
    student = small_model()
    data = replace(images(), labels=np.zeros(96, np.int64))
    fit(student, data, replace(RECIPE, epochs=20, lr=0.02, distillation=1.0), teacher=teacher)
    assert accuracy(student, images(200, 1)) > 0.6


def test_batch_norms_get_the_moments_of_training_images():
    model = torch.nn.Sequential(
        torch.nn.BatchNorm2d(3), torch.nn.Flatten(), torch.nn.Linear(300, 4)
    )
    model.eval()
    data = replace(images(500), preparation=Preparation((0.5,), (0.25,)))
    assert estimate_norms(model, data, 500) == 1
    ((batch, _),) = data.batches(500)
    torch.testing.assert_close(model[0].running_mean, batch.mean((0, 2, 3)), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(model[0].running_var, batch.var((0, 2, 3)), rtol=1e-4, atol=1e-5)
    assert not any(module.training for module in model.modules())
    assert model[0].momentum == 0.1
    assert estimate_norms(torch.nn.Sequential(torch.nn.Linear(1, 1)), data) == 0


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ({"lr": 0.0}, "lr is 0.0"),
        ({"optimizer": "adm"}, "adam"),
        ({"batch": 0}, "batch is 0"),
        ({"distillation": 1.5}, "distillation is 1.5"),
        ({"precision": "float16"}, "bfloat16"),
    ],
)
def test_wrong_settings_of_a_recipe_are_refused(setting, words):
    with pytest.raises(InputError, match=words):
        Recipe(**setting)
