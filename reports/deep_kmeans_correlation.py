"""How well the metric of Deep k-Means follows the energy of the hierarchy on Eyeriss.

Run ``python reports/deep_kmeans_correlation.py -o REPORT`` (two minutes). Repeats the check of Wu
et al., "Deep k-Means", ICML 2018, Section 3, over its cluster rates, with kcsim's hierarchy in
place of the energy tool of Yang et al. (Asilomar 2017): first by the protocol of the paper, then
with a codebook in a store.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

import kcsim
from kcsim.clustering.storage import network_storage
from kcsim.estimation.deep_kmeans import DeepKMeansRules, layer_cost, network_cost, total_cost
from kcsim.reading.files import check_writable, write_whole

Rates = dict[str, tuple[float, ...]]

RATES: Rates = {
    "alexnet": (0.5, 0.3, 0.25, 0.2, 0.15, 0.1, 0.05, 0.01),
    "googlenet": (0.33, 0.18, 0.05, 0.012),
}
PUBLISHED = {"alexnet": 0.9931, "googlenet": 0.9675}
LINEAR_BITS = {"alexnet": 8}  # of weights, which the paper quantizes there; GoogLeNet stays at 16
PROTOCOL_DESIGNS = ("eyeriss", "eyeriss_isca2016")
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
            item.energy
            for layer in self.run.layers
            if layer.weight_format.unit is not None
            for item in layer.items
            if item.tensor == "weights" and item.component in places
        )


class ProtocolPoint(NamedTuple):
    """One cluster rate by the protocol of the paper; costs in MACs, energies in the design's."""

    rate: float
    share: float
    metric: float
    metric_of_bits: float
    energy: float
    weights: float
    indexes: float


def protocol_points(design: str, network: str, rates: Iterable[float]) -> list[ProtocolPoint]:
    """What a tool finds that takes sizes and bit widths, and knows no codebook.

    The mapping is that of the dense weights, and every word of a layer's weights has as many bits
    as the layer stores for each, codebook and indexes together, wherever it is moved.
    """
    layers = kcsim.load_network(network)
    dense = kcsim.estimate(design, layers, objective="energy").dense
    return [protocol_point(dense, layers, rate) for rate in rates]


def protocol_point(dense: kcsim.Run, layers: kcsim.Network, rate: float) -> ProtocolPoint:
    """One cluster rate, from the energies of the dense weights."""
    bits = dense.hardware.precision_bits.weights
    linear_bits = LINEAR_BITS.get(layers.name, bits)
    clustering = kcsim.parse_clustering(f"row:rate={rate},dense=linear")
    energy = weights = indexes = stored = uncompressed = 0.0
    storage = network_storage(layers, clustering, weight_bits=bits)
    for estimate, layer in zip(dense.layers, storage.layers, strict=True):
        moved = sum(item.energy for item in estimate.items if item.tensor == "weights")
        share = linear_bits / bits
        if layer.clustering.unit is not None:
            share = layer.weights_bits / layer.uncompressed_weights_bits
            indexes += moved * layer.indexes_bits / layer.uncompressed_weights_bits
            stored += layer.weights_bits
            uncompressed += layer.uncompressed_weights_bits
        energy += estimate.energy - moved + moved * share
        weights += moved * share
    metrics = (
        protocol_metric(layers, clustering, DeepKMeansRules(weight_cost=cost), linear_bits)
        for cost in ("rate", "bits")
    )
    return ProtocolPoint(rate, stored / uncompressed, *metrics, energy, weights, indexes)


def protocol_metric(
    layers: kcsim.Network, clustering: kcsim.Clustering, rules: DeepKMeansRules, linear_bits: int
) -> float:
    """The metric, with the weights of fully connected layers as wide as the protocol has them."""
    quantized = replace(rules, weight_bits=linear_bits)
    costs = (
        cost if layer.kind == "conv" else layer_cost(layer, quantized)
        for layer, cost in zip(layers, network_cost(layers, clustering, rules), strict=True)
    )
    return total_cost(costs).mac_units


