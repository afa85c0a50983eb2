"""Stores that are as large as the codebooks that they hold (``capacity: auto``)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from kcsim.clustering.scheme import Clustering
from kcsim.cost.clustered_formats import weight_formats
from kcsim.hardware.description import Origin
from kcsim.hardware.notes import SIZED
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

    Its depth is the next power of two. Energies that nobody typed follow from that size.

    Parameters
    ----------
    layers : sequence of ConvLayer
    hardware : Hardware
    clustering : Clustering or ClusteredWeights, optional

    Returns
    -------
    Hardware
        The same one if its store has a size of its own, or nothing is clustered.

    Raises
    ------
    InputError
        If the clustering does not fit the layers, or the library knows no such store.
    """
    store = hardware.codebook
    if store is None or store.sizing == "fixed" or clustering is None:
        return hardware
    forms = weight_formats(layers, hardware, clustering)
    largest = max(forms, key=lambda form: form.codebook_bits)
    if not largest.codebook_bits:
        return hardware
    depth = -(-largest.codebook_bits // store.word_bits)
    depth = 1 << (depth - 1).bit_length()
    capacity = depth * store.word_bits / KIB_BITS
    rule = (
        f"{depth} words of {store.word_bits} bits for the largest codebook of a layer, "
        f"{largest.codebook_words} values of {largest.entry_bits} bits"
    )
    origin = Origin(value=capacity, unit="KiB", rule=rule)
    sized = replace(
        hardware, codebook=replace(store, capacity_kib=capacity),
        provenance={**hardware.provenance, SIZED: origin},
    )  # fmt: skip
    # The tables are read where they are needed, so that others start as fast as before.
    from kcsim.hardware.components.standard import StandardLibrary
    from kcsim.hardware.from_sizes import with_sizes
    from kcsim.hardware.wanted import ACCESSES

    wanted = [("codebook", key) for key in ACCESSES if f"codebook.{key}" in hardware.provenance]
    return with_sizes(sized, wanted, StandardLibrary()) if wanted else sized
