"""Stores that are as large as the codebooks that they hold (``capacity: auto``)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from kcsim.clustering.scheme import Clustering
from kcsim.cost.clustered_formats import weight_formats
from kcsim.cost.weight_format import WeightFormat
from kcsim.hardware.codebook_store import CodebookStore
from kcsim.hardware.description import Origin
from kcsim.hardware.places import place_name
from kcsim.hardware.schema import Hardware
from kcsim.weights.clustered import ClusteredWeights
from kcsim.workload.layer import ConvLayer

KIB_BITS = 8192


def with_sized_store(
    layers: Sequence[ConvLayer],
    hardware: Hardware,
    clustering: Clustering | ClusteredWeights | None,
) -> Hardware:
    """The hardware with a store for the largest codebook that any of the layers uses.

    Its depth is the next power of two. Energies that nobody typed follow from that size. So do
    those of stores at other levels that the decoder may be moved to.

    Parameters
    ----------
    layers : sequence of ConvLayer
    hardware : Hardware
    clustering : Clustering or ClusteredWeights, optional

    Returns
    -------
    Hardware
        The same one if its stores have sizes of their own, or nothing is clustered.

    Raises
    ------
    InputError
        If the clustering does not fit the layers, or the library knows no such store.
    """
    store = hardware.codebook
    if store is None or not store.sized_levels or clustering is None:
        return hardware
    forms = weight_formats(layers, hardware, clustering)
    largest = max(forms, key=lambda form: form.codebook_bits)
    if not largest.codebook_bits:
        return hardware
    found, origins = store, dict(hardware.provenance)
    for level in store.sized_levels:
        size = _size(store.moved_to(level), largest)
        found = _with_size(found, level, size.value)
        origins[place_name(hardware, (*store.path_of(level), "capacity_kib"))] = size
    sized = replace(hardware, codebook=found, provenance=origins)
    # The tables are read where they are needed, so that others start as fast as before.
    from kcsim.hardware.components.standard import StandardLibrary
    from kcsim.hardware.from_sizes import with_sizes
    from kcsim.hardware.wanted import ACCESSES

    sizes = [level for level in store.levels if store.moved_to(level).sizing == "auto"]
    paths = [(*store.path_of(level), key) for level in sizes for key in ACCESSES]
    wanted = [path for path in paths if place_name(hardware, path) in hardware.provenance]
    return with_sizes(sized, wanted, StandardLibrary()) if wanted else sized


def _size(store: CodebookStore, largest: WeightFormat) -> Origin:
    depth = -(-largest.codebook_bits // store.word_bits)
    depth = 1 << (depth - 1).bit_length()
    rule = (
        f"{depth} words of {store.word_bits} bits for the largest codebook of a layer, "
        f"{largest.codebook_words} values of {largest.entry_bits} bits"
    )
    return Origin(value=depth * store.word_bits / KIB_BITS, unit="KiB", rule=rule)


def _with_size(store: CodebookStore, level: str, kib: float) -> CodebookStore:
    if level == store.level:
        return replace(store, capacity_kib=kib)
    moved = replace(store.at[level], capacity_kib=kib, sizing="auto")
    return replace(store, at={**store.at, level: moved})