def protocol_coefficients(points: list[ProtocolPoint]) -> tuple[float, float, float]:
    """R^2 in the three readings; see `coefficients`."""
    metric, energy = [p.metric for p in points], [p.energy for p in points]
    return (
        r_squared(metric, energy),
        r_squared([p.metric_of_bits for p in points], energy),
        r_squared(metric, [p.energy - p.indexes for p in points]),
    )


def protocol_table(points: list[ProtocolPoint]) -> str:
    """Every cluster rate by the protocol."""
    header = (
        "K/N | stored over dense bits | metric, 10^9 MACs | of bits | energy, mJ | of weights |"
        " of indexes"
    )
    rows = [
        (
            point.rate,
            f"{point.share:.4f}",
            *(f"{cost / 1e9:.3f}" for cost in point[2:]),
        )
        for point in points
    ]
    return table(header, rows)


def points_of(network: str, case: Case, rates: Iterable[float]) -> tuple[kcsim.Run, list[Point]]:
    """The dense run, and one point for each cluster rate."""
    hardware = kcsim.load_hardware("eyeriss", case.overrides)
    layers = kcsim.load_network(network).with_batch(case.batch)
    points = []
    for rate in rates:
        spec = f"row:rate={rate},dense={case.dense}"
        found = kcsim.estimate(hardware, layers, spec, objective="energy")
        rules = DeepKMeansRules(weight_cost="bits")
        of_bits = total_cost(network_cost(layers, kcsim.parse_clustering(spec), rules))
        run = found["decode"]
        points.append(Point(rate, run, run.deep_kmeans_total.mac_units, of_bits.mac_units))
    return found.dense, points


def r_squared(x: Iterable[float], y: Iterable[float]) -> float:
    """Coefficient of determination of the least-squares line of `y` over `x`."""
    return float(np.corrcoef(list(x), list(y))[0, 1] ** 2)


