"""Room for the partial mappings of searches."""

from __future__ import annotations

import numpy as np

from kcsim.kernels.search.inputs import NODE
from kcsim.kernels.search.labels import LABEL, Search
from kcsim.kernels.search.progress import COUNT

Parts = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Rows, amounts and nodes of labels; see `kcsim.kernels.search.labels.Labels`."""


class Memory:
    """Room for partial mappings, which one search takes after the other.

    Pages that are new to a process cost as much time as what a search writes to them.
    """

    def __init__(self) -> None:
        self._kept: tuple[np.ndarray, ...] = (
            np.empty(0, LABEL), np.empty(0), np.empty(0, NODE)
        )  # fmt: skip

    def parts(self, room: int, amounts: tuple[int, int], nodes: int) -> Parts:
        """Rows, amounts and nodes of so many labels at least, whatever they hold.

        Parameters
        ----------
        room : int
        amounts : tuple of int
            Rows and accounts of a label.
        nodes : int
            Of a label.
        """
        each = 1, amounts[0] * amounts[1], nodes
        rows, spent, inputs = self._kept = tuple(
            part if len(part) >= room * size else np.empty(room * size, part.dtype)
            for part, size in zip(self._kept, each, strict=True)
        )
        room = min(len(part) // size for part, size in zip(self._kept, each, strict=True))
        return (
            rows[:room],
            spent[: room * each[1]].reshape(room, *amounts),
            inputs[: room * nodes].reshape(room, nodes),
        )


def with_room(search: Search, room: int, memory: Memory | None = None) -> Search:
    """The search with room for so many partial mappings at least."""
    labels = search.labels
    if room <= len(labels.rows):
        return search
    _, rows, accounts = labels.amounts.shape
    larger = (memory or Memory()).parts(room, (rows, accounts), labels.nodes.shape[1])
    count = max(1, int(labels.tally[COUNT]))
    for part, new in zip((labels.rows, labels.amounts, labels.nodes), larger, strict=True):
        new[:count] = part[:count]
    labels = labels._replace(rows=larger[0], amounts=larger[1], nodes=larger[2])
    return search._replace(labels=labels)
