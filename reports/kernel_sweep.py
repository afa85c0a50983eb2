"""Accuracy against the share of kernels that is kept, as Matsui et al. (2018) draw it.

Run ``python reports/kernel_sweep.py WEIGHTS TRAINING TEST -o REPORT``, with the files of
``reports/retraining_cifar10.py``. All kernels of the network share one codebook of K entries, and
K over the number of kernels is the share that is kept. Without retraining, as in the paper, with
batch norms estimated anew, and, for the sizes that ``--retrain`` names, after one epoch of training
with shared kernels. Needs torch. The figure stands beside the report (``.png``).
"""

from __future__ import annotations

import argparse
import platform
import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib as mpl
import torch
from matplotlib.figure import Figure

import kcsim
from kcsim.reading.files import write_whole
from kcsim.report.pictures import COLORS, STYLE, write_picture
from kcsim.retrain import Images, Recipe, retrain_network
from kcsim.retrain.image_files import read_images
from kcsim.retrain.models import fill_model, make_model
from kcsim.weights.accuracy import Accuracy

CLUSTERS = (16, 64, 256, 1024, 2048, 4096, 8192)
HEADER = """\
# Kernels kept against accuracy: {network} on CIFAR-10

One codebook of K kernels for all {kernels:,} kernels of the network (Matsui et al., A study of
kernel clustering, IEICE CPSY2017-140, 2018, with VGG-16). Weights: {weights};
tested on the first {count} images of {test}, {seeds} seed{s} without retraining; of several, the
mean and the least to the largest. Dense: {dense:.2f} %.
*BN*: batch norms estimated again; *retrained*: one epoch with
shared kernels, seed 0, the recipe of `reports/retraining_cifar10.py`.

`{command}`

{machine}, Python {python}, torch {torch}, kcsim {version}.

| K | kept | ratio | clustered | BN | retrained |
|---|---|---|---|---|---|
"""


def spread(values: Sequence[float]) -> str:
    """Accuracies in percent: the mean, the least and the largest."""
    mean = f"{100 * sum(values) / len(values):.2f}"
    ends = f"{100 * min(values):.2f} to {100 * max(values):.2f}"
    return f"{mean} ({ends})" if len(values) > 1 else mean


def measured(k: int, inputs: tuple[Any, ...], seeds: int, retrained: bool) -> tuple[Any, ...]:
    """K, ratio, accuracies without retraining, and with it where that is wanted."""
    recipe = Recipe(norm_images=2000, precision="bfloat16")
    runs = [
        retrain_network(
            *inputs, f"kernel:k={k},dense=linear", seeds=(seed,), recipe=recipe, starts=1,
            method="none" if seed or not retrained else "tied",
        ).clustered
        for seed in range(seeds)
    ]  # fmt: skip
    known = [each.accuracy for each in runs]
    found = replace(
        known[0], method="none", seeds=tuple(range(seeds)),
        clustered=tuple(each.clustered[0] for each in known),
        normed=tuple(each.normed[0] for each in known),
        retrained=tuple(each.normed[0] for each in known),
    )  # fmt: skip
    after = known[0].retrained[0] if retrained else None
    return k, runs[0].storage().ratio("clustered", biases=False), found, after


def draw(rows: list[tuple[Any, ...]], kernels: int) -> Figure:
    """Accuracy over the share of kernels that is kept."""
    figure = Figure(figsize=(3.5, 2.6), layout="constrained")
    axis = figure.add_subplot()
    kept = [100 * row[0] / kernels for row in rows]
    looks = (("clustered", "clustered", "o", COLORS[0]), ("normed", "BN again", "s", COLORS[1]))
    for part, name, marker, color in looks:
        values = [[100 * each for each in getattr(row[2], part)] for row in rows]
        means = [sum(each) / len(each) for each in values]
        ends = [[mean - min(each) for mean, each in zip(means, values, strict=True)],
                [max(each) - mean for mean, each in zip(means, values, strict=True)]]  # fmt: skip
        axis.errorbar(kept, means, ends, marker=marker, color=color, capsize=2, label=name)
    done = [(share, 100 * row[3]) for share, row in zip(kept, rows, strict=True) if row[3]]
    if done:
        axis.plot(*zip(*done, strict=True), "^-", color=COLORS[2], label="retrained", zorder=3)
    axis.axhline(100 * rows[0][2].dense, color="gray", lw=0.8, ls=":", label="dense")
    axis.set_xscale("log")
    axis.set_xticks(kept, [f"{share:.2g}" for share in kept])
    axis.minorticks_off()
    axis.set_xlabel("kernels kept [%]")
    axis.set_ylabel("accuracy [%]")
    axis.legend()
    return figure


def main() -> None:
    """Write the report and its figure."""
    parser = argparse.ArgumentParser(description="Kernels kept against accuracy")
    parser.add_argument("weights", type=Path)
    parser.add_argument("training", type=Path)
    parser.add_argument("test", type=Path)
    parser.add_argument("-n", "--network", default="resnet20")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--count", type=int, default=5000, help="images to test")
    parser.add_argument("--training-count", type=int, help="images to train with; all if absent")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("-k", type=int, nargs="*", default=list(CLUSTERS))
    parser.add_argument("--retrain", type=int, nargs="*", default=list(CLUSTERS))
    options = parser.parse_args()
    torch.set_num_threads(1)
    network = kcsim.load_network(options.network)
    model, preparation = make_model(None, options.network)
    fill_model(model, kcsim.load_weights(options.weights), network)
    train, test = (
        Images(*read_images(path, part, (32, 32, 3)), preparation, path.name)
        for path, part in ((options.training, "train"), (options.test, "test"))
    )
    train = train.first(options.training_count or len(train))
    test = test.first(options.count)
    inputs = (network, model.eval(), train, test)
    rows = []
    for k in options.k:
        rows.append(measured(k, inputs, options.seeds, k in options.retrain))
        print(*rows[-1], flush=True)
    kernels = sum(e.out_channels * e.in_channels for e in network if not e.is_pointwise)
    picture = options.output.with_suffix(".png")
    with mpl.rc_context(STYLE):
        write_picture(picture, lambda: draw(rows, kernels), dpi=200)
    write_whole(options.output, page(options, rows, kernels, rows[0][2]))


def page(
    options: argparse.Namespace, rows: list[tuple[Any, ...]], kernels: int, known: Accuracy
) -> str:
    """The whole report."""
    files = [path.name for path in (options.weights, options.training, options.test)]
    command = ["python", "reports/kernel_sweep.py", *files, "--count", str(options.count)]
    command += ["--seeds", str(options.seeds), "-k", *map(str, options.k)]
    command += ["--retrain", *map(str, options.retrain)]
    header = HEADER.format(
        network=options.network, kernels=kernels, weights=options.weights.name,
        count=known.image_count, test=options.test.name, seeds=options.seeds,
        s="s" if options.seeds > 1 else "", dense=100 * known.dense,
        command=shlex.join([*command, "-o", f"reports/{options.output.name}"]),
        machine=platform.machine(), python=platform.python_version(), torch=torch.__version__,
        version=kcsim.__version__,
    )  # fmt: skip
    lines = [
        f"| {k} | {100 * k / kernels:.2f} % | {ratio:.1f} | {spread(found.clustered)} | "
        f"{spread(found.normed)} | {'' if after is None else f'{100 * after:.2f}'} |"
        for k, ratio, found, after in rows
    ]
    figure = f"\n![Accuracy against the share of kernels kept]({options.output.stem}.png)\n"
    return header + "\n".join(lines) + "\n" + figure


if __name__ == "__main__":
    main()