def coefficients(points: list[Point]) -> tuple[float, float, float]:
    """R^2 as the metric is defined, with indexes on both sides, with indexes on neither."""
    metric, energy = [p.metric for p in points], [p.run.energy for p in points]
    return (
        r_squared(metric, energy),
        r_squared([p.metric_of_bits for p in points], energy),
        r_squared(metric, [p.run.energy - p.index_pj for p in points]),
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
    return [f"{energy / 1e9:.3f}" for energy in (run.energy, *parts)]


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
        largest = max(layer.weight_format.codebook_bits for layer in point.run.layers) / 8192
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
filters of a layer share K entries, in all convolutions; rows of 1x1 filters are scalars; fully
connected (FC) layers stay dense. Mappings of least energy, one image.
`python reports/deep_kmeans_correlation.py -o reports/deep-kmeans-correlation.md`; kcsim {version}.

R^2 is that of the least-squares line of energy over metric. What does not change with the rate, as
dense layers, has no part in it. Three readings:

* *as published*: the metric, its weights times K/N, and all energy.
* *indexes in both*: the metric with stored over dense bits in place of K/N, and all energy.
* *indexes in neither*: the metric as published, and the energy less that of indexes. The paper
  neglects indexes in the metric (footnote 3).

In bold: at least the published value.

## By the protocol of the paper

{protocol}

The tool takes sizes, zeros and bit widths, and has no input for a codebook. So there is none here:
the mapping is that of the dense weights, and a layer's weights have as many bits as are stored for
each of them, codebook and indexes together. The energy of weights at every level, from DRAM to the
scratchpads, is that of the dense ones times stored over dense bits. AlexNet's FC layers have 8-bit
weights, as in the paper, which moves all points alike.

The metric is affine in K/N, and so is the energy of codebooks: without indexes R^2 is 1. What the
coefficient says is how far indexes, of ceil(log2 K) bits each, bend the line. The text does not say
which input of the tool stood for K/N: that it was the bit width is an assumption, with which kcsim
comes near both published coefficients.

## With a codebook in a store

Hardware: `eyeriss`. Weights are decoded at DRAM's output unless said otherwise; lookups and the
loading of codebooks are paid for.

{summary}

## What the metric leaves out

DRAM, network and scratchpads (every operand comes from one buffer), how often a mapping moves a
word, indexes, where a codebook is, its loading and lookups, and time (static energy).

## Reading

* With a codebook that fits its store, loading it is affine in K/N, too. With indexes in neither,
  little else varies, only mappings that change with the rate: an R^2 near 1 is then no surprise.
* Indexes take ceil(log2 K) bits: steps that get steeper towards small K/N. Moving them costs about
  as much as loading the codebooks, and the metric as published does not know them.
* As shipped, the store holds 8 KB. A larger codebook stays in DRAM, where every lookup reads it.
  Energy then falls in steps, where the codebook of one more layer begins to fit, and may be above
  that of dense weights. The metric does not see it, nor did the tool of the paper. A store of 1 MB
  holds the codebooks of all convolutions, but that is ten times the chip's buffer.
* With more images, indexes come from DRAM many times, codebooks once: indexes weigh more.
* FC layers at these rates have codebooks of megabytes, which do not fit 1 MB either.
* With 1 MB in each PE (168 MB in all: no chip) a copy is loaded for each PE in use. For the larger
  codebooks the best mappings use fewer PEs, which the metric does not see.

The tables follow for one image. *Indexes* are a part of the energy of weights, with a store of that
of DRAM.
"""


def main() -> None:
    """Write the report."""
    parser = argparse.ArgumentParser(description="R^2 of the metric over the published rates")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--rates", type=int, help="of each network, the first ones")
    parser.add_argument("--networks", nargs="+", choices=PUBLISHED, default=[*PUBLISHED])
    options = parser.parse_args()
    output = options.output
    chosen = {name: RATES[name][: options.rates] for name in options.networks}
    check_writable(output)
    published = ["*published*", *(c for name in chosen for c in (f"{PUBLISHED[name]}", "", ""))]
    sections: list[str] = []
    protocol = [published, *(protocol_row(design, chosen, sections) for design in PROTOCOL_DESIGNS)]
    rows = [published, *(case_row(name, case, chosen, sections) for name, case in CASES.items())]
    readings = ("as published", "indexes in both", "indexes in neither")
    columns = " | ".join(f"{n}: {r}" for n in chosen for r in readings)
    text = TEXT.format(
        **PUBLISHED, version=kcsim.__version__, protocol=table(f"design | {columns}", protocol),
        summary=table(f"codebook | {columns}", rows),
    )  # fmt: skip
    write_whole(output, "\n".join([text, *sections]))


def protocol_row(design: str, chosen: Rates, sections: list[str]) -> list[str]:
    """The coefficients on one design; adds its sweep on the chip to the sections."""
    row = [f"`{design}`"]
    for network, rates in chosen.items():
        points = protocol_points(design, network, rates)
        row += marked(f"protocol, {design}", network, protocol_coefficients(points))
        if design == PROTOCOL_DESIGNS[0]:
            sections.append(
                f"## {network}, protocol of the paper, {design}\n\n{protocol_table(points)}\n"
            )
    return row


def case_row(name: str, case: Case, chosen: Rates, sections: list[str]) -> list[str]:
    """The coefficients of one case; adds the sweep of the main ones to the sections."""
    row = [name]
    for network, rates in chosen.items():
        dense, points = points_of(network, case, rates)
        row += marked(name, network, coefficients(points))
        if name in (SHIPPED, LARGE):
            sections.append(f"## {network}, {name}\n\n{sweep_table(dense, points)}\n")
    return row


def marked(name: str, network: str, found: Iterable[float]) -> list[str]:
    """Coefficients as text, those in bold that are at least the published one."""
    cells = [f"{value:.4f}" for value in found]
    print(name, network, *cells, flush=True)
    return [f"**{cell}**" if float(cell) >= PUBLISHED[network] else cell for cell in cells]


if __name__ == "__main__":
    main()
