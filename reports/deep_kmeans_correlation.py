"""How well the metric of Deep k-Means follows the energy of the hierarchy on Eyeriss.

Run ``python reports/deep_kmeans_correlation.py -o REPORT`` (two minutes). Repeats the check of Wu
et al., "Deep k-Means", ICML 2018, Section 3, over its cluster rates, with kcsim's hierarchy in
place of the energy tool of Yang et al. (Asilomar 2017).
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

import kcsim
from kcsim.files import check_writable, write_whole
from kcsim.model.deep_kmeans import DeepKMeansRules, network_cost, total_cost

RATES = {
    "alexnet": (0.5, 0.3, 0.25, 0.2, 0.15, 0.1, 0.05, 0.01),
    "googlenet": (0.33, 0.18, 0.05, 0.012),
}
PUBLISHED = {"alexnet": 0.9931, "googlenet": 0.9675}
# CACTI 7, 1 MB, 64 bits, 65 nm: 174.5 / 146.1 pJ, a quarter per word.
LARGE_STORE = ("codebook.capacity_kib=1024", "codebook.read_pj=43.6", "codebook.write_pj=36.5")


class Case(NamedTuple):
    """What is varied: the hardware, the images at once, and the layers that stay dense."""

    overrides: tuple[str, ...] = ()
    batch: int = 1
    dense: str = "linear"


SHIPPED, LARGE = "as shipped", "1 MB store at DRAM"
CASES = {
    SHIPPED: Case(),
    LARGE: Case(LARGE_STORE),
    f"{LARGE}, 4 images": Case(LARGE_STORE, batch=4),
    f"{LARGE}, first layer dense": Case(LARGE_STORE, dense="first+linear"),
    f"{LARGE}, FC clustered": Case(LARGE_STORE, dense="none"),
    "1 MB store in each PE": Case((*LARGE_STORE, "codebook.level=scratchpads")),
}


class Point(NamedTuple):
    """One cluster rate; costs in MACs, energies in pJ."""

    rate: float
    run: kcsim.Run
    metric: float
    metric_of_bits: float

    @property
    def index_pj(self) -> float:
        """Energy of moving indexes: weights, down to the level that decodes."""
        hardware = self.run.hardware
        decoder = hardware.level_index(hardware.codebook.level)
        places = {*hardware.level_names[: decoder + 1]}
        places |= {f"{name} network" for name in hardware.level_names[:decoder]}
        return math.fsum(
            item.energy_pj
            for layer in self.run.layers
            if layer.weights.unit is not None
            for item in layer.items
            if item.tensor == "weights" and item.component in places
        )


def points_of(network: str, case: Case) -> tuple[kcsim.Run, list[Point]]:
    """The dense run, and one point for each cluster rate."""
    hardware = kcsim.load_hardware("eyeriss", case.overrides)
    layers = kcsim.load_network(network).with_batch(case.batch)
    points = []
    for rate in RATES[network]:
        spec = f"row:rate={rate},dense={case.dense}"
        found = kcsim.estimate(hardware, layers, spec, objective="energy")
        rules = DeepKMeansRules(weight_cost="bits")
        of_bits = total_cost(network_cost(layers, kcsim.parse_clustering(spec), rules))
        run = found.clustered
        points.append(Point(rate, run, run.deep_kmeans_total.mac_units, of_bits.mac_units))
    return found.dense, points


def r_squared(x: Iterable[float], y: Iterable[float]) -> float:
    """Coefficient of determination of the least-squares line of `y` over `x`."""
    return float(np.corrcoef(list(x), list(y))[0, 1] ** 2)


def coefficients(points: list[Point]) -> tuple[float, float, float]:
    """R^2 as the metric is defined, with indexes on both sides, with indexes on neither."""
    metric, energy = [p.metric for p in points], [p.run.energy_pj for p in points]
    return (
        r_squared(metric, energy),
        r_squared([p.metric_of_bits for p in points], energy),
        r_squared(metric, [p.run.energy_pj - p.index_pj for p in points]),
    )


def table(header: str, rows: Iterable[Iterable[object]]) -> str:
    """A Markdown table."""
    lines = [f"| {header} |", "|---" * (header.count("|") + 1) + "|"]
    return "\n".join([*lines, *("| " + " | ".join(map(str, row)) + " |" for row in rows)])


def energies(run: kcsim.Run) -> list[str]:
    """Energy in all and by component [mJ]."""
    found = run.energy_by_component()
    names = ("DRAM", "buffer", "buffer network", "scratchpads", "MAC")
    parts = [found[name] for name in names]
    parts += [found.get(name, 0.0) for name in ("codebook", "codebook (DRAM)", "static")]
    return [f"{energy / 1e9:.3f}" for energy in (run.energy_pj, *parts)]


def sweep_table(dense: kcsim.Run, points: list[Point]) -> str:
    """Every cluster rate of a network, after the dense weights."""
    header = (
        "K/N | largest codebook, KiB | 16-bit weights over stored | metric, 10^9 MACs | of bits |"
        " energy, mJ | DRAM | buffer | network | scratchpads | MAC | codebook store |"
        " codebook in DRAM | static | indexes"
    )
    metric = f"{dense.deep_kmeans_total.mac_units / 1e9:.3f}"
    rows = [("dense", "", "", metric, metric, *energies(dense), "")]
    for point in points:
        largest = max(layer.weights.codebook_bits for layer in point.run.layers) / 8192
        ratio = point.run.storage.ratio("clustered", biases=False)
        costs = [f"{cost / 1e9:.3f}" for cost in (point.metric, point.metric_of_bits)]
        indexes = f"{point.index_pj / 1e9:.3f}"
        row = (point.rate, f"{largest:.0f}", f"{ratio:.2f}", *costs, *energies(point.run), indexes)
        rows.append(row)
    return table(header, rows)


TEXT = """\
# The metric of Deep k-Means and the energy of the hierarchy

