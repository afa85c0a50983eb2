"""Problems of Timeloop: read as a layer, and written.

An operation is known by its data spaces, not by the names of dimensions: one that is written to,
the outputs; of the others, the inputs have sums of two dimensions or, without any, all rows.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kcsim.errors import InputError
from kcsim.reading.files import read_text_file
from kcsim.reading.foreign_yaml import listed, parse_foreign_yaml
from kcsim.reading.source import MAX_BYTES, Document, decode
from kcsim.workload.layer import DIMENSIONS, ConvLayer, LayerError
from kcsim.workload.network import Network
from kcsim.workload.zeros import ZeroShares

_BASE = re.compile(r"^\{\{\s*include_text\(['\"][^'\"]*problem_base\.yaml['\"]\)\s*\}\}", re.M)
_STANDARD = "problem_base: &problem_base {shape: cnn-layer}"
_DEFAULT_SHAPES = ("cnn-layer", "cnn_layer", "conv2D", "CONV", "CNN-Layer")
_CNN_LAYER = {
    "name": "CNN-Layer",
    "dimensions": list("CMRSNPQ"),
    "data_spaces": [
        {"name": "Weights", "projection": [[["C"]], [["M"]], [["R"]], [["S"]]]},
        {"name": "Inputs", "projection": [
            [["N"]], [["C"]], [["R", "Wdilation"], ["P", "Wstride"]],
            [["S", "Hdilation"], ["Q", "Hstride"]],
        ]},
        {"name": "Outputs", "projection": [[["N"]], [["M"]], [["Q"]], [["P"]]],
         "read_write": True},
    ],
}  # fmt: skip
_BATCH_NAMES = ("N", "B", "n", "b", "batch")
_MAX_DIMENSIONS = 32


@dataclass(frozen=True)
class TimeloopProblem:
    """A problem, understood.

    Attributes
    ----------
    layer : ConvLayer
    dimensions : dict of str to str
        Which loop variable each dimension of the problem is.
    tensors : dict of str to str
        Which tensor each data space is.
    notes : tuple of str
        What the layer does not say.
    """

    layer: ConvLayer
    dimensions: dict[str, str]
    tensors: dict[str, str]
    notes: tuple[str, ...] = ()


def read_timeloop_problem(path: str | os.PathLike[str]) -> TimeloopProblem:
    """The problem in a file of Timeloop, of version 0.3 or 0.4.

    Raises
    ------
    InputError
        If the file holds no problem, or one that is no convolution and no product of matrices.
    """
    file = os.fspath(path)
    text = decode(read_text_file(file, MAX_BYTES), file)
    if _BASE.search(text):
        # The standard convolution that the public examples include.
        text = _BASE.sub(_STANDARD, text)
    return problem_of(parse_foreign_yaml(text, file))


def read_timeloop_network(path: str | os.PathLike[str]) -> Network:
    """The layer of a problem as a network; see `read_timeloop_problem`."""
    problem = read_timeloop_problem(path)
    layer = problem.layer
    return Network(layer.name, (layer,), source="problem of Timeloop", notes=problem.notes)


def problem_of(document: Document) -> TimeloopProblem:
    """The problem in a document."""
    data = _plain_keys(document.data)
    problem = data.get("problem") if isinstance(data, dict) else None
    if not isinstance(problem, dict):
        raise InputError(document.problem((), "no problem of Timeloop", expected="key 'problem'"))
    try:
        return _Reader(problem, Path(document.file).stem).result()
    except LayerError as error:
        raise InputError([document.problem(("problem",), p.message, expected=p.expected)
                          for p in error.problems]) from None  # fmt: skip
    except ValueError as error:
        raise InputError(document.problem(("problem",), str(error), key=True)) from None


def _plain_keys(value: Any) -> Any:
    """Data in which keys have no hyphens, as in version 0.4."""
    if isinstance(value, dict):
        return {key.replace("-", "_"): _plain_keys(each) for key, each in value.items()}
    return [_plain_keys(each) for each in value] if isinstance(value, list) else value


class _Reader:
    """Understands one problem; raises ValueError with what it cannot."""

    def __init__(self, problem: Mapping[str, Any], title: str) -> None:
        shape = problem.get("shape", _CNN_LAYER)
        if isinstance(shape, str):
            if shape not in _DEFAULT_SHAPES:
                raise ValueError(f"its shape {shape!r} is none that is known; expected cnn-layer, "
                                 "or a mapping")  # fmt: skip
            shape = _CNN_LAYER
        if not isinstance(shape, dict):
            raise ValueError("its 'shape' is no mapping")
        instance = problem.get("instance", problem)
        if not isinstance(instance, dict):
            raise ValueError("its 'instance' is no mapping of dimensions to sizes")
        self._instance = instance
        self._title = str(problem.get("name") or title or shape.get("name") or "layer")
        self._dimensions = [str(each) for each in _list(shape.get("dimensions"), "dimensions")]
        if len(self._dimensions) > _MAX_DIMENSIONS:
            raise ValueError(f"it has more than {_MAX_DIMENSIONS} dimensions")
        self._coefficients = {
            str(each.get("name")): each.get("default", 1)
            for each in listed(shape.get("coefficients")) if isinstance(each, dict)
        }  # fmt: skip
        self._spaces = _list(shape.get("data_spaces"), "data_spaces")

    def result(self) -> TimeloopProblem:
        spaces = self._tensors()
        places = {tensor: self._used(space) for tensor, space in spaces.items()}
        windows = self._windows(spaces["inputs"])
        roles, axes = self._roles(places, windows)
        size: dict[str, int] = dict.fromkeys(DIMENSIONS, 1)
        for name, role in roles.items():
            size[role] *= self._size(name)
        for role in "PQRS":
            alike = [name for name in roles if roles[name] == role]
            if len(alike) > 1 and axes:
                raise ValueError(f"{' and '.join(alike)} are all {role}")
        layer = replace(self._layer(size, axes), zeros=self._zeros(spaces))
        if layer.macs != math.prod(self._size(name) for name in self._dimensions):
            raise ValueError("a dimension is named twice, or its loops are not those of a layer")
        tensors = {str(space["name"]): tensor for tensor, space in spaces.items()}
        padded = [key for key in ("Hpad", "Wpad", "HPad", "WPad") if self._instance.get(key)]
        notes = (f"{', '.join(padded)}: padding is counted as data, as Timeloop does.",)
        return TimeloopProblem(layer, roles, tensors, notes if padded else ())

    def _layer(self, size: dict[str, int], axes: dict[int, tuple[int, int]]) -> ConvLayer:
        """The layer of these loops; `axes` has step and spread of each axis of windows."""
        name = "".join(c for c in self._title if c.isprintable()).strip() or "layer"
        if not axes and size["G"] == size["Q"] == 1:
            return ConvLayer.linear(
                name, size["C"], size["M"], bias=False, batch=size["N"], sequence=size["P"]
            )
        (down, tall), (across, wide) = axes.get(0, (1, 1)), axes.get(1, (1, 1))
        return ConvLayer(
            name,
            size["C"] * size["G"],
            size["M"] * size["G"],
            (size["P"] - 1) * down + (size["R"] - 1) * tall + 1,
            (size["Q"] - 1) * across + (size["S"] - 1) * wide + 1,
            size["R"],
            size["S"],
            (down, across),
            dilation=(tall, wide),
            groups=size["G"],
            batch=size["N"],
        )

    def _tensors(self) -> dict[str, Mapping[str, Any]]:
        """Weights, inputs and outputs among the data spaces."""
        if len(self._spaces) != 3 or not all(isinstance(each, dict) for each in self._spaces):
            raise ValueError(f"it has {len(self._spaces)} data spaces, not 3 (weights, inputs, "
                             "outputs)")  # fmt: skip
        for space in self._spaces:
            if not isinstance(space.get("name"), str):
                raise ValueError("a data space has no name")
        outputs = [space for space in self._spaces if space.get("read_write")]
        if len(outputs) != 1:
            raise ValueError("not exactly one data space has 'read_write: true'")
        first, second = (space for space in self._spaces if space is not outputs[0])
        with_sums = [space for space in (first, second) if self._windows(space)]
        if len(with_sums) == 2:
            raise ValueError("both operands have windows")
        plain = second if _is_weights(first["name"]) else first
        inputs = with_sums[0] if with_sums else plain
        weights = second if inputs is first else first
        return {"weights": weights, "inputs": inputs, "outputs": outputs[0]}

    def _projection(self, space: Mapping[str, Any]) -> list[list[tuple[str, int]]]:
        """Of each axis the dimensions that it is the sum of, with their factors."""
        axes = []
        for axis in _list(space.get("projection"), "projection"):
            terms = axis if isinstance(axis, list) else [axis]
            parts = []
            for term in terms:
                names = [str(each) for each in (term if isinstance(term, list) else [term])]
                known = [name for name in names if name in self._dimensions]
                if len(known) != 1:
                    raise ValueError(f"a term of the projection of {space['name']!r} is {names}, "
                                     "not one dimension and a coefficient")  # fmt: skip
                factor = math.prod(
                    self._coefficient(name) for name in names if name not in self._dimensions
                )
                parts.append((known[0], factor))
            axes.append(parts)
        return axes

    def _windows(self, space: Mapping[str, Any]) -> list[list[tuple[str, int]]]:
        """The axes that are sums."""
        windows = [axis for axis in self._projection(space) if len(axis) > 1]
        if any(len(axis) > 2 for axis in windows) or len(windows) > 2:
            raise ValueError(f"{space['name']!r} has windows of more than two dimensions, which "
                             "the nest of a layer does not have")  # fmt: skip
        return windows

    def _used(self, space: Mapping[str, Any]) -> set[str]:
        return {name for axis in self._projection(space) for name, _ in axis}

    def _roles(
        self, places: Mapping[str, set[str]], windows: list[list[tuple[str, int]]]
    ) -> tuple[dict[str, str], dict[int, tuple[int, int]]]:
        """Which loop variable each dimension is; step and spread of each axis of windows."""
        roles: dict[str, str] = {}
        axes: dict[int, tuple[int, int]] = {}
        for place, pair in enumerate(windows):
            taps = [each for each in pair if each[0] in places["weights"]]
            outs = [each for each in pair if each[0] in places["outputs"]]
            if len(taps) != 1 or len(outs) != 1 or taps == outs:
                raise ValueError(f"the window of {pair[0][0]} and {pair[1][0]} is none of outputs "
                                 "and weights")  # fmt: skip
            # A single window goes by the name of its dimensions.
            axis = 1 if len(windows) == 1 and {taps[0][0], outs[0][0]} & {"Q", "S"} else place
            roles[outs[0][0]], roles[taps[0][0]] = "PQ"[axis], "RS"[axis]
            axes[axis] = outs[0][1], taps[0][1]
        for name in self._dimensions:
            if name not in roles:
                where = (
                    name in places["weights"], name in places["inputs"], name in places["outputs"]
                )  # fmt: skip
                roles[name] = self._role(name, where, bool(windows))
        return roles, axes

    def _role(self, name: str, where: tuple[bool, bool, bool], has_windows: bool) -> str:
        if where == (False, True, True):
            if name in _BATCH_NAMES:
                return "N"
            # Pixels that no window moves over.
            return "P" if not has_windows else ("Q" if name == "Q" else "N")
        known = {(True, False, True): "M", (True, True, False): "C", (True, True, True): "G"}
        if where not in known and self._size(name) > 1:
            raise ValueError(f"the dimension {name} is of no operand, or of one alone")
        return known.get(where, "N")

    def _size(self, name: str) -> int:
        return self._number(name, self._instance.get(name, 1))

    def _coefficient(self, name: str) -> int:
        return self._number(name, self._instance.get(name, self._coefficients.get(name, 1)))

    @staticmethod
    def _number(name: str, value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 2**31:
            raise ValueError(f"{name} is {value!r}, not a whole number from 1 to 2^31")
        return value

    def _zeros(self, spaces: Mapping[str, Mapping[str, Any]]) -> ZeroShares:
        """Shares of zeros from the densities of the instance."""
        given = self._instance.get("densities")
        shares: dict[str, float] = {}
        for tensor, space in spaces.items():
            density = given.get(space["name"]) if isinstance(given, dict) else None
            if isinstance(density, dict):
                density = density.get("density")
            if density is None:
                continue
            if isinstance(density, bool) or not isinstance(density, int | float) \
                    or not 0 < density <= 1:  # fmt: skip
                raise ValueError(f"the density of {space['name']} is {density!r}; expected a "
                                 "number above 0, at most 1")  # fmt: skip
            shares[tensor] = 1 - density
        return ZeroShares(**shares)


def _list(value: Any, what: str) -> list[Any]:
    if not isinstance(value, list) or not value:
        raise ValueError(f"'{what}' is no list")
    return value


def _is_weights(name: str) -> bool:
    return name.lower().startswith(("weight", "filter", "kernel")) or name == "B"


# --- written


def timeloop_problem(layer: ConvLayer, version: str = "0.4") -> dict[str, Any]:
    """A layer as what a problem file holds.

    Its input is the box that windows touch, padding included.

    Parameters
    ----------
    layer : ConvLayer
    version : {"0.4", "0.3"}
    """
    spaces = "data_spaces" if version == "0.4" else "data-spaces"
    writes = "read_write" if version == "0.4" else "read-write"

    def projection(names: Sequence[str]) -> list[list[list[str]]]:
        return [[[name]] for name in names]

    windows = [[["R", "Wdilation"], ["P", "Wstride"]], [["S", "Hdilation"], ["Q", "Hstride"]]]
    shape = {
        "name": "convolution",
        "dimensions": list(DIMENSIONS),
        "coefficients": [
            {"name": name, "default": 1}
            for name in ("Wstride", "Hstride", "Wdilation", "Hdilation")
        ],
        spaces: [
            {"name": "Weights", "projection": projection("GMCRS")},
            {"name": "Inputs", "projection": [*projection("NGC"), *windows]},
            {"name": "Outputs", "projection": projection("NGMPQ"), writes: True},
        ],
    }
    instance: dict[str, Any] = dict(layer.dimensions)
    instance |= {"Wstride": layer.stride[0], "Hstride": layer.stride[1]}
    instance |= {"Wdilation": layer.dilation[0], "Hdilation": layer.dilation[1]}
    zeros = {"Weights": layer.zeros.weights, "Inputs": layer.zeros.inputs,
             "Outputs": layer.zeros.outputs}  # fmt: skip
    densities = {
        name: {"distribution": "hypergeometric", "density": 1 - share}
        for name, share in zeros.items() if share
    }  # fmt: skip
    if densities:
        instance["densities"] = densities
    head = {"version": float(version)} if version == "0.4" else {}
    return {"problem": {**head, "name": layer.name, "shape": shape, "instance": instance}}


def problem_losses(layer: ConvLayer) -> list[str]:
    """What a problem does not say of a layer."""
    lost = []
    if any(layer.padding):
        lost.append(f"{layer.name}: padding becomes data")
    if layer.bias:
        lost.append(f"{layer.name}: the bias")
    windows = [
        (out - 1) * step + (taps - 1) * spread + 1
        for out, step, taps, spread in (
            (layer.out_height, layer.stride[0], layer.kernel_height, layer.dilation[0]),
            (layer.out_width, layer.stride[1], layer.kernel_width, layer.dilation[1]),
        )
    ]
    top, bottom, left, right = layer.padding
    padded = [layer.in_height + top + bottom, layer.in_width + left + right]
    if windows != padded:
        lost.append(f"{layer.name}: rows and columns that no window touches")
    return lost
