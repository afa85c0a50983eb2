"""Files of one tool as files of another."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from kcsim.errors import InputError, Problem, nearest
from kcsim.hardware.foreign.converted import Converted
from kcsim.hardware.reader import find_hardware, load_hardware
from kcsim.hardware.resolution import hardware_of_data
from kcsim.hardware.schema import Hardware
from kcsim.reading.arguments import checked
from kcsim.reading.foreign_yaml import foreign_text
from kcsim.reading.formats import FORMATS, formats_of
from kcsim.workload.layer import ConvLayer
from kcsim.workload.reader import load_network, network_to_yaml, select_layer

TARGETS = ("kcsim", "timeloop", "timeloop-0.3", "zigzag", "scale-sim")
_HARDWARE = ("timeloop_architecture", "zigzag_accelerator", "scale_sim_config")
_NETWORKS = ("onnx", "scale_sim_topology", "timeloop_problem")


@dataclass(frozen=True)
class Conversion:
    """The text of a file, and what it does not say.

    Attributes
    ----------
    text : str
    lost : tuple of str
        What the format cannot express, and what was assumed.
    """

    text: str
    lost: tuple[str, ...] = ()


@checked
def convert(
    source: str | os.PathLike[str],
    to: str = "kcsim",
    *,
    hardware: str | os.PathLike[str] | None = None,
    layer: str | os.PathLike[str] | None = None,
    constraints: str | os.PathLike[str] | None = None,
    energy_unit: str = "pJ",
) -> Conversion:
    """A file of one tool as the text of a file of another.

    Parameters
    ----------
    source : str or path
        Hardware: an architecture of Timeloop (0.3 or 0.4), an accelerator of ZigZag, a
        configuration of SCALE-Sim, a hardware file or the name of a shipped one. A mapping: of
        Timeloop, or a mapping file. A network or layer: as `kcsim.load_network` and
        `kcsim.load_layer` take it.
    to : {"kcsim", "timeloop", "timeloop-0.3", "zigzag", "scale-sim"}
        Networks go to files of kcsim or SCALE-Sim; layers, mappings and hardware to Timeloop, and
        hardware to ZigZag.
    hardware, layer : str or path, optional
        What a mapping is for; files of Timeloop or of kcsim.
    constraints : str or path, optional
        Constraints of Timeloop beside those of an architecture.
    energy_unit : {"pJ", "MAC"}
        Of the costs of ZigZag, whose files do not say it.

    Returns
    -------
    Conversion

    Raises
    ------
    InputError
        If the source is wrong or of an unknown format, or cannot be said in the other one.
    """
    if to not in TARGETS:
        expected = "one of " + ", ".join(TARGETS)
        raise InputError(Problem(f"there is no target {to!r}", expected, nearest(to, TARGETS)))
    formats = formats_of(source)
    # Merged files hold a mapping and its architecture.
    alone = hardware is not None or "timeloop_architecture" not in formats
    if alone and {"timeloop_mapping", "mapping"} & {*formats}:
        return _mapping(source, formats, to, hardware, layer)
    if constraints is not None and "timeloop_architecture" not in formats:
        raise InputError(Problem("constraints are given", "an architecture of Timeloop with them"))
    found = next((name for name in _HARDWARE if name in formats), None)
    if found or "hardware" in formats or _is_shipped(source):
        made = _foreign_hardware(source, found, constraints, energy_unit) if found else None
        return _hardware(source, made, to)
    if known := [name for name in formats if name not in (*_NETWORKS, "network")]:
        kind = FORMATS[known[0]]
        raise InputError(Problem(f"'{os.fspath(source)}' is {kind.words}, which is not converted",
                                 "hardware, a mapping, a layer or a network"))  # fmt: skip
    return _workload(source, to)


def _is_shipped(source: str | os.PathLike[str]) -> bool:
    try:
        return bool(find_hardware(source)) and not os.path.exists(source)
    except InputError:
        return False


def _foreign_hardware(
    source: str | os.PathLike[str], found: str, constraints: Any, energy_unit: str
) -> Converted:
    if found == "timeloop_architecture":
        from kcsim.hardware.foreign.timeloop_reader import read_timeloop_architecture

        return read_timeloop_architecture(source, constraints)
    if found == "zigzag_accelerator":
        from kcsim.hardware.foreign.zigzag import read_zigzag

        return read_zigzag(source, energy_unit)
    from kcsim.hardware.foreign.scale_sim_config import read_scale_sim_config

    return read_scale_sim_config(source)


def _hardware(source: str | os.PathLike[str], made: Converted | None, to: str) -> Conversion:
    """Hardware in the form that is wanted."""
    file = os.fspath(source)
    lost = made.lost if made else []
    known = hardware_of_data(made.data, None, file) if made else load_hardware(source)
    if to == "kcsim":
        if made is None:
            raise InputError(Problem(f"'{file}' is a hardware file already", "another --to"))
        return Conversion(_head(file, lost) + foreign_text(made.data), tuple(lost))
    if to == "scale-sim":
        raise InputError(Problem("hardware is not written for SCALE-Sim", "timeloop or zigzag"))
    if to == "zigzag":
        from kcsim.hardware.foreign.zigzag import zigzag_accelerator

        written = zigzag_accelerator(known)
    else:
        from kcsim.hardware.foreign.timeloop_writer import timeloop_architecture

        written = timeloop_architecture(known, _version(to))
    lost = [*lost, *written.lost]
    return Conversion(_head(file, lost) + foreign_text(written.data), tuple(lost))


def _version(to: str) -> str:
    return "0.3" if to == "timeloop-0.3" else "0.4"


def _mapping(
    source: str | os.PathLike[str], formats: tuple[str, ...], to: str, hardware: Any, layer: Any
) -> Conversion:
    from kcsim.mapping.foreign.timeloop_mapping import read_timeloop_mapping, timeloop_mapping
    from kcsim.mapping.reader import read_mapping

    file = os.fspath(source)
    if hardware is None or layer is None:
        raise InputError(Problem(f"'{file}' is a mapping", "its hardware and its layer with it: "
                                 "--hw FILE --layer FILE"))  # fmt: skip
    known, levels = _known_hardware(hardware)
    shape, dimensions, tensors = _known_layer(layer)
    if "timeloop_mapping" in formats:
        mapping = read_timeloop_mapping(
            source, shape, known, dimensions=dimensions, tensors=tensors, containers=levels
        )
    else:
        mapping = read_mapping(source, shape, known)
    if to == "kcsim":
        return Conversion(_head(file, []) + mapping.to_yaml(known))
    if not to.startswith("timeloop"):
        raise InputError(Problem(f"mappings are not written for {to}", "kcsim or timeloop"))
    return Conversion(_head(file, []) + foreign_text(
        timeloop_mapping(
            mapping, shape, known, _version(to), dimensions=dimensions or None, tensors=tensors
        )
    ))  # fmt: skip


def _known_hardware(spec: str | os.PathLike[str]) -> tuple[Hardware, dict[str, str]]:
    """A hardware, and the levels that names of its architecture stand for."""
    found = next((name for name in _HARDWARE if name in formats_of(spec)), None)
    if not found:
        return load_hardware(spec), {}
    made = _foreign_hardware(spec, found, None, "pJ")
    return hardware_of_data(made.data, None, os.fspath(spec)), made.levels


def _known_layer(
    spec: str | os.PathLike[str],
) -> tuple[ConvLayer, dict[str, str], dict[str, str]]:
    """A layer, and what the dimensions and data spaces of its problem are."""
    if "timeloop_problem" in formats_of(spec):
        from kcsim.workload.imports.timeloop_problem import read_timeloop_problem

        problem = read_timeloop_problem(spec)
        return problem.layer, problem.dimensions, problem.tensors
    return select_layer(spec).layers[0], {}, {}


def _workload(source: str | os.PathLike[str], to: str) -> Conversion:
    """A network, or one layer of it."""
    file = os.fspath(source)
    if to.startswith("timeloop"):
        from kcsim.workload.imports.timeloop_problem import problem_losses, timeloop_problem

        layer = select_layer(source).layers[0]
        lost = problem_losses(layer)
        return Conversion(
            _head(file, lost) + foreign_text(timeloop_problem(layer, _version(to))), tuple(lost)
        )
    network = load_network(source)
    if to == "scale-sim":
        from kcsim.workload.imports.scale_sim import scale_sim_topology

        text, lost = scale_sim_topology(network)
        return Conversion(text, tuple(lost))
    if to == "zigzag":
        raise InputError(Problem("workloads are not written for ZigZag", "hardware"))
    lost = ["weights, which stay in their file"] if network.weights else []
    return Conversion(_head(file, lost) + network_to_yaml(network), tuple(lost))


def _head(file: str, lost: list[str]) -> str:
    """Comments on where a file comes from, and what it does not say."""
    name = os.path.basename(file)
    lines = [f"# From {name if name.isprintable() else 'another file'}, by kcsim convert."]
    if lost:
        lines += ["# Not carried over, or assumed:", *(f"#   {each}" for each in lost)]
    # A line break in a name would end the comment.
    return "".join(f"{' '.join(line.splitlines())}\n" for line in lines)
