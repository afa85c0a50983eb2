"""Clustered layers against the two published chips that are made for them: UCNN and EIE.

Run ``python reports/ucnn_eie.py -o reports/ucnn-eie.md``. Nothing but kcsim is needed.
"""

from __future__ import annotations

import argparse
import platform
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import kcsim
from kcsim.reading.files import write_whole
from kcsim.workload.layer import ConvLayer
from kcsim.workload.network import Network

# Entries U, bytes of a PE for weights and inputs, and filters of a group G, as recalled from the
# paper, and how many inputs one sum has at most there.
UCNN = ((17, 232, 1152, 2), (64, 652, 1920, 1))
GROUP_CAP = 16
WEIGHT_ZEROS, INPUT_ZEROS = 0.5, 0.65
# Han et al., ISCA 2016, Tables III and IV: inputs, outputs, densities of weights and inputs,
# theoretical time [us].
EIE = {
    "Alex-6": (9216, 4096, 0.09, 0.351, 28.1),
    "Alex-7": (4096, 4096, 0.09, 0.353, 11.7),
    "Alex-8": (4096, 1000, 0.25, 0.375, 8.9),
    "VGG-6": (25088, 4096, 0.04, 0.183, 28.1),
    "VGG-7": (4096, 4096, 0.04, 0.375, 7.9),
    "VGG-8": (4096, 1000, 0.23, 0.411, 7.3),
    "NT-We": (4096, 600, 0.10, 1.0, 5.2),
    "NT-Wd": (600, 8791, 0.11, 1.0, 13.0),
    "NT-LSTM": (1201, 2400, 0.10, 1.0, 6.5),
}
PE_MILLIWATTS = 9.157
PES, MHZ = 64, 800

HEADER = """\
# UCNN and EIE

`python reports/ucnn_eie.py -o reports/ucnn-eie.md`

{machine}, Python {python}, kcsim {version}.

## UCNN

Hegde et al., UCNN, ISCA 2018 report 1.2 to 4 times less energy than a sparse baseline, throughput
being equal. Here: the convolutions of AlexNet, one image, on `ucnn_like` with the PE buffers of
each variant (leakage left out), energy minimized. *Sparse*: dense 8-bit weights, zeros of weights
and inputs skipped, 8 lanes that multiply a weight and an input a cycle. *UCNN*: sums that units
with the same weight share (`share_sums`), zero weights left out, of up to G filters that share one
sorted order, with {cap} inputs in one sum at most. {weights:.0%} of the weights and
{inputs:.0%} of the inputs are zero. Sizes and densities are recalled, not read; energies are those
of `ucnn_like`, not the paper's. A ratio is the energy of *sparse* over that of *UCNN*.

"""
UCNN_NOTES = """\
What keeps the ratio from more:

* **G = 2** reads inputs and addresses once for two filters, but leaves out only what is zero in
  both ({both:.0%} of the units in place of {weights:.0%}), multiplies once for each pair of entries
  that comes up, and needs room for two sums a lane. Where that does not pay, a layer takes G = 1.
* **Addresses.** Each unit that is not zero takes the ceil(log2 n) bits of its place among the n
  units of a filter in the tile, and a bit for the last of its entry: at large tiles more than the 8
  bits of a dense weight. The paper stores jumps of a few bits instead.
* **Zero inputs** are skipped by *sparse* alone: a sum has to read an input to find it zero.
* **DRAM** is the larger part; inputs and outputs are the same there for both. *On chip*: without.
* **Time.** Every input that is gathered takes a cycle of a lane, also one that *sparse* skips, so
  that UCNN takes several times the cycles here.

"""
EIE_NOTES = """\
*theoretical*: as the paper has it, work divided evenly among 64 PEs. Here likewise: entries,
padding of relative indexes included, that meet an input that is not zero. Zeros are random, which
makes for more padding in VGG-7 than the paper's. *whole outputs*: each PE has whole outputs, as
many as another one, by bounds that divide: the cycles of the estimate.

Energy of a PE: what one weight takes in Alex-7, times 800 MHz, against {given} mW by the paper's
layout (Table II). `eie_like` takes its energies from the modules of that table; what is tested is
that counts are what the chip does. Filling PEs is left out: in the paper weights stay there.

"""


def ucnn_hardware(
    weights: int, inputs: int, skipped: Iterable[str], group: int = 1
) -> kcsim.Hardware:
    """The design with buffers of a variant, what it skips, and filters that share an order."""
    sizes = (("0", weights), ("1", inputs))
    changes = [f"levels.PE.partitions[{i}].capacity_words={size}" for i, size in sizes]
    changes.append("levels.PE.leakage_pj_per_cycle=0")
    changes += [f"compute.filter_group={group}", f"compute.group_cap={GROUP_CAP}"]
    changes += [f"compute.zeros.{operand}=skip" for operand in skipped]
    return kcsim.load_hardware("ucnn_like", changes)


def terms(run: kcsim.Run) -> dict[str, float]:
    """Energy [uJ] by component and tensor."""
    found: dict[str, float] = defaultdict(float)
    for layer in run.layers:
        for item in layer.items:
            found[f"{item.component} {item.tensor}".strip()] += item.energy / 1e6
    return found


