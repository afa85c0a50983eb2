"""Accuracy against size against energy: every scheme retrained on a CIFAR-10 ResNet.

Run ``python reports/retraining_cifar10.py WEIGHTS TRAINING TEST -o REPORT``, with the weights of
https://github.com/akamaster/pytorch_resnet_cifar10 as ``.npz`` (keys of its state dicts) and images
as ``.npz`` (``images``, uint8[N, 32, 32, 3], and ``labels``). Needs torch. Every finished run is
kept beside the report (``REPORT.jsonl``) and not done again; the report is written anew after each.
"""

from __future__ import annotations

import argparse
import itertools
import json
import platform
import shlex
import time
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import torch

import kcsim
from kcsim.reading.files import write_whole
from kcsim.retrain import Images, Recipe, retrain_network
from kcsim.retrain.compress import PENALTY_RECIPE, remove_checkpoints
from kcsim.retrain.image_files import read_images
from kcsim.retrain.models import fill_model, make_model
from kcsim.weights.accuracy import plain

DESIGNS = ("eyeriss", "simple")
NORMS = 2000


@dataclass(frozen=True)
class Setting:
    """A line of the report: a scheme, how it is retrained, and what is asked of it."""

    name: str
    clustering: str
    epochs: int = 1
    method: str = "tied"
    prune: float | None = None


SETTINGS = (
    Setting("kernel, network, K=256", "kernel:k=256,dense=linear"),
    Setting("row, layer, K=16", "row:k=16,dense=linear"),
    Setting("scalar, layer, K=4", "scalar:k=4,dense=linear"),
    Setting("Son, network, K=64, 8 transforms", "scaled_kernel:k=64,transforms=8,dense=linear"),
    Setting("linear, network, K=64, a and b", "linear_kernel:k=64,dense=linear"),
    Setting("row, layer, K=32", "row:k=32,dense=linear"),
    Setting("kernel, layer, K=64", "kernel:k=64,scope=layer,dense=linear"),
    Setting("hard penalty, row, K=16", "row:k=16,dense=linear", method="hard"),
    Setting("kernel, layer, K=16", "kernel:k=16,scope=layer,dense=linear", epochs=4),
    Setting("kernel, layer, K=64", "kernel:k=64,scope=layer,dense=linear", epochs=4),
    Setting("product, 4 channels, K=32", "product:k=32,length=4,dense=linear+first"),
    Setting(
        "pruned 60 %, scalar, K=8, Huffman", "scalar:k=8,dense=linear,index=huffman", prune=0.6
    ),
)


def run(setting: Setting, seed: int, inputs: tuple[Any, ...], folder: Path) -> dict[str, Any]:
    """What one setting comes to with one seed."""
    network, model, train, test = inputs
    recipe = PENALTY_RECIPE if setting.method == "hard" else Recipe()
    recipe = replace(recipe, epochs=setting.epochs, norm_images=NORMS, precision="bfloat16")
    started = time.process_time()
    found = retrain_network(
        network, model, train, test, setting.clustering, method=setting.method, recipe=recipe,
        prune=setting.prune, strength=9.0, seeds=(seed,), checkpoint=folder / "run",
    )  # fmt: skip
    weights = found.clustered
    remove_checkpoints(folder / "run", (seed,))
    row = {"setting": repr(setting), "seed": seed, "accuracy": plain(weights.accuracy)}
    row["cpu_seconds"] = time.process_time() - started
    row["ratio"] = weights.storage().ratio("clustered", biases=False)
    if seed == 0:
        kcsim.save_clustered(weights, weights_file(folder, setting))
    return row


def weights_file(folder: Path, setting: Setting) -> Path:
    """Where the weights of the first seed are kept."""
    name = "".join(each if each.isalnum() else "-" for each in setting.name)
    return folder / f"{name}-{setting.epochs}.safetensors"


def energies(weights: kcsim.ClusteredWeights) -> dict[str, dict[str, float]]:
    """Energy with dense and with clustered weights, decoded where each design says."""
    found = {}
    for design in DESIGNS:
        runs = kcsim.estimate(design, weights=weights, objective="energy").runs
        found[design] = {name: each.energy for name, each in runs.items()}
    return found


HEADER = """\
# Retraining {network} on CIFAR-10

Weights: {weights}. Tested on the first {count} images of {test};
without clustering {dense:.2f} %. One epoch:
{train} training images, in steps of 128. Standard error of an accuracy near 87 %:
{error:.1f} points. All but the last layer is clustered (under product quantization, all but the
first and the last); batch norms and the last layer train along.

One recipe for all: Adam, learning rate 0.003 after 20 steps of warm-up, half a cosine to 0, no
weight decay; the loss is 0.3 times the cross entropy and 0.7 times the divergence from the scores
of the dense network at temperature 4; activations in bfloat16 while training. The hard penalty:
SGD, 0.01, Nesterov momentum 0.9, Lambda 9, then clustered without any tied training.

*ratio*: 32-bit weights over codebooks, indexes, scales and offsets of the clustered layers.
*clustered*: weights replaced, nothing else; *BN*: batch norms estimated again on {norms} augmented
training images; *retrained*: in the end, with batch norms estimated again. Of several seeds: the
mean, and the least to the largest. *seeds*: runs that are
there, which may be fewer than were asked for. *energy*: dense over clustered, decoded, on
{designs}. CPU seconds: of one run, with its tests.

`{command}`

{machine}, Python {python}, torch {torch}, kcsim {version}, {threads} thread{s}.

| scheme | epochs | ratio | clustered | BN | retrained | seeds | {columns} | CPU s |
|---|---|---|---|---|---|---|{rules}---|
"""


