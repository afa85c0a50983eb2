"""One input for each seed, that nothing but an error of kcsim's own may come from.

``python tests/fuzz/fuzz_cases.py SEED`` runs one of them, and shows what it is.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import io
import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import fuzz_values as odd
import numpy as np
import yaml

import kcsim
from kcsim.cli.main import run
from kcsim.exploration.plan import Planner
from kcsim.exploration.space_reader import read_space
from kcsim.hardware.reader import shipped_folder, shipped_names
from kcsim.reading.foreign_yaml import parse_foreign_yaml

NETWORK = """\
name: tiny
input: {channels: 3, height: 6, width: 6}
layers:
  - {name: conv1, type: conv, out_channels: 4, kernel: 3, padding: 1, bias: true}
  - {name: pool1, type: pool, kernel: 2}
  - {name: dw, type: depthwise, kernel: [3, 1], stride: 1, padding: [1, 0]}
  - {name: ip1, type: linear, out_features: 5, zeros: {inputs: 0.5}}
"""
LAYER = """\
layer: {name: conv1, type: conv, in_channels: 3, in_size: 6, out_channels: 4, kernel: 3, padding: 1}
"""
SWEEP = """\
hardware: simple
networks: [net.yaml]
clusterings: [none, "kernel:k={k},scope=layer"]
parameters: {k: [2, 4]}
axes:
  levels.buffer.capacity: {log2: [4 KiB, 16 KiB]}
  levels.buffer.fanout: {linked: [{x: 2, y: 2}, {x: 4, y: 1}]}
  levels.buffer.fanout.multicast: [tile, none]
  levels.register file.word_bits: {equals: "8 * k"}
