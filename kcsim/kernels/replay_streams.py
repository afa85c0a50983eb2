"""Streams: what networks carry between a level and its children, and what they share."""

from __future__ import annotations

from kcsim.kernels.nest import NO_MULTICAST, OUTPUTS, WORD_MULTICAST, helper
from kcsim.kernels.replay_state import (
    ALIVE,
    CHILDREN,
    COUNT,
    DOWN,
    EMPTY,
    HASH,
    INSTANCES,
    MULTICAST,
    OWN,
    PARENT,
    REDUCES,
    UP,
    list_slots,
    place_box,
    set_place,
)


@helper
def mixed(word):
    """A hash of a word; sums of them identify streams (but for one chance in about 2^64)."""
    value = (word + 1) * -7046029254386353131
    value ^= value >> 29
    value *= 7664345821815920749
    return value ^ (value >> 32)


@helper
def is_first(table, now, key):
    """Whether a key has not been entered since `now`; enters it."""
    mask = table.shape[0] - 1
    i = (key ^ (key >> 32)) & mask
    while table[i, 1] == now:
        if table[i, 0] == key:
            return False
        i = (i + 1) & mask
    table[i, 0], table[i, 1] = key, now
    return True


@helper
def merge_streams(nest, state, network, shares):
    """Turn the streams of the children below a network into those of the instances above it."""
    children = nest.levels[network, CHILDREN]
    for above in range(nest.levels[network, INSTANCES]):
        state.clock[0] += 1
        streams_hash, streams_count = 0, 0
        for i in range(above * children, (above + 1) * children):
            is_own = state.streams[i, COUNT] > 0
            if is_own and shares and children > 1:
                is_own = is_first(state.table, state.clock[0], state.streams[i, HASH])
            state.streams[i, OWN] = is_own
            if is_own:
                streams_hash += state.streams[i, HASH]
                streams_count += state.streams[i, COUNT]
        state.streams[above, HASH], state.streams[above, COUNT] = streams_hash, streams_count


@helper
def unite_streams(nest, state, network, tensor):
    """Like `merge_streams`, where a network carries every distinct word once."""
    children = nest.levels[network, CHILDREN]
    for above in range(nest.levels[network, INSTANCES]):
        state.clock[0] += 1
        union_hash, union_count = 0, 0
        for i in range(above * children, (above + 1) * children):
            if state.streams[i, COUNT] == 0:
                continue
            for k in range(place_box(nest, state, network + 1, tensor, i)):
                word = state.slots[2, k]
                if state.seen[word] != state.clock[0]:
                    state.seen[word] = state.clock[0]
                    union_hash += mixed(word)
                    union_count += 1
        state.streams[above, HASH], state.streams[above, COUNT] = union_hash, union_count


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
        count = place_box(nest, state, child, tensor, i)
        set_place(nest, state, parent, tensor, i // far, state.places[0])
        list_slots(state.places[0], state.box[2], state.box[1], state.slots[0])
        for k in range(count):
            word = state.slots[2, k]
            is_new = state.status[state.slots[0, k]] == EMPTY
            if is_new and state.seen[word] != state.clock[0]:
                state.seen[word] = state.clock[0]
            else:
                state.counted[network - 1, tensor, DOWN] += 1


@helper
def climb(nest, state, child, tensor):
    """Take the streams of all children (or MACs) through the networks to their keeper above.

    Returns the words that are left there, and marks in `state.alive` whose streams they are.
    """
    parent, levels = nest.buffers[child, tensor, PARENT], nest.levels.shape[0] - 1
    direction = UP if tensor == OUTPUTS else DOWN
    for i in range(nest.levels[child, INSTANCES]):
        state.streams[i, ALIVE] = True
    for network in range(child - 1, parent - 1, -1):
        for i in range(nest.levels[network + 1, INSTANCES]):
            state.counted[network, tensor, direction] += state.streams[i, COUNT]
        if tensor == OUTPUTS:
            shares = nest.levels[network, REDUCES]
        else:
            # MACs read for themselves.
            shares = nest.levels[network, MULTICAST] != NO_MULTICAST and network < levels - 1
        is_union = shares and tensor != OUTPUTS and network == child - 1
        if is_union and nest.levels[network, MULTICAST] == WORD_MULTICAST:
            unite_streams(nest, state, network, tensor)
            continue
        merge_streams(nest, state, network, shares)
        if tensor == OUTPUTS:
            below = nest.levels[child, INSTANCES] // nest.levels[network + 1, INSTANCES]
            for i in range(nest.levels[child, INSTANCES]):
                state.streams[i, ALIVE] &= state.streams[i // below, OWN]
            if network > parent and child < levels:
                count_continued(nest, state, network, child, tensor)
    left = 0
    for i in range(nest.levels[parent, INSTANCES]):
        left += state.streams[i, COUNT]
    return left
