"""``kcsim retrain``, from images and weights to a file that estimates read."""

from __future__ import annotations

import csv
import functools
import io
import json
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from kcsim.weights.clustered_reader import load_clustered  # noqa: E402

NETWORK = """
name: halves
layers:
  - {name: conv1, type: conv, in_channels: 3, out_channels: 8, in_height: 10, in_width: 10,
     kernel: 3, padding: 0}
  - {name: conv2, type: conv, in_channels: 8, out_channels: 8, in_height: 8, in_width: 8,
     kernel: 3, padding: 0, bias: true}
  - {name: fc, type: linear, in_features: 32, out_features: 4}
"""
MODEL = """
from torch import nn

def halves():
    return nn.Sequential(OrderedDict([
        ("conv1", nn.Conv2d(3, 8, 3, bias=False)), ("norm", nn.BatchNorm2d(8)),
        ("relu", nn.ReLU()), ("conv2", nn.Conv2d(8, 8, 3)), ("pool", nn.AdaptiveAvgPool2d(2)),
        ("flat", nn.Flatten()), ("fc", nn.Linear(32, 4)),
    ]))

def number():
    return 5

class Odd(nn.Module):
    def __init__(self, of):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 8, 3, bias=False), nn.Conv2d(8, 8, 3)
        self.fc, self.of = nn.Linear(32, 4), of

    def forward(self, x):
        return self.of(self, x)

def pair():
    return Odd(lambda model, x: (x, x))

def picture():
    return Odd(lambda model, x: model.conv1(x))

def crash():
    return Odd(lambda model, x: {}["missing"])

def broken():
    raise ValueError("no model today")

from collections import OrderedDict
"""


def images(count, seed):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 4, count)
    pixels = rng.integers(0, 120, (count, 10, 10, 3), np.uint8)
    halves = [np.s_[:, :5], np.s_[:, 5:], np.s_[:5], np.s_[5:]]
    for picture, label in zip(pixels, labels, strict=True):
        picture[halves[label]] += 100
    return {"images": pixels, "labels": labels}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working folder with a network, its model, images and weights."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "halves.yaml").write_text(NETWORK)
    (tmp_path / "half_models.py").write_text(textwrap.dedent(MODEL))
    np.savez(tmp_path / "train.npz", **images(200, 0))
    np.savez(tmp_path / "test.npz", **images(100, 1))
    return tmp_path


def rows_of(path):
    return list(csv.DictReader(io.StringIO(path.read_text())))


DENSE = ("--network", "halves.yaml", "--model", "half_models:halves", "--data", "train.npz",
         "--test", "test.npz", "--mean", "0.5", "--deviation", "0.25")  # fmt: skip


