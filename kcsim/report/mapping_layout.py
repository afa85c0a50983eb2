"""Where things stand in the figure of a mapped layer, in a column of a paper or across a page."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import NamedTuple

from kcsim.report.mapping_data import Account, MappedLevel, Store, Tile
from kcsim.report.mapping_text import listed
from kcsim.report.pictures import SIZES

# All measures in inches.
LINE = 0.165
_PADDING = 0.06
GAP = 0.05
LETTER = 0.062
LARGEST_INDENT = 0.09
BAR = 0.1
Span = tuple[float, float]


class Places(NamedTuple):
    """Where things are across the figure, from left to right.

    In a column there is no room for all side by side: what fills stores, and the energy, stand in
    bands of their own below all nests.
    """

    width: float
    nest: Span
    rails: tuple[float, float, float]
    tiles: Span
    store: Span
    shares: Span
    parts: Span
    energy: Span
    values: Span
    is_column: bool


PLACES = {
    "page": Places(
        SIZES["page"], (0.12, 1.93), (1.98, 2.05, 2.12), (2.21, 3.36), (3.4, 3.64), (3.69, 4.9),
        (4.92, 5.53), (5.55, 6.06), (6.1, 7.1), is_column=False,
    ),
    "column": Places(
        SIZES["column"], (0.1, 1.86), (1.91, 1.98, 2.05), (2.13, 3.42), (0.75, 1.55), (1.6, 3.42),
        (0.1, 0.7), (0.75, 2.1), (2.15, 3.42), is_column=True,
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Band:
    """A level and where it is drawn."""

    level: MappedLevel
    top: float
    bottom: float

    def line(self, number: int) -> float:
        """Middle of a line of text."""
        return self.top + _PADDING + (number + 0.5) * LINE


def bands_of(levels: tuple[MappedLevel, ...], places: Places, top: float) -> list[Band]:
    """Bands for nests and tiles, and for all else where that stands beside them."""

    def lines(level: MappedLevel) -> int:
        spent_lines = 0 if places.is_column else len(spent(level))
        return max(head_lines(level) + len(level.nest), tile_lines(level, places), spent_lines)

    return _stacked(levels, [lines(level) for level in levels], top)


def account_bands(levels: tuple[MappedLevel, ...], top: float) -> list[Band]:
    """Bands for what fills stores, and for the energy."""
    lines = [1 + account_stores(level) + len(spent(level)) for level in levels]
    return _stacked(levels, lines, top)


def account_stores(level: MappedLevel) -> int:
    """Lines that say how full stores are."""
    return sum(1 + store.is_half for store in level.stores if store.capacity_bits is not None)


def _stacked(levels: tuple[MappedLevel, ...], lines: list[int], top: float) -> list[Band]:
    bands = []
    for level, count in zip(levels, lines, strict=True):
        bottom = top + 2 * _PADDING + count * LINE
        bands.append(Band(level, top, bottom))
        top = bottom + GAP
    return bands


def head_lines(level: MappedLevel) -> int:
    """Lines with the name of a level, and its instances."""
    return 1 + (level.available > 1)


def tile_lines(level: MappedLevel, places: Places) -> int:
    """Lines that say what a level holds, and what passes by."""
    return sum(map(store_lines, level.stores)) + len(passing_lines(level, places))


def passing_lines(level: MappedLevel, places: Places) -> list[str]:
    """What is written of tensors that pass by."""
    if not level.passing:
        return []
    end = places.tiles[1] if places.is_column else places.shares[1]
    return wrapped(f"{listed(level.passing)} pass by", (places.tiles[0], end))


def wrapped(text: str, span: Span) -> list[str]:
    """A text in as many lines as a span needs, words that are too long aside."""
    letters = int((span[1] - span[0]) / LETTER)
    return textwrap.wrap(text, letters, break_long_words=False)


def store_lines(store: Store) -> int:
    """Lines beside a store."""
    return max(1 + store.is_half, sum(map(lines_of, store.tiles)))


def lines_of(tile: Tile) -> int:
    """Lines of a tile: one more for its indexes."""
    return 1 if tile.indexes is None else 2


def tile_places(level: MappedLevel) -> dict[str, int]:
    """The line of every tensor that is kept at a level."""
    places, top = {}, 0
    for store in level.stores:
        line = top
        for tile in store.tiles:
            places[tile.tensor] = line
            line += lines_of(tile)
        top += store_lines(store)
    return places


def spent(level: MappedLevel) -> list[Account]:
    """Accounts with something to show."""
    return [account for account in level.accounts if account.total > 0]
