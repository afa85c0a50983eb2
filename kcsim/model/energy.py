"""Energy of a counted layer: count times energy per action, item by item."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import get_args

from kcsim.cost.access import block_bits
from kcsim.cost.biases import biases_of
from kcsim.cost.static import statics_of
from kcsim.cost.weight_format import WeightFormat
from kcsim.hardware.level import Access
from kcsim.hardware.schema import Hardware
from kcsim.model.codebook import codebook_place, count_lookups
from kcsim.model.counts import ACTIONS, Counts
from kcsim.model.cycles import Cycles
from kcsim.model.hops import count_hops, hop_bits
from kcsim.model.traffic import macs_left, moved_bits, paid_words, transferred_bits
from kcsim.sums import exact_sum, exact_sums
from kcsim.workload.layer import TENSORS


@dataclass(frozen=True)
class EnergyItem:
    """One line of the energy account.

    Attributes
    ----------
    component : str
        A level, ``<level> network``, ``MAC``, ``codebook`` (the decoder and its store),
        ``codebook (<level>)`` (a codebook too large for its store), ``bias`` or ``static``.
    tensor : str
        ``weights``, ``inputs``, ``outputs``, or empty.
    action : str
        ``read``, ``fill``, ``update``, ``transfer``, ``forward``, ``compute``,
        ``hop``, ``gate``, ``clock``, ``lookup``, ``multiply`` (a decoded weight by its scale),
        ``add`` (its offset), ``load`` or ``cycle``.
    count : int
        Words read, filled, updated or moved; hops; MACs; lookups; weights scaled or
        offset; cycles. Those that zeros save are included, but for MACs and hops.
    bits : float
        Bits that the words amount to, less those that zeros save; 0 for arithmetic
        and cycles.
    accesses : int
        Accesses of a block that the bits take, or operations less those that zeros
        save; what is paid for.
    energy : float
        In the hardware's energy unit.
    """

    component: str
    tensor: str
    action: str
    count: int
    bits: float
    accesses: int
    energy: float


def energy_items(counts: Counts, form: WeightFormat, cycles: Cycles) -> tuple[EnergyItem, ...]:
    """The energy account of one layer; items with a count of zero are left out."""
    items = [
        *storage_items(counts, form),
        *network_items(counts, form),
        *mac_items(counts),
        *bias_items(counts),
        *codebook_items(counts, form),
        *cycle_items(counts, cycles.total),
    ]
    return tuple(item for item in items if item.count)


def _ceiling(value: Fraction) -> int:
    return int(-(-value // 1))


def mac_items(counts: Counts) -> Iterator[EnergyItem]:
    """MACs that are computed, and those that are gated."""
    compute, left = counts.hardware.compute, macs_left(counts)
    for action, macs, energy in (
        ("compute", left.computed, compute.mac_pj),
        ("gate", left.gated, compute.gated_mac_pj),
    ):
        yield EnergyItem("MAC", "", action, macs, 0, macs, macs * energy)


def bias_items(counts: Counts) -> Iterator[EnergyItem]:
    """Reading biases, and adding them."""
    found = biases_of(counts.layer, counts.hardware)
    if found:
        yield EnergyItem("bias", "", "load", found.words, found.bits, found.accesses, found.read_pj)
        yield EnergyItem("bias", "", "add", found.adds, 0, found.adds, found.add_pj)


def storage_items(counts: Counts, form: WeightFormat) -> Iterator[EnergyItem]:
    """Reads, fills and updates of every level."""
    for i, level in enumerate(counts.hardware.levels):
        for tensor in TENSORS:
            for action, access in zip(ACTIONS, get_args(Access), strict=True):
                words = paid_words(counts, i, tensor, action)
                if not words:
                    continue
                bits = moved_bits(counts, form, i, tensor, action, gated=True)
                accesses = _ceiling(bits / block_bits(level, tensor))
                yield EnergyItem(
                    level.name, tensor, action.removesuffix("s"), words, float(bits), accesses,
                    accesses * level.price(tensor, access),
                )  # fmt: skip


def network_items(counts: Counts, form: WeightFormat) -> Iterator[EnergyItem]:
    """Words that cross the network below every level."""
    for i, level in enumerate(counts.hardware.levels):
        fanout = level.fanout
        if fanout.children == 1 and not fanout.has_prices:
            continue
        for tensor in TENSORS:
            for action, directions in (("transfer", ("down", "up")), ("forward", ("forwarded",))):
                words = sum(counts.moved(level.name, tensor, d) for d in directions)
                if not words:
                    continue
                bits = transferred_bits(counts, form, i, tensor, directions)
                accesses = _ceiling(bits / level.word_bits)
                yield EnergyItem(
                    f"{level.name} network", tensor, action, words, float(bits), accesses,
                    accesses * fanout.transfer_price(tensor),
                )  # fmt: skip
            if fanout.hop_pj:
                hops, bits = count_hops(counts, i, tensor), hop_bits(counts, form, i, tensor)
                accesses = _ceiling(bits / level.word_bits)
                yield EnergyItem(
                    f"{level.name} network", tensor, "hop", _ceiling(hops), float(bits), accesses,
                    accesses * fanout.hop_pj,
                )  # fmt: skip


def codebook_items(counts: Counts, form: WeightFormat) -> Iterator[EnergyItem]:
    """Lookups at the output of the decode level, scaling there, and bringing the codebook there.

    Every weight that the decoder hands on is one value of an entry, read from
    where the codebook lies (`kcsim.model.codebook`).
    """
    hardware, place = counts.hardware, codebook_place(counts, form)
    if place is None:
        return
    found = count_lookups(counts, form, place)
    component = "codebook" if place.level is None else f"codebook ({place.level})"
    bits = found.paid_words * form.stages * form.entry_bits
    accesses = _ceiling(bits / place.access_bits)
    yield EnergyItem(
        component, "weights", "lookup", found.count, float(bits), accesses,
        accesses * place.read_pj,
    )  # fmt: skip
    for action, each, energy in (
        ("multiply", form.multiplies_per_weight, hardware.multiply_pj),
        ("add", form.adds_per_weight, hardware.add_pj),
    ):
        done, count = _ceiling(found.paid_words * each), found.decoded_words * each
        yield EnergyItem("codebook", "weights", action, count, 0, done, done * energy)
    if form.loads_codebook and place.index != 0:
        outer = hardware.levels[0]
        reads, writes = form.loading(hardware, place)
        copies = int(counts.instances[form.decode_level if place.index is None else place.index])
        yield EnergyItem(
            component, "weights", "load", form.codebook_words, float(form.codebook_bits),
            reads, reads * outer.price("weights", "read") + writes * copies * place.write_pj,
        )  # fmt: skip


def cycle_items(counts: Counts, cycles: int) -> Iterator[EnergyItem]:
    """What every cycle costs, whatever happens in it: leakage, and all else that is static."""
    hardware = counts.hardware
    parts = list(zip(statics_of(hardware), map(int, counts.instances), strict=True))
    leaking = (each.leakage(used) for each, used in parts)
    per_cycle = exact_sum([hardware.static_pj_per_cycle, *leaking])
    if per_cycle:
        yield EnergyItem("static", "", "cycle", cycles, 0, cycles, cycles * per_cycle)
    for each, used in parts:
        if each.clock_pj:
            energy = cycles * each.clock(used)
            yield EnergyItem(each.component, "", "clock", cycles, 0, cycles, energy)


def average_power(energy: float, seconds: float | None, hardware: Hardware) -> float | None:
    """Energy over time [W], if both have units: a clock, and energies in pJ."""
    if seconds is None or hardware.energy_unit != "pJ":
        return None
    return energy * 1e-12 / seconds


def energy_by_component(items: Iterable[EnergyItem], hardware: Hardware) -> dict[str, float]:
    """Energy of each component: levels with their networks, then the MAC units, then the rest."""
    energy = exact_sums((item.component, item.energy) for item in items)
    order = [place for name in hardware.level_names for place in (name, f"{name} network")]
    order = [place for place in (*order, "MAC") if place in energy]
    return {place: energy[place] for place in (*order, *sorted(energy.keys() - set(order)))}
