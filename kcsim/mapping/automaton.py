"""What a user fixes of a level as an automaton: which loops and tensors may follow which.

A level is built from the MAC units outwards, one prime factor or tensor at a time. A state of the
automaton is what decides on all that may follow.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import NamedTuple, Protocol

import numpy as np

from kcsim.errors import InputError
from kcsim.mapping.fixed import ANYTHING, Bound, Item
from kcsim.workload.layer import TENSORS

MOST_STATES = 20_000


class Rule(Protocol):
    """Something that holds for the loops in time and the tensors of a level."""

    def begin(self) -> Hashable:
        """The first state."""

    def loop(self, state: Hashable, dimension: int, prime: int) -> Hashable:
        """The state after a loop around all that there is; ``None`` if there may be none."""

    def place(self, state: Hashable, tensor: int) -> Hashable:
        """The state after a tensor."""

    def may_end(self, state: Hashable) -> bool:
        """Whether this may be all of the level."""


class Pattern(NamedTuple):
    """Loops and tensors stand as in a pattern.

    A state is a set of places (items that are complete, iterations of the next one so far).

    Attributes
    ----------
    items : tuple of Item
        From inside out.
    even : bool
        Whether tensors that are not named stand before all loops; else they may stand anywhere.
    """

    items: tuple[Item, ...]
    even: bool

    def begin(self) -> Hashable:
        """Nothing is complete."""
        return self._with_what_may_follow({(0, 0)})

    def loop(self, state: Hashable, dimension: int, prime: int) -> Hashable:
        """Go on with the loop that an item stands for."""
        named = {item.axis for item in self.items if isinstance(item, Bound)}
        found = set()
        for at, made in _places(state):
            item = self.items[at] if at < len(self.items) else None
            if item == ANYTHING and dimension not in named:
                found.add((at, 0))
            elif isinstance(item, Bound) and item.axis == dimension:
                # Of a loop of any bound, it only matters that it has begun.
                more = max(made, 1) * (prime if item.relation else 1)
                if item.leads_on(more):
                    found.add((at, more))
        return self._with_what_may_follow(found) if found else None

    def place(self, state: Hashable, tensor: int) -> Hashable:
        """A tensor stands at its place, and others between loops."""
        name, found = TENSORS[tensor], set()
        for at, made in _places(state):
            if name in self.items:
                if at < len(self.items) and self.items[at] == name:
                    found.add((at + 1, 0))
            elif at == len(self.items) or (made == 0 and not self.even):
                found.add((at, 0))
        return self._with_what_may_follow(found) if found else None

    def may_end(self, state: Hashable) -> bool:
        """All items are complete."""
        return any(at == len(self.items) for at, _ in _places(state))

    def _with_what_may_follow(self, places: set[tuple[int, int]]) -> frozenset[tuple[int, int]]:
        todo, found = list(places), set(places)
        while todo:
            at, made = todo.pop()
            item = self.items[at] if at < len(self.items) else None
            over = item == ANYTHING or (isinstance(item, Bound) and item.admits(max(made, 1)))
            if over and (at + 1, 0) not in found:
                found.add((at + 1, 0))
                todo.append((at + 1, 0))
        return frozenset(found)


def _places(state: Hashable) -> frozenset[tuple[int, int]]:
    assert isinstance(state, frozenset)
    return state


class Iterations(NamedTuple):
    """All loops over a dimension iterate so often together; a state is how often so far."""

    bound: Bound

    def begin(self) -> Hashable:
        """Once."""
        return 1

    def loop(self, state: Hashable, dimension: int, prime: int) -> Hashable:
        """More often, if that still leads to what is asked for."""
        assert isinstance(state, int)
        is_own = dimension == self.bound.axis and self.bound.relation
        more = state * prime if is_own else state
        return more if self.bound.leads_on(more) else None

    def place(self, state: Hashable, tensor: int) -> Hashable:
        """As often as before."""
        return state

    def may_end(self, state: Hashable) -> bool:
        """As often as is asked for."""
        assert isinstance(state, int)
        return self.bound.admits(state)


class Automaton(NamedTuple):
    """The rules of a level together.

    Attributes
    ----------
    moves : int64[states, factors + 3]
        The state after each prime factor and tensor, -1 where it cannot follow; the first state
        is the first one.
    ends : bool[states]
        Whether a level may end.
    """

    moves: np.ndarray
    ends: np.ndarray


def build_automaton(
    rules: Sequence[Rule], factors: Sequence[tuple[int, int]], allowed: np.ndarray
) -> Automaton:
    """The states that some rules make of all that may follow.

    Parameters
    ----------
    rules : sequence of Rule
    factors : sequence of (int, int)
        Dimension and prime of each.
    allowed : bool[8]
        Dimensions that loops may iterate over.

    Raises
    ------
    InputError
        If there are too many.
    """
    first = tuple(rule.begin() for rule in rules)
    numbers, todo, rows = {first: 0}, [first], []
    while todo:
        state, row = todo.pop(0), []
        for symbol in (*factors, *range(len(TENSORS))):
            after = _after(rules, state, symbol, allowed)
            if after is not None and after not in numbers:
                numbers[after] = len(numbers)
                todo.append(after)
            row.append(-1 if after is None else numbers[after])
        rows.append(row)
        if len(numbers) > MOST_STATES:
            raise InputError("what is fixed of one level leaves too many ways to tell apart")
    ends = [
        all(rule.may_end(part) for rule, part in zip(rules, state, strict=True))
        for state in numbers
    ]
    return Automaton(np.array(rows, np.int64), np.array(ends, np.bool_))


def _after(
    rules: Sequence[Rule],
    state: tuple[Hashable, ...],
    symbol: tuple[int, int] | int,
    allowed: np.ndarray,
) -> tuple[Hashable, ...] | None:
    """The state after a factor or a tensor."""
    if isinstance(symbol, int):
        found = [rule.place(part, symbol) for rule, part in zip(rules, state, strict=True)]
    elif allowed[symbol[0]]:
        found = [rule.loop(part, *symbol) for rule, part in zip(rules, state, strict=True)]
    else:
        return None
    return None if None in found else tuple(found)