def ucnn_section() -> str:
    """Every term of both variants."""
    network = kcsim.load_network("alexnet")
    layers = tuple(layer for layer in network.layers if layer.kind != "linear")
    convolutions, runs = Network("alexnet convolutions", layers), []
    for entries, weights, inputs, group in UCNN:
        sparse = kcsim.estimate(
            ucnn_hardware(weights, inputs, ("inputs", "weights")), convolutions,
            zeros=f"weights={WEIGHT_ZEROS},inputs={INPUT_ZEROS}", objective="energy",
        )["dense"]  # fmt: skip
        shared = kcsim.estimate(
            ucnn_hardware(weights, inputs, ("weights",), group), convolutions,
            f"scalar:k={entries},sparse={WEIGHT_ZEROS},dense=none", execution="share_sums",
            zeros=f"inputs={INPUT_ZEROS}", objective="energy",
        )["share_sums"]  # fmt: skip
        runs += [sparse, shared]
    found = [terms(run) for run in runs]
    names = [f"{what}, U = {u}" for u, *_, g in UCNN for what in ("sparse", f"UCNN G = {g}")]
    text = f"| energy [uJ] | {' | '.join(names)} |\n|---|{'---|' * len(names)}\n"
    every = sorted({name for each in found for name in each})
    order = sorted(every, key=lambda name: -found[0].get(name, 0.0))
    for name in order:
        text += f"| {name} | {' | '.join(f'{each.get(name, 0.0):.2f}' for each in found)} |\n"
    totals = [sum(each.values()) for each in found]
    inside = [sum(e for name, e in each.items() if not name.startswith("DRAM")) for each in found]
    for name, values in (("total", totals), ("on chip", inside)):
        text += f"| **{name}** | {' | '.join(f'{value:.1f}' for value in values)} |\n"
    text += f"| million cycles | {' | '.join(f'{run.cycles / 1e6:.2f}' for run in runs)} |\n\n"
    orders = [[layer.plan.order for layer in run.layers] for run in runs[1::2]]
    for i, (entries, *_, group) in enumerate(UCNN):
        one, other = 2 * i, 2 * i + 1
        text += (
            f"U = {entries}, G = {group} ({', '.join(map(str, orders[i]))} in the five layers): "
            f"**{totals[one] / totals[other]:.2f}** times less energy, "
            f"**{inside[one] / inside[other]:.2f}** on chip.\n"
        )
    return text + "\n"


def eie_layer(name: str) -> kcsim.LayerEstimate:
    """A fully connected layer of the paper on `eie_like`."""
    inputs, outputs, weights, activations, _ = EIE[name]
    network = Network(name, (ConvLayer.linear("fc", inputs, outputs),))
    spec = f"scalar:k=16,sparse={1 - weights:.4g},positions=relative,dense=none"
    zeros = f"inputs={1 - activations:.4g}"
    run = kcsim.estimate("eie_like", network, spec, zeros=zeros, objective="cycles")["decode"]
    return run.layers[0]


def eie_section() -> str:
    """Times of nine layers, and the energy of a PE."""
    text = "| layer | theoretical [us] | here [us] | off | whole outputs [us] |\n"
    text += "|---|---|---|---|---|\n"
    for name, (*_, theoretical) in EIE.items():
        layer = eie_layer(name)
        (macs,) = (item.accesses for item in layer.items if item.component == "MAC")
        even, whole = macs / PES / MHZ, layer.cycles.total / MHZ
        off = f"{100 * (even / theoretical - 1):+.0f} %"
        text += f"| {name} | {theoretical} | {even:.1f} | {off} | {whole:.1f} |\n"
    layer = eie_layer("Alex-7")
    (macs,) = (item.accesses for item in layer.items if item.component == "MAC")
    parts: dict[str, float] = defaultdict(float)
    for item in layer.items:
        if item.component in ("PE", "MAC", "codebook", "static") and item.action not in (
            "fill", "load",
        ):  # fmt: skip
            parts[f"{item.component} {item.tensor} {item.action}".replace("  ", " ")] += item.energy
    text += "\n" + EIE_NOTES.format(given=PE_MILLIWATTS)
    text += "| of a PE of Alex-7 | pJ a weight | mW |\n|---|---|---|\n"
    for name, energy in sorted(parts.items(), key=lambda part: -part[1]):
        text += f"| {name} | {energy / macs:.2f} | {energy / macs * MHZ / 1e3:.3f} |\n"
    milliwatts = sum(parts.values()) / macs * MHZ / 1e3
    off = f"{100 * (milliwatts / PE_MILLIWATTS - 1):+.0f} %"
    return text + f"| **total** | {sum(parts.values()) / macs:.2f} | {milliwatts:.2f} ({off}) |\n"


def main() -> None:
    """Write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--output", type=Path, required=True)
    given = parser.parse_args()
    header = HEADER.format(
        machine=platform.machine(), python=platform.python_version(), version=kcsim.__version__,
        weights=WEIGHT_ZEROS, inputs=INPUT_ZEROS, cap=GROUP_CAP,
    )  # fmt: skip
    notes = UCNN_NOTES.format(weights=WEIGHT_ZEROS, both=WEIGHT_ZEROS**2)
    write_whole(given.output, f"{header}{ucnn_section()}{notes}## EIE\n\n{eie_section()}")
    print(given.output)


if __name__ == "__main__":
    main()
