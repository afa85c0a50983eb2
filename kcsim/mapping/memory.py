"""Room for the partial mappings of searches."""

from __future__ import annotations

import numpy as np

from kcsim.kernels.search.inputs import NODE
from kcsim.kernels.search.labels import LABEL

Parts = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
"""Rows, amounts, nodes and strips of labels; see `kcsim.kernels.search.labels.Labels`."""


class Memory:
    """Room for partial mappings, which one search takes after the other.

    Pages that are new to a process cost as much time as what a search writes to them.
    """

    def __init__(self) -> None:
        self._kept: tuple[np.ndarray, ...] = (
            np.empty(0, LABEL), np.empty(0), np.empty(0, NODE), np.empty(0)
        )  # fmt: skip

    def at_most(
        self, room: int, least: int, amounts: tuple[int, int], nodes: int, fields: int
    ) -> Parts:
        """As `parts`, of fewer labels where the system gives no memory for more.

        Parameters
        ----------
        least : int
            Labels that there has to be room for.
        """
        while True:
            try:
                return self.parts(room, amounts, nodes, fields)
            except MemoryError:
                if room <= least:
                    raise
                room = max(room // 2, least)

    def parts(self, room: int, amounts: tuple[int, int], nodes: int, fields: int) -> Parts:
        """Rows, amounts, nodes and strips of so many labels, whatever they hold.

        Parameters
        ----------
        room : int
        amounts : tuple of int
            Rows and accounts of a label.
        nodes, fields : int
            Of a label, and of a strip.
        """
        each = 1, amounts[0] * amounts[1], nodes, (nodes + 1) * fields
        rows, spent, inputs, strips = self._kept = tuple(
            part if len(part) >= room * size else np.empty(room * size, part.dtype)
            for part, size in zip(self._kept, each, strict=True)
        )
        return (
            rows[:room],
            spent[: room * each[1]].reshape(room, *amounts),
            inputs[: room * nodes].reshape(room, nodes),
            strips[: room * each[3]].reshape(room, nodes + 1, fields),
        )
