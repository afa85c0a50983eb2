"""The JSON documents: their fields, types and units, checked as they are built."""

from __future__ import annotations

from typing import Literal

from pydantic.dataclasses import dataclass

from kcsim.report.layer_schema import (
    STRICT,
    Amount,
    Count,
    Execution,
    LayerDocument,
    Number,
    OperationsDocument,
)


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
    notes: tuple[str, ...]
    """What is assumed where it gives nothing, and what it gives that has no effect."""


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
    """Energy of moving each tensor, shared products and sums as `intermediate`, and `other`."""
    cycles: Count
    """Cycles, one layer after the other."""
    macs: Count
    """Multiply-accumulates."""
    utilization: Amount
    """Mean of the layers over their cycles, from 0 to 1."""
    seconds: Amount | None
    """Time [s], if the hardware names its clock."""
    weight_bits: Number
    """What the weights occupy, biases aside [bit]."""
    storage: StorageDocument | None
    """The same by part; `null` for dense weights."""
    lookups: Count
    """Codebook entries looked up."""
    operations: OperationsDocument
    """What is computed."""
    innermost_accesses_per_mac: Amount
    """Words that the MAC units read and write at the innermost level, per MAC."""
    deep_kmeans: DeepKMeansDocument
    """Metrics of the whole network."""


@dataclass(frozen=True, config=STRICT, kw_only=True)
class RunDocument:
    """The network with dense or with clustered weights."""

    weights: str
    """`dense`, or the clustering."""
    execution: Literal["dense", "auto"] | Execution
    """How clustered layers were to be executed; `auto`: each as it is best."""
    totals: TotalsDocument
    """Sums over the layers."""
    layers: tuple[LayerDocument, ...]
    """In the order of the network."""


@dataclass(frozen=True, config=STRICT, kw_only=True)
class EstimateDocument:
    """What `kcsim estimate --format json` writes."""

    schema: Literal["kcsim.estimate/2"]
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
class ComparisonDocument:
    """What `kcsim compare --format json` writes."""

    schema: Literal["kcsim.compare/2"]
    """Name and version of this format."""
    versions: VersionsDocument
    """What computed it."""
    hardware: HardwareDocument
    """What the network runs on."""
    network: NetworkDocument
    """What runs."""
    clustering: str
    """The clustering."""
    objective: Literal["edp", "energy", "cycles"]
    """What mappings minimise, and what `auto` chose by."""
    runs: tuple[RunDocument, ...]
    """Dense, and clustered: `decode`, `share_products`, `share_sums`, `auto`, in this order."""


@dataclass(frozen=True, config=STRICT, kw_only=True)
class LayerEstimateDocument:
    """What `kcsim evaluate --format json` writes."""

    schema: Literal["kcsim.layer/2"]
    """Name and version of this format."""
    versions: VersionsDocument
    """What computed it."""
    hardware: HardwareDocument
    """What the layer runs on."""
    layer: LayerDocument
    """What it spends."""
