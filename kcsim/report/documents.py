"""Results as JSON: the records that documents consist of, and what writes them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from operator import attrgetter
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from kcsim.clustering.storage import LayerStorage, NetworkStorage
from kcsim.estimation.result import RUN_FIGURES, Result
from kcsim.model.layer_estimate import LAYER_FIGURES, LayerEstimate
from kcsim.report.accuracy_data import ACCURACIES
from kcsim.report.answer_records import ANSWERS_DOCUMENT, FRONT_DOCUMENT
from kcsim.report.execution_data import shared_part
from kcsim.report.network_record import NETWORK
from kcsim.report.records import Record
from kcsim.report.shared_records import HARDWARE, LOOPS, SEARCH, VERSIONS
from kcsim.weights.clustered import ClusteredWeights
from kcsim.workload.execution import EXECUTIONS
from kcsim.workload.layer import KINDS, TENSORS

if TYPE_CHECKING:
    from kcsim.sharing.account import SharedEstimate

_ACTIONS = (
    "read", "fill", "update", "transfer", "forward", "hop", "compute", "gate", "add", "multiply",
    "lookup", "load", "cycle", "clock",
)  # fmt: skip
_EXECUTIONS = ("dense", *EXECUTIONS)


def _part(name: str) -> Callable[[NetworkStorage], float]:
    return lambda storage: storage.parts[name]


STORAGE_PARTS = (
    "codebooks_bits", "indexes_bits", "transforms_bits", "scales_bits", "offsets_bits",
    "positions_bits", "outliers_bits",
    "dense_weights_bits",
)  # fmt: skip
STORAGE = Record(
    "Storage", "What weights occupy, part by part, biases aside.",
    f"{' '.join(STORAGE_PARTS)} weights_bits uncompressed_weights_bits is_expectation",
    {name: _part(name) for name in STORAGE_PARTS},
)  # fmt: skip

WEIGHT_FORMAT = Record(
    "WeightFormat", "How the weights of a layer are stored and moved.",
    "value_bits unit? unit_bits decode_level? codebook_words codebook_bits loads_codebook",
    {
        "unit": attrgetter("weight_format.shown_unit"),
        "unit_bits": lambda estimate: float(estimate.weight_format.unit_bits),
        "decode_level": lambda estimate: estimate.decode_level or None,
        **{
            name: attrgetter(f"weight_format.{name}")
            for name in ("value_bits", "codebook_words", "codebook_bits", "loads_codebook")
        },
    },
)  # fmt: skip

STORED_TENSOR = Record(
    "StoredTensor", "How a level that may compress a tensor stores it.",
    "level tensor coding? value_bits",
    choices={"tensor": TENSORS, "coding": ("run_length", "bitmask")},
)  # fmt: skip

ZEROS = Record(
    "Zeros", "Shares of zeros of a layer, and what the hardware makes of them.",
    "zero_weights zero_inputs zero_outputs computed_macs gated_macs skipped_macs stored_tensors "
    "is_expectation",
    {
        **{f"zero_{tensor}": attrgetter(f"layer.zeros.{tensor}") for tensor in TENSORS},
        **{
            f"{what}_macs": attrgetter(f"macs_left.{what}")
            for what in ("computed", "gated", "skipped")
        },
        "is_expectation": attrgetter("rests_on_zeros"),
    },
    {"stored_tensors": STORED_TENSOR},
)  # fmt: skip

ACCESSES = Record(
    "Accesses", "Accesses of one tensor at one level, over all its instances.",
    "level tensor instances tile_words reads fills updates", choices={"tensor": TENSORS},
)  # fmt: skip

SHARED_ACCESSES = Record(
    "SharedAccesses", "Accesses of shared products or sums at one level, over all its instances.",
    "level reads fills updates",
)  # fmt: skip

TRANSFERS = Record(
    "Transfers", "What crosses the network below one level.", "level tensor down up forwarded",
    choices={"tensor": TENSORS},
)  # fmt: skip

ENERGY_ITEM = Record(
    "EnergyItem", "One line of the energy account.",
    "component tensor action count bits accesses energy",
    choices={"action": _ACTIONS},
)  # fmt: skip

ALTERNATIVE = Record(
    "Alternative", "One way to execute a layer that was tried.",
    "execution decode_level? energy cycles",
    {
        "decode_level": lambda alternative: alternative.decode_level or None,
    },
    choices={"execution": _EXECUTIONS},
)  # fmt: skip

INTERMEDIATE = Record(
    "Intermediate", "The products or sums that a layer shares.",
    "home gathered_at spilled value_bits width tile_words words home_bits is_expectation "
    "relative_error accesses_by_level",
    {
        **{
            name: attrgetter(f"intermediate.{name}")
            for name in (
                "home", "gathered_at", "spilled", "value_bits", "width", "tile_words", "words",
                "home_bits", "is_expectation", "relative_error",
            )
        },
        "accesses_by_level": lambda estimate: list(_shared_accesses(estimate)),
    },
    {"accesses_by_level": SHARED_ACCESSES},
)  # fmt: skip

PLAN = Record(
    "Plan", "How a layer that shares is mapped.", "tile ordered group listed outer gather entries",
    {
        "tile": lambda plan: plan.tile._asdict(),
        **{name: attrgetter(f"{name}.levels") for name in ("outer", "gather", "entries")},
    },
    dict.fromkeys(("outer", "gather", "entries"), LOOPS),
)  # fmt: skip

LAYER = Record(
    "Layer", "What one layer spends.",
    "layer kind execution decode_level? dimensions macs energy cycles bound_by compute_cycles "
    "transfer_cycles lookup_cycles assumes_lookup_rate utilization mac_units_used lookups "
    "multiplies adds full_adders weight_format zeros mapping search? accesses_by_level transfers "
    "energy_items alternatives note intermediate? plan?",
    {
        **LAYER_FIGURES,
        "dimensions": attrgetter("layer.dimensions"),
        "transfer_cycles": attrgetter("cycles.transfer"),
        "weight_format": lambda estimate: estimate,
        "zeros": lambda estimate: estimate,
        "mapping": attrgetter("mapping.levels"),
        "accesses_by_level": lambda estimate: list(_accesses(estimate)),
        "transfers": lambda estimate: list(_transfers(estimate)),
        "energy_items": attrgetter("items"),
        "intermediate": shared_part,
        "plan": lambda estimate: estimate.plan if shared_part(estimate) else None,
    },
    {
        "weight_format": WEIGHT_FORMAT, "zeros": ZEROS, "mapping": LOOPS, "search": SEARCH,
        "accesses_by_level": ACCESSES, "transfers": TRANSFERS, "energy_items": ENERGY_ITEM,
        "alternatives": ALTERNATIVE, "intermediate": INTERMEDIATE, "plan": PLAN,
    },
    {"kind": KINDS, "execution": _EXECUTIONS},
)  # fmt: skip

RUN = Record(
    "Run", "The network, run in one way.",
    "run clustering? energy cycles edp weights_bits accuracy? utilization macs multiplies adds "
    "full_adders lookups computational_full_adders weight_bit_uses activation_bit_uses "
    "deep_kmeans_mac_units innermost_accesses_per_mac outermost_bits_per_mac energy_per_mac "
    "seconds? average_power? energy_by_component energy_by_tensor storage? layers",
    {
        **RUN_FIGURES,
        "energy_by_component": lambda run: run.energy_by_component(),
        "energy_by_tensor": lambda run: run.energy_by_tensor(),
    },
    {"storage": STORAGE, "layers": LAYER},
    {"run": (*_EXECUTIONS, "auto")},
)  # fmt: skip

CLUSTERED_LAYER = Record(
    "ClusteredLayer", "A layer; what it has no value for, as it stays dense, is `null`.",
    "layer clustering? unit? units clusters used_entries? distinct_per_channel? "
    "distinct_per_filter? codebook_bits indexes_bits transforms_bits scales_bits offsets_bits "
    "positions_bits outliers_bits dense_weights_bits weights_bits biases_bits "
    "uncompressed_weights_bits mean_squared_error? variance_kept?",
)  # fmt: skip

OPERATION_ESTIMATE = Record(
    "OperationEstimate", "What an addition, a concatenation or a pooling costs, of all images.",
    "name operation adds moved_words energy cycles energy_items",
    {
        "name": attrgetter("operation.name"),
        "operation": attrgetter("operation.kind"),
        "adds": attrgetter("operation.all_adds"),
        "moved_words": attrgetter("operation.moved_words"),
        "energy_items": attrgetter("items"),
    },
    {"energy_items": ENERGY_ITEM},
)  # fmt: skip

RESULT_DOCUMENT = Record(
    "Result", "What `kcsim estimate` and `kcsim compare` write with `--format json`.",
    "schema versions hardware network objective runs operations",
    {
        "schema": lambda _: "kcsim.result/2",
        "versions": lambda result: result,
        "runs": lambda result: list(result.runs.values()),
    },
    {
        "versions": VERSIONS, "hardware": HARDWARE, "network": NETWORK, "runs": RUN,
        "operations": OPERATION_ESTIMATE,
    },
    {"schema": ("kcsim.result/2",), "objective": ("edp", "energy", "cycles")},
)  # fmt: skip

LAYER_DOCUMENT = Record(
    "LayerResult", "What `kcsim evaluate` writes with `--format json`.",
    "schema versions hardware layers",
    {
        "schema": lambda _: "kcsim.layer/2",
        "versions": lambda estimate: estimate,
        "hardware": attrgetter("counts.hardware"),
        "layers": lambda estimate: [estimate],
    },
    {"versions": VERSIONS, "hardware": HARDWARE, "layers": LAYER},
    {"schema": ("kcsim.layer/2",)},
)  # fmt: skip

CLUSTER_DOCUMENT = Record(
    "Clustered", "What `kcsim cluster` and `kcsim retrain` print with `--format json`.",
    "schema versions network clustering storage biases_bits compression_ratio payload_bytes "
    "accuracies? notes layers",
    {
        "schema": lambda _: "kcsim.cluster/2",
        "versions": lambda weights: weights,
        "storage": lambda weights: weights.storage(),
        "biases_bits": lambda weights: weights.storage().biases_bits,
        "compression_ratio": lambda weights: weights.storage().ratio(),
        "accuracies": attrgetter("accuracy"),
        "layers": lambda weights: [
            _clustered_layer(stored, weights) for stored in weights.storage().layers
        ],
    },
    {
        "versions": VERSIONS, "network": NETWORK, "storage": STORAGE, "accuracies": ACCURACIES,
        "layers": CLUSTERED_LAYER,
    },
    {"schema": ("kcsim.cluster/2",)},
)  # fmt: skip

DOCUMENTS = {
    "result": RESULT_DOCUMENT, "layer": LAYER_DOCUMENT, "cluster": CLUSTER_DOCUMENT,
    "mappings": ANSWERS_DOCUMENT, "front": FRONT_DOCUMENT,
}  # fmt: skip
"""All documents by the names that `kcsim schema` knows them by."""


def to_dict(result: Result | LayerEstimate | ClusteredWeights) -> dict[str, Any]:
    """A result in plain types, for JSON.

    Parameters
    ----------
    result : Result, LayerEstimate or ClusteredWeights

    Returns
    -------
    dict
        Valid under the schema of its record in `DOCUMENTS`.
    """
    if isinstance(result, ClusteredWeights):
        return CLUSTER_DOCUMENT.write(result)
    return (RESULT_DOCUMENT if isinstance(result, Result) else LAYER_DOCUMENT).write(result)


def _accesses(estimate: LayerEstimate) -> Iterator[SimpleNamespace]:
    counts, held = estimate.counts, estimate.tile_words
    shown = counts.mapping.keeps_array(counts.hardware) | counts.accesses.any(axis=-1)
    for i, name in enumerate(counts.hardware.level_names):
        for j, tensor in enumerate(TENSORS):
            if shown[i, j]:
                reads, fills, updates = counts.accesses[i, j].tolist()
                yield SimpleNamespace(
                    level=name, tensor=tensor, instances=int(counts.instances[i]),
                    tile_words=int(held[i, j]), reads=reads, fills=fills, updates=updates,
                )  # fmt: skip


def _transfers(estimate: LayerEstimate) -> Iterator[SimpleNamespace]:
    counts = estimate.counts
    for i, name in enumerate(counts.hardware.level_names):
        for j, tensor in enumerate(TENSORS):
            if counts.transfers[i, j].any():
                down, up, forwarded = counts.transfers[i, j].tolist()
                yield SimpleNamespace(
                    level=name, tensor=tensor, down=down, up=up, forwarded=forwarded
                )


def _shared_accesses(estimate: SharedEstimate) -> Iterator[SimpleNamespace]:
    names = estimate.counts.hardware.level_names
    for name, words in zip(names, estimate.intermediate_accesses.tolist(), strict=True):
        if any(words):
            yield SimpleNamespace(level=name, reads=words[0], fills=words[1], updates=words[2])


def _clustered_layer(stored: LayerStorage, weights: ClusteredWeights) -> SimpleNamespace:
    part = stored.clustering
    layer = weights.layers.get(part.layer.name)
    known: Mapping[str, Any] = {
        "clustering": None, "used_entries": None, "distinct_per_channel": None,
        "distinct_per_filter": None, "mean_squared_error": None, "variance_kept": None,
    }  # fmt: skip
    if layer:
        known = {
            "clustering": str(part.settings),
            "used_entries": layer.used_entries,
            "distinct_per_channel": layer.distinct_per_channel.tolist(),
            "distinct_per_filter": layer.distinct_per_filter.tolist(),
            "mean_squared_error": layer.mean_squared_error,
            "variance_kept": layer.variance_kept,
        }
    bits = {name: getattr(stored, name) for name in CLUSTERED_LAYER.fields if "_bits" in name}
    unit = part.unit.extents if part.unit else None
    return SimpleNamespace(
        layer=part.layer.name, unit=unit, units=part.units, clusters=part.clusters, **known, **bits
    )
