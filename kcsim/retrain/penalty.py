"""The regularizer of Deep k-Means: weights are drawn to the codebooks that they will share."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from kcsim.clustering.resolve import LayerClustering, check_units, resolve_network
from kcsim.clustering.scheme import Clustering
from kcsim.clustering.spec import parse_clustering
from kcsim.errors import InputError, Problem
from kcsim.reading.arguments import check_types
from kcsim.retrain.layers import array, four_axes, network_of, places_of
from kcsim.retrain.torch_extra import nn, torch
from kcsim.weights.k_means import kmeans
from kcsim.weights.lloyd import Samples, lloyd
from kcsim.workload.network import Network

Reading = Literal["hard", "relaxed"]
READINGS = ("hard", "relaxed")
ITERATIONS = 20
"""Steps of Lloyd's algorithm at a refresh, which starts from the entries that there are."""


@dataclass(eq=False)
class _Group:
    """Units that are to share one codebook, and what they are drawn to."""

    parts: list[tuple[str, LayerClustering, slice]]
    clusters: int
    labels: torch.Tensor | None = None
    entries: np.ndarray | None = None
    factor: torch.Tensor | None = None

    def move(self, device: torch.device) -> None:
        """Follow a model that was moved."""
        self.labels = None if self.labels is None else self.labels.to(device)
        self.factor = None if self.factor is None else self.factor.to(device)


