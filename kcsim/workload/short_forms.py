"""Short forms of numbers that come in pairs or in fours."""

from __future__ import annotations

import operator

_SPELLINGS = {
    (1, 1): (0,),
    (1, 2): (0, 0),
    (2, 2): (0, 1),
    (1, 4): (0, 0, 0, 0),
    (2, 4): (0, 0, 1, 1),
    (4, 4): (0, 1, 2, 3),
}
"""Numbers given and numbers meant: which of the given ones stands at each place."""


def integers(value: object, length: int) -> tuple[int, ...] | None:
    """`value`, written in one of its short forms, as `length` ints; None if it is not that."""
    parts = tuple(value) if isinstance(value, tuple | list) else (value,)
    order = _SPELLINGS.get((len(parts), length))
    if order is None or any(isinstance(part, bool) for part in parts):
        return None
    try:
        return tuple(operator.index(parts[place]) for place in order)
    except TypeError:
        return None
