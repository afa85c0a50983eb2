"""What of a hardware decides on mappings, and how two of them compare.

Hardware designs that differ in what the mapper does not see (areas, kinds of memories, clocks, the
codebook store, whose costs come with the weights) have the same mapping problems. Designs that
differ in sizes and prices alone can be compared: one with more room everywhere, where nothing
costs more, admits every mapping of the other at no higher cost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from kcsim.cost.prices import WeightCosts
from kcsim.cost.static import has_idle_costs
from kcsim.hardware.description import Described
from kcsim.hardware.level import Level, Partition
from kcsim.hardware.network import Fanout
from kcsim.hardware.schema import Hardware
from kcsim.workload.layer import TENSORS, Tensor

Sizes = tuple[float, ...]
_UNSEEN: dict[str, Any] = dict.fromkeys(Described.__dataclass_fields__)
_LEAST_LEVEL = ("read_pj", "write_pj", "update_pj", "leakage_pj_per_cycle")
_LEAST_PARTITION = ("read_pj", "write_pj")
_LEAST_COMPUTE = ("mac_pj", "gated_mac_pj", "leakage_pj_per_cycle", "cycles_per_mac")
_MOST_LEVEL = ("read_words_per_cycle", "write_words_per_cycle")
_LEAST_WEIGHTS = (
    "lookup_pj", "load_pj", "copy_pj", "codebook_bits", "lookup_cycles", "load_cycles",
    "copy_cycles",
)  # fmt: skip


def as_mapped(hardware: Hardware) -> Hardware:
    """The hardware as the mapper sees it: where these are equal, so are the best mappings."""
    compute = replace(
        hardware.compute, add_pj=None, multiply_pj=None, kind=None, number="int",
        accumulator_bits=None, technology_nm=None, voltage_v=None, area_mm2=None,
    )  # fmt: skip
    return replace(
        hardware.with_given_words(), name="any", description="", provenance={}, codebook=None,
        compute=compute, levels=tuple(map(_plain_level, hardware.levels)), energy_unit="pJ",
        technology_nm=None, clock_mhz=None, cell="LSTP", voltage_v=None, temperature_k=None,
        layout_factor=1.0,
    )  # fmt: skip


def _plain_level(level: Level) -> Level:
    level = level.with_given_words()
    partitions = tuple(
        replace(each, **{**_UNSEEN, "used_words_per_access": level.used_words(each)})
        for each in level.partitions
    )
    seen = {"used_words_per_access": level.used_words(None), "ports": level.port_list or None}
    return replace(level, partitions=partitions, **{**_UNSEEN, **seen})


def sizes_of(hardware: Hardware) -> Sizes:
    """Bits of every memory; infinite for one without a limit."""
    return tuple(
        float("inf") if bits is None else float(bits)
        for level in hardware.levels
        for holder in level.partitions or (level,)
        for bits in (_bits(level, holder),)
    )


def without_sizes(hardware: Hardware) -> Hardware:
    """The hardware as the mapper sees it, but for the sizes of its memories."""

    def sized(level: Level, holder: Any) -> Any:
        size = None if _bits(level, holder) is None else 1.0
        return replace(holder, capacity_kib=size, capacity_words=None)

    return _each_memory(as_mapped(hardware), sized)


def structure_of(hardware: Hardware) -> str:
    """What is left of a hardware without sizes of memories and prices, as a text."""
    arrays = [(level.fanout.x, level.fanout.y) for level in hardware.levels]
    return f"{arrays} {_blank(_roomy(as_mapped(hardware)))}"


def relaxed(hardware: Sequence[Hardware]) -> Hardware | None:
    """A hardware on which every mapping of any of these runs, with no more energy and cycles.

    Memories, arrays and rates are the largest of all, energies the least. ``None`` if they differ
    in anything else, so that they cannot be compared.
    """
    seen = [as_mapped(each) for each in hardware]
    first, widest = seen[0], [_roomy(each) for each in seen]
    if any(repr(_blank(each)) != repr(_blank(widest[0])) for each in widest[1:]):
        return None
    if any(map(_grows_dear, seen)) and len({_arrays(each) for each in seen}) > 1:
        return None
    columns = zip(*(each.levels for each in widest), strict=True)
    levels = tuple(_relaxed_level(levels) for levels in columns)
    compute = replace(
        first.compute, **{key: min(getattr(e.compute, key) for e in seen) for key in _LEAST_COMPUTE}
    )
    static = min(each.static_pj_per_cycle for each in seen)
    return replace(first, levels=levels, compute=compute, static_pj_per_cycle=static)


def _arrays(hardware: Hardware) -> Sizes:
    return tuple(n for level in hardware.levels for n in (level.fanout.x, level.fanout.y))


def _grows_dear(hardware: Hardware) -> bool:
    """Whether a larger array costs more energy or cycles where it is not used."""
    networks = [level.fanout for level in hardware.levels]
    return has_idle_costs(hardware) or any(each.hop_latency or each.systolic for each in networks)


def relaxed_weights(forms: Sequence[Sequence[WeightCosts]]) -> tuple[WeightCosts, ...] | None:
    """Forms of the weights of a layer that cost no more than on any of some hardware designs."""
    found = []
    if len({len(each) for each in forms}) > 1:
        return None
    for same in zip(*forms, strict=True):
        blank = {replace(each, **_all_of(_LEAST_WEIGHTS, 0)) for each in same}
        if len(blank) > 1:
            return None
        least = {key: min(getattr(each, key) for each in same) for key in _LEAST_WEIGHTS}
        found.append(replace(same[0], **least))
    return tuple(found)


def _bits(level: Level, holder: Level | Partition) -> int | None:
    """Bits of a memory, whole also under double buffering."""
    if holder.capacity_words is not None:
        return holder.capacity_words * holder.word_bits
    return None if holder.capacity_kib is None else int(holder.capacity_kib * 8192)


def _each_memory(hardware: Hardware, change: Callable[[Level, Any], Any]) -> Hardware:
    """The hardware with every level that has no partitions changed, and all partitions."""

    def changed(level: Level) -> Level:
        if level.partitions:
            return replace(level, partitions=tuple(change(level, p) for p in level.partitions))
        one: Level = change(level, level)
        return one

    return replace(hardware, levels=tuple(map(changed, hardware.levels)))


def _roomy(hardware: Hardware) -> Hardware:
    """All sizes in one unit, and no price that goes by another."""

    def spelled(level: Level, holder: Any) -> Any:
        bits = _bits(level, holder)
        return replace(
            holder, capacity_kib=None if bits is None else bits / 8192, capacity_words=None
        )

    found = _each_memory(hardware, spelled)
    levels = []
    for level in found.levels:
        partitions = tuple(
            replace(p, read_pj=level.price(p.tensors[0], "read"),
                    write_pj=level.price(p.tensors[0], "write"))
            for p in level.partitions
        )  # fmt: skip
        update = level.write_pj if level.update_pj is None else level.update_pj
        levels.append(replace(level, partitions=partitions, update_pj=update))
    return replace(found, levels=tuple(levels))


def _blank(hardware: Hardware) -> Hardware:
    """The hardware without all that `relaxed` takes the best of."""

    def sized(level: Level, holder: Any) -> Any:
        keys = _LEAST_PARTITION if isinstance(holder, Partition) else _LEAST_LEVEL
        size = None if holder.capacity_kib is None else 1.0
        return replace(holder, capacity_kib=size, **_all_of(keys, 0.0))

    plain = _each_memory(hardware, sized)
    levels = tuple(
        replace(
            level, **_all_of(_LEAST_LEVEL, 0.0), **_all_of(_MOST_LEVEL, None),
            fanout=replace(level.fanout, x=1, y=1, transfer_pj=0.0, tensor_pj={}, hop_pj=0.0),
        )
        for level in plain.levels
    )  # fmt: skip
    compute = replace(plain.compute, **{**_all_of(_LEAST_COMPUTE, 0.0), "cycles_per_mac": 1})
    return replace(plain, levels=levels, compute=compute, static_pj_per_cycle=0.0)


def _priced(networks: Sequence[Fanout]) -> list[Tensor]:
    """The tensors that cost something of their own on some networks."""
    return [tensor for tensor in TENSORS if any(tensor in n.tensor_pj for n in networks)]


def _relaxed_level(levels: Sequence[Level]) -> Level:
    first, networks = levels[0], [level.fanout for level in levels]
    fanout = replace(
        first.fanout, x=max(n.x for n in networks), y=max(n.y for n in networks),
        transfer_pj=min(n.transfer_pj for n in networks), hop_pj=min(n.hop_pj for n in networks),
        tensor_pj={t: min(n.transfer_price(t) for n in networks) for t in _priced(networks)},
    )  # fmt: skip
    partitions = tuple(
        replace(same[0], capacity_kib=_most(p.capacity_kib for p in same),
                **_least(same, _LEAST_PARTITION))
        for same in zip(*(level.partitions for level in levels), strict=True)
    )  # fmt: skip
    most: dict[str, Any] = {
        key: _most(getattr(each, key) for each in levels) for key in _MOST_LEVEL
    }
    return replace(
        first, fanout=fanout, partitions=partitions,
        capacity_kib=_most(each.capacity_kib for each in levels),
        **_least(levels, _LEAST_LEVEL), **most,
    )  # fmt: skip


def _all_of(keys: Iterable[str], value: Any) -> dict[str, Any]:
    return dict.fromkeys(keys, value)


def _least(parts: Sequence[Any], keys: Iterable[str]) -> dict[str, Any]:
    return {key: min(getattr(each, key) for each in parts) for key in keys}


def _most(values: Iterable[float | None]) -> float | None:
    """The largest; ``None``, which is unlimited, if any is."""
    found = list(values)
    return None if None in found else max(each for each in found if each is not None)
