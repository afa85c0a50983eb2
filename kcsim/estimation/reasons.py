"""Why clustered layers are executed as they are, and where it is best to decode."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
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


@dataclass(frozen=True)
class Gathered:
    """Where the tables of a shared layer are gathered, and why not further in.

    Attributes
    ----------
    values : str
        ``products`` or ``sums``.
    level : str
    width : int
        Values of a table, one position of it.
    is_ordered : bool
        Whether one sum is gathered at a time, so that there are no tables.
    home : str
        Where they are spilled to; empty where they are not.
    words, most, bits : int
        Values of a whole table, values that the next level in has room for, and bits of a value.
    inner : str
        That level; empty where none keeps the data and is too small.
    """

    values: str
    level: str
    width: int
    is_ordered: bool
    home: str
    words: int = 0
    most: int = 0
    bits: int = 0
    inner: str = ""

    def __str__(self) -> str:
        if self.is_ordered:
            return f"units in order of their entries: one sum at a time at the {self.level}"
        text = f"table of {self.width} {self.values}"
        if self.home:
            text = f"{self.values} spilled to the {self.home}; {text}"
        if not self.inner:
            return f"{text} gathered at the {self.level}"
        room = f"{self.most} of {self.bits} bits that the {self.inner} has room for"
        return f"{text}: {self.words} > {room}, gathered at the {self.level}"


@dataclass(frozen=True)
class OverDecoding:
    """What sharing takes of what decoding takes.

    Attributes
    ----------
    execution : str
        ``share_products`` or ``share_sums``.
    energy : float or None
        ``None`` where decoding takes none.
    cycles : float
    tables : float or None
        Energy of the tables alone.
    spared : float
        Share of the multiplies that are left out.
    """

    execution: str
    energy: float | None
    cycles: float
    tables: float | None
    spared: float

    def __str__(self) -> str:
        verb = self.execution.replace("_", " ").replace("share", "sharing")
        text = f"{verb} would spare {100 * self.spared:.0f} % of multiplies, but take "
        if self.energy is not None:
            text += f"{self.energy:.2f}× the energy ({self.tables:.2f}× for its tables) and "
        return f"{text}{self.cycles:.2f}× the cycles"


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
        parts = [str(gathered(layer)), *_over_decoding(layer)]
    if layer.execution == "decode" and (other := best_sharing(result, index)):
        parts = [str(other)]
    spill = spill_of(layer)
    return "; ".join([*parts, *([str(spill)] if spill else [])]) or "nothing else was tried"


def gathered(layer: LayerEstimate) -> Gathered:
    """Where tables of a layer that shares are gathered, and why not further in.

    Parameters
    ----------
    layer : LayerEstimate
    """
    shared = cast("SharedEstimate", layer)
    what, hardware = shared.intermediate, shared.shared.hardware
    values = "products" if layer.execution == "share_products" else "sums"
    home = what.home if what.spilled else ""
    found = Gathered(values, what.gathered_at, what.width, shared.plan.ordered, home)
    last, role = hardware.level_index(what.gathered_at), shared.shared.role
    words = what.width * shared.shared.depth
    for inner in hardware.levels[last + 1 :]:
        room = room_of(inner, role) if role in inner.kept_tensors else None
        if room is not None and room.bits is not None and words * what.value_bits > room.bits:
            most = room.bits // what.value_bits
            return replace(found, words=words, most=most, bits=what.value_bits, inner=inner.name)
    return found


def best_sharing(result: Result, index: int) -> OverDecoding | None:
    """What the best way to share would take of what a decoded layer takes.

    Parameters
    ----------
    result : Result
        Of `kcsim.compare_executions`.
    index : int
        Of the layer.

    Returns
    -------
    OverDecoding or None
        ``None`` where it cannot share.
    """
    layer = result.runs["auto"].layers[index]
    best: LayerEstimate | None = None
    for name in SHARING_NAMES:
        other = result.runs[name].layers[index] if name in result.runs else layer
        if other.execution == name and (best is None or _edp(other) < _edp(best)):
            best = other
    if best is None:
        return None
    tables = exact_sum(item.energy for item in best.items if item.tensor == "intermediate")
    return OverDecoding(
        best.execution,
        best.energy / layer.energy if layer.energy else None,
        best.cycles.total / layer.cycles.total,
        tables / layer.energy if layer.energy else None,
        1 - best.operations.multiplies / max(1, layer.operations.multiplies),
    )


def _bit_pj(place: CodebookPlace) -> float:
    return place.read_pj / place.access_bits


def _decoded(layer: LayerEstimate, level: str) -> tuple[float, int] | None:
    if layer.execution == "dense":
        return layer.energy, layer.cycles.total
    for other in layer.alternatives:
        if (other.execution, other.decode_level) == ("decode", level):
            return other.energy, other.cycles
    return None


def _over_decoding(layer: LayerEstimate) -> list[str]:
    """What a shared layer takes of what it would take decoded at the best level."""
    decoded = [other for other in layer.alternatives if other.execution == "decode"]
    if not decoded or not decoded[0].energy:
        return []
    energy, cycles = layer.energy / decoded[0].energy, layer.cycles.total / decoded[0].cycles
    return [f"{energy:.2f}× the energy and {cycles:.2f}× the cycles of decoding"]


def _edp(layer: LayerEstimate) -> float:
    return layer.energy * layer.cycles.total
