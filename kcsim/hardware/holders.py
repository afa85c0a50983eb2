"""The places of a hardware file that hold sizes and energies, in plain data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from kcsim.hardware.units import SPELLINGS
from kcsim.reading.source import Path_

FROM_SIZE = "from_size"
"""What stands for a number in a file that is to follow from what a part is."""

AUTO = "auto"
"""What stands for the size of a store that is to be as large as its codebook."""


class Holder(NamedTuple):
    """A mapping of the file, and what it is: one of the keys of `SPELLINGS`."""

    path: Path_
    what: str
    data: dict[str, Any]


def holders(data: Any) -> Iterator[Holder]:
    """All mappings of a hardware that may hold sizes; what is malformed is passed over."""
    if not isinstance(data, dict):
        return
    yield Holder((), "chip", data)
    for i, level in enumerate(_list(data.get("levels"))):
        if isinstance(level, dict):
            yield Holder(("levels", i), "level", level)
            for j, part in enumerate(_list(level.get("partitions"))):
                if isinstance(part, dict):
                    yield Holder(("levels", i, "partitions", j), "partition", part)
            if isinstance(level.get("fanout"), dict):
                yield Holder(("levels", i, "fanout"), "fanout", level["fanout"])
    for name in ("codebook", "compute"):
        if isinstance(data.get(name), dict):
            yield Holder((name,), name, data[name])
    for level, moved in moved_stores(data).items():
        yield Holder(("codebook", "at", level), "moved store", moved)


def moved_stores(data: Any) -> dict[str, dict[str, Any]]:
    """By level, what is different of the store of the codebook there."""
    store = data.get("codebook")
    at = store.get("at") if isinstance(store, dict) else None
    found = at.items() if isinstance(at, dict) else ()
    return {level: moved for level, moved in found if isinstance(moved, dict)}


def says_sizes(data: Any) -> bool:
    """Whether anything of a hardware is described, spelled with units, or to follow from sizes."""
    return any(
        key == "kind"
        or key in SPELLINGS[what]
        or (isinstance(value, str) and value in (FROM_SIZE, AUTO))
        for _, what, mapping in holders(data)
        for key, value in mapping.items()
    )


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
