"""What one access moves and costs, at a level and wherever a codebook lies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kcsim.cost.ports import exact_rate, ports_of
from kcsim.cost.rooms import room_of
from kcsim.hardware.level import Level
from kcsim.hardware.schema import Hardware
from kcsim.workload.layer import Tensor


def block_bits(level: Level, tensor: Tensor) -> int:
    """Bits that one access to a tensor at a level moves, and its energy is paid for."""
    return level.word_bits_of(tensor) * level.words_per_access(tensor)


def rates(level: Level, tensor: Tensor) -> tuple[float, float, float]:
    """Bits of a tensor that one instance of a level moves in a cycle at most.

    Returns
    -------
    reads, fills, updates : float
        Infinite where unlimited.
    """
    words = {key: float(rate) for path in ports_of(level) for key, rate in path.rates.items()}
    reads, fills, updates = (
        words.get((tensor, action), np.inf) * level.word_bits_of(tensor)
        for action in ("reads", "fills", "updates")
    )
    return reads, fills, updates


def rate_of(level: Level, tensor: Tensor, action: str) -> float | None:
    """Words that one instance moves in a cycle; ``None`` where unlimited."""
    rate = exact_rate(level, tensor, action)
    return None if rate is None else float(rate)


@dataclass(frozen=True)
class CodebookPlace:
    """The memory that holds a codebook: its store, or a level where the store is too small.

    Attributes
    ----------
    index : int, optional
        Position of the level; ``None`` for the store.
    level : str, optional
        Its name.
    word_bits, access_bits : int
        Bits of a word, and of what one access reads or writes.
    read_pj, write_pj : float
        Energy of an access.
    read_words_per_cycle, write_words_per_cycle : float, optional
        Of one instance; unlimited when absent.
    """

    index: int | None
    level: str | None
    word_bits: int
    access_bits: int
    read_pj: float
    write_pj: float
    read_words_per_cycle: float | None
    write_words_per_cycle: float | None = None


def codebook_places(
    hardware: Hardware, decode_level: int, codebook_bits: int
) -> tuple[CodebookPlace, ...]:
    """Where a codebook may lie: in its store or, if it is too large, in levels from the decoder up.

    All but the outermost level have room for it, though not for their tiles beside it, perhaps.
    """
    store = hardware.codebook
    if store is None:
        return ()
    if codebook_bits <= store.capacity_kib * 8192:
        width, rate = store.word_bits, store.words_per_cycle
        return (CodebookPlace(None, None, width, width, store.read_pj, store.write_pj, rate),)
    places = []
    for i, level in reversed(list(enumerate(hardware.levels[: decode_level + 1]))):
        room = room_of(level, "weights").bits if "weights" in level.kept_tensors else None
        if i == 0 or (room is not None and codebook_bits <= room):
            places.append(place_in(hardware, i))
    return tuple(places)


def place_in(hardware: Hardware, index: int) -> CodebookPlace:
    """A level, given by its position, as the place of a codebook."""
    level = hardware.levels[index]
    return CodebookPlace(
        index, level.name, level.word_bits_of("weights"), block_bits(level, "weights"),
        level.price("weights", "read"), level.price("weights", "write"),
        rate_of(level, "weights", "reads"), rate_of(level, "weights", "fills"),
    )  # fmt: skip
