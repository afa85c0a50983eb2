"""How unevenly codebook entries are used: distinct entries where there are no weights to count in.

A table (of the units that meet a block of inputs, or that a filter has) draws the shares p of the
K entries from a symmetric Dirichlet distribution of concentration a, and its units from p. An
entry is then unused by n units with probability

    Gamma(K a) Gamma(K a - a + n) / (Gamma(K a - a) Gamma(K a + n))

(the Dirichlet-multinomial distribution, of which a large a is the uniform one). The concentration
is fitted to real codebooks, by scheme and K: ``data/entry_use.csv``, which
``reports/entry_use.py`` writes.
"""

from __future__ import annotations

import csv
import math
from functools import cache
from importlib.resources import files
from itertools import pairwise
from statistics import NormalDist
from typing import NamedTuple

from kcsim.clustering.compute import expected_distinct
from kcsim.clustering.scheme import Clustering


class EntryUse(NamedTuple):
    """How the tables of a layer use its entries.

    Attributes
    ----------
    concentration : float
        Of the Dirichlet distribution; infinite for uniform draws.
    spread : float
        Standard deviation, over that of the distribution, with which the expected maximum is that
        of real layers.
    error : float
        Root mean square of the relative error of a layer's mean, over real layers.
    """

    concentration: float = math.inf
    spread: float = 1.0
    error: float = 0.0


class EntryUses(NamedTuple):
    """Of tables of blocks of input channels (shared products), and of filters (shared sums)."""

    block: EntryUse = EntryUse()
    filter: EntryUse = EntryUse()


class Expected(NamedTuple):
    """Distinct entries of a table.

    Attributes
    ----------
    mean, deviation : float
        Expectation and standard deviation.
    """

    mean: float
    deviation: float

    def widest(self, tables: int, most: float) -> float:
        """Expected maximum of some tables, of which none has more than `most`.

        Normal order statistics (Blom, Statistical Estimates and Transformed Beta-Variables, 1958).
        """
        if tables < 2:
            return self.mean
        quantile = NormalDist().inv_cdf((tables - 0.375) / (tables + 0.25))
        return min(most, self.mean + self.deviation * quantile)


def expected_entries(kinds: int, draws: int, use: EntryUse) -> Expected:
    """Distinct entries among the units of one table.

    Parameters
    ----------
    kinds : int
        Entries that there are, at least 1.
    draws : int
        Units; at least 0.
    use : EntryUse
    """
    if kinds == 1 or draws <= 1:
        return Expected(float(min(draws, 1)), 0.0)
    if math.isinf(use.concentration):
        mean = expected_distinct(kinds, draws)
        pair = (1 - 2 / kinds) ** draws
    else:
        mean = -kinds * math.expm1(_log_unused(kinds, draws, use.concentration, 1))
        pair = math.exp(_log_unused(kinds, draws, use.concentration, 2)) if kinds > 2 else 0.0
    unused = kinds - mean
    variance = unused + kinds * (kinds - 1) * pair - unused**2
    return Expected(mean, use.spread * math.sqrt(max(variance, 0.0)))


def _log_unused(kinds: int, draws: int, concentration: float, entries: int) -> float:
    """Logarithm of the probability that some entries are all unused."""
    total, others = kinds * concentration, (kinds - entries) * concentration
    used = math.lgamma(others + draws) - math.lgamma(total + draws)
    return used + math.lgamma(total) - math.lgamma(others)


def entry_uses(settings: Clustering, clusters: int) -> EntryUses:
    """How real codebooks of a scheme are used, between the K that are known by log K.

    Parameters
    ----------
    settings : Clustering
    clusters : int
        Entries K of a codebook.

    Returns
    -------
    EntryUses
        Uniform for schemes of which nothing is known.
    """
    table = _table()
    turned = settings.transforms > 1
    for scope in (settings.scope, "layer", "network"):
        known = table.get((settings.scheme, scope, turned))
        if known:
            return EntryUses(*(_between(known[of], clusters) for of in EntryUses._fields))
    return EntryUses()


_Known = dict[str, list[tuple[float, EntryUse]]]


@cache
def _table() -> dict[tuple[str, str, bool], _Known]:
    """The data file: by scheme, scope and whether entries are transformed, then by log K."""
    text = (files("kcsim.clustering") / "data" / "entry_use.csv").read_text(encoding="utf-8")
    found: dict[tuple[str, str, bool], _Known] = {}
    for row in csv.DictReader(text.splitlines()):
        key = row["scheme"], row["scope"], int(row["transforms"]) > 1
        use = EntryUse(*(float(row[name]) for name in EntryUse._fields))
        known = found.setdefault(key, {}).setdefault(row["of"], [])
        known.append((math.log(int(row["clusters"])), use))
    return found


def _between(known: list[tuple[float, EntryUse]], clusters: int) -> EntryUse:
    """The use at some K: concentrations by their logarithm, and none beyond the ends."""
    at = min(max(math.log(clusters), known[0][0]), known[-1][0])
    for (first, low), (second, high) in pairwise(known):
        if at <= second:
            part = (at - first) / (second - first)
            ratio = (high.concentration / low.concentration) ** part
            mixed = (a + part * (b - a) for a, b in zip(low[1:], high[1:], strict=True))
            return EntryUse(low.concentration * ratio, *mixed)
    return known[-1][1]
