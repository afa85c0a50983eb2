"""Layers with clustered weights and a decoder, and a walk of what leaves it."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from fractions import Fraction
from operator import floordiv

from hypothesis import strategies as st
from mapped_layers import mapped_layers
from oracle import Nest, new_words, words_of

from kcsim import parse_clustering
from kcsim.cost.clustered_formats import weight_formats
from kcsim.cost.weight_format import WeightFormat
from kcsim.hardware.schema import CodebookStore

STORE = CodebookStore(level="DRAM", capacity_kib=1e6, read_pj=3, write_pj=4)


def items(estimate):
    return {(i.component, i.tensor, i.action): i for i in estimate.items}


def with_store(hardware, **changes):
    return dataclasses.replace(hardware, codebook=dataclasses.replace(STORE, **changes))


def format_of(layer, hardware, spec="scalar:k=4"):
    (form,) = weight_formats([layer], hardware, parse_clustering(spec))
    return form


def units_of(layer):
    """A scalar, a row, a kernel, all channels at a tap, two filters, all of some taps."""
    depth = layer.in_channels // layer.groups
    rows, columns = layer.kernel_height, layer.kernel_width
    filters = layer.out_channels // layer.groups
    across = next(n for n in (2, 3, filters) if filters % n == 0)
    return st.sampled_from(
        ((1, 1, 1, 1), (1, 1, 1, columns), (1, 1, rows, columns), (1, depth, 1, 1),
         (across, 1, 1, 1), (across, 1, rows, columns), (filters, depth, 1, columns))
    )  # fmt: skip


def crossing(layer, hardware, mapping, level, unit, entry_bits=1, word_bits=1):
    """Weights, units of them, and words of entries, that leave all instances of a level.

    By walking every step. What children are given together in a step, as their network shares,
    is one bundle: a unit that several of them need a part of is looked up once, in whole words.
    """
    nest = Nest(layer, hardware, mapping)
    source = max(i for i in range(level + 1) if nest.keeps[i, "weights"])
    child = nest.next_keeper("weights", source)
    instances = nest.instances(child)
    held, weights, units = dict.fromkeys(instances), 0, 0
    read = 0
    for start in nest.steps(child, "weights"):
        bundles = {}
        for way, offset in instances.items():
            at = {d: start[d] + offset[d] for d in start}
            box = nest.box("weights", child, at)
            words = words_of(*box) if child == nest.levels else new_words("weights", box, held[way])
            bundles[way], held[way] = [frozenset(words)], box
        for network in range(child - 1, level - 1, -1):
            shares = hardware.levels[network].fanout.multicast != "none"
            bundles = sent_together(bundles, shares and network < nest.levels - 1)
        for bundle in (bundle for sent in bundles.values() for bundle in sent):
            weights += len(bundle)
            parts = Counter((w[0], *map(floordiv, w[1:], unit)) for w in bundle)
            units += len(parts)
            read += sum(-(-values * entry_bits // word_bits) for values in parts.values())
    return weights, units, read


def sent_together(bundles, shares):
    """The bundles that parents send, from those that their children are sent."""
    parents = {}
    for way, sent in bundles.items():
        parents.setdefault(way[:-1], []).append(sent)
    if shares:
        return {
            way: [frozenset().union(*same) for same in zip(*each, strict=True)]
            for way, each in parents.items()
        }
    return {way: [bundle for sent in each for bundle in sent] for way, each in parents.items()}


@st.composite
def decoded(draw, uneven=False):
    """A mapped layer with clustered weights, decoded at any level."""
    layer, hardware, mapping = draw(mapped_layers(words=False, uneven=uneven))
    level = draw(st.integers(0, len(hardware.levels) - 1))
    rate, width = draw(st.sampled_from((None, 0.3, 1, 2))), draw(st.sampled_from((4, 8, 16, 24)))
    hardware = with_store(
        hardware, level=hardware.level_names[level], word_bits=width, read_words_per_cycle=rate
    )
    unit = draw(units_of(layer))
    words = draw(st.integers(1, 6)) * math.prod(unit)
    bits = words * draw(st.sampled_from((3, 8, 16)))
    form = WeightFormat(
        16, unit[1:], Fraction(5), level, words, bits, True, 1, 1, unit_filters=unit[0]
    )
    return layer, hardware, mapping, form
