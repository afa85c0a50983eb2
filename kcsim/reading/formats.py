"""Which tool a file is of, by its content."""

from __future__ import annotations

import os
import re
from typing import NamedTuple

from kcsim.errors import InputError, Problem
from kcsim.reading.files import binary_format

MAX_LOOK = 2_000_000
_KEY = re.compile(r"^['\"]?([A-Za-z_][\w-]*)['\"]?[ \t]*:", re.M)
_ONE_LINE = re.compile(r"[{,]\s*['\"]?([A-Za-z_][\w-]*)['\"]?\s*:")


class Format(NamedTuple):
    """A kind of file of another tool.

    Attributes
    ----------
    name : str
    words : str
        What it is, with its article.
    reads : str
        The option or command that reads it; empty for none.
    """

    name: str
    words: str
    reads: str


FORMATS = {
    each.name: each
    for each in (
        Format("onnx", "an ONNX model", "--network FILE"),
        Format("scale_sim_topology", "a topology of SCALE-Sim", "--network FILE"),
        Format("timeloop_problem", "a problem of Timeloop", "--network FILE or --layer FILE"),
        Format(
            "timeloop_architecture", "an architecture of Timeloop",
            "kcsim convert FILE hardware.yaml",
        ),
        Format(
            "timeloop_mapping", "a mapping of Timeloop",
            "kcsim convert FILE mapping.yaml --hw ARCHITECTURE --layer PROBLEM",
        ),
        Format(
            "timeloop_constraints", "constraints of Timeloop",
            "kcsim convert ARCHITECTURE hardware.yaml --constraints FILE",
        ),
        Format("accelergy", "a table of Accelergy", "kcsim hardware --library FILE"),
        Format(
            "zigzag_accelerator", "an accelerator of ZigZag", "kcsim convert FILE hardware.yaml"
        ),
        Format("zigzag_workload", "a workload of ZigZag", ""),
        Format("zigzag_mapping", "a mapping of ZigZag", ""),
        Format(
            "scale_sim_config", "a configuration of SCALE-Sim", "kcsim convert FILE hardware.yaml"
        ),
        Format("network", "a network file", "--network FILE"),
        Format("hardware", "a hardware file", "--hw FILE"),
        Format("mapping", "a mapping file", "--mapping FILE"),
    )
}  # fmt: skip


def formats_of(path: str | os.PathLike[str]) -> tuple[str, ...]:
    """Names of the formats that a file holds; empty for one that is not known or not there.

    Parameters
    ----------
    path : str or path
    """
    try:
        if not os.path.isfile(path):
            return ()
        with open(path, "rb") as stream:
            content = stream.read(MAX_LOOK)
    except (OSError, ValueError):
        return ()
    kind = binary_format(content[:9])
    if os.fspath(path).lower().endswith(".onnx") or "ONNX" in kind:
        return ("onnx",)
    if kind:
        return ()
    return _of_text(content.decode("utf-8", "replace").lstrip("\ufeff"))


def _of_text(text: str) -> tuple[str, ...]:
    if "[architecture_presets]" in text:
        return ("scale_sim_config",)
    first = text.lstrip().partition("\n")[0].lower()
    if first.startswith("layer") and "," in first and ":" not in first:
        return ("scale_sim_topology",)
    keys = set(_KEY.findall(text))
    if not keys:
        keys = set(_ONE_LINE.findall(text))
    if {"memories", "operational_array"} <= keys:
        return ("zigzag_accelerator",)
    if text.lstrip().startswith("-") or not keys:
        if re.search(r"^\s*-?\s*(operator_type|loop_dim_size|loop_dims)\s*:", text, re.M):
            return ("zigzag_workload",)
        if re.search(r"^\s*-?\s*(core_allocation|spatial_mapping)\s*:", text, re.M):
            return ("zigzag_mapping",)
    found = [name for name, wanted in _BY_KEYS if wanted & keys]
    return tuple(found) or _own(keys)


_BY_KEYS = (
    ("timeloop_problem", {"problem"}),
    ("timeloop_architecture", {"architecture", "arch"}),
    ("timeloop_mapping", {"mapping"}),
    (
        "timeloop_constraints",
        {"architecture_constraints", "mapspace_constraints", "constraints", "mapspace"},
    ),
    ("accelergy", {"ERT", "ART", "ERT_summary"}),
)


def _own(keys: set[str]) -> tuple[str, ...]:
    if "compute" in keys and "levels" in keys:
        return ("hardware",)
    if "levels" in keys and "name" not in keys:
        return ("mapping",)
    return ("network",) if "layers" in keys else ()


def foreign_problem(path: str | os.PathLike[str], wanted: str) -> Problem | None:
    """That a file is of another kind than is wanted; ``None`` if that is not known.

    Parameters
    ----------
    path : str or path
    wanted : str
        The name of one's own format.
    """
    found = formats_of(path)
    if not found or wanted in found:
        return None
    file, kind = os.fspath(path), FORMATS[found[0]]
    expected = FORMATS[wanted].words
    if kind.reads:
        command = kind.reads.replace("FILE", f"'{file}'")
        expected += f"; {kind.words} is read by: {command}"
    else:
        expected += f"; {kind.words} is not read"
    return Problem(f"'{file}' is {kind.words}", expected)


def refuse_foreign(path: str | os.PathLike[str], wanted: str) -> None:
    """Raise an InputError if a file is of another kind than is wanted."""
    problem = foreign_problem(path, wanted)
    if problem:
        raise InputError(problem)
