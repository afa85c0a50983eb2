"""The JSON of one layer: its fields, types and units, checked as they are built."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

Count = Annotated[int, Field(ge=0)]
Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Number = Count | Amount
"""An integer where it is exact."""
Tensor = Literal["weights", "inputs", "outputs"]
Action = Literal[
    "read", "fill", "update", "transfer", "forward", "hop", "compute", "gate", "add", "multiply",
    "lookup", "load", "cycle",
]  # fmt: skip
Execution = Literal["decode", "share_products", "share_sums"]

STRICT = ConfigDict(extra="forbid", strict=True, use_attribute_docstrings=True)


@dataclass(frozen=True, config=STRICT, kw_only=True)
class OperationsDocument:
    """Multiplies and adds, those with zeros included."""

    multiplies: Count
    """Multiplies."""
    adds: Count
    """Adds; of every output, one less than products."""
    full_adders: Count
    """Both [1-bit full adders]."""


@dataclass(frozen=True, config=STRICT, kw_only=True)
class WeightsDocument:
    """How the weights of a layer are stored."""

    value_bits: Count
    """Width of one dense weight [bit]."""
    unit: tuple[Count, Count, Count] | None
    """Channels, rows and columns that one index stands for; `null` for dense weights."""
    unit_bits: Amount
    """Size of one stored unit; 0 for dense weights [bit]."""
    decode_level: str | None
    """Innermost level that holds indexes; `null` for dense weights."""
    codebook_words: Count
    """Values in the codebooks that the layer uses."""
    codebook_bits: Count
    """Size of these codebooks [bit]."""
    loads_codebook: bool
    """Whether this layer brings the codebook on chip."""


@dataclass(frozen=True, config=STRICT, kw_only=True)
class StoredDocument:
    """How a level that may compress a tensor stores it."""

    level: str
    """Name of the level."""
    tensor: Tensor
    """Which tensor."""
    coding: Literal["run_length", "bitmask"] | None
    """`run_length` or `bitmask`; `null` where plain values are smaller, or weights are indexes."""
    value_bits: Amount
    """Expected size of one value; 0 for indexes [bit]."""


@dataclass(frozen=True, config=STRICT, kw_only=True)
class ZerosDocument:
    """Shares of zeros of a layer, and what the hardware makes of them."""

    weights: Amount
    """Share of zero weights, from 0 to below 1."""
    inputs: Amount
    """Share of zero inputs, from 0 to below 1."""
    outputs: Amount
    """Share of zero outputs, from 0 to below 1."""
    computed_macs: Count
    """MACs that are computed."""
    gated_macs: Count
    """MACs that are gated: they take a cycle."""
    skipped_macs: Count
    """MACs that are skipped."""
    stored: tuple[StoredDocument, ...]
    """One entry for each level and tensor that it may compress."""
    is_expectation: bool
    """Whether figures of the layer are expected values from these shares."""


@dataclass(frozen=True, config=STRICT, kw_only=True)
class LoopsDocument:
    """The loops of one level, outermost first, each as `P=13`."""

    level: str
    """Name of the level."""
    temporal: tuple[str, ...]
    """Loops in time."""
    spatial_x: tuple[str, ...]
    """Loops over the children along X."""
    spatial_y: tuple[str, ...]
    """Loops over the children along Y."""
    bypass: tuple[Tensor, ...]
    """Tensors that pass by although the level could keep them."""


@dataclass(frozen=True, config=STRICT, kw_only=True)
class SearchDocument:
    """How the mapping of a layer was found."""

    proved: bool
    """Whether no other mapping of the map space is better."""
    gap: float | None
    """How much lower the objective of another may be at most, as a share; `null` if unknown."""
    mappings: Count
    """Mappings in the map space."""
    evaluated: Count
    """Mappings that were costed in full; bounds ruled out the others."""
    note: str
    """Why it is not proved, if it is not."""


@dataclass(frozen=True, config=STRICT, kw_only=True)
class AccessDocument:
    """Accesses of one tensor at one level, over all its instances."""

    level: str
    """Name of the level."""
    tensor: Tensor
    """Which tensor."""
    instances: Count
    """Instances of the level in use."""
    tile_words: Count
    """What one instance holds at one time [words]."""
    reads: Count
    """Read for the level below, or to send results upwards [words]."""
    fills: Count
    """Written from the level above [words]."""
    updates: Count
    """Partial sums accepted from below [words]."""


@dataclass(frozen=True, config=STRICT, kw_only=True)
class TransferDocument:
    """What crosses the network below one level."""

    level: str
    """Name of the level."""
    tensor: Tensor
    """Which tensor."""
    down: Count
    """Arriving at the children [words]."""
    up: Count
    """Leaving the children upwards [words]."""
    forwarded: Count
    """Taken from a neighbour [words]."""


@dataclass(frozen=True, config=STRICT, kw_only=True)
class CyclesDocument:
    """Cycles of a layer."""

    compute: Count
    """Of the computation alone."""
    transfer: dict[str, Count]
    """Of the transfers of each level; 0 where the hardware sets no bandwidth."""
    lookup: Count
    """Of lookups in the stores of the codebook; 0 without any, or without a rate."""
    total: Count
    """Of the layer."""
    bound_by: str
    """`compute`, `codebook` (its stores), or the level that decides."""
    assumes_lookup_rate: bool
    """Whether stores are taken to serve all lookups in time, as the hardware gives no rate."""


@dataclass(frozen=True, config=STRICT, kw_only=True)
class EnergyDocument:
    """One line of the energy account."""

    component: str
    """A level, `<level> network`, an operator, `codebook`, `codebook (<level>)` or `static`."""
    tensor: str
    """`weights`, `inputs`, `outputs`, `intermediate` (products or sums), or empty."""
    action: Action
    """What was done; the schema lists all actions."""
    count: Count
    """How often: words and lookups, those that zeros save included; hops, operations, cycles."""
    bits: Amount
    """What the words amount to, less what zeros save [bit]; 0 for operations and cycles."""
    accesses: Count
    """Accesses of a block that are paid for."""
    energy_pj: Amount
    """Energy [`hardware.energy_unit`]."""


@dataclass(frozen=True, config=STRICT, kw_only=True)
class AlternativeDocument:
    """One way to execute a layer that was tried, and what it spends."""

    execution: Execution
    """How it executes the layer."""
    decode_level: str | None
    """The level at whose output entries are read from the codebook."""
    energy_pj: Amount
    """Total energy [`hardware.energy_unit`]."""
    cycles: Count
    """Cycles."""


@dataclass(frozen=True, config=STRICT, kw_only=True)
class TableAccessDocument:
    """Accesses of the intermediate tensor at one level, over all its instances."""

    level: str
    """Name of the level."""
    reads: Count
    """Read from it [words]."""
    fills: Count
    """Written from the level above [words]."""
    updates: Count
    """Written from below, partial sums included [words]."""


@dataclass(frozen=True, config=STRICT, kw_only=True)
class IntermediateDocument:
    """The intermediate tensor of a layer that shares: its products, or its sums."""

    home: str
    """The level that holds it."""
    gathered_at: str
    """The innermost level that tables of it are brought to."""
    spilled: bool
    """Whether all of it lies in the outermost level between the two phases."""
    width: Count
    """Entries of a table: as many as the block (or filter) with most of them uses."""
    tile_words: Count
    """What the home holds of it at one time [words]."""
    words: Count
    """What is computed of it in all [words]."""
    home_bits: Count
    """All tiles that the home holds at one time, those of other tensors included [bit]."""
    is_expectation: bool
    """Whether distinct entries are expected ones, as no weights were given."""
    accesses: tuple[TableAccessDocument, ...]
    """One entry for each level that it is in."""


@dataclass(frozen=True, config=STRICT, kw_only=True)
class PlanDocument:
    """How a layer that shares is mapped: tile by tile, each in two phases below the home."""

    tile: dict[str, Count]
    """What the home holds at one time: extents of N, G, M, C, P, Q."""
    ordered: bool
    """Whether sums are gathered one at a time, units coming in the order of their entries."""
    outer: tuple[LoopsDocument, ...]
    """Of the whole layer: the loops down to the home bring one tile after the other."""
    gather: tuple[LoopsDocument, ...]
    """The phase that gathers by index, for one tile."""
    entries: tuple[LoopsDocument, ...]
    """The phase that multiplies by entries, for one block or filter of a tile."""


@dataclass(frozen=True, config=STRICT, kw_only=True)
class LayerDocument:
    """What one layer spends."""

    name: str
    """Its name."""
    kind: Literal["conv", "linear"]
    """Convolution, or fully connected."""
    execution: Literal["dense"] | Execution
    """How it is executed."""
    decode_level: str | None
    """The level at whose output entries are read from the codebook; `null` for dense weights."""
    dimensions: dict[str, Count]
    """Extents of the loop variables N, G, M, C, P, Q, R, S."""
    macs: Count
    """Multiply-accumulates."""
    energy_pj: Amount
    """Total energy [`hardware.energy_unit`]."""
    utilization: Amount
    """MACs (or gathered values) but skipped ones, over what the array could do, from 0 to 1."""
    mac_units_used: Count
    """MAC units in use."""
    lookups: Count
    """Codebook entries looked up."""
    operations: OperationsDocument
    """What it computes."""
    weights: WeightsDocument
    """How its weights are stored."""
    zeros: ZerosDocument
    """Its zeros."""
    mapping: tuple[LoopsDocument, ...]
    """The loop nest, outermost level first; where products or sums are shared, `plan.outer`."""
    search: SearchDocument | None
    """How it was found; `null` for a given mapping."""
    accesses: tuple[AccessDocument, ...]
    """One entry for each level and tensor that it keeps."""
    transfers: tuple[TransferDocument, ...]
    """One entry for each level and tensor that moves below it."""
    cycles: CyclesDocument
    """Its cycles."""
    energy: tuple[EnergyDocument, ...]
    """The energy account; adds up to `energy_pj`."""
    alternatives: tuple[AlternativeDocument, ...]
    """What it was chosen from, the best first and itself included; empty without a choice."""
    note: str
    """Why it is not executed as it was asked for, if it is not."""
    intermediate: IntermediateDocument | None
    """The shared products or sums; `null` for other layers."""
    plan: PlanDocument | None
    """How these are mapped; `null` for other layers."""
