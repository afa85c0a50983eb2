"""Streams: what networks carry between a level and its children, and what they share."""

from __future__ import annotations

from kcsim.kernels.count.padding import has_padding
from kcsim.kernels.layout import INPUTS, NO_MULTICAST, OUTPUTS, WORD_MULTICAST
from kcsim.kernels.nest import helper
from kcsim.kernels.replay.records import EMPTY
from kcsim.kernels.replay.state import is_in_image, list_slots, list_words


@helper
def mixed(word):
    """A hash of a word; sums of them identify streams (but for one chance in about 2^64)."""
    value = (word + 1) * -7046029254386353131
    value ^= value >> 29
    value *= 7664345821815920749
    return value ^ (value >> 32)


@helper
def enter(table, now, key, instance):
    """Enter a key, unless it has been entered since `now`; return the place at which it is."""
    mask = table.shape[0] - 1
    i = (key ^ (key >> 32)) & mask
    while table[i].time == now and table[i].key != key:
        i = (i + 1) & mask
    if table[i].time != now:
        table[i].key, table[i].time, table[i].instance = key, now, instance
    return i


@helper
def merge_streams(nest, state, network, shares):
    """Turn the streams of the children below a network into those of the instances above it.

    Of streams of the same words, the largest goes on.
    """
    children, streams, table = nest.levels[network].children, state.streams, state.table
    now = state.clock[0]
    for above in range(nest.levels[network].instances):
        now += 1
        streams_hash, streams_count, asks = 0, 0, False
        for i in range(above * children, (above + 1) * children):
            streams[i].is_own = streams[i].asks
            asks = asks or streams[i].asks
            if not streams[i].is_own:
                continue
            if shares and children > 1:
                entry = enter(table, now, streams[i].hash, i)
                other = table[entry].instance
                if other != i:
                    gain = streams[i].count - streams[other].count
                    if gain > 0:
                        table[entry].instance = i
                        streams_count += gain
                    streams[other if gain > 0 else i].is_own = False
                    continue
            streams_hash += streams[i].hash
            streams_count += streams[i].count
        streams[above].hash, streams[above].count = streams_hash, streams_count
        streams[above].asks = asks
    state.clock[0] = now


@helper
def unite_streams(nest, state, network, child, tensor, is_union):
    """Have streams above a network go by their distinct words; a union carries these alone."""
    below = nest.levels[child].instances // nest.levels[network].instances
    all_move = tensor != INPUTS or child == nest.rules.shape[0]
    all_move = all_move or not has_padding(nest.rules[child])
    for above in range(nest.levels[network].instances):
        state.clock[0] += 1
        union_hash, union_count, asks = 0, 0, False
        for i in range(above * below, (above + 1) * below):
            is_alive = state.streams[i].is_alive
            asks = asks or is_alive
            for k in range(list_words(nest, state, child, tensor, i) if is_alive else 0):
                word = state.words[k]
                if state.seen[word] != state.clock[0]:
                    state.seen[word] = state.clock[0]
                    union_hash += mixed(word)
                    if all_move or is_in_image(nest.rules[child], nest.tensors[tensor], word):
                        union_count += 1
        state.streams[above].hash = union_hash
        if is_union:
            state.streams[above].count, state.streams[above].asks = union_count, asks


@helper
def count_continued(nest, state, network, child, tensor):
    """Count the partial sums that pass down the network above `network` to be added to.

    A word that rises through an instance of a bypassed level continues a sum, but for the very
    first time.
    """
    parent = nest.banks[child, tensor].parent
    below = nest.levels[child].instances // nest.levels[network].instances
    far = nest.levels[child].instances // nest.levels[parent].instances
    for i in range(nest.levels[child].instances):
        if i % below == 0:
            state.clock[0] += 1
        if not state.streams[i].is_alive:
            continue
        count = list_words(nest, state, child, tensor, i)
        place = state.buffers[nest.levels[parent].first + i // far, tensor].place
        list_slots(place, state.tiles[i].moved, state.sources)
        for k in range(count):
            word = state.words[k]
            is_new = state.status[state.sources[k]] == EMPTY
            if is_new and state.seen[word] != state.clock[0]:
                state.seen[word] = state.clock[0]
            else:
                state.counts[network - 1, tensor].down += 1


@helper
def climb(nest, state, child, tensor, is_uneven):
    """Take the streams of all children (or MACs) through the networks to their keeper above.

    Where some children are idle or have short tiles (`is_uneven`), streams of the same words may
    repeat them unequally often.

    Marks in `state.streams` whose words are left there; those of operands are read there.
    """
    parent, levels = nest.banks[child, tensor].parent, nest.rules.shape[0]
    streams, instances = state.streams, nest.levels[child].instances
    for i in range(instances):
        streams[i].is_alive = streams[i].asks
    for network in range(child - 1, parent - 1, -1):
        words = 0
        for i in range(nest.levels[network + 1].instances):
            words += streams[i].count
        if tensor == OUTPUTS:
            state.counts[network, tensor].up += words
            shares = nest.rules[network].reduces
        else:
            state.counts[network, tensor].down += words
            # MACs read for themselves.
            shares = nest.rules[network].multicast != NO_MULTICAST and network < levels - 1
        is_union = shares and tensor != OUTPUTS and network == nest.levels[child].network
        is_union = is_union and nest.rules[network].multicast == WORD_MULTICAST
        if not is_union:
            merge_streams(nest, state, network, shares)
        if tensor == OUTPUTS:
            below = instances // nest.levels[network + 1].instances
            for i in range(instances):
                streams[i].is_alive &= streams[i // below].is_own
            if network > parent and child < levels:
                count_continued(nest, state, network, child, tensor)
        if is_union or (is_uneven and network > parent):
            unite_streams(nest, state, network, child, tensor, is_union)
    if tensor != OUTPUTS:
        for i in range(nest.levels[parent].instances):
            state.counts[parent, tensor].reads += streams[i].count