Wu et al. (ICML 2018, Section 3) check their metric against the energy tool of the Eyeriss group:
over the cluster rates below they print R^2 = {alexnet} for AlexNet and {googlenet} for GoogLeNet.
Here kcsim's hierarchy takes the place of the tool. Clustering: `row:rate=K/N`, the N rows of all
filters of a layer share K entries; rows of 1x1 filters are scalars; fully connected (FC) layers
stay dense, which the paper only quantises. Hardware: `eyeriss`; mappings of least energy.
`python reports/deep_kmeans_correlation.py`; kcsim {version}.

R^2 is that of the least-squares line of energy over metric. What does not change with the rate, as
dense layers, has no part in it. Three readings:

* *as published*: the metric, its weights times K/N, and all energy.
* *indexes in both*: the metric with stored over dense bits in place of K/N, and all energy.
* *indexes in neither*: the metric as published, and the energy less that of moving indexes. The
  paper neglects indexes (footnote 3), and its tool has no input for them.

{summary}

In bold: at least the published value.

## What the metric leaves out

DRAM, network and scratchpads (every operand comes from one buffer, an access costs 6 MACs), how
often a mapping moves a word, indexes, where a codebook is, its loading and lookups, and time
(static energy).

## Reading

* The metric is affine in K/N. So is the energy of loading codebooks that fit their store. With
  indexes in neither, little else varies, only mappings that change with the rate: an R^2 near 1 is
  then no surprise.
* Indexes take ceil(log2 K) bits: steps that get steeper towards small K/N. Moving them costs about
  as much as loading the codebooks, and the metric as published does not know them.
* As shipped, the store holds 8 KB. A larger codebook stays in DRAM, where every lookup reads it.
  Energy then falls in steps, where the codebook of one more layer begins to fit, and may be above
  that of dense weights. The metric does not see it. A store of 1 MB holds the codebooks of all
  convolutions, but that is ten times the chip's buffer.
* With more images, indexes come from DRAM many times, codebooks once: indexes weigh more.
* FC layers at these rates have codebooks of megabytes, which do not fit 1 MB either.
* With 1 MB in each PE (168 MB in all: no chip) a copy is loaded for each PE in use. For the larger
  codebooks the best mappings use fewer PEs, which the metric does not see.
* What the paper did is not known in full: its tool takes sizes, zeros and bit widths, and the text
  does not say which of them stood for K/N.

The tables follow for one image. *Indexes* are a part of the energy of DRAM.
"""


def main() -> None:
    """Write the report."""
    parser = argparse.ArgumentParser(description="R^2 of the metric over the published rates")
    parser.add_argument("-o", "--output", type=Path, required=True)
    output = parser.parse_args().output
    check_writable(output)
    rows = [["*published*", *(c for value in PUBLISHED.values() for c in (f"{value}", "", ""))]]
    sections = []
    for name, case in CASES.items():
        row = [name]
        for network, published in PUBLISHED.items():
            dense, points = points_of(network, case)
            found = coefficients(points)
            print(name, network, *(f"{value:.4f}" for value in found), flush=True)
            row += [f"**{v:.4f}**" if v >= published else f"{v:.4f}" for v in found]
            if name in (SHIPPED, LARGE):
                sections.append(f"## {network}, {name}\n\n{sweep_table(dense, points)}\n")
        rows.append(row)
    readings = ("as published", "indexes in both", "indexes in neither")
    header = " | ".join(["codebook", *(f"{n}: {r}" for n in PUBLISHED for r in readings)])
    text = TEXT.format(**PUBLISHED, version=kcsim.__version__, summary=table(header, rows))
    write_whole(output, "\n".join([text, *sections]))


if __name__ == "__main__":
    main()
