"""Why clustered layers are executed as they are, and where it is best to decode."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from kcsim.cost.access import CodebookPlace
from kcsim.cost.rooms import room_of
from kcsim.estimation.result import Result
from kcsim.model.codebook import codebook_place
from kcsim.model.layer_estimate import LayerEstimate
from kcsim.sharing.account import SharedEstimate
from kcsim.sums import exact_sum
from kcsim.workload.execution import SHARING_NAMES


@dataclass(frozen=True)
class Spill:
    """A codebook that is too large for its store.

    Attributes
    ----------
    values, most : int
        Values that the layer uses, and that the store has room for.
    level : str
        Where it lies in place of the store.
    times : float or None
        How much more energy a bit looked up there takes; ``None`` where the store takes none.
    """

    values: int
    most: int
    level: str
    times: float | None

    def __str__(self) -> str:
        text = f"codebook {self.values} > {self.most} values: spilled to the {self.level}"
        return text if self.times is None else f"{text}, {self.times:.3g}× the energy of a lookup"


@dataclass(frozen=True)
class DecodedAt:
    """What all layers take that are decoded at the output of one level; dense ones included.

    Attributes
    ----------
    level : str
    energy : float
    cycles : int
    """

    level: str
    energy: float
    cycles: int

    @property
    def edp(self) -> float:
        """Energy times cycles."""
        return self.energy * self.cycles


def spill_of(layer: LayerEstimate) -> Spill | None:
    """The codebook of a layer, if its store has no room for it."""
    counts, form = layer.counts, layer.weight_format
    if layer.execution in SHARING_NAMES:
        phase = cast("SharedEstimate", layer).entries
        counts, form = phase.counts, phase.weights
    place, store = codebook_place(counts, form), counts.hardware.codebook
    if place is None or place.index is None or store is None:
        return None
    most = int(store.capacity_kib * 8192) // form.entry_bits
    own = store.read_pj / store.word_bits
    times = _bit_pj(place) / own if own else None
    return Spill(form.codebook_words, most, place.level or "", times)


def spill_warnings(layers: Sequence[LayerEstimate]) -> tuple[str, ...]:
    """One sentence for each kind of codebook that is too large for its store.

    Parameters
    ----------
    layers : sequence of LayerEstimate
    """
    found: dict[str, dict[str, None]] = {}
    for layer in layers:
        if spill := spill_of(layer):
            found.setdefault(str(spill), {})[layer.layer.name] = None
    return tuple(f"Warning: {', '.join(names)}: {text}." for text, names in found.items())


def decoded_at(result: Result) -> tuple[DecodedAt, ...]:
    """What decoding takes at each level at which all layers can be decoded.

    Parameters
    ----------
    result : Result
        Of `kcsim.compare_executions`.

    Returns
    -------
    tuple of DecodedAt
        From the outermost level in; empty where nothing but one place was tried.
    """
    if "auto" not in result.runs:
        return ()
    found = []
    for level in result.hardware.level_names:
        parts = [_decoded(layer, level) for layer in result.runs["auto"].layers]
        if all(parts):
            energy = exact_sum(part[0] for part in parts if part)
            found.append(DecodedAt(level, energy, sum(part[1] for part in parts if part)))
    return tuple(found) if len(found) > 1 else ()


def why(result: Result, index: int) -> str:
    """Why a layer is executed as ``auto`` does, in one line.

    Parameters
    ----------
    result : Result
        Of `kcsim.compare_executions`.
    index : int
        Of the layer.
    """
    layer = result.runs["auto"].layers[index]
    if layer.execution == "dense":
        return "not clustered"
    parts = []
    if layer.execution in SHARING_NAMES:
        parts = [_table_reason(layer), *_over_decoding(layer)]
    if layer.execution == "decode":
        parts += _why_not_shared(result, index)
    spill = spill_of(layer)
    return "; ".join([*parts, *([str(spill)] if spill else [])]) or "nothing else was tried"


def _bit_pj(place: CodebookPlace) -> float:
    return place.read_pj / place.access_bits


def _decoded(layer: LayerEstimate, level: str) -> tuple[float, int] | None:
    if layer.execution == "dense":
        return layer.energy, layer.cycles.total
    for other in layer.alternatives:
        if (other.execution, other.decode_level) == ("decode", level):
            return other.energy, other.cycles
    return None


def _table_reason(layer: LayerEstimate) -> str:
    """Where tables of a shared layer are gathered, and why not further in."""
    shared = cast("SharedEstimate", layer)
    what, hardware = shared.intermediate, shared.shared.hardware
    products = "products" if layer.execution == "share_products" else "sums"
    if shared.plan.ordered:
        return f"units in order of their entries: one sum at a time at the {what.gathered_at}"
    text = f"table of {what.width} {products}"
    if what.spilled:
        text = f"{products} spilled to the {what.home}; {text}"
    last, role = hardware.level_index(what.gathered_at), shared.shared.role
    words = what.width * shared.shared.depth
    for inner in hardware.levels[last + 1 :]:
        room = room_of(inner, role) if role in inner.kept_tensors else None
        if room is not None and room.bits is not None and words * what.value_bits > room.bits:
            most = room.bits // what.value_bits
            where = f"{words} > {most} of {what.value_bits} bits that the {inner.name} has room for"
            return f"{text}: {where}, gathered at the {what.gathered_at}"
    return f"{text} gathered at the {what.gathered_at}"


def _over_decoding(layer: LayerEstimate) -> list[str]:
    """What a shared layer takes of what it would take decoded at the best level."""
    decoded = [other for other in layer.alternatives if other.execution == "decode"]
    if not decoded or not decoded[0].energy:
        return []
    energy, cycles = layer.energy / decoded[0].energy, layer.cycles.total / decoded[0].cycles
    return [f"{energy:.2f}× the energy and {cycles:.2f}× the cycles of decoding"]


def _why_not_shared(result: Result, index: int) -> list[str]:
    """What the best way to share would have taken, and what its tables alone take."""
    layer = result.runs["auto"].layers[index]
    best: tuple[float, LayerEstimate] | None = None
    for name in SHARING_NAMES:
        other = result.runs[name].layers[index] if name in result.runs else layer
        if other.execution == name and (best is None or _edp(other) < best[0]):
            best = _edp(other), other
    if best is None:
        return []
    other = best[1]
    verb = other.execution.replace("_", " ").replace("share", "sharing")
    spared = 1 - other.operations.multiplies / max(1, layer.operations.multiplies)
    tables = exact_sum(item.energy for item in other.items if item.tensor == "intermediate")
    text = f"{verb} would spare {spared:.0%} of multiplies, but take "
    cycles = other.cycles.total / layer.cycles.total
    if layer.energy:
        text += f"{other.energy / layer.energy:.2f}× the energy "
        text += f"({tables / layer.energy:.2f}× for its tables) and "
    return [f"{text}{cycles:.2f}× the cycles"]


def _edp(layer: LayerEstimate) -> float:
    return layer.energy * layer.cycles.total
