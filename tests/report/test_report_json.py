"""JSON: plain types, the schema, and its description."""

import json
from dataclasses import replace

import pandas as pd
import pytest
from small_design import LAYER, MAPPING, design

from kcsim import Mapping, evaluate
from kcsim.fields import FIELDS
from kcsim.report.documents import DOCUMENTS, to_dict

RESULT_SCHEMA, LAYER_SCHEMA = DOCUMENTS["result"].schema(), DOCUMENTS["layer"].schema()

TYPES = {
    "object": dict, "array": list, "string": str, "boolean": bool, "null": type(None),
    "integer": int, "number": (int, float),
}  # fmt: skip


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
    document = to_dict(request.getfixturevalue(name))
    text = json.dumps(document, allow_nan=False)
    assert json.loads(text) == document
    assert list(faults(document, RESULT_SCHEMA, RESULT_SCHEMA)) == []


def test_a_layer_survives_json_and_fits_its_schema(layer):
    document = to_dict(layer)
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert list(faults(document, LAYER_SCHEMA, LAYER_SCHEMA)) == []


def test_the_schema_refuses_what_is_wrong(dense):
    document = to_dict(dense)
    document["schema"] = "kcsim.result/9"
    document["runs"][0]["cycles"] = -1
    document["runs"][0]["layers"][0]["macs"] = "many"
    document["hardware"]["color"] = "red"
    del document["network"]["batch"]
    assert len(list(faults(document, RESULT_SCHEMA, RESULT_SCHEMA))) == 5


def test_numbers_are_those_of_the_result(clustered):
    document = to_dict(clustered)
    assert document["schema"] == "kcsim.result/2"
    assert document["hardware"]["energy_unit"] == "pJ"
    for run, written in zip(clustered.runs.values(), document["runs"], strict=True):
        assert (written["run"], written["clustering"]) == (run.name, run.clustering)
        assert written["energy"] == run.energy
        assert written["cycles"] == sum(layer["cycles"] for layer in written["layers"])
        assert type(written["weights_bits"]) is int
        for layer in written["layers"]:
            parts = sum(item["energy"] for item in layer["energy_items"])
            assert parts == pytest.approx(layer["energy"])
    dense, clustered_run = document["runs"]
    assert dense["storage"] is None
    storage = clustered_run["storage"]
    assert storage["weights_bits"] == clustered_run["weights_bits"]
    assert storage["uncompressed_weights_bits"] == dense["weights_bits"]


def test_a_comparison_survives_json_and_fits_its_schema(comparison):
    document = to_dict(comparison)
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert list(faults(document, RESULT_SCHEMA, RESULT_SCHEMA)) == []
    assert document["objective"] == comparison.objective
    assert [run["run"] for run in document["runs"]] == list(comparison.runs)
    for written, run in zip(document["runs"], comparison.runs.values(), strict=True):
        assert written["energy"] == run.energy
        for name in ("multiplies", "adds", "full_adders"):
            assert written[name] == sum(layer[name] for layer in written["layers"])
        assert sum(written["energy_by_tensor"].values()) == pytest.approx(run.energy)
        assert 0 < written["utilization"] <= 1


def test_frames_columns_and_json_have_the_same_names(clustered):
    document = to_dict(clustered)
    (summary, layers) = clustered.summary(), clustered.layers()
    for frame, written in (
        (summary, document["runs"][0]),
        (layers, document["runs"][0]["layers"][0]),
    ):
        shared = [name for name in frame.columns if name in written]
        assert len(shared) > 10
        for name in shared:
            value = frame[name].iloc[0]
            assert pd.isna(value) if written[name] is None else value == written[name]
        assert all(
            name in FIELDS or name.removesuffix("_ratio") in FIELDS for name in frame.columns
        )


def test_decoded_layers_say_where_and_share_nothing(clustered):
    dense, written = to_dict(clustered)["runs"]
    assert (dense["run"], written["run"]) == ("dense", "decode")
    for layer in (*dense["layers"], *written["layers"]):
        is_dense = layer["weight_format"]["unit"] is None
        assert layer["execution"] == ("dense" if is_dense else "decode")
        assert layer["decode_level"] == layer["weight_format"]["decode_level"]
        assert layer["intermediate"] is layer["plan"] is None
        assert layer["alternatives"] == []
        assert layer["note"] == ""
        assert layer["multiplies"] >= layer["macs"]


def test_a_layer_that_shares_says_what_where_and_how(shared):
    written = to_dict(shared)["runs"][1]["layers"]
    for layer, document in zip(shared["auto"].layers[:2], written[:2], strict=True):
        what, model = document["intermediate"], layer.intermediate
        assert document["execution"] == layer.execution == "share_products"
        assert document["macs"] == layer.layer.macs
        assert document["multiplies"] < document["macs"]
        assert what.pop("accesses_by_level") == [
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
        assert (best["execution"], best["energy"]) == (layer.execution, layer.energy)
        edp = [each["energy"] * each["cycles"] for each in (best, *others)]
        assert edp == sorted(edp)
        assert {each["execution"] for each in others} >= {"decode", "share_sums"}
        intermediate = [
            e["energy"] for e in document["energy_items"] if e["tensor"] == "intermediate"
        ]
        assert sum(intermediate) > 0
        assert {e["action"] for e in document["energy_items"] if e["component"] == "adder"} == {
            "add"
        }


def test_the_mappings_of_both_phases_cover_a_tile(shared):
    layer = shared["auto"].layers[1]
    plan = to_dict(layer)["layers"][0]["plan"]
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
    document = to_dict(layer)["layers"][0]
    assert bounds(document["mapping"]) == document["dimensions"]


def test_places_of_tensors_are_written():
    buffer = replace(MAPPING.levels[1], heights=(1, 2, 0))
    mapping = Mapping((MAPPING.levels[0], buffer, MAPPING.levels[2]))
    document = to_dict(evaluate(LAYER, design(), mapping))["layers"][0]
    assert [level["heights"] for level in document["mapping"]] == [[0, 0, 0], [1, 2, 0], [0, 0, 0]]


def test_every_number_of_a_schema_is_a_field():
    for record in DOCUMENTS.values():
        for part in record.parts():
            assert set(part.fields) <= set(FIELDS)
            assert set(part.of) | set(part.choices) <= set(part.fields)
