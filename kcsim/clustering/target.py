"""Numbers of clusters that reach a compression ratio."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Protocol, TypeVar

from kcsim.clustering.resolve import resolve_network
from kcsim.clustering.scheme import Clustering
from kcsim.clustering.storage import NetworkStorage, network_storage
from kcsim.errors import InputError, Problem
from kcsim.workload.layer import ConvLayer


class _HasStorage(Protocol):
    def storage(self) -> NetworkStorage: ...


T = TypeVar("T", bound=_HasStorage)


def meet_ratio(
    layers: Iterable[ConvLayer], clustering: Clustering, *, weight_bits: int = 32
) -> Clustering:
    """Replace a `Clustering.ratio` by the largest number of clusters that meets it.

    Parameters
    ----------
    layers : iterable of ConvLayer
        The network.
    clustering : Clustering
        How it is clustered; returned as it is if it has no ratio.
    weight_bits : int
        As for `kcsim.clustering.storage.network_storage`.

    Returns
    -------
    Clustering
        With `k`. The ratio is that of all layers with their biases, by the formulas of
        `kcsim.clustering.storage.network_storage`.

    Raises
    ------
    InputError
        If one cluster is too many; says what is the best possible.
    """
    ratio, layers = clustering.ratio, tuple(layers)
    if ratio is None:
        return clustering

    def reached(k: int) -> float:
        chosen = replace(clustering, ratio=None, k=k)
        return network_storage(layers, chosen, weight_bits=weight_bits).ratio()

    if reached(1) < ratio:
        raise _out_of_reach(ratio, reached(1))
    k = _last(lambda k: reached(k) >= ratio, 1, most_units(layers, clustering))
    return replace(clustering, ratio=None, k=k)


def most_units(layers: Iterable[ConvLayer], clustering: Clustering) -> int:
    """Units that a codebook serves at most; more entries than these mean nothing.

    Parameters
    ----------
    layers : iterable of ConvLayer
        The network.
    clustering : Clustering
        How it is clustered, by whatever number of clusters.
    """
    parts = resolve_network(layers, replace(clustering, ratio=None, rate=None, k=1))
    return max((part.codebook_units for part in parts), default=1)


def largest_that_meets(
    ratio: float, attempt: Callable[[Clustering], T], start: Clustering, most: int
) -> T:
    """The result with most clusters whose real storage meets a ratio.

    Parameters
    ----------
    ratio : float
        Compression ratio of all layers with their biases.
    attempt : callable
        Clusters for real.
    start : Clustering
        With a `k` to start from: that of the worst indexes, which real ones undercut.
    most : int
        As of `most_units`.

    Raises
    ------
    InputError
        If one cluster is too many; says what is the best possible.
    """
    ratios: dict[int, float] = {}
    best: list[tuple[int, T]] = []

    def meets(k: int) -> bool:
        if k not in ratios:
            result = attempt(replace(start, k=k))
            ratios[k] = result.storage().ratio()
            if ratios[k] >= ratio and (not best or k > best[0][0]):
                best[:] = [(k, result)]
        return ratios[k] >= ratio

    low = high = start.k or 1
    if not meets(low):
        if not meets(1):
            raise _out_of_reach(ratio, ratios[1])
        low = 1
    while high < most and meets(high):
        low, high = high, min(2 * high, most)
    _last(meets, low, high)
    return best[0][1]


def _last(holds: Callable[[int], bool], low: int, high: int) -> int:
    """The largest number from `low` to `high` for which something holds that holds for `low`."""
    while low < high:
        middle = (low + high + 1) // 2
        if holds(middle):
            low = middle
        else:
            high = middle - 1
    return low


def _out_of_reach(ratio: float, best: float) -> InputError:
    return InputError(
        Problem(f"no number of clusters gives a ratio of {ratio:g}", f"at most {best:.4g}")
    )
