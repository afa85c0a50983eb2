"""A mapping as text: the loop nest, with what every level holds."""

from __future__ import annotations

from kcsim.model.layer_estimate import LayerEstimate
from kcsim.report.cells import shown
from kcsim.report.mapping_data import MappedLevel, Store, Tile, mapped_levels
from kcsim.report.search_data import proof
from kcsim.report.table import Column


def mapping_text(estimate: LayerEstimate) -> str:
    """The loop nest of a mapped layer, with the tiles that every level holds.

    Parameters
    ----------
    estimate : LayerEstimate

    Returns
    -------
    str
        Several lines, without a line break at the end. Tiles are those of one instance,
        in words; shares are of the capacity of the level, or of its partition.
    """
    lines = [f"{estimate.layer.name} on {estimate.counts.hardware.name}: {totals(estimate)}"]
    if estimate.search and not estimate.search.proved:
        lines.append(proof(estimate.search))
    depth = 0
    for level in mapped_levels(estimate):
        parts = [f"{level.name}{_use(level)}", _held(level)]
        lines.append("  " * depth + "  ".join(filter(None, parts)))
        for loop in level.nest:
            if isinstance(loop, str):
                lines.append(f"{'  ' * depth}  [{loop}]")
                continue
            depth += 1
            word, axis = ("parallel-for", f" on {loop.axis}") if loop.axis else ("for", "")
            short = ", the last short" if loop.is_last_short else ""
            lines.append(f"{'  ' * depth}{word} {loop.dimension} in {loop.bound}{axis}{short}")
        depth += 1
    return "\n".join(lines)


def totals(estimate: LayerEstimate) -> str:
    """Energy, cycles and use of the array in a few words."""
    energy = shown(
        estimate.energy, Column("energy", estimate.counts.hardware.energy_unit, "energy")
    )
    if estimate.counts.hardware.energy_unit != "pJ":
        energy += f" {estimate.counts.hardware.energy_unit}"
    expected = " (expected)" if estimate.rests_on_zeros else ""
    cycles = estimate.cycles
    return (
        f"{energy}{expected}, {cycles.total:,} cycles (bound by {cycles.bound_by}), "
        f"utilization {percent(estimate.utilization)}"
    )


def percent(share: float) -> str:
    """A share for people."""
    return shown(share, Column("share", "", "share"))


def listed(names: tuple[str, ...]) -> str:
    """Some names as part of a sentence."""
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def _use(level: MappedLevel) -> str:
    return f" ({level.used:,} of {level.available:,} in use)" if level.available > 1 else ""


def _held(level: MappedLevel) -> str:
    tiles = [_tile(tile, store) for store in level.stores for tile in store.tiles]
    held = [f"holds {', '.join(tiles)}"] if tiles else []
    if level.passing:
        held.append(f"{listed(level.passing)} pass by")
    return "; ".join(held)


def _tile(tile: Tile, store: Store) -> str:
    text = f"{tile.tensor} {tile.words:,}"
    if tile.indexes is not None:
        text += f" in {tile.indexes:,} indexes"
    if store.capacity_bits is not None:
        text += f" ({percent(tile.bits / store.capacity_bits)})"
    return text
