"""Results are what they were before names became one: old documents in today's names."""

import gzip
import json
from pathlib import Path

import pytest

DATA = Path(__file__).parents[1] / "data" / "results_before.json.gz"
BEFORE = json.loads(gzip.decompress(DATA.read_bytes()))


def layer(old):
    new = {
        "layer": old["name"],
        "energy": old["energy_pj"],
        "cycles": old["cycles"]["total"],
        "compute_cycles": old["cycles"]["compute"],
        "transfer_cycles": old["cycles"]["transfer"],
        "lookup_cycles": old["cycles"]["lookup"],
        "bound_by": old["cycles"]["bound_by"],
        "assumes_lookup_rate": old["cycles"]["assumes_lookup_rate"],
        **old["operations"],
        "weight_format": old["weights"],
        "accesses_by_level": old["accesses"],
        "energy_items": [energy(item) for item in old["energy"]],
        "alternatives": [energy(each) for each in old["alternatives"]],
    }
    same = (
        "kind",
        "execution",
        "decode_level",
        "dimensions",
        "macs",
        "utilization",
        "mac_units_used",
        "lookups",
        "mapping",
        "search",
        "transfers",
        "note",
        "plan",
    )
    new |= {name: old[name] for name in same}
    zeros = dict(old["zeros"])
    zeros["stored_tensors"] = zeros.pop("stored")
    new["zeros"] = zeros | {f"zero_{t}": zeros.pop(t) for t in ("weights", "inputs", "outputs")}
    for tensor in ("weights", "inputs", "outputs"):
        new["zeros"].pop(tensor, None)
    shared = old["intermediate"]
    new["intermediate"] = shared
    if shared:
        new["intermediate"] = {**shared, "accesses_by_level": shared["accesses"]}
        del new["intermediate"]["accesses"]
    return new


def energy(old):
    new = dict(old)
    new["energy"] = new.pop("energy_pj")
    return new


def run(old):
    t = old["totals"]
    storage = t["storage"] and {
        **{k: v for k, v in t["storage"].items() if k not in ("total_bits", "uncompressed_bits")},
        "weights_bits": t["storage"]["total_bits"],
        "uncompressed_weights_bits": t["storage"]["uncompressed_bits"],
    }
    d = t["deep_kmeans"]
    return {
        "run": old["execution"],
        "clustering": None if old["weights"] == "dense" else old["weights"],
        "energy": t["energy_pj"],
        "energy_by_component": t["energy_by_component_pj"],
        "energy_by_tensor": t["energy_by_tensor_pj"],
        "cycles": t["cycles"],
        "macs": t["macs"],
        "utilization": t["utilization"],
        "seconds": t["seconds"],
        "weights_bits": t["weight_bits"],
        "storage": storage,
        "lookups": t["lookups"],
        **t["operations"],
        "innermost_accesses_per_mac": t["innermost_accesses_per_mac"],
        "computational_full_adders": d["computational_full_adders"],
        "weight_bit_uses": d["weight_bit_uses"],
        "activation_bit_uses": d["activation_bit_uses"],
        "deep_kmeans_mac_units": d["mac_units"],
        "layers": [layer(x) for x in old["layers"]],
    }


def document(old):
    if "layer" in old:
        return {"hardware": old["hardware"], "layers": [layer(old["layer"])]}
    n = old["network"]
    return {
        "hardware": old["hardware"],
        "network": {
            "name": n["name"],
            "batch": n["batch"],
            "layer_count": n["layers"],
            "macs": n["macs"],
            "weight_words": n["weights"],
        },
        "runs": [run(r) for r in old["runs"]],
    }


def differences(old, new, path=""):
    """Where what was said is not said any more, or otherwise."""
    if type(old) is not type(new) and (isinstance(old, (dict, list)) or old is None):
        yield f"{path}: {str(old)[:80]} != {str(new)[:80]}"
    elif isinstance(old, dict):
        for k, v in old.items():
            if k not in new:
                yield f"{path}.{k} gone"
            else:
                yield from differences(v, new[k], f"{path}.{k}")
    elif isinstance(old, list):
        if len(old) != len(new):
            yield f"{path} length"
        else:
            for i, (a, b) in enumerate(zip(old, new, strict=True)):
                yield from differences(a, b, f"{path}[{i}]")
    elif old != new:
        yield f"{path}: {old!r} != {new!r}"


@pytest.mark.parametrize("before", BEFORE, ids=lambda run: "-".join(run["arguments"][2:6]))
def test_numbers_are_what_they_were(kcsim, before):
    outcome = kcsim(*before["arguments"])
    assert outcome.code == 0
    expected = document(before["document"])
    assert list(differences(expected, json.loads(outcome.out))) == []
