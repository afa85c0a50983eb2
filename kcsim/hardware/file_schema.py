"""JSON Schema of hardware files: that of `Hardware`, with units and what follows from sizes."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter

from kcsim.hardware.holders import FROM_SIZE
from kcsim.hardware.schema import Hardware
from kcsim.hardware.units import SPELLINGS

_DEFINITIONS = {
    "level": "Level", "partition": "Partition", "codebook": "CodebookStore",
    "moved store": "MovedStore", "compute": "Compute", "fanout": "Fanout",
}  # fmt: skip
_FROM_SIZE = (
    "read_pj", "write_pj", "update_pj", "leakage_pj_per_cycle", "mac_pj", "add_pj", "multiply_pj",
    "transfer_pj", "hop_pj",
)  # fmt: skip


def file_schema() -> dict[str, Any]:
    """The schema, for editors."""
    schema = TypeAdapter(Hardware).json_schema()
    places = {"chip": schema, **{k: schema["$defs"][name] for k, name in _DEFINITIONS.items()}}
    for what, place in places.items():
        properties = place["properties"]
        if what != "chip":
            for name in set(_FROM_SIZE) & set(properties):
                given = properties[name]
                properties[name] = {"anyOf": [given, {"const": FROM_SIZE}]}
        place["required"] = [n for n in place.get("required", ()) if n not in _FROM_SIZE]
        optional = {name for each in SPELLINGS[what].values() for name in each.targets}
        place["required"] = [name for name in place["required"] if name not in optional]
        for name, spelling in SPELLINGS[what].items():
            properties[name] = {"type": "string", "examples": [spelling.example]}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