def test_from_nothing_to_an_estimate_with_accuracy(kcsim, folder):
    done = kcsim(
        "retrain", *DENSE, "--cluster", "kernel:k=4", "--epochs", 2, "--seeds", 2,
        "-o", "small.safetensors", "--table", "found.csv",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert "batch norms estimated anew" in done.out
    assert "100 images of test.npz" in done.out
    weights = load_clustered("small.safetensors")
    known = weights.accuracy
    assert known.seeds == (0, 1)
    assert (known.method, known.epochs, known.image_count) == ("tied", 2, 100)
    assert known.dense > 0.6
    assert "norm.running_mean" in weights.others
    assert not list(folder.glob("*.checkpoint"))
    for command in ("estimate", "compare"):
        shown = kcsim(command, "--hw", "eyeriss", "--weights", "small.safetensors")
        assert shown.code == 0, shown.err
        assert f"{100 * known.final:.1f}" in shown.out
        text = kcsim(
            command, "--hw", "eyeriss", "--weights", "small.safetensors", "--format", "json"
        ).out
        runs = json.loads(text)["runs"]
        assert runs[0]["accuracy"] == known.dense
        assert {run["accuracy"] for run in runs[1:]} == {known.final}
    (row,) = rows_of(folder / "found.csv")
    assert row["clustering"] == "kernel:k=4"
    assert float(row["retrained_accuracy_least"]) == pytest.approx(min(known.retrained), abs=1e-6)


def test_the_file_alone_computes_what_was_measured(kcsim, folder):
    from kcsim.retrain.image_files import read_images
    from kcsim.retrain.images import Images, Preparation
    from kcsim.retrain.models import make_model
    from kcsim.retrain.norms import accuracy
    from kcsim.retrain.tie import tie

    done = kcsim("retrain", *DENSE, "--cluster", "row:k=4", "-o", "rows.safetensors")
    assert done.code == 0, done.err
    weights = load_clustered("rows.safetensors")
    model = tie(make_model("half_models:halves", "")[0], weights).finalize()[1].eval()
    data = Images(*read_images("test.npz", "test", (10, 10, 3)), Preparation((0.5,), (0.25,)))
    assert accuracy(model, data) == weights.accuracy.final


@pytest.fixture
def trained(folder):
    """The same folder, with weights."""
    torch.save(dense_weights(), folder / "dense.pt")
    return folder


@functools.cache
def dense_weights():
    """The state of a model that was trained once for all tests."""
    from kcsim.retrain.fit import fit
    from kcsim.retrain.images import Images, Preparation
    from kcsim.retrain.models import make_model
    from kcsim.retrain.recipe import Recipe

    torch.manual_seed(0)
    model, _ = make_model("half_models:halves", "")
    data = images(200, 0)
    fit(model, Images(data["images"], data["labels"], Preparation((0.5,), (0.25,))),
        Recipe(epochs=15, lr=0.01, batch=20))  # fmt: skip
    return model.state_dict()


@pytest.mark.parametrize(
    "options",
    [
        ("--method", "none"),
        ("--method", "hard", "--strength", 6),
        ("--prune", "0.5;conv1=0.2"),
        ("--reassign", 5),
        ("--reassign", 5, "--reassign-until", 10),
        ("--lr", 0.001, "--test-limit", 50),
    ],
)
def test_every_method_runs_and_names_itself(options, kcsim, trained):
    done = kcsim(
        "retrain", *DENSE, "--weights", "dense.pt", "--cluster", "scalar:k=4,index=huffman",
        *options, "-o", "out.safetensors", "--format", "json",
    )  # fmt: skip
    assert done.code == 0, done.err
    found = json.loads(done.out)["accuracies"]
    given = dict(zip(options[::2], options[1::2], strict=True))
    assert found["method"] == given.get("--method", "tied")
    assert found["image_count"] == given.get("--test-limit", 100)
    assert found["dense_accuracy"] > 0.8
    if "--prune" in given:
        weights = load_clustered("out.safetensors")
        shares = {name: float((weights.decode(name) == 0).mean()) for name in weights.layers}
        assert shares["conv1"] == pytest.approx(0.2, abs=0.01)
        assert shares["conv2"] == pytest.approx(0.5, abs=0.01)


def test_the_relaxed_reading_says_that_it_does_nothing(kcsim, trained):
    done = kcsim(
        "retrain", *DENSE, "--weights", "dense.pt", "--cluster", "row:k=4", "--method", "relaxed",
        "--format", "json",
    )  # fmt: skip
    assert done.code == 0, done.err
    (note,) = json.loads(done.out)["notes"]
    assert note.startswith("The relaxed penalty does nothing for 2 of 2 codebooks")


def test_images_are_held_out_where_none_are_given_to_test(kcsim, trained):
    options = list(DENSE)
    del options[options.index("--test") : options.index("--test") + 2]
    done = kcsim("retrain", *options, "--weights", "dense.pt", "--cluster", "row:k=4")
    assert done.code == 0, done.err
    assert "20 images of train.npz, held out" in done.out


def test_a_table_keeps_one_line_for_each_setting(kcsim, trained):
    for spec in ("row:k=4", "row:k=8", "row:k=4"):
        done = kcsim(
            "retrain", *DENSE, "--weights", "dense.pt", "--cluster", spec, "--method", "none",
            "--table", "found.csv",
        )  # fmt: skip
        assert done.code == 0, done.err
    rows = rows_of(trained / "found.csv")
    assert [row["clustering"] for row in rows] == ["row:k=8", "row:k=4"]
    (trained / "other.csv").write_text("a,b\n1,2\n")
    done = kcsim(
        "retrain", *DENSE, "--weights", "dense.pt", "--cluster", "row:k=4", "--method", "none",
        "--table", "other.csv",
    )  # fmt: skip
    assert done.code == 2
    assert "is no table of accuracies" in done.err


COMMAND = """
import sys, time
import torch
torch.set_num_threads(1)
import kcsim.retrain.checkpoint as checkpoint
checkpoint.LEAST_SECONDS, checkpoint.LARGEST_SHARE = 0.0, float("inf")
from kcsim.retrain.fit import _Run
step, pause = _Run.step, float(sys.argv[1])
def slow(self, *rest):
    step(self, *rest)
    print("step", flush=True)
    time.sleep(pause)
_Run.step = slow
sys.argv = ["kcsim", *sys.argv[2:]]
from kcsim.cli.main import run
run()
"""


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGKILL])
def test_a_command_that_was_ended_goes_on_to_the_same_file(ending, trained):
    (trained / "command.py").write_text(COMMAND)
    options = [*DENSE, "--weights", "dense.pt", "--cluster", "scalar:k=4", "--prune", "0.3",
               "--seeds", "2"]  # fmt: skip

    def start(name, pause):
        command = [sys.executable, "command.py", str(pause), "retrain", *options, "-o", name]
        return subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )

    with start("straight.safetensors", 0) as process:
        process.communicate()
    with start("ended.safetensors", 0.2) as victim:
        # Two runs of 20 steps of pruning, and 20 of training: in the training of the first.
        for _ in range(28):
            victim.stdout.readline()
        victim.send_signal(ending)
    assert not (trained / "ended.safetensors").exists()
    assert list(trained.glob("ended.safetensors.tied-0.checkpoint"))
    with start("ended.safetensors", 0) as survivor:
        steps = survivor.communicate()[0].count("step")
    assert survivor.returncode == 0
    assert 40 < steps < 60
    straight, ended = (
        (trained / f"{name}.safetensors").read_bytes() for name in ("straight", "ended")
    )
    assert straight == ended
    assert not list(trained.glob("*.checkpoint"))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--cluster", "row:k"), "incomplete setting"),
        (("--method", "tight"), "no method 'tight'"),
        (("--method", "none", "--epochs", "2"), "--epochs has no effect"),
        (("--strength", "5"), "--strength has no effect"),
        (("--reassign-until", "5"), "--reassign-until has no effect"),
        (("--dense-epochs", "5"), "--dense-epochs has no effect"),
        (("--prune", "lots"), "--prune has 'lots'"),
        (("--prune", "1.5"), "1.5 is out of range"),
        (("--model", "half_models"), "MODULE:FUNCTION"),
        (("--model", "half_models:half"), "has no attribute 'half'"),
        (("--model", "no_such_module:x"), "No module named 'no_such_module'"),
        (("--model", "half_models:number"), "makes a int"),
        (("--model", "half_models:broken"), "no model today"),
        (("--model", "half_models:pair", "--weights", ""), "gives tuple; expected a score for"),
        (("--model", "half_models:picture", "--weights", ""), "gives 1x8x8x8; expected a score"),
        (("--model", "half_models:crash", "--weights", ""), "KeyError: 'missing'"),
        (("--cluster", "row:k=100000", "--weights", ""), "at most 192"),
        (("--cluster", "scaled_kernel:k=4", "--method", "hard"), "no mean to be drawn to"),
        (("--strength", "nan", "--method", "hard"), "strength is nan"),
        (("--prune", "conv9=0.5", "--weights", ""), "did you mean 'conv2'?"),
        (("--table", "train.npz"), "is no table of accuracies"),
        (("--network", "vgg16"), "no torch model of network 'vgg16'"),
        (("--network", "lenet5"), "8x3x3x3; expected 20x1x5x5"),
        (("--data", "no.npz"), "no such file"),
        (("--data", "half_models.py"), "holds no images"),
        (("--weights", "train.npz"), "train.npz"),
        (("--mean", "red"), "--mean is 'red'"),
        (("--device", "toaster"), "--device is 'toaster'"),
        (("--precision", "float8"), "no precision 'float8'"),
        (("--mean", "0.5,0.5"), "mean has 2 values"),
        (("--lr", "0"), "lr is 0"),
        (("-o", "out.txt"), ".safetensors"),
        (("-o", "missing/out.safetensors"), "no folder"),
    ],
)
def test_wrong_input_is_one_line(options, words, kcsim, trained):
    given = dict(zip(DENSE[::2], DENSE[1::2], strict=True))
    given |= {"--weights": "dense.pt", "--cluster": "row:k=4"}
    given |= dict(zip(options[::2], options[1::2], strict=True))
    if given["--network"] in ("lenet5", "vgg16"):
        del given["--model"]
    if not given["--weights"]:
        del given["--weights"]
    done = kcsim("retrain", *[each for pair in given.items() for each in pair])
    assert done.code == 2
    assert words in done.err
    assert all(line.startswith(("error:", " ")) for line in done.err.strip().splitlines())


