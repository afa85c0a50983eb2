"""Networks and layers by name or from YAML files."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from typing import Any

from kcsim.errors import InputError, Problem, nearest
from kcsim.reading.arguments import checked
from kcsim.reading.formats import formats_of, refuse_foreign
from kcsim.workload import zoo
from kcsim.workload.layer import ConvLayer
from kcsim.workload.network import Network
from kcsim.workload.operation import Operation
from kcsim.workload.precision import LayerBits
from kcsim.workload.zeros import ZeroShares

_ENDINGS = (".yaml", ".yml", ".onnx", ".csv")
_OF_OTHERS = ("onnx", "scale_sim_topology", "timeloop_problem")
_FACTORY = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*(@\d+(x\d+)*)?")
_SHAPED = re.compile(r".+\.onnx@[1-9]\d{0,8}(x[1-9]\d{0,8})*", re.IGNORECASE)
_PLAIN_TEXT = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*")
_NOT_TEXT = ("null", "true", "false")


@checked
def read_network(path: str | os.PathLike[str]) -> Network:
    """Read a network from a YAML file.

    Parameters
    ----------
    path : str or path-like
        A file with the keys `name`, `layers` and, optionally, `batch`, `source`,
        `norm_parameters` and `input` (`channels`, `height`, `width`). A layer is of `type`
        ``conv``, ``depthwise``, ``linear`` or ``pool``; an input size that it leaves out is the
        output of the layer before it, or the network's `input`.

    Raises
    ------
    InputError
        If the file cannot be read or describes no network; carries every problem with its place.
    """
    # Schemas load slowly; the zoo has to do without them.
    from kcsim.workload.network_file import read_network_file

    return read_network_file(path)


@checked
def load_network(spec: str | os.PathLike[str] | Network) -> Network:
    """The network that `spec` means.

    Parameters
    ----------
    spec : str, path-like or Network
        A network, which is returned as it is; a file: YAML of kcsim, an ONNX model, a topology of
        SCALE-Sim or a problem of Timeloop, told apart by what they hold; for ONNX with the shape
        of its input behind it, if wanted, as ``model.onnx@1x3x224x224``;
        ``package.module:factory``, which runs that function and takes the torch module that it
        returns (`kcsim.workload.imports.torch_model.import_factory`); otherwise the name of a
        network of the zoo.

    Raises
    ------
    InputError
        If there is no such file or network, or the file is wrong.
    """
    if isinstance(spec, Network):
        return spec
    text = os.fspath(spec)
    if _FACTORY.fullmatch(text) and not os.path.exists(text):
        from kcsim.workload.imports.torch_model import import_factory

        return import_factory(text)
    file, _, shape = text.rpartition("@") if _SHAPED.fullmatch(text) else (text, "", "")
    if isinstance(spec, str) and not _names_file(file):
        return zoo.load(spec)
    return _read_any(file, tuple(map(int, shape.split("x"))) if shape else ())


def _read_any(file: str, shape: tuple[int, ...]) -> Network:
    """The network of a file of any format."""
    formats = formats_of(file)
    if "onnx" in formats or (shape and not formats):
        from kcsim.workload.imports.onnx_model import read_onnx_network

        return read_onnx_network(file, shape)
    if shape:
        raise InputError(Problem(f"'{file}' is no ONNX model", "no shape behind it"))
    if "scale_sim_topology" in formats:
        from kcsim.workload.imports.scale_sim import read_scale_sim

        return read_scale_sim(file)
    if "timeloop_problem" in formats:
        from kcsim.workload.imports.timeloop_problem import read_timeloop_network

        return read_timeloop_network(file)
    refuse_foreign(file, "network")
    return read_network(file)


@checked
def load_layer(spec: str | os.PathLike[str]) -> ConvLayer:
    """The layer that `spec` means.

    Parameters
    ----------
    spec : str or path-like
        A YAML file that holds the keys of one layer, at the top or below the key `layer`; or
        ``NETWORK/LAYER``, as ``"alexnet/conv3"`` or ``"my_net.yaml/conv1"``.

    Raises
    ------
    InputError
        If there is no such file, network or layer, or the file is wrong.
    """
    return select_layer(spec).layers[0]


def select_layer(spec: str | os.PathLike[str]) -> Network:
    """The network of the layer that `spec` means, reduced to this layer.

    Parameters
    ----------
    spec : str or path-like
        As for `load_layer`; the layer of a file is a network of its own.

    Raises
    ------
    InputError
        If there is no such file, network or layer, or the file is wrong.
    """
    text = os.fspath(spec)
    if _names_file(text):
        formats = formats_of(text)
        if formats and formats[0] in _OF_OTHERS:
            network = load_network(text)
            if len(network) > 1:
                message = f"'{text}' holds a network, and one layer is wanted"
                raise InputError(Problem(message, f"'{text}/{network.layers[0].name}'"))
            return network
        from kcsim.workload.network_file import read_layer_file

        layer = read_layer_file(text)
        return Network(layer.name, (layer,))
    # Slashes may stand in the path of a file and in the name of a layer.
    cuts = [cut.start() for cut in re.finditer("/", text)]
    if not cuts:
        raise InputError(_no_network(text))
    cut = next((cut for cut in cuts if _names_network(text[:cut])), cuts[0])
    return load_network(text[:cut]).select_one(text[cut + 1 :])


def _no_network(text: str) -> Problem:
    """What is wrong with a layer without a network: the name of either, or of neither."""
    message, expected = f"'{text}' names no layer", "NETWORK/LAYER, as 'alexnet/conv3', or a file"
    try:
        network = zoo.load(text)
    except InputError:
        pass
    else:
        return Problem(message, f"NETWORK/LAYER, as '{text}/{network.layers[0].name}'")
    spelled = {layer.name.lower(): layer.name for name in zoo.NAMES for layer in zoo.load(name)}
    wanted = text.lower()
    layer = spelled.get(wanted) or spelled.get(nearest(wanted, spelled), "")
    holders = [name for name in zoo.NAMES if any(each.name == layer for each in zoo.load(name))]
    if not holders:
        return Problem(message, expected)
    if len(holders) > 1:
        shown = ", ".join(holders[:5]) + (", ..." if len(holders) > 5 else "")
        expected = f"NETWORK/LAYER, as '{layer}' is a layer of {shown}"
    # The networks that most people mean come first.
    return Problem(message, expected, f"{holders[0]}/{layer}")


def _names_network(text: str) -> bool:
    """Whether a text is a file, with the shape of an input behind it or without, or a factory."""
    file = text.rpartition("@")[0] if _SHAPED.fullmatch(text) else text
    return _names_file(file) or bool(_FACTORY.fullmatch(text))


def _names_file(text: str) -> bool:
    return text.lower().endswith(_ENDINGS) or os.path.isfile(text)


def network_to_yaml(network: Network) -> str:
    """The network as a YAML text that `read_network` reads back to an equal network.

    Every layer stands on a line of its own with its full input shape; operations, edges and notes
    come along, weights do not.
    """
    batch = network.images
    head: dict[str, object] = {"name": network.name, "source": network.source}
    head |= {"batch": batch, "norm_parameters": network.norm_parameters}
    omitted = {"source": "", "batch": 1, "norm_parameters": 0}
    lines = [f"{key}: {_yaml(value)}" for key, value in _without(head, omitted).items()]
    if network.notes:
        lines += ["notes:", *(f"  - {json.dumps(note)}" for note in network.notes)]
    lines.append("layers:")
    for step in _in_order(network):
        entry = _entry(step) if isinstance(step, ConvLayer) else _operation_entry(step)
        images = step.images if isinstance(step, ConvLayer) else batch
        if images != batch:
            entry["batch"] = images
        if isinstance(step, ConvLayer) and step.zeros:
            entry["zeros"] = step.zeros
        if isinstance(step, ConvLayer) and step.precision_bits:
            entry["precision_bits"] = step.precision_bits
        if network.edges:
            entry["from"] = list(network.feeders(step.name))
        pairs = ", ".join(f"{key}: {_yaml(value)}" for key, value in entry.items())
        lines.append(f"  - {{{pairs}}}")
    return "\n".join(lines) + "\n"


def _in_order(network: Network) -> Iterator[ConvLayer | Operation]:
    """Layers in their order, each operation as soon as all that feeds it has come."""
    left, seen = list(network.operations), set[str]()
    for layer in (*network.layers, None):
        while ready := [each for each in left if layer is None or _is_fed(each, network, seen)]:
            for each in ready:
                left.remove(each)
                seen.add(each.name)
                yield each
        if layer is not None:
            seen.add(layer.name)
            yield layer


def _is_fed(operation: Operation, network: Network, seen: set[str]) -> bool:
    """Whether all that feeds an operation has come."""
    feeders = network.feeders(operation.name)
    return bool(feeders) and seen.issuperset(feeders)


def _operation_entry(operation: Operation) -> dict[str, object]:
    entry: dict[str, object] = {"name": operation.name, "type": "other"}
    entry["operation"] = operation.kind
    counts = ("input_words", "output_words", "weight_words", "macs", "adds")
    return entry | {name: count for name in counts if (count := getattr(operation, name))}


def _entry(layer: ConvLayer) -> dict[str, object]:
    """The keys of one layer in a network file, without those that have their defaults."""
    if layer.kind == "matmul":
        entry: dict[str, object] = {"name": layer.name, "type": "matmul", "m": layer.in_height}
        groups = layer.groups
        entry |= {"k": layer.in_channels // groups, "n": layer.out_channels // groups}
        return entry | _without({"heads": layer.per_image}, {"heads": 1})
    if layer.kind == "linear":
        entry = {"name": layer.name, "type": "linear"}
        entry |= {"in_features": layer.in_channels, "out_features": layer.out_channels}
        rest: dict[str, object] = {"bias": layer.bias, "sequence": layer.in_height}
        return entry | _without(rest, {"bias": True, "sequence": 1})
    is_depthwise = layer.is_depthwise and layer.per_image == 1
    entry = {
        "name": layer.name,
        "type": "depthwise" if is_depthwise else "conv",
        "in_channels": layer.in_channels,
        "out_channels": layer.out_channels,
        "in_size": (layer.in_height, layer.in_width),
        "kernel": (layer.kernel_height, layer.kernel_width),
        "stride": layer.stride,
        "padding": layer.padding,
        "dilation": layer.dilation,
        "bias": layer.bias,
    }
    if not is_depthwise:
        entry |= {"groups": layer.groups, "per_image": layer.per_image}
    ones = (1, 1)
    defaults = {"stride": ones, "padding": (0,) * 4, "dilation": ones, "bias": False, "groups": 1}
    return _without(entry, defaults | {"per_image": 1})


def _without(entry: dict[str, object], defaults: dict[str, object]) -> dict[str, object]:
    return {key: value for key, value in entry.items() if (key, value) not in defaults.items()}


def _yaml(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return f"[{', '.join(map(_yaml, value))}]"
    if isinstance(value, tuple):
        same = len(set(value)) == 1
        return str(value[0]) if same else f"[{', '.join(map(str, value))}]"
    if isinstance(value, ZeroShares):
        shares = (f"{tensor}: {share}" for tensor, share in vars(value).items() if share)
        return f"{{{', '.join(shares)}}}"
    if isinstance(value, LayerBits):
        return f"{{{', '.join(f'{name}: {bits}' for name, bits in value.given.items())}}}"
    if isinstance(value, str):
        plain = _PLAIN_TEXT.fullmatch(value) and value.lower() not in _NOT_TEXT
        return value if plain else json.dumps(value, ensure_ascii=False)
    return str(value)


def network_schema() -> dict[str, Any]:
    """The JSON Schema of network files, for editors."""
    from pydantic import TypeAdapter

    from kcsim.workload.network_file import NetworkFile

    schema = TypeAdapter(NetworkFile).json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
