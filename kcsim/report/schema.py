"""The JSON documents: their fields, types and units, checked as they are built."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

__all__ = [
    "STRICT",
    "AccessDocument",
    "CyclesDocument",
    "DeepKMeansDocument",
    "EnergyDocument",
    "EstimateDocument",
    "HardwareDocument",
    "LayerDocument",
    "LayerEstimateDocument",
    "LoopsDocument",
    "NetworkDocument",
    "RunDocument",
    "StorageDocument",
    "StoredDocument",
    "TotalsDocument",
    "TransferDocument",
    "VersionsDocument",
    "WeightsDocument",
    "ZerosDocument",
]

Count = Annotated[int, Field(ge=0)]
Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Number = Count | Amount
"""An integer where it is exact."""
Tensor = Literal["weights", "inputs", "outputs"]
Action = Literal[
    "read", "fill", "update", "transfer", "forward", "hop", "compute", "gate", "lookup", "load",
    "cycle",
]  # fmt: skip

STRICT = ConfigDict(extra="forbid", strict=True, use_attribute_docstrings=True)


@dataclass(frozen=True, config=STRICT, kw_only=True)
class VersionsDocument:
    """What computed the estimate."""

    kcsim: str
    """Version of kcsim."""
    python: str
    """Version of Python."""
    numpy: str
    """Version of NumPy."""


@dataclass(frozen=True, config=STRICT, kw_only=True)
class HardwareDocument:
    """The hardware."""

    name: str
    """Its name."""
    energy_unit: Literal["pJ", "MAC"]
    """Unit of every field that ends in `energy_pj`; `MAC`: relative to one MAC."""
    clock_mhz: Amount | None
    """Clock [MHz], if the hardware names one."""
    levels: tuple[str, ...]
    """Names of the levels, outermost first."""
    mac_units: Count
    """MAC units of the array."""


@dataclass(frozen=True, config=STRICT, kw_only=True)
class NetworkDocument:
    """The network."""

    name: str
    """Its name."""
    batch: Count
    """Images at once."""
    layers: Count
    """Number of layers."""
    macs: Count
    """Multiply-accumulates of all layers."""
    weights: Count
    """Words of all weight tensors, without biases."""


@dataclass(frozen=True, config=STRICT, kw_only=True)
class StorageDocument:
    """What clustered weights occupy, biases aside."""

    codebooks_bits: Number
    """Codebooks; those that layers share count once [bit]."""
    indexes_bits: Number
    """Indexes [bit]."""
    transforms_bits: Number
    """Transforms [bit]."""
    scales_bits: Number
    """Scales [bit]."""
    offsets_bits: Number
    """Offsets [bit]."""
    dense_weights_bits: Number
    """Weights of layers that stay dense [bit]."""
    total_bits: Number
    """Sum of the parts [bit]."""
    uncompressed_bits: Number
    """All weights without clustering [bit]."""
    is_expectation: bool
    """Whether indexes are counted by an assumed entropy."""


@dataclass(frozen=True, config=STRICT, kw_only=True)
class DeepKMeansDocument:
    """The metrics of Deep k-Means (Wu et al., ICML 2018)."""

    computational_full_adders: Number
    """Computational cost [1-bit full adders]."""
    weight_bit_uses: Number
    """Weight representational cost [bit uses]."""
    activation_bit_uses: Number
    """Activation representational cost [bit uses]."""
    mac_units: Number
    """The three costs together [energies of one 16-bit MAC]."""


@dataclass(frozen=True, config=STRICT, kw_only=True)
class TotalsDocument:
    """Sums over the layers of a run."""

    energy_pj: Amount
    """Energy [`hardware.energy_unit`]."""
    energy_by_component_pj: dict[str, Amount]
    """Energy of each component of the hardware [`hardware.energy_unit`]."""
    energy_by_tensor_pj: dict[str, Amount]
    """Energy of moving each tensor, and `other` [`hardware.energy_unit`]."""
    cycles: Count
    """Cycles, one layer after the other."""
    macs: Count
    """Multiply-accumulates."""
    utilization: Amount
    """MACs, but for skipped ones, over what the array could do in these cycles, from 0 to 1."""
    seconds: Amount | None
    """Time [s], if the hardware names its clock."""
    weight_bits: Number
    """What the weights occupy, biases aside [bit]."""
    storage: StorageDocument | None
    """The same by part; `null` for dense weights."""
    lookups: Count
    """Codebook entries looked up."""
    innermost_accesses_per_mac: Amount
    """Words that the MAC units read and write at the innermost level, per MAC."""
    deep_kmeans: DeepKMeansDocument
    """Metrics of the whole network."""


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
    total: Count
    """Of the layer."""
    bound_by: str
    """`compute`, or the level that decides."""


@dataclass(frozen=True, config=STRICT, kw_only=True)
class EnergyDocument:
    """One line of the energy account."""

    component: str
    """A level, `<level> network`, `MAC`, `codebook`, `codebook (<level>)` or `static`."""
    tensor: str
    """`weights`, `inputs`, `outputs`, or empty."""
    action: Action
    """What was done; the schema lists all actions."""
    count: Count
    """How often: words and lookups, those that zeros save included; hops, MACs, cycles."""
    bits: Amount
    """What the words amount to, less what zeros save [bit]; 0 for MACs and cycles."""
    accesses: Count
    """Accesses of a block that are paid for."""
    energy_pj: Amount
    """Energy [`hardware.energy_unit`]."""


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
class LayerDocument:
    """What one layer spends."""

    name: str
    """Its name."""
    kind: Literal["conv", "linear"]
    """Convolution, or fully connected."""
    dimensions: dict[str, Count]
    """Extents of the loop variables N, G, M, C, P, Q, R, S."""
    macs: Count
    """Multiply-accumulates."""
    energy_pj: Amount
    """Total energy [`hardware.energy_unit`]."""
    utilization: Amount
    """MACs, but for skipped ones, over what the array could do in its cycles, from 0 to 1."""
    mac_units_used: Count
    """MAC units in use."""
    lookups: Count
    """Codebook entries looked up."""
    weights: WeightsDocument
    """How its weights are stored."""
    zeros: ZerosDocument
    """Its zeros."""
    mapping: tuple[LoopsDocument, ...]
    """The loop nest, outermost level first."""
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


@dataclass(frozen=True, config=STRICT, kw_only=True)
class RunDocument:
    """The network with dense or with clustered weights."""

    weights: str
    """`dense`, or the clustering."""
    totals: TotalsDocument
    """Sums over the layers."""
    layers: tuple[LayerDocument, ...]
    """In the order of the network."""


@dataclass(frozen=True, config=STRICT, kw_only=True)
class EstimateDocument:
    """What `kcsim estimate --format json` writes."""

    schema: Literal["kcsim.estimate/1"]
    """Name and version of this format."""
    versions: VersionsDocument
    """What computed it."""
    hardware: HardwareDocument
    """What the network runs on."""
    network: NetworkDocument
    """What runs."""
    runs: tuple[RunDocument, ...]
    """The dense run and, if asked for, the clustered one."""


@dataclass(frozen=True, config=STRICT, kw_only=True)
class LayerEstimateDocument:
    """What `kcsim evaluate --format json` writes."""

    schema: Literal["kcsim.layer/1"]
    """Name and version of this format."""
    versions: VersionsDocument
    """What computed it."""
    hardware: HardwareDocument
    """What the layer runs on."""
    layer: LayerDocument
    """What it spends."""
