"""Streams: what networks carry between a level and its children, and what they share."""

from __future__ import annotations

from kcsim.kernels.nest import NO_MULTICAST, OUTPUTS, WORD_MULTICAST, helper
from kcsim.kernels.replay.state import (
    ALIVE,
    CHILDREN,
    COUNT,
    DOWN,
    EMPTY,
    FIRST,
    HASH,
    INSTANCES,
    MOVED,
    MOVED_SIZE,
    MULTICAST,
    OWN,
    PARENT,
    READS,
    REDUCES,
    UP,
    list_slots,
    list_words,
)


@helper
def mixed(word):
    """A hash of a word; sums of them identify streams (but for one chance in about 2^64)."""
    value = (word + 1) * -7046029254386353131
    value ^= value >> 29
    value *= 7664345821815920749
    return value ^ (value >> 32)


@helper
def enter(table, now, key, instance):
    """Enter a key, unless it has been entered since `now`; return the row in which it is."""
    mask = table.shape[0] - 1
    i = (key ^ (key >> 32)) & mask
    while table[i, 1] == now and table[i, 0] != key:
        i = (i + 1) & mask
    if table[i, 1] != now:
        table[i, 0], table[i, 1], table[i, 2] = key, now, instance
    return i


@helper
def merge_streams(nest, state, network, shares):
    """Turn the streams of the children below a network into those of the instances above it.

    Of streams of the same words, the largest goes on.
    """
    children, streams, table = nest.levels[network, CHILDREN], state.streams, state.table
    now = state.clock[0]
    for above in range(nest.levels[network, INSTANCES]):
        now += 1
        streams_hash, streams_count = 0, 0
        for i in range(above * children, (above + 1) * children):
            streams[i, OWN] = streams[i, COUNT] > 0
            if not streams[i, OWN]:
                continue
            if shares and children > 1:
                entry = enter(table, now, streams[i, HASH], i)
                other = table[entry, 2]
                if other != i:
                    gain = streams[i, COUNT] - streams[other, COUNT]
                    if gain > 0:
                        table[entry, 2] = i
                        streams_count += gain
                    streams[other if gain > 0 else i, OWN] = False
                    continue
            streams_hash += streams[i, HASH]
            streams_count += streams[i, COUNT]
        streams[above, HASH], streams[above, COUNT] = streams_hash, streams_count
    state.clock[0] = now


@helper
def unite_streams(nest, state, network, child, tensor, is_union):
    """Have streams above a network go by their distinct words; a union carries these alone."""
    below = nest.levels[child, INSTANCES] // nest.levels[network, INSTANCES]
    for above in range(nest.levels[network, INSTANCES]):
        state.clock[0] += 1
        union_hash, union_count = 0, 0
        for i in range(above * below, (above + 1) * below):
            is_alive = state.streams[i, ALIVE]
            for k in range(list_words(nest, state, child, tensor, i) if is_alive else 0):
                word = state.slots[2, k]
                if state.seen[word] != state.clock[0]:
                    state.seen[word] = state.clock[0]
                    union_hash += mixed(word)
                    union_count += 1
        state.streams[above, HASH] = union_hash
        if is_union:
            state.streams[above, COUNT] = union_count


@helper
def count_continued(nest, state, network, child, tensor):
    """Count the partial sums that pass down the network above `network` to be added to.

    A word that rises through an instance of a bypassed level continues a sum, but for the very
    first time.
    """
    parent = nest.buffers[child, tensor, PARENT]
    below = nest.levels[child, INSTANCES] // nest.levels[network, INSTANCES]
    far = nest.levels[child, INSTANCES] // nest.levels[parent, INSTANCES]
    for i in range(nest.levels[child, INSTANCES]):
        if i % below == 0:
            state.clock[0] += 1
        if not state.streams[i, ALIVE]:
            continue
        count, box = list_words(nest, state, child, tensor, i), state.boxes[i]
        place = state.held[nest.levels[parent, FIRST] + i // far, tensor]
        list_slots(place, box[MOVED], box[MOVED_SIZE], state.slots[0])
        for k in range(count):
            word = state.slots[2, k]
            is_new = state.status[state.slots[0, k]] == EMPTY
            if is_new and state.seen[word] != state.clock[0]:
                state.seen[word] = state.clock[0]
            else:
                state.counted[network - 1, tensor, DOWN] += 1


@helper
def climb(nest, state, child, tensor, is_uneven):
    """Take the streams of all children (or MACs) through the networks to their keeper above.

    Where some children are idle or have short tiles (`is_uneven`), streams of the same words may
    repeat them unequally often.

    Marks in `state.streams` whose words are left there; those of operands are read there.
    """
    parent, levels = nest.buffers[child, tensor, PARENT], nest.levels.shape[0] - 1
    direction = UP if tensor == OUTPUTS else DOWN
    streams, instances = state.streams, nest.levels[child, INSTANCES]
    for i in range(instances):
        streams[i, ALIVE] = streams[i, COUNT] > 0
    for network in range(child - 1, parent - 1, -1):
        words = 0
        for i in range(nest.levels[network + 1, INSTANCES]):
            words += streams[i, COUNT]
        state.counted[network, tensor, direction] += words
        if tensor == OUTPUTS:
            shares = nest.levels[network, REDUCES]
        else:
            # MACs read for themselves.
            shares = nest.levels[network, MULTICAST] != NO_MULTICAST and network < levels - 1
        is_union = shares and tensor != OUTPUTS and network == child - 1
        is_union = is_union and nest.levels[network, MULTICAST] == WORD_MULTICAST
        if not is_union:
            merge_streams(nest, state, network, shares)
        if tensor == OUTPUTS:
            below = instances // nest.levels[network + 1, INSTANCES]
            for i in range(instances):
                streams[i, ALIVE] &= streams[i // below, OWN]
            if network > parent and child < levels:
                count_continued(nest, state, network, child, tensor)
        if is_union or (is_uneven and network > parent):
            unite_streams(nest, state, network, child, tensor, is_union)
    if tensor != OUTPUTS:
        for i in range(nest.levels[parent, INSTANCES]):
            state.counted[parent, tensor, READS] += streams[i, COUNT]