def test_wrong_choices_are_told_before_anything_is_trained(kcsim, folder, monkeypatch):
    monkeypatch.setattr("kcsim.retrain.command.fit", None)
    for wrong in (("--cluster", "row:k=1000"), ("--cluster", "row:k=4", "--table", "train.npz"),
                  ("--cluster", "row:k=4", "--prune", "1"),
                  ("--cluster", "linear_kernel:k=4", "--method", "relaxed")):  # fmt: skip
        assert kcsim("retrain", *DENSE, *wrong).code == 2


def test_pictures_in_folders_serve_as_arrays_do(kcsim, trained):
    image = pytest.importorskip("PIL.Image")
    for part in ("train", "test"):
        data = np.load(f"{part}.npz")
        for number, (pixels, label) in enumerate(zip(data["images"], data["labels"], strict=True)):
            place = trained / "pictures" / part / f"class {label}"
            place.mkdir(parents=True, exist_ok=True)
            image.fromarray(pixels).save(place / f"{number:03}.png")
    given = dict(zip(DENSE[::2], DENSE[1::2], strict=True))
    found = []
    for data in ({}, {"--data": "pictures", "--test": "pictures"}):
        options = [each for pair in (given | data).items() for each in pair]
        done = kcsim(
            "retrain", *options, "--weights", "dense.pt", "--cluster", "kernel:k=2",
            "--method", "none", "--format", "json",
        )  # fmt: skip
        assert done.code == 0, done.err
        found.append(json.loads(done.out)["accuracies"])
    assert found[1]["images"] == "pictures"
    assert found[0]["clustered_accuracies"] == found[1]["clustered_accuracies"]


def test_lenet_on_digits_keeps_its_accuracy_at_two_scalars_a_layer(kcsim, tmp_path, monkeypatch):
    pytest.importorskip("sklearn")
    monkeypatch.chdir(tmp_path)
    done = kcsim(
        "retrain", "-n", "lenet5", "--data", "digits", "--cluster", "scalar:k=2", "--epochs", 3,
        "--dense-epochs", 8, "--format", "json",
    )  # fmt: skip
    assert done.code == 0, done.err
    found = json.loads(done.out)["accuracies"]
    assert found["dense_accuracy"] > 0.95
    assert found["retrained_accuracies"][0] > found["dense_accuracy"] - 0.02
