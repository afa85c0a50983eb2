"""Sums of a mapped layer, walked word by word: which are finished where, and as they cross."""

from __future__ import annotations

import itertools
import math
from collections import Counter

from kcsim.kernels.layout import TEMPORAL

ADDING, OUTPUTS = (3, 6, 7), 2


class SumsWalk:
    """A mapping walked word by word: who adds how much to which word of outputs, and sends it.

    Every store has the number of products in each word that it holds; what arrives with all of
    them is finished. Sums of children are added up where the network reduces.
    """

    def __init__(self, hardware, loops, heights, keeps):
        self.need = math.prod(row[3] for row in loops.tolist() if row[2] in ADDING)
        self.hardware, self.keeps, self.heights = hardware, keeps[:, OUTPUTS], heights[:, OUTPUTS]
        self.loops = [tuple(row) for row in loops.tolist() if row[3] > 1]
        levels = len(keeps)
        self.keepers = [i for i in range(levels) if self.keeps[i]]
        self.arrived = [[] for _ in range(levels)]
        self.crossed = [[] for _ in range(levels)]
        self.held = [{} for _ in range(levels)]
        self.tile = [{} for _ in range(levels)]
        self._run()

    def _run(self):
        in_time = [i for i, loop in enumerate(self.loops) if loop[1] == TEMPORAL]
        spread = [i for i, loop in enumerate(self.loops) if loop[1] != TEMPORAL]
        ranges = [[range(self.loops[i][3]) for i in part] for part in (in_time, spread)]
        for step in itertools.product(*ranges[0]):
            index = dict(zip(in_time, step, strict=True))
            places = []
            for where in itertools.product(*ranges[1]):
                places.append(index | dict(zip(spread, where, strict=True)))
            self._change_tiles(places)
            sums = [(place, self._word(place), 1) for place in places]
            self._send(len(self.keeps), self.keepers[-1], sums)
        for position in range(len(self.keepers) - 1, 0, -1):
            self._dump(position, list(self.held[self.keepers[position]]))

    def _word(self, place):
        word = {}
        for i, (_, _, dimension, bound) in enumerate(self.loops):
            if dimension not in ADDING:
                word[dimension] = word.get(dimension, 0) * bound + place[i]
        return tuple(sorted(word.items()))

    def _instance(self, level, place):
        own = [i for i, loop in enumerate(self.loops) if loop[1] != TEMPORAL and loop[0] < level]
        return tuple(place[i] for i in own)

    def _tile_of(self, level, place):
        seen, found = 0, []
        for i, (at, kind, dimension, _) in enumerate(self.loops):
            inside = at > level
            if at == level:
                inside = kind != TEMPORAL or seen >= self.heights[level]
                seen += kind == TEMPORAL
            if not inside and dimension not in ADDING and kind == TEMPORAL:
                found.append(place[i])
        return tuple(found)

    def _change_tiles(self, places):
        for position in range(len(self.keepers) - 1, 0, -1):
            level = self.keepers[position]
            left = set()
            for place in places:
                key, tile = self._instance(level, place), self._tile_of(level, place)
                if self.tile[level].get(key, tile) != tile:
                    left.add(key)
            self._dump(position, [k for k in self.held[level] if k[0] in left])
            for place in places:
                self.tile[level][self._instance(level, place)] = self._tile_of(level, place)

    def _dump(self, position, keys):
        level, above = self.keepers[position], self.keepers[position - 1]
        sums = []
        for key in keys:
            place, count = self.held[level].pop(key)
            sums.append((place, key[1], count))
        self._send(level, above, sums)

    def _send(self, level, above, sums):
        """Sums leave a level for the next one that keeps them, through the networks between.

        They have with them what came down before they were added to.
        """
        for network in range(level - 1, above - 1, -1):
            self.crossed[network] += [
                count + self._before(above, place, word) == self.need for place, word, count in sums
            ]
            if self.hardware.levels[network].fanout.reduction:
                # What one child sends apart stays apart.
                merged, sent = {}, Counter()
                for place, word, count in sums:
                    child = self._instance(network + 1, place), word
                    key = self._instance(network, place), word, sent[child]
                    sent[child] += 1
                    known = merged.get(key, (place, word, 0))
                    merged[key] = known[0], word, known[2] + count
                sums = list(merged.values())
        arriving = Counter((self._instance(above, place), word) for place, word, _ in sums)
        for place, word, count in sums:
            key = self._instance(above, place), word
            whole = count + self._before(above, place, word) == self.need
            self.arrived[above].append(whole and arriving[key] == 1)
            known = self.held[above].get(key, (place, 0))[1]
            self.held[above][key] = place, known + count

    def is_last(self, level):
        """Whether no loop outside of the place of outputs at a level adds to them."""
        seen = 0
        for at, kind, dimension, _ in self.loops:
            outside = at < level or (
                at == level and kind == TEMPORAL and seen < self.heights[level]
            )
            seen += at == level and kind == TEMPORAL
            if outside and dimension in ADDING:
                return False
        return True

    def _before(self, level, place, word):
        """What a level, and those outside, hold of a sum."""
        keys = [(i, (self._instance(i, place), word)) for i in self.keepers if i <= level]
        return sum(self.held[i].get(key, (place, 0))[1] for i, key in keys)
