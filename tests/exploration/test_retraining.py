"""Sweeps that retrain what they evaluate."""

from __future__ import annotations

import shutil
import sys
import textwrap

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import kcsim  # noqa: E402
from kcsim.cli.main import run  # noqa: E402
from kcsim.errors import InputError  # noqa: E402
from kcsim.exploration.retraining import clusterings_of, retrain_space  # noqa: E402
from kcsim.exploration.space_reader import read_space  # noqa: E402
from kcsim.hardware.variants import hardware_data, variant  # noqa: E402
from kcsim.retrain import command  # noqa: E402

NETWORK = """
name: halves
layers:
  - {name: conv, type: conv, in_channels: 3, out_channels: 8, in_height: 6, in_width: 6,
     kernel: 3, padding: 0, bias: true}
  - {name: fc, type: linear, in_features: 8, out_features: 2}
"""
MODEL = """
from collections import OrderedDict
from torch import nn

def halves():
    return nn.Sequential(OrderedDict([
        ("conv", nn.Conv2d(3, 8, 3)), ("norm", nn.BatchNorm2d(8)), ("relu", nn.ReLU()),
        ("pool", nn.AdaptiveAvgPool2d(1)), ("flat", nn.Flatten()), ("fc", nn.Linear(8, 2)),
    ]))
"""
SPACE = {
    "hardware": "simple",
    "networks": ["halves.yaml"],
    "parameters": {"k": [1, 3]},
    "clusterings": ["none", "kernel:k={k}", "row:k=2,scope=layer"],
    "axes": {"levels.buffer.capacity": ["16 KiB", "64 KiB"]},
    "objective": "energy",
    "retrain": {
        "data": "train.npz", "test": "test.npz", "model": "sweep_models:halves",
        "mean": [0.5], "deviation": [0.25], "dense_epochs": 2, "seeds": 2,
    },
}  # fmt: skip


def fill(folder):
    """Put a network, its model and images of two classes into a folder."""
    (folder / "halves.yaml").write_text(NETWORK)
    (folder / "sweep_models.py").write_text(textwrap.dedent(MODEL))
    for name, count in (("train", 80), ("test", 40)):
        rng = np.random.default_rng(count)
        labels = rng.integers(0, 2, count)
        pixels = rng.integers(0, 160, (count, 6, 6, 3), np.uint8) + 60 * labels[
            :, None, None, None
        ].astype(np.uint8)
        np.savez(folder / f"{name}.npz", images=pixels, labels=labels)


def watched(patch):
    """The clusterings that are retrained from now on."""
    seen, run = [], command.run

    def watching(prepared, progress=None):
        seen.append(prepared.request.cluster)
        return run(prepared, progress)

    patch.setattr(command, "run", watching)
    return seen


