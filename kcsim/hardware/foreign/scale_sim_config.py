"""Configurations of SCALE-Sim as hardware files."""

from __future__ import annotations

import configparser
import os
from typing import Any

from kcsim.errors import InputError, Problem
from kcsim.hardware.foreign.converted import Converted
from kcsim.reading.files import read_text_file
from kcsim.reading.source import decode

MAX_BYTES = 200_000
_PRESETS = "architecture_presets"
_MEMORIES = {
    "inputs": "ifmapsramszkb",
    "weights": "filtersramszkb",
    "outputs": "ofmapsramszkb",
}
_STATIONARY = {"ws": "weights", "os": "outputs", "is": "inputs"}
_DATAFLOWS = {
    # Rows and columns of the array, and what moves through it in time.
    "ws": ("weight_stationary", ["M"], ["C", "R", "S"], ["N", "P", "Q"]),
    "os": ("output_stationary", ["M"], ["N", "P", "Q"], ["C", "R", "S"]),
    "is": ("input_stationary", ["N", "P", "Q"], ["C", "R", "S"], ["M"]),
}


def read_scale_sim_config(path: str | os.PathLike[str]) -> Converted:
    """The data of a hardware file for a configuration of SCALE-Sim.

    DRAM, three double-buffered memories, and an array with one register in each unit for what its
    dataflow keeps there. Words are bytes; energies follow from sizes at 45 nm.

    Raises
    ------
    InputError
        If the file is none, or a size is wrong.
    """
    file = os.fspath(path)
    parser = _parsed(file)
    given = dict(parser.items(_PRESETS))
    made = Converted({})
    rows, columns = (_count(given, key, file) for key in ("arrayheight", "arraywidth"))
    partitions = [
        {"tensors": [tensor], "capacity_kib": _count(given, key, file)}
        for tensor, key in _MEMORIES.items()
    ]
    flow = str(given.get("dataflow", "")).strip().lower()
    if flow not in _DATAFLOWS:
        raise InputError(Problem(f"'{file}': Dataflow is {flow!r}", "os, ws or is"))
    name, along_x, along_y, in_time = _DATAFLOWS[flow]
    title = parser.get("general", "run_name", fallback="").strip().strip('"')
    sram = {
        "name": "SRAM", "kind": "sram", "word_bits": 8, "buffering": "double",
        "partitions": partitions, "fanout": {"x": columns, "y": rows},
    }  # fmt: skip
    register = {
        "name": "register", "kind": "registers", "word_bits": 8, "keeps": [_STATIONARY[flow]],
        "capacity_words": 1,
    }  # fmt: skip
    made.data = {
        "name": title or "scale_sim",
        "description": f"{rows}x{columns} systolic array, {name.replace('_', ' ')}, of SCALE-Sim",
        "technology_nm": 45,
        "precision_bits": {"weights": 8, "inputs": 8, "outputs": 8},
        "levels": [_dram(parser, given, made), sram, register],
        "compute": {"kind": "mac"},
        "dataflow": {
            "name": name,
            "levels": {
                "SRAM": {"spatial_x": along_x, "spatial_y": along_y},
                "register": {"temporal": in_time},
            },
        },
    }
    made.lose("energies and technology: they follow from sizes at 45 nm, and SCALE-Sim has none")
    made.lose("filling and draining of the array")
    if given.get("memorybanks", "1").strip() not in ("", "1"):
        made.lose(f"MemoryBanks: {given['memorybanks']}")
    return made


def _parsed(file: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(decode(read_text_file(file, MAX_BYTES), file))
    except configparser.Error as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"'{file}' is no configuration: {reason}") from None
    if not parser.has_section(_PRESETS):
        raise InputError(Problem(f"'{file}' is no configuration of SCALE-Sim", f"[{_PRESETS}]"))
    return parser


def _dram(
    parser: configparser.ConfigParser, given: dict[str, str], made: Converted
) -> dict[str, Any]:
    dram: dict[str, Any] = {"name": "DRAM", "kind": "dram", "dram_type": "LPDDR4", "word_bits": 8}
    # Bandwidths stand in a list, one for each memory, in some versions.
    rates = [_rate(text) for text in str(given.get("bandwidth", "")).split(",")]
    mode = parser.get("run_presets", "InterfaceBandwidth", fallback="").strip().upper()
    if all(rates) and mode == "USER":
        dram |= {"read_words_per_cycle": rates[0], "write_words_per_cycle": rates[-1]}
    elif rates[0]:
        made.lose("Bandwidth, as InterfaceBandwidth is not USER: that of DRAM has no limit")
    return dram


def _count(given: dict[str, str], key: str, file: str) -> int:
    text = given.get(key, "").strip()
    if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) > 0):
        raise InputError(Problem(f"'{file}': {key} is {text!r}", "a whole number above 0"))
    return int(text)


def _rate(text: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        return 0.0
    return rate if 0 < rate < 1e9 else 0.0
