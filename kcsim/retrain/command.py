"""What ``kcsim retrain`` is asked for, read and checked; and a table of what was found."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from kcsim.errors import InputError, Problem
from kcsim.reading.files import write_whole
from kcsim.retrain.choices import check_choices, check_classes
from kcsim.retrain.compress import PENALTY_RECIPE, checkpoint_file, retrain_network
from kcsim.retrain.fit import fit
from kcsim.retrain.image_files import has_parts, read_images
from kcsim.retrain.images import Images, Preparation
from kcsim.retrain.models import fill_model, make_model
from kcsim.retrain.pruning import parse_shares
from kcsim.retrain.recipe import Recipe
from kcsim.retrain.torch_extra import nn, torch
from kcsim.weights.clustered import ClusteredWeights
from kcsim.weights.weight_files import load_weights
from kcsim.workload.network import Network
from kcsim.workload.reader import load_network

Progress = Callable[[int, int], None]

HELD_OUT = 0.1
"""Part of the images that is kept for testing where none are given for it."""

LEAST_STEPS = 20
"""Of an epoch; batches of small data are smaller for that."""

DENSE_RECIPE = Recipe(epochs=15, lr=1e-3, distillation=0.0)
"""Of training from nothing."""

COLUMNS = (
    "network", "clustering", "method", "epochs", "seeds", "images", "image_count",
    "compression_ratio", "dense_accuracy", "clustered_accuracy", "normed_accuracy",
    "retrained_accuracy", "retrained_accuracy_least", "retrained_accuracy_largest",
)  # fmt: skip
"""Of a table of accuracies; those of several seeds are means."""


@dataclass(frozen=True)
class Request:
    """The options of the command, by their names."""

    network: str
    data: str
    cluster: str
    weights: str | None
    model: str | None
    test: str | None
    test_limit: int | None
    method: str
    prune: str | None
    epochs: int | None
    dense_epochs: int | None
    lr: float | None
    strength: float | None
    reassign: int | None
    reassign_until: int | None
    precision: str | None
    device: str | None
    seeds: int
    mean: str | None
    deviation: str | None
    output: str | None


@dataclass(frozen=True, eq=False)
class Prepared:
    """A request with all that it names, read and checked."""

    request: Request
    network: Network
    model: nn.Module
    train: Images
    test: Images
    recipe: Recipe

    def train_dense(self, progress: Progress | None = None) -> None:
        """Train the model from nothing, where no weights are given."""
        request = self.request
        if request.weights is not None:
            return
        epochs = request.dense_epochs or DENSE_RECIPE.epochs
        file = None if request.output is None else checkpoint_file(request.output, 0, "dense")
        recipe = replace(DENSE_RECIPE, epochs=epochs, batch=self.recipe.batch)
        fit(
            self.model, self.train, recipe, norms=False, checkpoint=file, progress=progress
        )  # fmt: skip


def prepare(request: Request) -> Prepared:
    """Read everything that a request names.

    Raises
    ------
    InputError
        If anything of it is wrong.
    """
    network = load_network(request.network)
    check_choices(network, request.cluster, request.method, request.prune, request.strength)
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        model, preparation = make_model(request.model, network.name)
    if request.mean is not None:
        preparation = replace(preparation, mean=_values("--mean", request.mean))
    if request.deviation is not None:
        preparation = replace(preparation, deviation=_values("--deviation", request.deviation))
    if request.weights is not None:
        fill_model(model, load_weights(request.weights), network)
    first = network.layers[0]
    size = (first.in_height, first.in_width, first.in_channels)
    train, test = _images(request, size, preparation)
    check_classes(model, train, test)
    _move(model, request.device)
    recipe = PENALTY_RECIPE if request.method in ("hard", "relaxed") else Recipe()
    recipe = replace(
        recipe,
        epochs=request.epochs or 1,
        lr=recipe.lr if request.lr is None else request.lr,
        batch=_batch(train),
        precision=request.precision or recipe.precision,
    )
    return Prepared(request, network, model.eval(), train, test, recipe)


def run(prepared: Prepared, progress: Progress | None = None) -> ClusteredWeights:
    """Do what was asked for."""
    request = prepared.request
    found = retrain_network(
        prepared.network, prepared.model, prepared.train, prepared.test, request.cluster,
        method=request.method, recipe=prepared.recipe,
        prune=None if request.prune is None else parse_shares(request.prune),
        strength=8.0 if request.strength is None else request.strength,
        reassign_every=request.reassign, reassign_until=request.reassign_until,
        seeds=range(request.seeds),
        checkpoint=request.output, progress=progress,
    )  # fmt: skip
    return found.clustered


def add_line(path: str | os.PathLike[str], weights: ClusteredWeights) -> None:
    """Add what was found to a table, in place of what it says of the same settings.

    Parameters
    ----------
    path : str or path
        A CSV file with `COLUMNS`, which may not be there yet.
    weights : ClusteredWeights
        With an accuracy.

    Raises
    ------
    InputError
        If there is another file of this name.
    """
    new = table_row(weights)
    same = ("network", "clustering", "method", "epochs", "images", "image_count")
    rows = [row for row in read_table(path) if any(row[name] != str(new[name]) for name in same)]
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows([*rows, new])
    write_whole(path, text.getvalue())


def read_table(path: str | os.PathLike[str] | None) -> list[dict[str, str]]:
    """The lines of a table of accuracies; none where there is no file, or no name.

    Raises
    ------
    InputError
        If there is another file of this name.
    """
    if path is None or not Path(path).exists():
        return []
    try:
        text = Path(path).read_text(encoding="utf-8")
        rows = list(csv.DictReader(io.StringIO(text)))
    except (OSError, UnicodeDecodeError, csv.Error):
        rows = [{}]
    if any(tuple(row) != COLUMNS for row in rows):
        raise InputError(Problem(f"'{os.fspath(path)}' is no table of accuracies", "a new name"))
    return rows


def table_row(weights: ClusteredWeights) -> dict[str, str | int | float]:
    """A line of the table, by `COLUMNS`.

    Parameters
    ----------
    weights : ClusteredWeights
        With an accuracy.
    """
    known = weights.accuracy
    assert known is not None
    return {
        "network": weights.network.name,
        "clustering": weights.clustering,
        "method": known.method,
        "epochs": known.epochs,
        "seeds": len(known.seeds),
        "images": known.images,
        "image_count": known.image_count,
        "compression_ratio": round(weights.storage().ratio("clustered", biases=False), 4),
        "dense_accuracy": round(known.dense, 6),
        "clustered_accuracy": round(float(np.mean(known.clustered)), 6),
        "normed_accuracy": round(float(np.mean(known.normed)), 6),
        "retrained_accuracy": round(float(np.mean(known.retrained)), 6),
        "retrained_accuracy_least": round(min(known.retrained), 6),
        "retrained_accuracy_largest": round(max(known.retrained), 6),
    }


def _batch(images: Images) -> int:
    """Images of a step: few enough that an epoch has some steps."""
    return max(1, min(Recipe.batch, len(images) // LEAST_STEPS))


def _values(name: str, text: str) -> tuple[float, ...]:
    try:
        return tuple(float(value) for value in text.split(","))
    except ValueError:
        raise InputError(Problem(f"{name} is {text!r}", "numbers, as 0.485,0.456,0.406")) from None


def _images(
    request: Request, size: tuple[int, int, int], preparation: Preparation
) -> tuple[Images, Images]:
    """Images to train and to test with; where all are in one place, some are held out."""
    tested = request.test or (request.data if has_parts(request.data) else None)
    pixels, labels = read_images(request.data, "train", size)
    name = os.path.basename(os.path.normpath(request.data))
    train = Images(pixels, labels, preparation, name)
    if tested is not None:
        source = os.path.basename(os.path.normpath(tested))
        test = Images(*read_images(tested, "test", size), preparation, source)
    else:
        order = np.random.default_rng(0).permutation(len(train))
        held, kept = np.split(order, [max(1, int(HELD_OUT * len(train)))])
        if not len(kept):
            raise InputError(Problem(f"'{request.data}' has one image", "images to train and test"))
        test = Images(pixels[held], labels[held], preparation, f"{name}, held out")
        train = Images(pixels[kept], labels[kept], preparation, name)
    if request.test_limit is not None and request.test_limit < len(test):
        test = replace(test.first(request.test_limit), source=f"{test.source}, the first")
    return train, test


def _move(model: nn.Module, device: str | None) -> None:
    """Move a model to where it is to be trained."""
    if device is None:
        return
    try:
        model.to(torch.device(device))
    # What torch was not built for is an AssertionError.
    except (RuntimeError, AssertionError) as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError(f"--device is {device!r}: {reason}") from None
