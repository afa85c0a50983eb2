"""Energies that were typed for another size than a part has now follow from its size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from kcsim.hardware.codebook_store import CodebookStore
from kcsim.hardware.components.names import ROOM_TEMPERATURE_K
from kcsim.hardware.components.part import Part
from kcsim.hardware.holders import FROM_SIZE, moved_stores
from kcsim.hardware.level import Level, Partition
from kcsim.hardware.memory_parts import level_part, mac_part, store_part
from kcsim.hardware.resolution import check_data
from kcsim.hardware.schema import Hardware
from kcsim.hardware.wanted import ACCESSES, LEAKAGE

Changed = Sequence[tuple[dict[str, Any], str]]


def let_resized_follow(data: Any, before: Hardware, changed: Changed) -> None:
    """Ask for the energies of parts whose size, kind or technology was changed without them.

    Only parts are concerned whose kind is given: of others nothing is known.

    Parameters
    ----------
    data : dict
        What the file holds after the changes, and is valid; it is changed.
    before : Hardware
        As the file was.
    changed : sequence of (dict, str)
        The mappings and keys that were set.
    """
    after, resize = check_data(data), _Resizing(set(_given(changed)))
    if len(before.levels) == len(after.levels):
        pairs = zip(before.levels, after.levels, data["levels"], strict=True)
        for old, new, mapping in pairs:
            for old_part, new_part, where in _holders(old, new, mapping):
                if _part(before, old, old_part) != (found := _part(after, new, new_part)) and found:
                    resize.memory(mapping, where)
                    if f"levels.{old.name}.{LEAKAGE}" in before.provenance:
                        resize.follow(mapping, LEAKAGE)
    old_store, new_store = before.codebook, after.codebook
    if old_store and new_store:
        if _differ(before, old_store, after, new_store):
            resize.follow(data["codebook"], *ACCESSES)
            resize.drop(data["codebook"], "area_mm2", "area")
        for level, mapping in moved_stores(data).items():
            if _differ(before, old_store.moved_to(level), after, new_store.moved_to(level)):
                # What is not typed there follows, or is that of the codebook itself.
                resize.follow(mapping, *(k for k in ACCESSES if {k, _stem(k)} & mapping.keys()))
                resize.drop(mapping, "area_mm2", "area")
    if after.compute.kind and mac_part(before) != mac_part(after):
        typed = [key for key in ("add_pj", "multiply_pj") if key in data["compute"]]
        resize.follow(data["compute"], "mac_pj", *typed)


def _given(changed: Changed) -> Iterator[tuple[int, str]]:
    """The keys that were set: one by one, or with the mapping that holds them."""
    for mapping, key in changed:
        yield id(mapping), _stem(key)
        held = mapping.get(key)
        if isinstance(held, dict):
            yield from _given([(held, each) for each in held])


def _differ(
    before: Hardware, old_store: CodebookStore, after: Hardware, new_store: CodebookStore
) -> bool:
    """Whether a store has become another part, of which something is known."""
    if not new_store.kind:
        return False
    was = store_part(before, old_store) if old_store.kind else None
    return was != store_part(after, new_store) or old_store.sizing != new_store.sizing


class _Resizing:
    """Changes of a file's data that let energies follow from sizes, but those that were set."""

    def __init__(self, given: set[tuple[int, str]]) -> None:
        self.given = given

    def was_set(self, mapping: dict[str, Any], key: str) -> bool:
        return (id(mapping), _stem(key)) in self.given

    def follow(self, mapping: dict[str, Any], *keys: str) -> None:
        """Ask for energies that were not set."""
        for key in keys:
            if not self.was_set(mapping, key):
                mapping.pop(_stem(key), None)
                mapping[key] = FROM_SIZE

    def memory(self, level: dict[str, Any], holder: dict[str, Any]) -> None:
        """Likewise, of a level or of a partition of it, which may inherit those of the level."""
        keys = [each for each in ACCESSES if holder is level or not self.was_set(level, each)]
        self.follow(holder, *keys)
        self.drop(level, "update_pj", "update")
        self.drop(holder, "area_mm2", "area")

    def drop(self, mapping: dict[str, Any], key: str, spelled: str) -> None:
        """Leave out what holds for another size, unless it was set."""
        if not (self.was_set(mapping, key) or self.was_set(mapping, spelled)):
            mapping.pop(key, None)
            mapping.pop(spelled, None)


def _stem(key: str) -> str:
    """``read_pj`` and ``read: 2 pJ`` are one key."""
    return key.removesuffix("_pj")


def _holders(
    old: Level, new: Level, mapping: dict[str, Any]
) -> list[tuple[Partition | None, Partition | None, dict[str, Any]]]:
    """A level, or its partitions, before and after."""
    if not new.partitions:
        return [(None, None, mapping)]
    if len(old.partitions) != len(new.partitions):
        return []
    return list(zip(old.partitions, new.partitions, mapping["partitions"], strict=True))


def _part(hardware: Hardware, level: Level, part: Partition | None) -> tuple[Part, Any] | None:
    """All that the energies of a memory depend on; ``None`` where nothing says what it is."""
    if not ((part or level).kind or level.kind):
        return None
    holder = part or level
    found = replace(level_part(hardware, level, part), temperature_k=ROOM_TEMPERATURE_K)
    used = holder.used_words_per_access or level.used_words_per_access
    return found, (holder.word_bits, level.block_words, used)
