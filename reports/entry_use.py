"""How unevenly real layers use the entries of their codebooks, by scheme and K.

Run ``python reports/entry_use.py WEIGHTS -n NETWORK --check WEIGHTS NETWORK -o REPORT
--data FILE``: weights of a network are clustered, and the concentration of
`kcsim.clustering.entry_use` is fitted to the distinct entries of its layers, for whole layers and
for half of their filters or channels. What is fitted to one network is compared with the real
tables of another. FILE is the data file of the package.
"""

from __future__ import annotations

import argparse
import math
import platform
import shlex
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np

import kcsim
from kcsim.clustering.entry_use import EntryUse, expected_entries
from kcsim.reading.files import write_whole
from kcsim.sharing.distinct_entries import DistinctEntries

SCHEMES = (
    ("scalar", "layer", 1, (4, 16, 64, 256), ""),
    ("scalar", "network", 1, (4, 16, 64, 256), ""),
    ("row", "layer", 1, (16, 64, 256), ""),
    ("row", "network", 1, (16, 64, 256), ""),
    ("kernel", "layer", 1, (16, 64, 256), ""),
    ("kernel", "network", 1, (16, 64, 256), ""),
    ("kernel", "layer", 8, (16, 64), ",transforms=8"),
    ("scaled_kernel", "layer", 1, (16, 64, 256), ""),
    ("linear_kernel", "layer", 1, (16, 64, 256), ""),
    ("product", "layer", 1, (16, 64), ",length=4"),
)
CONCENTRATIONS = np.geomspace(0.05, 1000, 400)
SPREADS = np.arange(0, 4, 0.05).round(2)
HEADER = """\
# How evenly real layers use the entries of a codebook

Distinct entries of the tables of shared products (*block*: units that meet the same inputs) and
shared sums (*filter*), for whole layers and half of their filters or channels. The concentration
of `kcsim.clustering.entry_use` is fitted to {fitted}; *error* is how far the expected total of all
layers is from the real one, here and in {checked}, whose weights took no part in the fit;
*uniform*: likewise, of uniform draws. *widest*: the expected maximum of a layer's tables over the
real one, in {checked}, of all layers; *uniform*: of the mean of uniform draws.

`{command}`

{machine}, Python {python}, kcsim {version}.

| scheme | codebook per | K | tables | concentration | error | uniform | error, {checked} \
| uniform | widest | uniform |
|---|---|---|---|---|---|---|---|---|---|---|
"""


class Tables(NamedTuple):
    """The tables of one layer: the spaces that each is of, entries, units and what is distinct."""

    spaces: int
    kinds: int
    draws: int
    distinct: np.ndarray

    def expected(self, use: EntryUse) -> tuple[float, float]:
        """Mean and standard deviation."""
        found = expected_entries(self.kinds, self.draws, use)
        return self.spaces * found.mean, math.sqrt(self.spaces) * found.deviation

    def widest(self, use: EntryUse) -> float:
        """Expected maximum."""
        one = expected_entries(self.kinds, self.draws, use)
        mean, deviation = self.expected(use)
        most = self.spaces * min(self.kinds, self.draws)
        return one._replace(mean=mean, deviation=deviation).widest(self.distinct.size, most)


def tables_of(network: str, weights: str, spec: str) -> dict[str, list[Tables]]:
    """Blocks and filters of all clustered layers."""
    clustered = kcsim.cluster_network(network, weights, spec, seed=0)
    found: dict[str, list[Tables]] = {"block": [], "filter": []}
    for layer in clustered.layers.values():
        if layer.part.unit is None:
            continue
        distinct = DistinctEntries.of(layer, clustered.codebooks[layer.part.codebook])
        settings, filters = layer.part.settings, layer.part.layer.out_channels
        kinds, taps = layer.part.clusters * settings.transforms, distinct.units_per_kernel
        for part in (1, 2):
            for of, whole in (("block", filters), ("filter", distinct.blocks)):
                size = whole // part
                if whole % part or size * taps < 2:
                    continue
                counted = distinct.per_block(size) if of == "block" else distinct.per_filter(size)
                spaces = size if of == "filter" and settings.is_product else 1
                found[of].append(Tables(spaces, kinds, size // spaces * taps, counted))
    return found


def fit(tables: list[Tables]) -> EntryUse:
    """The concentration that is nearest to the mean of every layer, in relative terms."""
    means = np.array([each.distinct.mean() for each in tables])

    def errors(concentration: float) -> np.ndarray:
        use = EntryUse(concentration)
        return np.log([each.expected(use)[0] for each in tables] / means)

    best = min(CONCENTRATIONS, key=lambda each: float((errors(each) ** 2).sum()))
    error = math.sqrt(float((np.expm1(errors(best)) ** 2).mean()))
    real = sum(int(each.distinct.max()) for each in tables)

    def misses(spread: float) -> float:
        return abs(sum(each.widest(EntryUse(best, spread)) for each in tables) - real)

    return EntryUse(float(f"{best:.3g}"), float(min(SPREADS, key=misses)), round(error, 3))


def total_error(tables: list[Tables], use: EntryUse) -> float:
    """Of the expected total of all tables."""
    expected = sum(each.expected(use)[0] * each.distinct.size for each in tables)
    return expected / sum(int(each.distinct.sum()) for each in tables) - 1


def main() -> None:
    """Measure, fit and write both files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weights")
    parser.add_argument("-n", "--network", required=True)
    parser.add_argument("--check", nargs=2, required=True)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    given = parser.parse_args()
    text = HEADER.format(
        fitted=given.network, checked=given.check[1],
        command=f"python {shlex.join(Path(n).name if '.npz' in n else n for n in sys.argv)}",
        machine=platform.machine(), python=platform.python_version(), version=kcsim.__version__,
    )  # fmt: skip
    rows = ["scheme,scope,transforms,of,clusters,concentration,spread,error"]
    for scheme, scope, transforms, sizes, more in SCHEMES:
        found: dict[str, list[str]] = {"block": [], "filter": []}
        for k in sizes:
            spec = f"{scheme}:k={k}{more}"
            if scheme != "product":
                spec += f",scope={scope}"
            own = tables_of(given.network, given.weights, spec)
            other = tables_of(given.check[1], given.check[0], spec)
            for of, lines in found.items():
                use, uniform = fit(own[of]), EntryUse()
                lines.append(f"{scheme},{scope},{transforms},{of},{k},{','.join(map(str, use))}")
                shown = scheme + (", 8 transforms" if transforms > 1 else "")
                what = " | ".join((shown, scope, str(k), of, f"{use.concentration:g}"))
                errors = [
                    f"{100 * total_error(tables, each):+.1f} %"
                    for tables in (own[of], other[of]) for each in (use, uniform)
                ]  # fmt: skip
                real = sum(int(each.distinct.max()) for each in other[of])
                widest = sum(each.widest(use) for each in other[of]) / real
                plain = sum(each.expected(uniform)[0] for each in other[of]) / real
                text += f"| {what} | {' | '.join(errors)} | {widest:.2f} | {plain:.2f} |\n"
        rows += [*found["block"], *found["filter"]]
    write_whole(given.output, text)
    write_whole(given.data, "\n".join(rows) + "\n")
    print(given.output)


if __name__ == "__main__":
    main()
