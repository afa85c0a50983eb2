"""Gradual pruning by magnitude."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

from kcsim.errors import InputError, Problem, nearest
from kcsim.reading.arguments import check_types
from kcsim.retrain.layers import network_of, places_of
from kcsim.retrain.torch_extra import nn, torch
from kcsim.workload.network import Network


class MagnitudePruning:
    """Weights of least magnitude become zero, more of them step by step, and stay zero.

    Han et al. (Deep Compression, ICLR 2016, Section 2) prune by magnitude and retrain; the share
    grows as of Zhu and Gupta (To prune, or not to prune, 2017, equation 1):
    ``share * (1 - (1 - t/steps)^3)``. Call `step` after each step of the optimizer.

    Parameters
    ----------
    model : nn.Module
    share : float or mapping of str to float
        Share of each layer's weights that is zero in the end, from 0 to below 1; by patterns of
        layer names, of which the last that matches wins.
    steps : int
        Steps of the optimizer until the whole share is reached; it then stays.
    every : int
        Steps between two prunings.
    network : Network, optional
        Whose layers are named; the modules of the model when absent.

    Raises
    ------
    InputError
        If a share is out of its range, or a pattern matches no layer.
    """

    def __init__(
        self,
        model: nn.Module,
        share: float | Mapping[str, float],
        *,
        steps: int,
        every: int = 10,
        network: Network | None = None,
    ) -> None:
        check_types({"share": share}, {"share": float | Mapping[str, float]})
        check_types({"steps": steps, "every": every}, {"steps": int, "every": int})
        for name, count in (("steps", steps), ("every", every)):
            if count < 1:
                raise InputError(Problem(f"{name} is {count}", "at least 1"))
        network = network or network_of(model)
        self.model, self.steps, self.every, self.done = model, steps, every, 0
        self._places = places_of(model, network)
        self.shares = shares_by_layer(network, share)
        self.masks: dict[str, torch.Tensor] = {}

    @torch.no_grad()
    def step(self) -> None:
        """Zero what is pruned, and prune more where it is time."""
        self.done += 1
        if self.done % self.every == 0 or self.done == self.steps:
            self._prune(1 - (1 - min(self.done / self.steps, 1)) ** 3)
        for layer, mask in self.masks.items():
            weight = self._places[layer].weight_of(self.model)
            weight.mul_(mask.to(weight.device))

    @property
    def zeros(self) -> dict[str, float]:
        """Share of each layer's weights that is zero now."""
        found = {}
        for layer in self.shares:
            weight = self._places[layer].weight_of(self.model)
            found[layer] = float((weight == 0).float().mean())
        return found

    def state_dict(self) -> dict[str, Any]:
        """Masks and steps, of which a run goes on."""
        return {"done": self.done, "masks": dict(self.masks)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` gave."""
        self.done, self.masks = state["done"], dict(state["masks"])

    def _prune(self, progress: float) -> None:
        for layer, share in self.shares.items():
            weight = self._places[layer].weight_of(self.model)
            count = int(share * progress * weight.numel())
            if count == 0:
                continue
            # Stable, so that equal magnitudes are pruned in the same order everywhere.
            order = weight.abs().flatten().argsort(stable=True)
            mask = torch.ones_like(weight).flatten()
            mask[order[:count]] = 0
            self.masks[layer] = mask.view_as(weight)


def parse_shares(text: str) -> float | dict[str, float]:
    """Shares to prune from their text: ``0.7``, or ``0.7;conv1=0.3``.

    Parameters
    ----------
    text : str
        A share for all layers, shares by patterns of layer names, or both; apart by ``;``.

    Raises
    ------
    InputError
        If it is none of these.
    """
    shares: dict[str, float] = {}
    for piece in text.split(";"):
        pattern, equals, value = piece.rpartition("=")
        try:
            shares[pattern.strip() if equals else "*"] = float(value)
        except ValueError:
            expected = "a share as 0.7, or shares by layer as 0.7;conv1=0.3"
            raise InputError(Problem(f"--prune has {piece.strip()!r}", expected)) from None
    return shares


def shares_by_layer(network: Network, share: float | Mapping[str, float]) -> dict[str, float]:
    """The share of each layer that is pruned at all.

    Raises
    ------
    InputError
        If a share is out of its range, or a pattern matches no layer.
    """
    by_pattern = {"*": share} if isinstance(share, int | float) else dict(share)
    names = [layer.name for layer in network]
    for pattern, value in by_pattern.items():
        if not 0 <= value < 1:
            raise InputError(Problem(f"the share {value} is out of range", "from 0 to below 1"))
        if not any(fnmatchcase(name, pattern) for name in names):
            what = f"{pattern!r} matches no layer"
            raise InputError(Problem(what, "a layer's name or pattern", nearest(pattern, names)))
    shares = {}
    for name in names:
        matching = [value for pattern, value in by_pattern.items() if fnmatchcase(name, pattern)]
        if matching and matching[-1] > 0:
            shares[name] = float(matching[-1])
    return shares
