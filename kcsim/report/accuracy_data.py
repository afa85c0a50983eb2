"""What a network recognizes before and after clustering and retraining, as a table."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter

from kcsim.report.cluster_data import cluster_tables
from kcsim.report.records import Record
from kcsim.report.table import Column, Row, Table
from kcsim.sums import exact_sum
from kcsim.weights.accuracy import METHODS, Accuracy
from kcsim.weights.clustered import ClusteredWeights

ACCURACIES = Record(
    "Accuracies", "What the network recognizes, before and after.",
    "images image_count method epochs seeds dense_accuracy clustered_accuracies normed_accuracies "
    "retrained_accuracies",
    {
        "dense_accuracy": attrgetter("dense"),
        **{
            f"{name}_accuracies": attrgetter(name) for name in ("clustered", "normed", "retrained")
        },
    },
    choices={"method": METHODS},
)  # fmt: skip


def retrained_tables(weights: ClusteredWeights) -> tuple[Table, ...]:
    """Accuracy first, where it is known, then all that is to say of clustered weights."""
    first = [accuracy_table(weights)] if weights.accuracy else []
    return (*first, *cluster_tables(weights))


def accuracy_table(weights: ClusteredWeights) -> Table:
    """One row a stage; several seeds with their mean, the least and the largest.

    Parameters
    ----------
    weights : ClusteredWeights
        With an accuracy.

    Raises
    ------
    ValueError
        If nothing is known of it.
    """
    known = weights.accuracy
    if known is None:
        raise ValueError(f"nothing was measured of {weights.network.name}")
    runs = [f"seed {seed}" for seed in known.seeds]
    several = len(runs) > 1
    columns = [Column("stage"), *(Column(name, "", "share") for name in runs)]
    columns += [Column(name, "", "share") for name in ("mean", "least", "largest") if several]
    rows: list[Row] = [("dense", *_summed([known.dense] * len(runs)))]
    rows.append(("clustered", *_summed(known.clustered)))
    rows.append(("batch norms estimated anew", *_summed(known.normed)))
    if known.method == "tied":
        rows.append(("retrained", *_summed(known.retrained)))
    title = f"Accuracy: {weights.network.name}, {weights.clustering}"
    return Table(title, tuple(columns), tuple(rows), notes=_notes(known))


def _summed(values: Sequence[float]) -> Row:
    if len(values) == 1:
        return (values[0],)
    return (*values, exact_sum(values) / len(values), min(values), max(values))


def _notes(known: Accuracy) -> tuple[str, ...]:
    epochs = f"{known.epochs} epoch{'' if known.epochs == 1 else 's'}"
    how = {
        "none": "Nothing was retrained.",
        "tied": f"Retrained with shared weights for {epochs}.",
    }.get(known.method, f"Trained for {epochs} with the {known.method} penalty, then clustered.")
    error = 100 * (known.dense * (1 - known.dense) / known.image_count) ** 0.5
    return (
        f"{known.image_count} images of {known.images}; standard error near the dense accuracy: "
        f"{error:.1f} points.",
        f"{how} Plain accuracy after clustering is noise from seed to seed where it is low.",
    )
