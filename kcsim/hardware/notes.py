"""What is assumed where a hardware gives nothing, and what it gives that has no effect."""

from __future__ import annotations

from collections.abc import Iterator

from kcsim.hardware.places import place_name
from kcsim.hardware.schema import Hardware
from kcsim.hardware.values import (
    AssumedBits,
)
from kcsim.workload.layer import TENSORS, Tensor


def hardware_notes(hardware: Hardware) -> tuple[str, ...]:
    """What a user of a hardware should know: a sentence each.

    Parameters
    ----------
    hardware : Hardware
    """
    return (
        *_assumed_words(hardware),
        *_wide_values(hardware),
        *_assumed_arithmetic(hardware),
        *_without_effect(hardware),
        *_from_sizes(hardware),
        *_sized_store(hardware),
        *_moved_stores(hardware),
    )


def _assumed_words(hardware: Hardware) -> Iterator[str]:
    words = []
    for level in hardware.levels:
        if isinstance(level.word_bits, AssumedBits):
            parts = [p for p in level.partitions if isinstance(p.word_bits, AssumedBits)]
            words += [f"{level.name} ({', '.join(p.tensors)}) {p.word_bits}" for p in parts]
            if not level.partitions:
                words.append(f"{level.name} {level.word_bits}")
    if hardware.codebook and isinstance(hardware.codebook.word_bits, AssumedBits):
        words.append(f"codebook store {hardware.codebook.word_bits}")
    if words:
        yield f"word_bits assumed, as wide as the widest value kept: {', '.join(words)}."


def _wide_values(hardware: Hardware) -> Iterator[str]:
    for level in hardware.levels:
        for tensor in level.kept_tensors:
            bits, word = getattr(hardware.precision_bits, tensor), level.word_bits_of(tensor)
            if bits > word:
                yield f"{tensor} of {bits} bits at {level.name} are wider than its words of {word}."


def _assumed_arithmetic(hardware: Hardware) -> Iterator[str]:
    names = "add_pj", "multiply_pj"
    given = [name for name in names if getattr(hardware.compute, name) is not None]
    if len(given) == 1:
        (other,) = set(names) - set(given)
        energy = getattr(hardware, other)
        yield f"{other} assumed: {energy:.4g}, its share of mac_pj whatever {given[0]} is."


def _without_effect(hardware: Hardware) -> Iterator[str]:
    compute = hardware.compute
    if compute.gated_mac_pj and "gate" not in compute.zeros.values():
        yield "gated_mac_pj has no effect: no zeros are gated."
    for index, level in enumerate(hardware.levels):
        for tensor in level.fanout.forwarding:
            reason = never_forwarded(hardware, index, tensor)
            if reason:
                yield f"{level.name} forwards no {tensor}, though it names them: {reason}."
        if level.buffering == "single" and not level.is_limited:
            yield (
                f"buffering: single has no effect at {level.name}: without bandwidth its transfers "
                "take no time."
            )
        holder = level.partition_of("outputs")
        own = holder is not None and holder.write_pj is not None
        if level.update_pj is not None and (own or "outputs" not in level.kept_tensors):
            reason = "its outputs have a write_pj of their own" if own else "it keeps no outputs"
            yield f"update_pj has no effect at {level.name}: {reason}."


def _from_sizes(hardware: Hardware) -> Iterator[str]:
    """Numbers that followed from sizes: said once, with their places."""
    places: dict[str, list[str]] = {}
    unknown: dict[str, list[str]] = {}
    for place, origin in hardware.provenance.items():
        holder, _, key = place.rpartition(".")
        if origin.value:
            places.setdefault(holder, []).append(f"{key} {origin.value:.4g}")
        else:
            unknown.setdefault(origin.rule, []).append(holder.removeprefix("levels."))
    if places:
        found = "; ".join(f"{holder} {', '.join(each)}" for holder, each in places.items())
        libraries = ", ".join(dict.fromkeys(o.library for o in hardware.provenance.values()))
        nodes = "" if hardware.technology_nm is None else f", {hardware.technology_nm:g} nm"
        cells = dict.fromkeys(
            str(origin.inputs["cell"])
            for origin in hardware.provenance.values()
            if "cell" in origin.inputs
        )
        of = f" of {' and '.join(cells)} cells" if cells else ""
        yield f"From sizes ({libraries}{nodes}{', SRAM' + of if of else ''}): {found}."
    for rule, holders in unknown.items():
        yield f"{', '.join(holders)}: {rule.rstrip('.')}."


def _sized_store(hardware: Hardware) -> Iterator[str]:
    store = hardware.codebook
    if store is None:
        return
    for level in store.sized_levels:
        place = place_name(hardware, (*store.path_of(level), "capacity"))
        origin = hardware.provenance.get(f"{place}_kib")
        if origin is None:
            yield f"{place} is auto: what is shown is a stand-in until there are codebooks."
        else:
            yield f"{place} is auto: {origin.value:.4g} KiB each, {origin.rule}."


def _moved_stores(hardware: Hardware) -> Iterator[str]:
    """Stores of other sizes whose energies cannot follow, as nothing says what they are."""
    store = hardware.codebook
    if store is None:
        return
    for level, given in store.at.items():
        moved = store.moved_to(level)
        is_typed = given.read_pj is not None and given.write_pj is not None
        if not (moved.kind or is_typed or moved.is_same_part(store)):
            place = place_name(hardware, store.path_of(level))
            yield f"{place} is another store at the energies of codebook, as it has no kind."


def never_forwarded(hardware: Hardware, index: int, tensor: Tensor) -> str:
    """Why children below a level can take nothing of a tensor from neighbors; empty if they can.

    Parameters
    ----------
    hardware : Hardware
    index : int
        Position of the level.
    tensor : {"weights", "inputs", "outputs"}
    """
    level, below = hardware.levels[index], hardware.levels[index + 1 : index + 2]
    if tensor not in TENSORS[:2]:
        return "only weights and inputs are taken from neighbors"
    if level.fanout.children == 1:
        return "there is one child, which has no neighbor"
    if not below:
        return "its children are MAC units, which keep nothing"
    if tensor not in below[0].kept_tensors:
        return f"{below[0].name} does not keep them"
    return ""
