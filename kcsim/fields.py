"""The one table of what users see: name, kind, unit and meaning of every field.

A field has the same name in the Python API, in the columns of frames, in CSV headers, in JSON and
in the documentation; all of these take it from here. `docs/nomenclature.md` is the table as a page.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from kcsim.mapping_fields import MAPPING_HOMES

Kind = Literal[
    "text", "texts", "flag", "integer", "integers", "number", "energy", "bits", "ratio", "share",
    "shares", "signed share", "by name", "record", "records",
]  # fmt: skip


@dataclass(frozen=True)
class Field:
    """One field.

    Attributes
    ----------
    name : str
    kind : str
        What values are: an ``integer``, a ``number`` and so on (none but ``signed`` ones are
        negative); a ``share`` is a fraction of 1; ``bits`` and ``energy`` are shown with
        prefixes; a ``record`` has fields of its own.
    unit : str
        Empty for counts, quotients and energies, whose unit is that of the hardware
        (`energy_unit`).
    meaning : str
        One sentence.
    home : str
        The module that computes it.
    """

    name: str
    kind: Kind
    unit: str
    meaning: str
    home: str = ""

    @property
    def heading(self) -> str:
        """The name in words, for people; the unit is named apart."""
        name = self.name.removesuffix(f"_{self.unit}") if self.unit else self.name
        words = name.removesuffix("_bits" if self.kind == "bits" else "_").split("_")
        return " ".join(_SPELLED.get(w, w) for w in words)


_SPELLED = {"macs": "MACs", "mac": "MAC", "edp": "EDP", "kmeans": "k-means"}


def field_named(name: str) -> Field:
    """The field of a name; ``<name>_ratio`` is what the first run has over a run."""
    if name not in FIELDS and name.endswith("_ratio"):
        of = FIELDS[name.removesuffix("_ratio")]
        meaning = f"What the first run has of `{of.name}`, over what this one has."
        return Field(name, "ratio", "", meaning, "kcsim.estimation.result")
    return FIELDS[name]


def _table(homes: dict[str, tuple[tuple[str, Kind, str, str], ...]]) -> Iterable[Field]:
    for home, rows in homes.items():
        for row in rows:
            yield Field(*row, f"kcsim.{home}")


_HOMES: dict[str, tuple[tuple[str, Kind, str, str], ...]] = {
    "workload.network": (
        ("network", "record", "", "What runs."),
        ("name", "text", "", "Its name."),
        ("batch", "integer", "", "Images at once."),
        ("layer_count", "integer", "", "Number of layers."),
        ("weight_words", "integer", "words", "Words of all trained weight tensors, without "
         "biases; of an operation, those that it reads."),
        ("operations", "records", "", "What the network does beside its layers."),
        ("edges", "records", "", "Who feeds whom, as far as that is known."),
        ("source", "text", "", "The layer or operation whose outputs are read."),
        ("target", "text", "", "The layer or operation that reads them."),
    ),
    "workload.operation": (
        ("operation", "text", "", "What it does, as `add`, `pool`, `softmax`."),
        ("operation_count", "integer", "", "Operations of the kind."),
        ("input_words", "integer", "words", "Words of all its inputs."),
        ("output_words", "integer", "words", "Words of its outputs."),
        ("moved_words", "integer", "words", "Words read and written once."),
    ),
    "workload.unmodeled": (
        ("macs_share", "share", "", "Part of all multiply-accumulates of the network, those that "
         "are not modeled included."),
        ("bytes_share", "share", "", "Part of all bytes, if each layer and operation reads and "
         "writes its tensors once."),
    ),
    "workload.layer": (
        ("layer", "text", "", "Name of the layer."),
        ("kind", "text", "", "`conv`, a convolution, `linear`, fully connected, or `matmul`, of "
         "computed matrices."),
        ("dimensions", "by name", "", "Extents of the loop variables N, G, M, C, P, Q, R, S."),
        ("macs", "integer", "", "Multiply-accumulates, whatever becomes of them."),
        ("tensor", "text", "", "`weights`, `inputs`, `outputs`, `intermediate` (shared products "
         "or sums), or empty for what belongs to none."),
        ("input", "text", "", "Channels, rows and columns of the inputs."),
        ("output", "text", "", "Channels, rows and columns of the outputs."),
        ("kernel", "text", "", "Rows and columns of the kernels."),
        ("stride", "text", "", "Rows and columns that windows move by."),
        ("groups", "integer", "", "Groups of channels that do not meet."),
    ),
    "workload.zeros": (
        ("zero_weights", "share", "", "Share of zero weights, from 0 to below 1."),
        ("zero_inputs", "share", "", "Share of zero inputs, from 0 to below 1."),
        ("zero_outputs", "share", "", "Share of zero outputs, from 0 to below 1."),
    ),
    "clustering.scheme": (
        ("clustering", "text", "", "How weights are clustered; none for dense weights."),
        ("unit", "integers", "", "Channels, rows and columns that one index stands for, behind the "
         "filters if there are several; none for dense weights."),
    ),
    "clustering.resolve": (
        ("units", "integer", "", "Units N, each of which has one index; 0 for dense weights."),
        ("clusters", "integer", "", "Entries K of a codebook; 0 for dense weights."),
    ),
    "clustering.storage": (
        ("storage", "record", "", "What the weights occupy, by part; none for dense weights."),
        ("codebook_bits", "bits", "bits", "Codebooks of a layer; in what it occupies, 0 for "
         "one that layers share."),
        ("codebooks_bits", "bits", "bits", "Codebooks; those that layers share count once."),
        ("indexes_bits", "bits", "bits", "Indexes."),
        ("transforms_bits", "bits", "bits", "Transforms."),
        ("scales_bits", "bits", "bits", "Scales."), ("offsets_bits", "bits", "bits", "Offsets."),
        ("positions_bits", "bits", "bits", "What says where indexes are, where zero units have "
         "none."),
        ("outliers_bits", "bits", "bits", "Weights that are kept exactly, and where they are."),
        ("extras_bits", "bits", "bits", "Transforms, scales, offsets, positions and outliers."),
        ("dense_weights_bits", "bits", "bits", "Weights that stay dense."),
        ("biases_bits", "bits", "bits", "Biases."),
        ("weights_bits", "bits", "bits", "What the weights occupy, codebooks and indexes "
         "included, biases aside."),
        ("total_bits", "bits", "bits", "Sum of the parts."),
        ("uncompressed_weights_bits", "bits", "bits", "The weights without clustering."),
        ("compression_ratio", "ratio", "", "Uncompressed over stored bits."),
        ("part", "text", "", "Part of what is stored, or of the cycles."),
        ("size_bits", "bits", "bits", "What a part occupies."),
    ),
    "weights.clustered": (
        ("used_entries", "integer", "", "Entries that a layer uses, those of every sub-space "
         "counted apart."),
        ("distinct_per_channel", "integers", "", "Distinct entries that the filters have for each "
         "input channel (U_c)."),
        ("distinct_per_filter", "integers", "", "Distinct entries that each filter has (V_m)."),
        ("entries_per_channel", "number", "", "Mean of the distinct entries for a channel."),
        ("entries_per_filter", "number", "", "Mean of the distinct entries of a filter."),
        ("mean_squared_error", "number", "", "Of the decoded weights against the given ones, "
         "where these are known."),
        ("variance_kept", "signed share", "", "1 less the squared error over the variance of "
         "the given weights."),
        ("payload_bytes", "integer", "bytes", "Tensors of the file, each rounded up to bytes."),
    ),
    "weights.accuracy": (
        ("accuracy", "share", "", "Share of test images that the network classifies right in the "
         "end; none where that was not measured."),
        ("accuracies", "record", "", "What the network recognizes, before and after; none where "
         "that was not measured."),
        ("images", "text", "", "What was tested on."),
        ("image_count", "integer", "", "How many images of it."),
        ("method", "text", "", "How weights were retrained: `none`, `tied` (with shared weights), "
         "or with a penalty before sharing, `hard` or `relaxed`."),
        ("epochs", "integer", "", "Times that the training images were gone through."),
        ("seeds", "integers", "", "One for each run; the weights are those of the first."),
        ("dense_accuracy", "share", "", "Share that the dense network classifies right."),
        ("clustered_accuracy", "share", "", "In an exploration: clustered and nothing else."),
        ("normed_accuracy", "share", "", "In an exploration: batch norms estimated anew."),
        ("clustered_accuracies", "shares", "", "Of each run, clustered and nothing else; noise "
         "where it is low."),
        ("normed_accuracies", "shares", "", "Of each run, with batch norms estimated anew; as "
         "before in networks without any."),
        ("retrained_accuracies", "shares", "", "Of each run, in the end."),
    ),
    "hardware.schema": (
        ("hardware", "record", "", "What the network runs on."),
        ("energy_unit", "text", "", "Unit of all energies: `pJ`, or `MAC`, the energy of one."),
        ("clock_mhz", "number", "MHz", "Clock, if the hardware names one."),
        ("levels", "texts", "", "Names of the levels, outermost first."),
        ("level", "text", "", "Name of a level."),
        ("mac_units", "integer", "", "MAC units of the array."),
    ),
    "hardware.notes": (
        ("notes", "texts", "", "What was noticed or assumed, one sentence each."),
    ),
    "hardware.level": (
        ("holds", "text", "", "Tensors that share a store."),
        ("capacity_bits", "bits", "bits", "Room in one instance, half of it under double "
         "buffering; none if unlimited."),
    ),
    "hardware.areas": (
        ("components", "records", "", "Parts of the hardware that store or compute, what they "
         "are, their area and leakage."),
        ("part_kind", "text", "", "What a part is, as `sram`; empty where the hardware does not "
         "say."),
        ("part_count", "integer", "", "Instances of a part on the chip."),
        ("instance_area_mm2", "number", "mm2", "Area of one instance."),
        ("area_mm2", "number", "mm2", "Area of all instances of a part; of the chip the sum of "
         "what is known, times `layout_factor`."),
        ("leakage_mw", "number", "mW", "Leakage of all instances of a part, of DRAM its "
         "background."),
        ("layout_factor", "number", "", "Area of the laid-out chip over the sum of its parts."),
    ),
    "hardware.description": (
        ("derived", "records", "", "Numbers of the hardware that nobody typed: they follow from "
         "sizes."),
        ("place", "text", "", "Of a number, as `levels.buffer.read_pj`."),
        ("value", "number", "", "As it is used."), ("unit_name", "text", "", "Its unit."),
        ("rule", "text", "", "How it was found."),
        ("low", "number", "", "Lower end of the error bar, as a factor."),
        ("high", "number", "", "Upper end of the error bar, as a factor."),
        ("sources", "texts", "", "What it rests on; `kcsim cite` names them."),
        ("library", "text", "", "What estimated it."),
    ),
    "cost.weight_format": (
        ("weight_format", "record", "", "How the weights of a layer are stored and moved."),
        ("value_bits", "number", "bits", "Width of one stored value; expected where it is "
         "compressed, 0 for indexes."),
        ("unit_bits", "number", "bits", "Size of one stored unit; 0 for dense weights."),
        ("decode_level", "text", "", "The level at whose output entries are read from the "
         "codebook; none for dense weights."),
        ("codebook_words", "integer", "words", "Values in the codebooks that the layer uses."),
        ("loads_codebook", "flag", "", "Whether this layer brings the codebook on chip."),
    ),
    "model.counts": (
        ("accesses_by_level", "records", "", "Accesses of every level, of each tensor that it "
         "keeps."),
        ("transfers", "records", "", "What crosses the network below every level."),
        ("instances", "integer", "", "Instances of a level in use."),
        ("mac_units_used", "integer", "", "MAC units in use."),
        ("tile_words", "integer", "words", "What one instance holds at one time."),
        ("reads", "integer", "words", "Read for the level below, or to send results upwards, over "
         "all instances."),
        ("fills", "integer", "words", "Written from the level above, over all instances."),
        ("updates", "integer", "words", "Written from below, partial sums included, over all "
         "instances."),
        ("down", "integer", "words", "Arriving at the children of a level."),
        ("up", "integer", "words", "Leaving the children upwards."),
        ("forwarded", "integer", "words", "Taken from a neighbor."),
        ("used_bits", "bits", "bits", "What the tiles take in one instance."),
        ("capacity_used", "share", "", "Part of the capacity that the tiles take."),
    ),
    "model.traffic": (
        ("zeros", "record", "", "Shares of zeros, and what the hardware makes of them."),
        ("computed_macs", "integer", "", "MACs that are computed."),
        ("gated_macs", "integer", "", "MACs that are gated: they take a cycle."),
        ("skipped_macs", "integer", "", "MACs that are skipped."),
        ("stored_tensors", "records", "", "How each level stores each tensor that it may "
         "compress."),
        ("coding", "text", "", "`run_length` or `bitmask`; none where plain values are smaller, "
         "or weights are indexes."),
        ("compressed_bits", "bits", "bits", "All accesses of compressed tensors."),
        ("traffic_ratio", "ratio", "", "Plain over compressed traffic of compressed tensors."),
        ("is_expectation", "flag", "", "Whether figures are expected values: of shares of zeros, "
         "of an assumed entropy, or of distinct entries where no weights are given."),
    ),
    "model.cycles": (
        ("cycles", "integer", "", "Cycles; of a network, one layer after the other."),
        ("compute_cycles", "integer", "", "Cycles of the computation alone."),
        ("transfer_cycles", "by name", "", "Cycles of the transfers of each level; 0 where the "
         "hardware sets no bandwidth. Of networks that have one, likewise."),
        ("lookup_cycles", "integer", "", "Cycles of lookups in the stores of the codebook; 0 "
         "without any, or without a rate."),
        ("bound_by", "text", "", "`compute`, `codebook` (its stores), or the level or network "
         "that decides the cycles."),
        ("assumes_lookup_rate", "flag", "", "Whether stores of the codebook are taken to serve "
         "all lookups in time, as the hardware gives no rate."),
        ("share_of_cycles", "share", "", "Part of all cycles."),
    ),
    "model.energy": (
        ("energy", "energy", "", "Energy, in `energy_unit`."),
        ("energy_share", "share", "", "Part of the energy of a run."),
        ("energy_items", "records", "", "The energy account; adds up to the energy of the layer."),
        ("component", "text", "", "A level, `<level> network`, an operator, `codebook`, "
         "`codebook (<level>)` (one too large for its store) or `static`."),
        ("action", "text", "", "What was done: `read`, `transfer`, `compute`, ..."),
        ("count", "integer", "", "How often: words and lookups, those that zeros save included; "
         "hops, operations, cycles."),
        ("bits", "number", "bits", "What the words amount to, less what zeros save; 0 for "
         "operations and cycles."),
        ("accesses", "integer", "", "Accesses of a block, or operations, that are paid for."),
        ("energy_by_component", "by name", "", "Energy of each component."),
        ("energy_by_tensor", "by name", "", "Energy of moving each tensor, and `other`."),
    ),
    "model.codebook": (
        ("lookups", "integer", "", "Codebook entries looked up."),
    ),
    "model.layer_estimate": (
        ("execution", "text", "", "How a layer is executed: `dense`, `decode`, `share_products` "
         "or `share_sums`."),
        ("utilization", "share", "", "MACs (or gathered values) but skipped ones, over what the "
         "array could do in these cycles."),
        ("multiplies", "integer", "", "Multiplies, those with zeros included."),
        ("adds", "integer", "", "Adds, those with zeros included; of every output, one less than "
         "products."),
        ("full_adders", "integer", "full adders", "Multiplies and adds in 1-bit full adders, "
         "after Deep k-Means."),
        ("alternatives", "records", "", "All ways to execute the layer that it was chosen from, "
         "the best first and itself included; empty without a choice."),
        ("note", "text", "", "Why something is not as it was asked for, if it is not."),
    ),
    "sharing.account": (
        ("intermediate", "record", "", "The shared products or sums; none for other layers."),
        ("home", "text", "", "The level that holds the shared products or sums."),
        ("gathered_at", "text", "", "The innermost level that tables of them are brought to."),
        ("spilled", "flag", "", "Whether all of them lie in the outermost level between the two "
         "phases."),
        ("width", "integer", "", "Entries of a table: as many as the block (or filter) with most "
         "of them uses."),
        ("words", "integer", "words", "Shared products or sums that are computed in all."),
        ("relative_error", "number", "", "Of the expected number of distinct entries: root mean "
         "square over real layers that were clustered by the scheme; 0 with weights."),
        ("home_bits", "bits", "bits", "All tiles that the home holds at one time, those of other "
         "tensors included."),
    ),
    "sharing.plan": (
        ("plan", "record", "", "How a layer that shares is mapped: tile by tile, each in two "
         "phases below the home; none for other layers."),
        ("tile", "by name", "", "What the home holds at one time: extents of N, G, M, C, P, Q."),
        ("ordered", "flag", "", "Whether sums are gathered one at a time, units coming in the "
         "order of their entries."),
        ("group", "integer", "", "Filters that share one order; 1 where there is none."),
        ("listed", "flag", "", "Whether tables have the entries that their units use, as lists "
         "say; else all of their codebook, without lists."),
        ("outer", "records", "", "Of the whole layer: the loops down to the home bring one tile "
         "after the other."),
        ("gather", "records", "", "The phase that gathers by index, for one tile."),
        ("entries", "records", "", "The phase that multiplies by entries, for one block or filter "
         "of a tile."),
    ),
    "estimation.result": (
        ("runs", "records", "", "The network in every way that it was run: `dense` first, then "
         "each execution of clustered layers."),
        ("run", "text", "", "How clustered layers were to be executed: `dense` without any, "
         "`decode`, `share_products`, `share_sums`, or `auto`, each as it is best."),
        ("layers", "records", "", "The layers, in the order of the network."),
        ("seconds", "number", "s", "Time, if the hardware names its clock."),
        ("edp", "number", "", "Energy times cycles, in `energy_unit`."),
        ("average_power", "number", "W", "Energy over time, if the hardware gives both in units."),
        ("energy_per_mac", "number", "", "Energy over MACs, in `energy_unit`."),
        ("innermost_accesses_per_mac", "number", "words", "Words that the MAC units read and "
         "write at the innermost level, per MAC."),
        ("outermost_bits_per_mac", "number", "bits", "Traffic of the outermost level, per MAC."),
    ),
    "estimation.deep_kmeans": (
        ("computational_full_adders", "number", "full adders", "Computational cost of "
         "Deep k-Means (Wu et al., ICML 2018)."),
        ("weight_bit_uses", "number", "bit uses", "Weight representational cost."),
        ("activation_bit_uses", "number", "bit uses", "Activation representational cost."),
        ("deep_kmeans_mac_units", "number", "MAC", "These three costs together, in energies of "
         "one 16-bit MAC."),
    ),
    "report.documents": (
        ("schema", "text", "", "Name and version of this format."),
        ("versions", "record", "", "What computed it."),
        ("kcsim", "text", "", "Version of kcsim."), ("python", "text", "", "Version of Python."),
        ("numpy", "text", "", "Version of NumPy."),
    ),
    "exploration.designs": (
        ("point", "text", "", "Name of a point: a hash of all that its results depend on."),
        ("hardware_hash", "text", "", "Hash of the hardware, whatever describes it."),
        ("memory_bits", "bits", "bits", "Memories that have a size, all instances together."),
        ("scheme", "text", "", "Scheme of the clustering; none for dense weights."),
        ("outermost_traffic_bits", "bits", "bits", "Traffic of the outermost level."),
        ("error", "text", "", "Why a point has no results, if any."),
        ("evaluation_seconds", "number", "s", "Time that a point took."),
    ),
    "exploration.plan": (("kcsim_version", "text", "", "Version of kcsim behind the results."),),
    "exploration.exploration": (
        ("feasible", "flag", "", "Whether something fits, and all constraints hold."),
    ),
}  # fmt: skip

FIELDS = {each.name: each for each in _table({**_HOMES, **MAPPING_HOMES})}
"""All fields by name."""
