"""What clustered weights say, as tables of exact numbers."""

from __future__ import annotations

from kcsim.clustering.storage import LayerStorage
from kcsim.fields import field_named
from kcsim.report.table import Row, Table, column
from kcsim.sums import exact_sum, quotient
from kcsim.weights.clustered import ClusteredWeights
from kcsim.weights.clustered_layer import ClusteredLayer

_COLUMNS = (
    column("layer"),
    column("unit", optional=True),
    column("units", optional=True),
    column("clusters", heading="K"),
    column("used_entries"),
    column("entries_per_channel"),
    column("entries_per_filter"),
    column("codebook_bits", optional=True),
    column("indexes_bits", optional=True),
    column("extras_bits", optional=True),
    column("dense_weights_bits", heading="dense", optional=True),
    column("weights_bits", heading="total"),
    column("compression_ratio", heading="ratio"),
    column("mean_squared_error", heading="squared error", optional=True),
    column("variance_kept", heading="variance kept"),
)


def cluster_tables(weights: ClusteredWeights) -> tuple[Table, ...]:
    """Everything there is to say about clustered weights, the layers first.

    Parameters
    ----------
    weights : ClusteredWeights

    Returns
    -------
    tuple of Table
        Layers and the codebooks that they share, storage by part.
    """
    return (_layers_table(weights), _storage_table(weights))


def _layers_table(weights: ClusteredWeights) -> Table:
    storage = weights.storage()
    rows = [_row(stored, weights) for stored in storage.layers]
    for number, (name, bits) in enumerate(storage.shared_codebook_bits.items()):
        clusters = weights.codebooks[name].clusters
        empty: Row = (None,) * 3
        label = f"shared codebook {number}" if len(storage.shared_codebook_bits) > 1 else "shared"
        rows.append((label, None, None, clusters, *empty, bits, 0, 0, 0, bits, *empty))
    sums = [exact_sum(row[column] for row in rows) for column in range(7, 12)]
    plain = storage.uncompressed_weights_bits
    units = sum(layer.part.units for layer in weights.layers.values())
    total = ("TOTAL", None, units, *(None,) * 4, *sums, quotient(plain, sums[-1]), None, None)
    notes = [
        "Entries per channel and per filter: means of the distinct entries that the filters have "
        "for an input channel, and that a filter has.",
        "Extras: transforms, scales, offsets, positions of indexes, and outliers. Squared error: "
        "mean, against the given weights.",
        *([f"Accuracy: {weights.accuracy}."] if weights.accuracy else []),
        *weights.notes,
    ]
    title = f"Layers: {weights.network.name}, {weights.clustering}"
    return Table(title, _COLUMNS, tuple(rows), (total,), tuple(notes))


def _row(stored: LayerStorage, weights: ClusteredWeights) -> Row:
    layer = weights.layers.get(stored.clustering.layer.name)
    bits = (
        stored.codebook_bits,
        stored.indexes_bits,
        stored.extras_bits,
        stored.dense_weights_bits,
        stored.weights_bits,
        stored.uncompressed_weights_bits / stored.weights_bits if stored.weights_bits else None,
    )
    name = stored.clustering.layer.name
    if layer is None:
        return (name, "dense", *(None,) * 5, *bits, None, None)
    return (name, *_counts(layer), *bits, layer.mean_squared_error, layer.variance_kept)


def _counts(layer: ClusteredLayer) -> Row:
    unit = layer.part.unit
    return (
        "x".join(map(str, unit.extents)) if unit else None,
        layer.part.units,
        layer.part.clusters,
        layer.used_entries,
        float(layer.distinct_per_channel.mean()),
        float(layer.distinct_per_filter.mean()),
    )


def _storage_table(weights: ClusteredWeights) -> Table:
    storage = weights.storage()
    parts = storage.parts | {"biases_bits": storage.biases_bits}
    rows = tuple((field_named(part).heading, bits) for part, bits in parts.items() if bits)
    notes = [
        f"Ratio with biases: {storage.ratio():.4g}; of the clustered layers alone, without "
        f"biases: {storage.ratio('clustered', biases=False):.4g}. Dense values take 32 bits.",
        f"Tensors of the file: {weights.payload_bytes:,} bytes, each rounded up to whole bytes.",
    ]
    if any(layer.part.settings.index == "entropy" for layer in weights.layers.values()):
        notes.append("Indexes count as their entropy; the file holds Huffman codes.")
    title = f"Storage: {weights.network.name}, {weights.clustering}"
    columns = (column("part"), column("size_bits"))
    return Table(title, columns, rows, (("TOTAL", storage.total_bits),), tuple(notes))