derived: {units: "levels.buffer.fanout.x * levels.buffer.fanout.y"}
constraints: ["units <= 4", "energy < 1e12"]
sample: {random: 3, seed: 1}
"""
ZEROS = "conv*: {inputs: 0.25, outputs: 0.5}\nip1: {weights: 0.1}\n"
NAMES = "conv1: conv1.weight\ndw: dw.weight\nip1: ip1.weight\n"
SPECS = (
    "scalar:k=4", "kernel:k=2,scope=network", "row:k=3,index=huffman", "product:k=2,length=2",
    "scaled_kernel:k=2,scale_bits=8", "linear_kernel:k=2", "kernel:k=2,transforms=4;conv1:k=3",
    "row:rate=0.3", "found", "found:index=huffman", "scalar:ratio=4",
)  # fmt: skip
LIMIT = ("--time-limit", "0.3")


class Case:
    """A seed, the folder with its files, and what has been tried."""

    def __init__(self, seed: int, base: Path, folder: Path) -> None:
        self.seed, self.base, self.folder = seed, base, folder
        self.random = Random(seed)
        self.story: list[str] = []

    def write(self, name: str, content: bytes) -> Path:
        path = self.folder / name
        path.write_bytes(content)
        shown = content if len(content) <= 3000 else content[:3000] + b"..."
        self.story.append(f"{name}: {shown!r}")
        return path

    def chosen(self, *names: str) -> Path:
        """One of the sound files, in the folder of the case."""
        name = self.random.choice(names)
        path = self.folder / name
        if not path.exists():
            shutil.copy(self.base / name, path)
        return path

    def command(self, *arguments: object) -> None:
        """A command line must end with one of three codes, and say what is wrong if it is."""
        texts = [str(argument) for argument in arguments]
        columns = self.random.choice(("", "0", "1", "40", "80", "abc", "300"))
        encoding = self.random.choice(("utf-8", "utf-8", "ascii"))
        self.story.append(f"COLUMNS={columns} {encoding} kcsim {texts!r}")
        out, err = (io.TextIOWrapper(io.BytesIO(), encoding=encoding) for _ in range(2))
        code: object = None
        os.environ["COLUMNS"] = columns
        saved, sys.argv = sys.argv, ["kcsim", *texts]
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                run()
        except SystemExit as stop:
            code = stop.code
        finally:
            sys.argv = saved
        out.flush()
        err.flush()
        said = err.buffer.getvalue().decode("utf-8", errors="replace")  # type: ignore[attr-defined]
        self.story.append(f"exit {code}: {said[:500]!r}")
        assert code in (0, 1, 2), f"exit code {code!r}"
        assert "Traceback" not in said, said
        assert code != 2 or "rror: " in said, f"exit 2 without a message: {said!r}"
        assert code == 2 or "error: " not in said, f"exit {code} with a message: {said!r}"

    def allowed(self, function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        """What a function of the Python API gives, or None where it refuses."""
        self.story.append(f"{function.__name__}({arguments!r:.1000}, {options!r:.1000})")
        try:
            return function(*arguments, **options)
        except kcsim.KcsimError as error:
            said = str(error).strip()
        assert said, "an error without a text"
        return None


def prepare(base: Path) -> None:
    """Write sound files, which cases change."""
    base.mkdir(parents=True, exist_ok=True)
    for name, text in (("net.yaml", NETWORK), ("layer.yaml", LAYER), ("zeros.yaml", ZEROS),
                       ("names.yaml", NAMES)):  # fmt: skip
        (base / name).write_text(text)
    for name in shipped_names():
        shutil.copy(shipped_folder() / name, base / name)
    network = kcsim.load_network(base / "net.yaml")
    generator = np.random.default_rng(0)
    tensors = {}
    for layer in network:
        shape = (layer.out_channels, layer.in_channels // layer.groups,
                 layer.kernel_height, layer.kernel_width)  # fmt: skip
        tensors[f"{layer.name}.weight"] = generator.normal(size=shape).astype(np.float32)
        tensors[f"{layer.name}.bias"] = generator.normal(size=shape[:1]).astype(np.float32)
    np.savez(base / "weights.npz", **tensors)
    few = {name: np.round(value) for name, value in tensors.items()}
    np.savez(base / "few.npz", **few)
    from safetensors.numpy import save_file

    save_file(tensors, base / "weights.safetensors")
    save_file(few, base / "few.safetensors")
    if importlib.util.find_spec("onnx"):
        _write_onnx(base / "weights.onnx", tensors)
        _write_network(base / "model.onnx")
    if importlib.util.find_spec("torch"):
        import torch

        torch.save({k: torch.from_numpy(v) for k, v in tensors.items()}, base / "weights.pt")
    for number, spec in enumerate(SPECS[:7]):
        clustered = kcsim.cluster_network(network, base / "weights.npz", spec)
        kcsim.save_clustered(clustered, base / f"clustered{number}.safetensors")
    hardware = kcsim.load_hardware("eyeriss")
    mapping = kcsim.find_mapping(kcsim.load_layer(base / "layer.yaml"), hardware)
    (base / "mapping.yaml").write_text(mapping.to_yaml())


def _write_onnx(path: Path, tensors: dict[str, np.ndarray]) -> None:
    from onnx import helper, numpy_helper, save

    held = [numpy_helper.from_array(v, k) for k, v in tensors.items() if v.ndim == 4]
    nodes = [
        helper.make_node("Conv", ["x" if not i else f"y{i}", each.name], [f"y{i + 1}"])
        for i, each in enumerate(held)
    ]
    graph = helper.make_graph(nodes, "g", [], [], held)
    save(helper.make_model(graph), path)


def _write_network(path: Path) -> None:
    from onnx import TensorProto, helper, numpy_helper, save

    random = np.random.default_rng(0)
    sizes = {"c.weight": (4, 3, 3, 3), "u.weight": (4, 2, 2, 2), "f.weight": (5, 2)}
    held = [numpy_helper.from_array(random.normal(size=v), k) for k, v in sizes.items()]
    held += [numpy_helper.from_array(np.array([1, -1]), "s")]
    held += [numpy_helper.from_array(np.int8(random.integers(-9, 9, (4, 4, 1, 1))), "q"),
             numpy_helper.from_array(np.float32(0.1), "scale")]  # fmt: skip
    nodes = [
        helper.make_node("Conv", ["x", "c.weight"], ["a"], name="c", pads=[1] * 4),
        helper.make_node("DequantizeLinear", ["q", "scale"], ["w"]),
        helper.make_node("Conv", ["a", "w"], ["b"], name="d", strides=[2, 2]),
        helper.make_node("ConvTranspose", ["b", "u.weight"], ["e"], name="u", strides=[2, 2]),
        helper.make_node("GlobalAveragePool", ["e"], ["g"]),
        helper.make_node("Reshape", ["g", "s"], ["h"]),
        helper.make_node("Gemm", ["h", "f.weight"], ["y"], name="f", transB=1),
    ]
    value = helper.make_tensor_value_info
    ends = [value("x", TensorProto.FLOAT, ("n", 3, 6, 6))], [value("y", TensorProto.FLOAT, None)]
    save(helper.make_model(helper.make_graph(nodes, "g", *ends, held)), path)


# --- one function for each kind of input


def hardware_file(case: Case) -> None:
    random = case.random
    name = random.choice(shipped_names())
    tree = yaml.safe_load((case.base / name).read_text())
    path = case.write("hw.yaml", odd.changed_yaml(tree, random))
    case.allowed(kcsim.load_hardware, path, _overrides(random))
    network, layer = case.chosen("net.yaml"), case.chosen("layer.yaml")
    weights = ("--cluster", random.choice(SPECS)) if random.random() < 0.5 else ()
    case.command(*random.choice((
        ("estimate", "--hw", path, "-n", network, *weights, *LIMIT, *_form(random)),
        ("estimate", "--hw", path, "-n", network, "--layers", "conv1", *LIMIT, *_form(random)),
        ("map", "--hw", path, "--layer", layer, *LIMIT, *weights),
        ("map", "--hw", path, "--layer", layer, "--loops", *LIMIT),
        ("evaluate", "--hw", path, "--layer", layer, "--mapping", case.chosen("mapping.yaml")),
        ("check", "--hw", path, "--layer", layer, "--limit", "0.5"),
        ("check-sharing", "--hw", path, "--layer", layer, "--limit", "0.5", "--cluster",
         "kernel:k=2"),
        ("compare", "--hw", path, "-n", network, "--layers", "conv1", "--cluster", "kernel:k=2",
         *LIMIT, *_form(random)),
    )))  # fmt: skip


def foreign_file(case: Case) -> None:
    """Files of other tools: odd trees of Timeloop and ZigZag, odd bytes of these and of ONNX."""
    random = case.random
    source, name = random.choice(_FOREIGN)
    if name == "model.onnx" and not (case.base / name).exists():
        return
    if name == "model.onnx":
        content = odd.change_bytes((case.base / name).read_bytes(), random)
        network = case.allowed(kcsim.load_network, case.write(name, content))
        if network is not None:
            case.allowed(kcsim.cluster_network, network, None, "scalar:k=2")
        return
    if name.endswith(".yaml") and random.random() < 0.7:
        content = odd.changed_yaml(parse_foreign_yaml(_converted(source).text).data, random)
    else:
        content = odd.change_bytes(_converted(source).text.encode(), random)
    path = case.write(name, content)
    case.allowed(kcsim.convert, path, random.choice(("kcsim", "timeloop", "zigzag", "x")))
    case.allowed(kcsim.load_network, path)
    case.allowed(kcsim.load_hardware, path)
    case.allowed(kcsim.convert, path, hardware="simple", layer="lenet5/conv1")
    if random.random() < 0.3:
        case.command("convert", path, case.folder / "out.yaml", "--hw", "eyeriss")


_FOREIGN = (
    (("eyeriss", "timeloop"), "arch.yaml"), (("nvdla_like", "timeloop-0.3"), "arch.yaml"),
    (("lenet5/conv1", "timeloop"), "prob.yaml"), (("tpu_like", "zigzag"), "zigzag.yaml"),
    (("lenet5", "scale-sim"), "net.csv"), (("", ""), "model.onnx"),
)  # fmt: skip


@functools.cache
def _converted(source: tuple[str, str]) -> Any:
    return kcsim.convert(*source)


def hardware_data(case: Case) -> None:
    """What a file would hold, from Python."""
    random = case.random
    tree = yaml.safe_load((case.base / random.choice(shipped_names())).read_text())
    case.allowed(kcsim.load_hardware, odd.changed(tree, random))


def network_file(case: Case) -> None:
    random = case.random
    path = case.write("odd.yaml", odd.changed_yaml(yaml.safe_load(NETWORK), random))
    case.allowed(kcsim.load_network, path)
    hw = random.choice(("simple", "eyeriss", "tpu_like"))
    case.command(*random.choice((
        ("networks", path),
        ("networks", path, "--yaml"),
        ("estimate", "--hw", hw, "-n", path, *LIMIT, *_form(random)),
        ("estimate", "--hw", hw, "-n", path, "--cluster", random.choice(SPECS), *LIMIT),
        ("map-network", "--hw", hw, "-n", path, *LIMIT),
        ("map", "--hw", hw, "--layer", f"{path}/conv1", *LIMIT),
        ("cluster", "-n", path, "--weights", case.chosen("weights.npz"), "--cluster", "scalar:k=4"),
        ("check", "--hw", hw, "--layer", f"{path}/conv1", "--limit", "0.5"),
    )))  # fmt: skip


def sweep_file(case: Case) -> None:
    """What is wrong with a space is told before anything runs."""
    text = SWEEP.replace("net.yaml", str(case.chosen("net.yaml")))
    tree = yaml.safe_load(text)
    path = case.write("sweep.yaml", odd.changed_yaml(tree, case.random))
    case.allowed(_planned, path)
    case.allowed(_planned, odd.changed(tree, case.random))


def _planned(space: Any) -> Any:
    # A sample of a million points, or their product, takes long and is no mistake.
    found = read_space(space)
    size = found.file.sample or found.grid_size
    if isinstance(size, int) and size > 200:
        return None
    if not isinstance(size, int) and (size.random or size.quasi_random or 0) > 200:
        return None
    return Planner(found).plan()


def layer_file(case: Case) -> None:
    random = case.random
    path = case.write("odd.yaml", odd.changed_yaml(yaml.safe_load(LAYER), random))
    case.allowed(kcsim.load_layer, path)
    case.command(*random.choice((
        ("map", "--hw", "simple", "--layer", path, *LIMIT),
        ("front", "--hw", "simple", "--layer", path, *LIMIT),
        ("map", "--hw", "eyeriss", "--layer", path, "--imperfect", *LIMIT),
        ("evaluate", "--hw", "eyeriss", "--layer", path, "--mapping", case.chosen("mapping.yaml")),
        ("check", "--hw", "simple", "--layer", path, "--limit", "0.5"),
    )))  # fmt: skip


def mapping_file(case: Case) -> None:
    random = case.random
    tree = yaml.safe_load((case.base / "mapping.yaml").read_text())
    path = case.write("map.yaml", odd.changed_yaml(tree, random))
    layer = case.chosen("layer.yaml")
    case.command(*random.choice((
        ("evaluate", "--hw", "eyeriss", "--layer", layer, "--mapping", path, *_form(random)),
        ("check", "--hw", "eyeriss", "--layer", layer, "--mapping", path, "--limit", "0.5"),
    )))  # fmt: skip


def zeros_file(case: Case) -> None:
    random = case.random
    path = case.write("odd.yaml", odd.changed_yaml(yaml.safe_load(ZEROS), random))
    network = case.chosen("net.yaml")
    case.command("estimate", "--hw", "eyeriss", "-n", network, "--zeros", path, *LIMIT)


def names_file(case: Case) -> None:
    random = case.random
    path = case.write("odd.yaml", odd.changed_yaml(yaml.safe_load(NAMES), random))
    _cluster(case, case.chosen("weights.npz"), "--names", path)


def weight_file(case: Case) -> None:
    random = case.random
    kinds = ["weights.npz", "few.npz", "weights.safetensors", "few.safetensors"]
    kinds += [name for name in ("weights.onnx", "weights.pt") if (case.base / name).exists()]
    name = random.choice(kinds)
    content = (case.base / name).read_bytes()
    if name.endswith(".npz") and random.random() < 0.6:
        content = _odd_npz(case.base / name, random)
    elif name.endswith(".safetensors") and random.random() < 0.6:
        content = _odd_safetensors(content, random)
    else:
        content = odd.change_bytes(content, random)
    path = case.write(f"odd{Path(name).suffix}", content)
    case.allowed(kcsim.load_weights, path)
    if random.random() < 0.8:
        _cluster(case, path)
    else:
        case.command("estimate", "--hw", "simple", "--weights", path, *LIMIT)


def _cluster(case: Case, weights: Path, *more: object) -> None:
    network, spec = case.chosen("net.yaml"), case.random.choice(SPECS)
    written = ("-o", case.folder / "out.safetensors") if case.random.random() < 0.3 else ()
    case.command("cluster", "-n", network, "--weights", weights, "--cluster", spec, *written, *more)


def _odd_npz(path: Path, random: Random) -> bytes:
    """Tensors of odd shapes, types, names and values."""
    with np.load(path) as held:
        tensors = dict(held)
    for _ in range(random.choice((1, 1, 2))):
        name = random.choice(list(tensors))
        value = tensors.pop(name)
        kind = random.randrange(7)
        with np.errstate(all="ignore"):
            if kind == 0:
                value = value.astype(random.choice(("f2", "f8", "i1", "u2", "i8", "?", "c8", "U5")))
            elif kind == 1:
                value = value.reshape(-1)
            elif kind == 2:
                value = value[:0] if random.random() < 0.5 else value.sum()
            elif kind == 3:
                value = np.where(value > 0, random.choice((np.nan, np.inf, 1e38, 1e-45, 0)), value)
                value = value.astype(np.float32)
            elif kind == 4:
                name = odd.odd_text(random).replace("\0", "") or "x"
            elif kind == 5:
                value = np.repeat(value, 2, axis=0)
            else:
                tensors[name + ".codes"] = np.abs(value * 3).astype(np.uint8)
                tensors[name + ".codebook"] = value.ravel()[: random.randrange(9)]
        tensors[name] = value
    content = io.BytesIO()
    with contextlib.suppress(ValueError, OSError):
        np.savez(content, **{name.replace("/", "_"): value for name, value in tensors.items()})
    return content.getvalue()


def _odd_safetensors(content: bytes, random: Random) -> bytes:
    """A changed header before the same tensors; also of the texts in the header."""
    length = int.from_bytes(content[:8], "little")
    header, body = json.loads(content[8 : 8 + length]), content[8 + length :]
    own = header.get("__metadata__", {}).get("kcsim")
    if own and random.random() < 0.9:
        changed = odd.changed_json(json.loads(own), random)
        header["__metadata__"]["kcsim"] = changed.decode("utf-8", errors="replace")
        text = json.dumps(header).encode()
    else:
        text = odd.changed_json(header, random)
    if random.random() < 0.1:
        body = odd.change_bytes(body, random)
    size = len(text) if random.random() < 0.95 else random.choice((0, 1, 2**31, 2**63, 2**64 - 1))
    return size.to_bytes(8, "little") + text + body


def clustered_file(case: Case) -> None:
    random = case.random
    content = (case.base / f"clustered{random.randrange(7)}.safetensors").read_bytes()
    change = _odd_safetensors if random.random() < 0.7 else odd.change_bytes
    path = case.write("odd.safetensors", change(content, random))
    case.allowed(kcsim.load_clustered, path)
    case.command(*random.choice((
        ("estimate", "--hw", "simple", "--weights", path, *LIMIT, *_form(random)),
        ("estimate", "--hw", "eyeriss_codebook", "--weights", path, *LIMIT),
        ("check-weights", "--weights", path),
    )))  # fmt: skip


def kept_file(case: Case) -> None:
    """Results on disk that are not as they were written."""
    random = case.random
    cache = case.folder / "kept"
    os.environ["KCSIM_CACHE_DIR"] = str(cache)
    command = ["estimate", "--hw", "simple", "-n", case.chosen("net.yaml"), "--layers", "conv1"]
    if random.random() < 0.15:
        command += ["--cluster", "kernel:k=2", "--execution", "share_products"]
    case.command(*command)
    for path in sorted(cache.rglob("*.json")):
        kind = random.randrange(8)
        if kind == 0:
            path.unlink()
            random.choice((path.mkdir, lambda p=path: p.symlink_to(p),
                           lambda p=path: p.symlink_to("/dev/zero")))()  # fmt: skip
        elif kind == 1:
            path.write_bytes(random.randbytes(random.randrange(100)))
        else:
            path.write_bytes(odd.changed_json(json.loads(path.read_bytes()), random))
            case.story.append(f"{path.name}: {path.read_bytes()[:3000]!r}")
    case.command(*command)


def _form(random: Random) -> tuple[str, ...]:
    chosen = random.choice((None, None, "table", "json", "csv", "markdown", "latex"))
    return ("--format", chosen) if chosen else ()


def _overrides(random: Random) -> list[str]:
    if random.random() < 0.7:
        return []
    key = random.choice((
        "levels.buffer.read_pj", "levels.DRAM.word_bits", "clock_mhz", "levels[1].fanout.x",
        "levels.1.capacity_kib", "buffer.read_pj", "codebook.level", "compute.mac_pj", "levels",
        "levels.buffer", "dataflow.name", "precision_bits.weights", "compression.inputs",
        "levels.buffer.partitions[0].capacity_words", "codebook.at.buffer.capacity",
        odd.odd_text(random),
    ))  # fmt: skip
    value = random.choice((str(random.choice(odd.NUMBERS))[:60], odd.odd_text(random)))
    return [f"{key}={value}" if random.random() < 0.95 else key]


def command_line(case: Case) -> None:
    """Options with values, some of them odd, in any combination."""
    random = case.random
    name = random.choice((*_POSSIBLE, *_POSSIBLE, "--help", "--version", odd.odd_text(random)))
    arguments: list[object] = [name]
    for option, values in _options(case).items():
        if option in _USUAL.get(name, ()) and random.random() < 0.85:
            arguments += [option, _value(values, random)]
        elif option in _POSSIBLE.get(name, ()) and random.random() < 0.15:
            arguments += [option] if values is None else [option, _value(values, random)]
        elif random.random() < 0.003:
            arguments += [option]
    if name in ("networks", "hardware", "schema", "convert") and random.random() < 0.8:
        arguments.append(_value(_options(case)["argument"], random))
    if name == "convert" and random.random() < 0.9:
        arguments.append(_value(_options(case)["-o"], random))
    if name in ("estimate", "compare") and "-n" not in arguments:
        # In place of AlexNet, which takes long.
        arguments += ["-n", case.chosen("net.yaml")]
    if name in _MAPPING and "--time-limit" not in arguments:
        arguments += LIMIT
    case.command(*arguments)


_USUAL = {
    "estimate": ("--hw", "-n"), "compare": ("--hw", "-n", "--cluster"),
    "cluster": ("--weights", "-n", "--cluster"), "evaluate": ("--hw", "--layer", "--mapping"),
    "check": ("--hw", "--layer"), "check-sharing": ("--hw", "--layer", "--cluster"),
    "check-weights": ("--weights",), "map": ("--hw", "--layer"), "front": ("--hw", "--layer"),
    "map-network": ("--hw", "-n"),
}  # fmt: skip
_COMMON = ("--batch", "--set", "--cluster", "--weights", "-n", "--layers", "-o", "--format")
_MAPPING = ("estimate", "compare", "map", "map-network", "front")
_MAPPED = (*_COMMON, "--zeros", "--objective", "--time-limit", "--plot")
_POSSIBLE = {
    "estimate": (*_MAPPED, "--execution", "--decode-level"), "compare": _MAPPED,
    "cluster": (*_COMMON, "--names", "--seed", "--starts"), "evaluate": (*_COMMON, "--zeros"),
    "check": ("--mapping", "--batch", "--set", "--limit"),
    "check-sharing": ("--execution", "--batch", "--set", "--limit"),
    "check-weights": ("-n", "--layers", "--execution", "--threads", "--inputs", "--batch"),
    "map": (*_MAPPED, "--imperfect", "--loops"), "map-network": (*_MAPPED, "--save"),
    "front": _MAPPED, "networks": ("--yaml",),
    "convert": ("--to", "--hw", "--layer", "--constraints", "--energy-unit"),
    "hardware": (), "schema": (),
}  # fmt: skip


def _options(case: Case) -> dict[str, Any]:
    folder, layer = case.folder, case.chosen("layer.yaml")
    network, weights = case.chosen("net.yaml"), case.chosen("weights.npz", "few.safetensors")
    clustered = case.chosen("clustered0.safetensors", "clustered2.safetensors")
    numbers = ("1", "2", "4", "0", "-1", "1.5", "nan", "inf", "1e400", "x", "99999999999999999999")
    return {
        "--hw": (*shipped_names(), "simple", "eyeriss", folder, "/dev/null", "nosuch.yaml"),
        "--layer": (layer, f"{network}/conv1", f"{network}/dw", "lenet5/conv1", "conv3", "/"),
        "-n": (network, network, folder, "lenet5x", weights),
        "--mapping": (case.chosen("mapping.yaml"), network, folder),
        "--cluster": (*SPECS, "kernel", "kernel:k=0", "x:k=3", "row:rate=nan", "scalar:k=1e9"),
        "--weights": (weights, weights, clustered, clustered, network, folder),
        "--layers": ("conv*", "conv1", "*", "nosuch", "[", "[]", "!"),
        "--batch": numbers,
        "--zeros": ("inputs=0.5", "conv1:weights=0.1", "inputs=1", "inputs=nan;x", network),
        "--objective": ("edp", "energy", "cycles", "x"),
        "--time-limit": ("0.3", "0.01", "1e-300", "0", "-1", "nan", "inf", "x"),
        "--set": ("levels.DRAM.read_pj=1", "compute.mac_pj=nan", "x", *_overrides(case.random)),
        "--execution": ("decode", "share_products", "share_sums", "auto", "x"),
        "--decode-level": ("DRAM", "buffer", "auto", "x"),
        "--format": ("table", "json", "csv", "markdown", "latex", "x"),
        "-o": (folder / "out.json", folder / "out.txt", folder / "out", folder / "o.xlsx", folder,
               folder / "out.csv", folder / "no" / "x.md", "/dev/full", "/dev/null", "x" * 300),
        "--plot": (folder / "plot.doc", folder, "/dev/null", "x" * 300),
        "--save": (folder / "maps", network, "/dev/null/x"),
        "--names": (case.chosen("names.yaml"), network, folder),
        "--seed": numbers,
        "--starts": numbers[:-1],
        "--threads": numbers,
        "--limit": ("0.5", "0", "nan", "-1", "x"),
        "--inputs": (weights, clustered, network),
        "--to": ("kcsim", "timeloop", "timeloop-0.3", "zigzag", "scale-sim", "x"),
        "--constraints": (network, folder, "nosuch.yaml"),
        "--energy-unit": ("pJ", "MAC", "x"),
        "--imperfect": None,
        "--loops": None,
        "--front": None,
        "--yaml": None,
        "argument": ("lenet5", "alexnet", network, "simple", "eyeriss.yaml", "hardware", "mapping",
                     "network", "estimate", "compare", folder, "/dev/null", "nosuch"),
    }  # fmt: skip


def _value(values: Any, random: Random) -> object:
    if values is None or random.random() < 0.05:
        return odd.odd_text(random).replace("\0", "")
    return random.choice(values)


def python_call(case: Case) -> None:
    """Functions of the Python API with arguments of any types."""
    random = case.random
    layer = kcsim.load_layer(case.chosen("layer.yaml"))
    network, hardware = kcsim.load_network(case.chosen("net.yaml")), kcsim.load_hardware("simple")
    mapping = kcsim.Mapping((kcsim.LevelLoops("DRAM", (kcsim.Loop("M", 4), kcsim.Loop("P", 6))),))
    clustered = kcsim.load_clustered(case.chosen("clustered0.safetensors"))
    loops = np.zeros((2, 3, 4), random.choice((np.int64, np.float32, object)))
    first = clustered.layers["conv1"]
    codebook = clustered.codebooks[first.part.codebook]
    inputs = np.ones((1, 3, 6, 6), np.float32)
    sound: dict[str, tuple[list[Any], list[str]]] = {
        "estimate": ([hardware, network], ["clustering", "weights", "batch", "zeros", "objective",
                     "rules", "progress", "execution", "decode_level"]),
        "compare_executions": ([hardware, network, "kernel:k=2"], ["batch", "zeros", "objective"]),
        "evaluate": ([layer, hardware, mapping], ["weight_format"]),
        "map_layer": ([layer, hardware], ["weight_format", "objective", "imperfect"]),
        "map_layers": ([[kcsim.MappingTask(layer)], hardware], ["objective", "cache"]),
        "find_mapping": ([layer, hardware], ["objective", "weights"]),
        "find_front": ([layer, hardware], ["weights"]),
        "search_mapping": ([layer, hardware], ["objective", "weights", "prices"]),
        "count_layer": ([layer, hardware, mapping], ["weight_format"]),
        "count_mappings": ([layer, hardware, loops], ["bypass", "heights"]),
        "stack_mappings": ([[mapping], hardware], []),
        "stack_heights": ([[mapping], hardware], []),
        "read_mapping": ([case.chosen("mapping.yaml"), layer, hardware], []),
        "replay_layer": ([layer, hardware, mapping], ["inputs", "weights", "seed"]),
        "load_hardware": (["simple"], ["overrides"]),
        "load_network": ([network], []),
        "load_layer": ([case.chosen("layer.yaml")], []),
        "load_weights": ([case.chosen("weights.npz")], []),
        "load_clustered": ([case.chosen("clustered1.safetensors")], []),
        "save_clustered": ([clustered, case.folder / "saved.safetensors"], []),
        "parse_clustering": (["kernel:k=2"], ["file"]),
        "cluster_network": ([network, case.chosen("weights.npz"), "scalar:k=2"], ["names", "seed",
                            "starts", "progress"]),
        "clustered_conv2d": ([inputs, first, codebook], ["bias", "execution", "threads"]),
        "ConvLayer": (["x", 1, 2, 6, 6, 3, 3], ["stride", "padding", "dilation", "groups", "batch",
                      "bias", "kind", "zeros"]),
        "Network": (["x", (layer,)], ["norm_parameters"]),
        "ZeroShares": ([0.5], ["inputs", "outputs"]),
        "Clustering": (["kernel"], ["k", "rate", "scope", "dense", "index", "transforms"]),
        "Loop": (["M", 2], []),
        "LevelLoops": (["DRAM", (kcsim.Loop("M", 2),)], ["spatial_x", "spatial_y", "bypass",
                       "heights"]),
        "Mapping": ([()], []),
    }  # fmt: skip
    name = random.choice(list(sound))
    arguments, options = sound[name]
    arguments = [_odd_argument(random) if random.random() < 0.3 else each for each in arguments]
    given = {option: _odd_argument(random) for option in options if random.random() < 0.3}
    result = case.allowed(getattr(kcsim, name), *arguments, **given)
    if isinstance(result, kcsim.Mapping | kcsim.Network | kcsim.ConvLayer):
        usable = {"mapping": mapping, "network": network, "layer": layer}
        for key, kind in (("mapping", kcsim.Mapping), ("network", kcsim.Network),
                          ("layer", kcsim.ConvLayer)):  # fmt: skip
            usable[key] = result if isinstance(result, kind) else usable[key]
        case.allowed(kcsim.evaluate, usable["layer"], hardware, usable["mapping"])
        case.allowed(kcsim.estimate, hardware, usable["network"], time_limit=0.3)


def _odd_argument(random: Random) -> Any:
    return random.choice((
        lambda: odd.odd_value(random), lambda: np.float32(0.5), lambda: np.int64(3), lambda: b"x",
        lambda: np.zeros((2, 2)), lambda: np.array("x"), lambda: object(), lambda: len,
        lambda: kcsim.Loop("M", 2), lambda: {3: 4}, lambda: {"x": np.zeros(3)}, lambda: (1,),
        lambda: 1j, lambda: kcsim.ZeroShares(inputs=0.5), lambda: np.zeros((1, 3, 6, 6), "U1"),
    ))()  # fmt: skip


KINDS: tuple[Callable[[Case], None], ...] = (
    hardware_file, hardware_file, hardware_data, network_file, network_file, layer_file,
    mapping_file, zeros_file, names_file, weight_file, weight_file, clustered_file, clustered_file,
    foreign_file, kept_file, command_line, command_line, command_line, python_call, python_call,
    sweep_file,
)  # fmt: skip


def run_case(seed: int, base: Path, folder: Path) -> Case:
    """Run the case of a seed in an empty folder; whatever escapes is a defect."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    os.chdir(folder)
    os.environ["KCSIM_CACHE_DIR"] = str(base / "kept")
    case = Case(seed, base, folder)
    kind = KINDS[seed % len(KINDS)]
    case.story.append(kind.__name__)
    try:
        kind(case)
    except BaseException as error:
        error.add_note("\n".join(case.story))
        raise
    return case


def main() -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as base:
        prepare(Path(base) / "base")
        for seed in map(int, sys.argv[1:]):
            print("\n".join(run_case(seed, Path(base) / "base", Path(base) / "case").story))


if __name__ == "__main__":
    main()
