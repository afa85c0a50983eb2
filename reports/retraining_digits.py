"""LeNet-5 on scikit-learn's digits, from nothing: trained, clustered, retrained and estimated.

Run ``python reports/retraining_digits.py -o REPORT``. Needs torch and scikit-learn, and no data:
the digits come with scikit-learn.
"""

from __future__ import annotations

import argparse
import platform
import shlex
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch

import kcsim
from kcsim.reading.files import write_whole
from kcsim.retrain import Images, Recipe, accuracy, fit, retrain_network
from kcsim.retrain.command import DENSE_RECIPE
from kcsim.retrain.image_files import read_images
from kcsim.retrain.models import make_model

DESIGNS = ("eyeriss", "simple")
BATCH, EPOCHS = 64, 5
SETTINGS = (
    # clustering, share of weights that are pruned first
    ("kernel:k=4", None),
    ("scaled_kernel:k=2", None),
    ("scaled_kernel:k=4,transforms=8", None),
    ("linear_kernel:k=2", None),
    ("row:k=4", None),
    ("scalar:k=2", None),
    ("product:k=8,length=4,dense=first", None),
    ("scalar:k=8,index=huffman", 0.8),
)
HEADER = """\
# Retraining LeNet-5 on scikit-learn's digits

LeNet-5 (20-50-500-10) is trained from nothing on 1,297 digits, scaled from 8x8 to 28x28, for
{dense_epochs} epochs: {dense:.1f} % of the other {count}. Each scheme is then clustered and
retrained for {epochs} epochs with shared weights, with {seeds} seed{s}; of several, the mean and
the least to the largest. *ratio*: 32-bit weights over all that is stored, of the clustered layers.
*energy*: dense over clustered, decoded on the way, on {designs}. One image is
{image:.1f} points.

`{command}`

{machine}, Python {python}, torch {torch}, kcsim {version}: {seconds:.0f} CPU seconds in all.

| scheme | pruned | ratio | clustered | retrained | below dense at most | {columns} |
|---|---|---|---|---|---|{rules}
"""


def rows(dense: torch.nn.Module, train: Images, test: Images, seeds: int) -> Iterator[str]:
    """One line for each setting."""
    network = kcsim.load_network("lenet5")
    recipe = Recipe(epochs=EPOCHS, batch=BATCH)
    for clustering, prune in SETTINGS:
        found = retrain_network(
            network, dense, train, test, clustering, recipe=recipe, prune=prune, seeds=range(seeds)
        ).clustered
        known = found.accuracy
        assert known is not None
        cells = [f"`{clustering}`", f"{prune:.0%}" if prune else ""]
        cells.append(f"{found.storage().ratio('clustered', biases=False):.1f}")
        cells += [spread(known.clustered), spread(known.retrained)]
        cells.append(f"{100 * (known.dense - min(known.retrained)):.1f}")
        for design in DESIGNS:
            runs = kcsim.estimate(design, weights=found, objective="energy").runs
            cells.append(f"{runs['dense'].energy / runs['decode'].energy:.2f}")
        line = "| " + " | ".join(cells) + " |"
        print(line, flush=True)
        yield line


def spread(values: tuple[float, ...]) -> str:
    """Accuracies in percent: the mean, the least and the largest."""
    mean = f"{100 * sum(values) / len(values):.1f}"
    ends = f"{100 * min(values):.1f} to {100 * max(values):.1f}"
    return f"{mean} ({ends})" if len(values) > 1 else mean


def main() -> None:
    """Write the report."""
    parser = argparse.ArgumentParser(description="Every scheme on digits, from nothing")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--dense-epochs", type=int, default=DENSE_RECIPE.epochs)
    options = parser.parse_args()
    started = time.process_time()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    dense, preparation = make_model(None, "lenet5")
    train, test = (
        Images(*read_images("digits", part, (28, 28, 1)), preparation, "digits")
        for part in ("train", "test")
    )
    fit(dense, train, replace(DENSE_RECIPE, epochs=options.dense_epochs, batch=BATCH))
    lines = list(rows(dense, train, test, options.seeds))
    command = ["python", "reports/retraining_digits.py", "--seeds", str(options.seeds)]
    header = HEADER.format(
        dense_epochs=options.dense_epochs, dense=100 * accuracy(dense, test), count=len(test),
        epochs=EPOCHS, seeds=options.seeds, s="s" if options.seeds > 1 else "",
        designs=" and ".join(DESIGNS), image=100 / len(test),
        command=shlex.join([*command, "-o", f"reports/{options.output.name}"]),
        machine=platform.machine(), python=platform.python_version(), torch=torch.__version__,
        version=kcsim.__version__, seconds=time.process_time() - started,
        columns=" | ".join(f"energy, {design}" for design in DESIGNS), rules="---|" * len(DESIGNS),
    )  # fmt: skip
    write_whole(options.output, header + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