class KMeansPenalty:
    """Half of lambda times the squared distance of units to what will stand for them.

    Wu et al. (Deep k-Means, ICML 2018, Section 4.1) add ``lambda/2 (Tr W'W - Tr F'W'W F)`` to the
    loss, of gradient ``lambda W (I - F F')``. There are two readings of F:

    ``relaxed``
        As printed: the K leading right singular vectors of W, found anew now and then. W has as
        many rows as a unit has values, s; for K >= s the penalty of the optimal F is zero and draws
        the weights nowhere, which a warning says.
    ``hard``
        The indicator of the k-means of the current weights: each unit is drawn to the mean of its
        cluster, and Lloyd's algorithm goes on from the entries that there are at each refresh.

    What it does depends on Lambda = lambda * (sum of learning rates) / (1 - momentum), by whose
    exponential distances shrink where the loss is flat; 5 to 10 serves the hard reading with SGD.
    The trace form would cancel in single precision; distances themselves are summed here.

    Parameters
    ----------
    model : nn.Module
        It is trained as it is, without ties.
    clustering : Clustering or str
        Of a scheme without scales, transforms and offsets. With ``sparse``, that share p of the
        units, those of least norm, are drawn to zero (Section 5.3).
    strength : float
        Lambda.
    refresh : int
        Steps after which F is found anew.
    reading : str
        ``hard`` or ``relaxed``.
    total_rate : float, optional
        Sum of the learning rates of all steps, over 1 - momentum; `kcsim.retrain.fit` sets it.
    seed : int
        Of the first k-means.
    network : Network, optional
        Whose layers the clustering names; the modules of the model when absent.

    Raises
    ------
    InputError
        If an argument is out of its range or the clustering does not fit.
    """

    def __init__(
        self,
        model: nn.Module,
        clustering: Clustering | str,
        *,
        strength: float = 8.0,
        refresh: int = 98,
        reading: str = "hard",
        total_rate: float | None = None,
        seed: int = 0,
        network: Network | None = None,
    ) -> None:
        check_types(
            {"strength": strength, "refresh": refresh, "seed": seed, "total_rate": total_rate},
            {"strength": float, "refresh": int, "seed": int, "total_rate": float | None},
        )
        if isinstance(clustering, str):
            clustering = parse_clustering(clustering)
        check_penalty(clustering, strength, reading)
        if refresh < 1:
            raise InputError(Problem(f"refresh is {refresh}", "at least 1"))
        self.model, self.clustering, self.reading = model, clustering, reading
        self.strength, self.refresh, self.total_rate = float(strength), refresh, total_rate
        self.steps = 0
        network = network or network_of(model)
        self._places = places_of(model, network)
        parts = [part for part in resolve_network(network, clustering) if part.unit]
        if not parts:
            raise InputError(f"{clustering} leaves every layer of {network.name!r} dense")
        check_units(parts)
        self._groups = [group for shared in _sharing(parts) for group in _groups(shared)]
        if reading == "relaxed":
            _warn_of_nothing(self._groups)
        self._find(seed)

    def __call__(self) -> torch.Tensor:
        """The penalty, to be added to a loss."""
        total = self._coefficient() / 2
        sums = [group_sum.square().sum() for group_sum in self._residuals()]
        return total * torch.stack(sums).sum()

    def add_gradients(self) -> None:
        """Add lambda W (I - F F') to the gradients that there are."""
        with torch.enable_grad():
            self().backward()  # type: ignore[no-untyped-call]

    def step(self) -> None:
        """Count a step; every `refresh` steps, find F anew."""
        self.steps += 1
        if self.steps % self.refresh == 0:
            self._find(None)

    @torch.no_grad()
    def distance(self) -> float:
        """Squared distance of all units to what stands for them, over their squared norm."""
        left = sum(float(each.square().sum()) for each in self._residuals())
        norms = sum(float(units.square().sum()) for units, _ in self._units())
        return left / norms if norms else 0.0

    def state_dict(self) -> dict[str, Any]:
        """Assignments and entries, of which a run goes on."""
        groups = [
            {"labels": g.labels, "factor": g.factor,
             "entries": None if g.entries is None else torch.tensor(g.entries)}
            for g in self._groups
        ]  # fmt: skip
        return {"steps": self.steps, "groups": groups}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` gave."""
        self.steps = state["steps"]
        for group, saved in zip(self._groups, state["groups"], strict=True):
            group.labels, group.factor = saved["labels"], saved["factor"]
            group.entries = None if saved["entries"] is None else saved["entries"].numpy()

    def _coefficient(self) -> float:
        """Lambda of the paper."""
        if self.total_rate is None:
            what = "the penalty does not know the learning rates that its strength is divided by"
            expected = "total_rate=, their sum over all steps / (1 - momentum)"
            raise InputError(Problem(what, expected))
        return self.strength / self.total_rate

    def _units(self) -> Iterator[tuple[torch.Tensor, _Group]]:
        """The units of each group as they are now: (N, values)."""
        for group in self._groups:
            cut = []
            for layer, part, channels in group.parts:
                weight = self._places[layer].weight_of(self.model)
                cut.append(_cut(weight.reshape(four_axes(weight))[:, channels], part))
            group.move(cut[0].device)
            yield torch.cat(cut), group

    def _residuals(self) -> Iterator[torch.Tensor]:
        # W (I - F F') is the whole gradient: F F' is a projection, so that what units are drawn to
        # adds nothing to it.
        for units, group in self._units():
            if group.factor is not None:
                yield units - (group.factor @ (group.factor.T @ units)).detach()
            elif group.labels is not None:
                yield units - _means(units.detach(), group, bool(self.clustering.sparse))

    @torch.no_grad()
    def _find(self, seed: int | None) -> None:
        for units, group in self._units():
            if self.reading == "relaxed":
                # Right singular vectors of W are the left ones of its transpose, units by values.
                left = torch.linalg.svd(units, full_matrices=False)[0]
                group.factor = left[:, : group.clusters].contiguous()
                continue
            sparse = int(self.clustering.for_layer(group.parts[0][1].layer).sparse * len(units))
            labels, group.entries = _assign(array(units), group, sparse, seed)
            group.labels = torch.from_numpy(labels).to(units.device)


def check_penalty(clustering: Clustering, strength: float, reading: str) -> None:
    """Raise an InputError if there is no such penalty."""
    if reading not in READINGS:
        raise InputError(Problem(f"there is no reading {reading!r}", " or ".join(READINGS)))
    if clustering.kind.has_scales or clustering.transforms > 1:
        what = f"units of {clustering.scheme!r} have no mean to be drawn to"
        raise InputError(Problem(what, "scalar, row, kernel or product, without transforms"))
    if not 0 < strength < np.inf:
        raise InputError(Problem(f"strength is {strength}", "above 0"))


def _sharing(parts: list[LayerClustering]) -> list[list[LayerClustering]]:
    """Layers by the codebook that they will share."""
    sharing: dict[str, list[LayerClustering]] = {}
    for part in parts:
        sharing.setdefault(part.codebook, []).append(part)
    return list(sharing.values())


def _groups(parts: list[LayerClustering]) -> list[_Group]:
    first = parts[0]
    if not first.settings.is_product:
        return [_Group([(p.layer.name, p, slice(None)) for p in parts], first.clusters)]
    length = first.settings.length or 1
    channels = first.layer.in_channels // first.layer.groups
    cuts = [slice(start, start + length) for start in range(0, channels, length)]
    return [_Group([(first.layer.name, first, cut)], first.clusters) for cut in cuts]


def _cut(weight: torch.Tensor, part: LayerClustering) -> torch.Tensor:
    assert part.unit is not None
    if part.settings.is_product:
        return weight.movedim(1, -1).reshape(-1, weight.shape[1])
    filters, channels, rows, columns = weight.shape
    unit = part.unit
    blocks = weight.reshape(
        filters, channels // unit.channels, unit.channels,
        rows // unit.height, unit.height, columns // unit.width, unit.width,
    )  # fmt: skip
    values = unit.channels * unit.height * unit.width
    return blocks.permute(0, 1, 3, 5, 2, 4, 6).reshape(-1, values)


def _means(units: torch.Tensor, group: _Group, has_zero: bool) -> torch.Tensor:
    """The mean of the cluster of each unit; entry 0 is zero where units are tied to it."""
    labels = group.labels
    assert labels is not None
    counts = torch.bincount(labels, minlength=group.clusters).clamp(min=1)
    sums = units.new_zeros(group.clusters, units.shape[1]).index_add(0, labels, units)
    means = sums / counts[:, None]
    if has_zero:
        means = torch.cat((torch.zeros_like(means[:1]), means[1:]))
    return means.index_select(0, labels)


def _assign(
    units: np.ndarray, group: _Group, sparse: int, seed: int | None
) -> tuple[np.ndarray, np.ndarray]:
    """Labels and entries: k-means anew with a seed, else on from the entries that there are."""
    clusters = group.clusters
    labels: NDArray[np.int64] = np.zeros(len(units), np.int64)
    chosen = np.arange(len(units))
    if sparse:
        norms = np.square(units, dtype=np.float64).sum(axis=1)
        chosen = np.sort(np.argsort(norms, kind="stable")[sparse:])
        clusters -= 1
    entries = np.zeros((group.clusters, units.shape[1]), np.float32)
    offset = group.clusters - clusters
    clusters = min(clusters, len(chosen))
    if clusters < 1:
        return labels, entries
    if group.entries is None:
        found = kmeans(units[chosen], clusters, seed=seed or 0, starts=1)
        centroids, found_labels = found.centroids, found.labels.astype(np.int64)
    else:
        values = np.ascontiguousarray(units[chosen].T, np.float32)
        orders = np.arange(units.shape[1])[None]
        samples = Samples(values, np.ones(len(chosen)), orders)
        start = group.entries[offset : offset + clusters]
        run = lloyd(samples, start, ITERATIONS, 1e-4)
        centroids, found_labels = run.centroids, run.labels
    entries[offset : offset + clusters] = centroids
    labels[chosen] = found_labels + offset
    return labels, entries


def _warn_of_nothing(groups: list[_Group]) -> None:
    """Say that the relaxed penalty is zero where there are as many entries as values of a unit."""
    idle = []
    for group in groups:
        unit = group.parts[0][1].unit
        assert unit is not None
        if group.clusters >= unit.channels * unit.height * unit.width:
            idle.append(group.parts[0][0])
    if idle:
        warnings.warn(
            f"the relaxed penalty does nothing for {len(idle)} of {len(groups)} codebooks, as that "
            f"of {idle[0]!r}: they have as many entries as a unit has values, or more",
            stacklevel=4,
        )
