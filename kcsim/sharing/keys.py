"""What the best shared mapping of a layer depends on, as a name for a file of the cache."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from kcsim.mapping.cache import hash_of
from kcsim.sharing.plan import SharedLayer

_SOURCES = (
    "workload", "clustering", "weights", "hardware", "cost", "mapping", "kernels", "model",
    "sharing",
)  # fmt: skip


def sharing_key(shared: SharedLayer, objective: str, below: float, most: int, even: bool) -> str:
    """Hash of a search for a shared mapping.

    Parameters
    ----------
    shared : SharedLayer
    objective : str
    below : float
        What the objective has to be below.
    most : int
        Tiles that are mapped at most.
    even : bool
        Whether only even mappings of phases are searched.
    """
    distinct, layer = shared.distinct, shared.layer.shape_key
    plain = replace(shared.hardware, name="any", description="")
    keys = None
    if distinct.keys is not None:
        keys = distinct.keys.shape, hashlib.sha256(distinct.keys.tobytes()).hexdigest()
    entries = (
        distinct.kinds,
        distinct.zero_share,
        distinct.uses,
        distinct.used_only,
        distinct.part.settings,
        distinct.part.clusters,
    )
    parts = layer, plain, shared.form, shared.sharing.name, entries, keys
    return hash_of((*parts, objective, below, most, even), _SOURCES)