@pytest.fixture(scope="module")
def explored(tmp_path_factory):
    """A folder in which the space was explored, and the clusterings that were retrained."""
    folder = tmp_path_factory.mktemp("retrained")
    fill(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        seen = watched(patch)
        kcsim.explore(SPACE, folder / "out", workers=1)
    return folder, tuple(seen)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working folder with all that is needed."""
    monkeypatch.chdir(tmp_path)
    fill(tmp_path)
    return tmp_path


@pytest.fixture
def copied(explored, tmp_path, monkeypatch):
    """A working folder in which the space was explored."""
    folder = tmp_path / "copy"
    shutil.copytree(explored[0], folder)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def retrained(monkeypatch):
    """The clusterings that were retrained."""
    return watched(monkeypatch)


def with_retraining(**changes):
    return {**SPACE, "retrain": {**SPACE["retrain"], **changes}}


def test_every_clustering_is_retrained_once_and_points_have_its_accuracies(explored):
    found, retrained = kcsim.load_exploration(explored[0] / "out"), explored[1]
    assert sorted(retrained) == ["kernel:k=1", "kernel:k=3", "row:k=2"]
    frame = found.points()
    # Each clustering, and dense weights, with both buffers.
    assert len(frame) == 8
    clustered = frame[frame["clustering"].notna()]
    for _, point in clustered.iterrows():
        known = kcsim.load_clustered(point["weights"]).accuracy
        assert known.seeds == (0, 1)
        assert point["accuracy"] == pytest.approx(np.mean(known.retrained))
        assert point["clustered_accuracy"] == pytest.approx(np.mean(known.clustered))
        assert point["normed_accuracy"] == pytest.approx(np.mean(known.normed))
    dense = frame[frame["clustering"].isna()]
    assert set(dense["accuracy"]) == {known.dense}
    assert set(clustered["clusters"]) == {1, 2, 3}
    point = clustered.iloc[1]
    design = variant(hardware_data("simple"), [("levels.buffer.capacity", "64 KiB")])
    straight = kcsim.estimate(design, weights=point["weights"], objective="energy")
    assert point["energy"] == pytest.approx(straight.runs["decode"].energy)


def test_what_is_there_is_not_retrained_and_a_wider_sweep_retrains_what_is_new(copied, retrained):
    retrain_space(read_space(SPACE), copied / "out")
    assert retrained == []
    wider = {**SPACE, "parameters": {"k": [1, 2, 3]}}
    retrain_space(read_space(wider), copied / "out")
    assert retrained == ["kernel:k=2"]
    retrained.clear()
    rng = np.random.default_rng(5)
    np.savez("test.npz", images=rng.integers(0, 255, (40, 6, 6, 3), np.uint8),
             labels=rng.integers(0, 2, 40))  # fmt: skip
    retrain_space(read_space(wider), copied / "out")
    assert len(retrained) == 4


def test_a_sweep_that_was_stopped_keeps_what_was_retrained(folder, retrained, monkeypatch):
    run = command.run

    def stopping(prepared, progress=None):
        if prepared.request.cluster == "row:k=2":
            raise KeyboardInterrupt
        return run(prepared, progress)

    monkeypatch.setattr(command, "run", stopping)
    space = {**SPACE, "clusterings": ["kernel:k={k}", "row:k=2,scope=layer"]}
    with pytest.raises(KeyboardInterrupt):
        kcsim.explore(space, folder / "out", workers=1)
    monkeypatch.setattr(command, "run", run)
    retrained.clear()
    retrain_space(read_space(space), folder / "out")
    assert retrained == ["row:k=2"]


def test_accuracies_may_be_constrained(copied):
    everything = kcsim.load_exploration(copied / "out").points()
    least = float(everything["normed_accuracy"].max())
    space = {**SPACE, "constraints": [f"accuracy >= {least}"]}
    frame = kcsim.explore(space, copied / "out", workers=1).points()
    assert 0 < len(frame) == int((everything["accuracy"] >= least).sum())


def test_a_search_over_hardware_retrains_only_what_clusterings_are_made_of():
    sizes = {"log": ["16 KiB", "1 MiB"], "count": 100}
    axes = {f"levels.{name}.capacity": sizes for name in ("buffer", "register file")}
    space = {**SPACE, "networks": ["lenet5"], "axes": axes,
             "search": {"minimize": ["energy"], "evaluations": 4}}  # fmt: skip
    expected = ("kernel:k=1", "kernel:k=3", "row:k=2")
    assert clusterings_of(read_space(space)) == expected
    sampled = {**SPACE, "networks": ["lenet5"], "sample": {"random": 40},
               "parameters": {"k": {"linear": [1, 8], "step": 1}}}  # fmt: skip
    found = clusterings_of(read_space(sampled))
    assert set(found) >= {"row:k=2", "kernel:k=5"}
    assert len(found) == len(set(found)) <= 9


@pytest.mark.parametrize(
    ("space", "words"),
    [
        ({**SPACE, "networks": ["halves.yaml", "lenet5"]}, "several networks"),
        ({**SPACE, "clusterings": ["none"]}, "nothing to retrain"),
        ({**SPACE, "accuracy": "table.csv"}, "a table of accuracies is given, too"),
        (with_retraining(data="nowhere.npz"), "'retrain': no such file: 'nowhere.npz'"),
        (with_retraining(model="sweep_models:none"), "no attribute 'none'"),
        (with_retraining(method="tight"), "method"),
        (with_retraining(seeds=0), "seeds"),
        (with_retraining(epoch=3), "epoch"),
        (with_retraining(prune=2), "2.0 is out of range"),
        (with_retraining(mean=[0.5, 0.5]), "mean has 2 values"),
        (with_retraining(device="toaster"), "toaster"),
    ],
)
def test_wrong_settings_are_told_in_one_line(space, words, folder):
    with pytest.raises(InputError) as caught:
        kcsim.explore(space, folder / "out", workers=1)
    assert words in str(caught.value)
    assert all("Traceback" not in str(each) for each in caught.value.problems)


@pytest.fixture
def dry_run(monkeypatch, capsys):
    """Run ``kcsim explore sweep.yaml -o out --dry-run``: its exit status and its errors."""

    def call():
        command = "kcsim explore sweep.yaml -o out --dry-run --workers 1"
        monkeypatch.setattr(sys, "argv", command.split())
        code = 0
        try:
            run()
        except SystemExit as stop:
            code = stop.code
        return code, capsys.readouterr().err

    return call


def test_a_dry_run_checks_and_trains_nothing(folder, retrained, dry_run):
    (folder / "sweep.yaml").write_text(
        "hardware: simple\nnetworks: [halves.yaml]\nclusterings: ['kernel:k=2']\n"
        "retrain: {data: train.npz, model: 'sweep_models:halves'}\n"
    )
    code, told = dry_run()
    assert not code, told
    assert retrained == []
    assert not (folder / "out" / "retrained").exists()
    text = (folder / "sweep.yaml").read_text().replace("train.npz", "trains.npz")
    (folder / "sweep.yaml").write_text(text)
    code, told = dry_run()
    assert code == 2
    assert "sweep.yaml:4:1" in told
    assert "trains.npz" in told