def spread(values: list[float]) -> str:
    """Accuracies in percent: the mean, the least and the largest."""
    mean = 100 * sum(values) / len(values)
    ends = f"{100 * min(values):.2f}", f"{100 * max(values):.2f}"
    return f"{mean:.2f}" + (f" ({ends[0]} to {ends[1]})" if len(values) > 1 else "")


def lines(rows: list[dict[str, Any]]) -> list[str]:
    """One line for each setting that was run."""
    result = []
    for setting in SETTINGS:
        runs = [row for row in rows if row["setting"] == repr(setting)]
        if not runs:
            continue
        cells = [setting.name, str(setting.epochs), f"{runs[0]['ratio']:.1f}"]
        for part in ("clustered", "normed", "retrained"):
            cells.append(spread([row["accuracy"][part][0] for row in runs]))
        cells.append(str(len(runs)))
        energy = next((row["energy"] for row in runs if "energy" in row), {})
        for design in DESIGNS:
            one = energy.get(design)
            cells.append(f"{one['dense'] / one['decode']:.2f}" if one else "")
        cells.append(f"{sum(row['cpu_seconds'] for row in runs) / len(runs):.0f}")
        result.append("| " + " | ".join(cells) + " |")
    return result


def main() -> None:
    """Write the report."""
    parser = argparse.ArgumentParser(description="Every scheme, retrained")
    parser.add_argument("weights", type=Path)
    parser.add_argument("training", type=Path)
    parser.add_argument("test", type=Path)
    parser.add_argument("-n", "--network", default="resnet20")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--count", type=int, default=5000, help="images to test")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--training-count", type=int, help="images to train with; all if absent")
    parser.add_argument("--only", default="*", help="pattern of the names of schemes")
    parser.add_argument("--epochs", type=int, default=9, help="no setting of more")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    network = kcsim.load_network(options.network)
    model, preparation = make_model(None, options.network)
    fill_model(model, kcsim.load_weights(options.weights), network)
    images = [
        Images(*read_images(path, part, (32, 32, 3)), preparation, path.name)
        for path, part in ((options.training, "train"), (options.test, "test"))
    ]
    train = images[0].first(options.training_count or len(images[0]))
    test = images[1].first(options.count)
    folder = options.output.with_name(f"{options.output.name}.runs")
    folder.mkdir(exist_ok=True)
    kept = folder / "runs.jsonl"
    rows = [json.loads(line) for line in kept.read_text().splitlines()] if kept.exists() else []
    inputs = (network, model.eval(), train, test)
    # What takes longest comes last.
    for seed, setting in sorted(
        itertools.product(range(options.seeds), SETTINGS),
        key=lambda pair: (pair[1].epochs, bool(pair[1].prune), pair[0]),
    ):
        if setting.epochs > options.epochs or not fnmatch(setting.name, options.only):
            continue
        if any(row["setting"] == repr(setting) and row["seed"] == seed for row in rows):
            continue
        rows.append(run(setting, seed, inputs, folder))
        print(setting.name, seed, rows[-1]["accuracy"], flush=True)
        write_whole(kept, "".join(json.dumps(row) + "\n" for row in rows))
    for setting in SETTINGS:
        file = weights_file(folder, setting)
        row = next((row for row in rows if row["setting"] == repr(setting)), None)
        if row is not None and "energy" not in row and file.exists():
            row["energy"] = energies(kcsim.load_clustered(file))
    write_whole(kept, "".join(json.dumps(row) + "\n" for row in rows))
    write_whole(options.output, report(options, rows, train, test))


def report(
    options: argparse.Namespace, rows: list[dict[str, Any]], train: Images, test: Images
) -> str:
    """The whole page."""
    files = [path.name for path in (options.weights, options.training, options.test)]
    chosen = ["-n", options.network, "--count", str(options.count), "--seeds", str(options.seeds)]
    command = ["python", "reports/retraining_cifar10.py", *files, *chosen]
    header = HEADER.format(
        network=options.network, weights=options.weights.name, count=len(test),
        test=options.test.name, dense=100 * rows[0]["accuracy"]["dense"], train=f"{len(train):,}",
        error=100 * (0.87 * 0.13 / len(test)) ** 0.5, norms=NORMS, designs=" and ".join(DESIGNS),
        command=shlex.join([*command, "-o", f"reports/{options.output.name}"]),
        machine=platform.machine(), python=platform.python_version(), torch=torch.__version__,
        version=kcsim.__version__, threads=options.threads, s="s" if options.threads > 1 else "",
        columns=" | ".join(f"energy, {design}" for design in DESIGNS), rules="---|" * len(DESIGNS),
    )  # fmt: skip
    return header + "\n".join(lines(rows)) + "\n"


if __name__ == "__main__":
    main()
