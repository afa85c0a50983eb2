"""JSON: plain types, the schema, and its description."""

import json
from pathlib import Path

import pytest

from kcsim.report.json_report import (
    ESTIMATE_SCHEMA,
    LAYER_SCHEMA,
    estimate_to_dict,
    layer_to_dict,
)

TYPES = {
    "object": dict, "array": list, "string": str, "boolean": bool, "null": type(None),
    "integer": int, "number": (int, float),
}  # fmt: skip
DESCRIPTION = Path(__file__).parents[2] / "docs" / "estimate-json.md"


def faults(value, schema, root, path="$"):
    """What is wrong with a value, by the part of JSON Schema that is used here."""
    if "$ref" in schema:
        schema = root["$defs"][schema["$ref"].rpartition("/")[2]]
    if "anyOf" in schema:
        found = [list(faults(value, choice, root, path)) for choice in schema["anyOf"]]
        if all(found):
            yield from found[0]
        return
    if not isinstance(value, TYPES[schema["type"]]) or (
        isinstance(value, bool) and schema["type"] != "boolean"
    ):
        yield f"{path}: {value!r} is no {schema['type']}"
        return
    if value != schema.get("const", value) or value not in schema.get("enum", [value]):
        yield f"{path}: {value!r} is another value"
    if "minimum" in schema and value < schema["minimum"]:
        yield f"{path}: {value!r} is too small"
    if isinstance(value, dict):
        properties = schema.get("properties", {})
        yield from (f"{path}: no {key}" for key in schema.get("required", ()) if key not in value)
        for key, entry in value.items():
            inner = properties.get(key, schema.get("additionalProperties", False))
            if inner is False:
                yield f"{path}: unknown {key}"
            else:
                yield from faults(entry, inner, root, f"{path}.{key}")
    if isinstance(value, list):
        kinds = schema.get("prefixItems") or [schema["items"]] * len(value)
        for i, (entry, inner) in enumerate(zip(value, kinds, strict=True)):
            yield from faults(entry, inner, root, f"{path}[{i}]")


@pytest.mark.parametrize("name", ["clustered", "dense"])
def test_an_estimate_survives_json_and_fits_its_schema(name, request):
    document = estimate_to_dict(request.getfixturevalue(name))
    text = json.dumps(document, allow_nan=False)
    assert json.loads(text) == document
    assert list(faults(document, ESTIMATE_SCHEMA, ESTIMATE_SCHEMA)) == []


def test_a_layer_survives_json_and_fits_its_schema(layer):
    document = layer_to_dict(layer)
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert list(faults(document, LAYER_SCHEMA, LAYER_SCHEMA)) == []


def test_the_schema_refuses_what_is_wrong(dense):
    document = estimate_to_dict(dense)
    document["schema"] = "kcsim.estimate/2"
    document["runs"][0]["totals"]["cycles"] = -1
    document["runs"][0]["layers"][0]["macs"] = "many"
    document["hardware"]["colour"] = "red"
    del document["network"]["batch"]
    assert len(list(faults(document, ESTIMATE_SCHEMA, ESTIMATE_SCHEMA))) == 5


def test_numbers_are_those_of_the_estimate(clustered):
    document = estimate_to_dict(clustered)
    assert document["schema"] == "kcsim.estimate/1"
    for run, written in zip(clustered.runs, document["runs"], strict=True):
        totals = written["totals"]
        assert written["weights"] == run.weights
        assert totals["energy_pj"] == run.energy_pj
        assert totals["cycles"] == sum(layer["cycles"]["total"] for layer in written["layers"])
        assert type(totals["weight_bits"]) is int
        for layer in written["layers"]:
            parts = sum(item["energy_pj"] for item in layer["energy"])
            assert parts == pytest.approx(layer["energy_pj"])
    dense, clustered_run = document["runs"]
    assert dense["totals"]["storage"] is None
    storage = clustered_run["totals"]["storage"]
    assert storage["total_bits"] == clustered_run["totals"]["weight_bits"]
    assert storage["uncompressed_bits"] == dense["totals"]["weight_bits"]


def test_the_mapping_multiplies_to_the_dimensions(layer):
    document = layer_to_dict(layer)["layer"]
    bounds = dict.fromkeys(document["dimensions"], 1)
    for level in document["mapping"]:
        for loop in (*level["temporal"], *level["spatial_x"], *level["spatial_y"]):
            dimension, _, bound = loop.partition("=")
            bounds[dimension] *= int(bound)
    assert bounds == document["dimensions"]


def test_every_field_is_described():
    description = DESCRIPTION.read_text(encoding="utf-8")
    for root in (ESTIMATE_SCHEMA, LAYER_SCHEMA):
        for part in (root, *root["$defs"].values()):
            assert list(part["properties"]) == part["required"]
            section = description.split(f"## {part['title'].removesuffix('Document')}\n")[1]
            rows = [r for r in section.split("\n## ")[0].splitlines() if r.startswith("| `")]
            assert [row.split("`")[1] for row in rows] == list(part["properties"])
            for row, field in zip(rows, part["properties"].values(), strict=True):
                assert row.endswith(f"| {field['description']} |")
