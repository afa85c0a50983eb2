"""JSON: plain types, the schema, and its description."""

import json
from pathlib import Path

import pytest

from kcsim.report.compare_json import COMPARISON_SCHEMA, comparison_to_dict
from kcsim.report.json_report import ESTIMATE_SCHEMA, LAYER_SCHEMA, estimate_to_dict, layer_to_dict

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


@pytest.mark.parametrize("name", ["clustered", "dense", "shared"])
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
    document["schema"] = "kcsim.estimate/9"
    document["runs"][0]["totals"]["cycles"] = -1
    document["runs"][0]["layers"][0]["macs"] = "many"
    document["hardware"]["colour"] = "red"
    del document["network"]["batch"]
    assert len(list(faults(document, ESTIMATE_SCHEMA, ESTIMATE_SCHEMA))) == 5


def test_numbers_are_those_of_the_estimate(clustered):
    document = estimate_to_dict(clustered)
    assert document["schema"] == "kcsim.estimate/2"
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


def test_a_comparison_survives_json_and_fits_its_schema(comparison):
    document = comparison_to_dict(comparison)
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert list(faults(document, COMPARISON_SCHEMA, COMPARISON_SCHEMA)) == []
    assert document["objective"] == comparison.objective
    assert [run["execution"] for run in document["runs"]] == list(comparison.runs)
    for written, run in zip(document["runs"], comparison.runs.values(), strict=True):
        totals = written["totals"]
        assert totals["energy_pj"] == run.energy_pj
        assert totals["operations"] == {
            "multiplies": sum(layer["operations"]["multiplies"] for layer in written["layers"]),
            "adds": sum(layer["operations"]["adds"] for layer in written["layers"]),
            "full_adders": run.full_adders,
        }
        assert sum(totals["energy_by_tensor_pj"].values()) == pytest.approx(run.energy_pj)
        assert 0 < totals["utilization"] <= 1


def test_decoded_layers_say_where_and_share_nothing(clustered):
    dense, written = estimate_to_dict(clustered)["runs"]
    assert (dense["execution"], written["execution"]) == ("dense", "decode")
    for layer in (*dense["layers"], *written["layers"]):
        is_dense = layer["weights"]["unit"] is None
        assert layer["execution"] == ("dense" if is_dense else "decode")
        assert layer["decode_level"] == layer["weights"]["decode_level"]
        assert layer["intermediate"] is layer["plan"] is None
        assert layer["alternatives"] == []
        assert layer["note"] == ""
        assert layer["operations"]["multiplies"] >= layer["macs"]


def test_a_layer_that_shares_says_what_where_and_how(shared):
    written = estimate_to_dict(shared)["runs"][1]["layers"]
    for layer, document in zip(shared.clustered.layers[:2], written[:2], strict=True):
        what, model = document["intermediate"], layer.intermediate
        assert document["execution"] == layer.execution == "share_products"
        assert document["macs"] == layer.layer.macs
        assert document["operations"]["multiplies"] < document["macs"]
        assert what.pop("accesses") == [
            {"level": name, "reads": reads, "fills": fills, "updates": updates}
            for name, (reads, fills, updates) in zip(
                layer.counts.hardware.level_names,
                layer.intermediate_accesses.tolist(),
                strict=True,
            )
            if reads or fills or updates
        ]
        assert what == vars(model)
        assert what["is_expectation"]
        best, *others = document["alternatives"]
        assert (best["execution"], best["energy_pj"]) == (layer.execution, layer.energy_pj)
        edp = [each["energy_pj"] * each["cycles"] for each in (best, *others)]
        assert edp == sorted(edp)
        assert {each["execution"] for each in others} >= {"decode", "share_sums"}
        intermediate = [e["energy_pj"] for e in document["energy"] if e["tensor"] == "intermediate"]
        assert sum(intermediate) > 0
        assert {e["action"] for e in document["energy"] if e["component"] == "adder"} == {"add"}


def test_the_mappings_of_both_phases_cover_a_tile(shared):
    layer = shared.clustered.layers[1]
    plan = layer_to_dict(layer)["layer"]["plan"]
    assert plan["tile"] == layer.plan.tile._asdict()
    shapes = layer.shared.shapes(layer.plan.tile)
    assert bounds(plan["outer"]) == layer.layer.dimensions
    assert bounds(plan["gather"]) == shapes.gather.dimensions
    covered = bounds(plan["entries"])
    demanded = shapes.entries(layer.intermediate.width).dimensions
    assert all(covered[name] >= size for name, size in demanded.items())


def bounds(loops):
    """What all loops of a nest amount to, by dimension."""
    product = dict.fromkeys("NGMCPQRS", 1)
    for level in loops:
        for loop in (*level["temporal"], *level["spatial_x"], *level["spatial_y"]):
            dimension, _, bound = loop.partition("=")
            product[dimension] *= int(bound)
    return product


def test_the_mapping_multiplies_to_the_dimensions(layer):
    document = layer_to_dict(layer)["layer"]
    assert bounds(document["mapping"]) == document["dimensions"]


def test_every_field_is_described():
    description = DESCRIPTION.read_text(encoding="utf-8")
    for root in (ESTIMATE_SCHEMA, LAYER_SCHEMA, COMPARISON_SCHEMA):
        for part in (root, *root["$defs"].values()):
            assert list(part["properties"]) == part["required"]
            section = description.split(f"## {part['title'].removesuffix('Document')}\n")[1]
            rows = [r for r in section.split("\n## ")[0].splitlines() if r.startswith("| `")]
            assert [row.split("`")[1] for row in rows] == list(part["properties"])
            for row, field in zip(rows, part["properties"].values(), strict=True):
                assert row.endswith(f"| {field['description']} |")
