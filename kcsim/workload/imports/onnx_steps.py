"""A graph of ONNX, step by step."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

from kcsim.errors import InputError
from kcsim.reading.onnx_constants import Constants, UnreadError

_ENDINGS = (".weight", "_weight", "/kernel", ".kernel", ".weight_orig")
_NAMELESS = ("onnx::", "val_", "const_", "Constant_")
_SAME_IN_TORCH = {"reducemean": "mean", "averagepool": "avgpool"}


class OnnxGraph:
    """What is known of the values of a graph.

    Parameters
    ----------
    model : onnx.ModelProto
        After inference of shapes.
    file : str
    """

    def __init__(self, model: Any, file: str) -> None:
        self.constants = Constants(model, file)
        self.counted: set[str] = set()
        self._shapes: dict[str, tuple[int, ...] | None] = {}
        self.integers: set[str] = set()
        graph = model.graph
        for value in (*graph.value_info, *graph.input, *graph.output):
            kind = value.type.tensor_type
            dims = kind.shape.dim
            known = kind.HasField("shape") and all(dim.HasField("dim_value") for dim in dims)
            self._shapes[value.name] = tuple(dim.dim_value for dim in dims) if known else None
            # 6 and 7 are INT32 and INT64.
            if kind.elem_type in (6, 7):
                self.integers.add(value.name)
        for tensor in graph.initializer:
            self._shapes[tensor.name] = tuple(tensor.dims)
        self.readers = Counter(name for node in graph.node for name in node.input)
        self.readers.update(value.name for value in graph.output)
        self.of_shapes: set[str] = set()

    def shape(self, name: str) -> tuple[int, ...] | None:
        """Shape of a value; ``None`` if it is not known."""
        shape = self._shapes.get(name)
        if shape is None and self.constants.is_constant(name):
            try:
                shape = self.constants.value(name).shape
            except UnreadError:
                return None
            self._shapes[name] = shape
        return shape


class OnnxStep:
    """A node of a graph; see `kcsim.workload.imports.steps.Step`.

    Parameters
    ----------
    node : onnx.NodeProto
    graph : OnnxGraph
    padded : dict
        What convolutions read in place of tensors that were only padded: the tensor before, and
        the margins of all its axes.
    """

    def __init__(self, node: Any, graph: OnnxGraph, padded: dict[str, Any]) -> None:
        self.node = node
        self.padded = padded
        self._graph = graph
        kind = node.op_type.lower()
        self.kind = _SAME_IN_TORCH.get(kind, kind)
        self.inputs = [*node.input]

    @property
    def key(self) -> str:
        """Name of its first output."""
        return str(self.node.output[0]) if self.node.output else ""

    @property
    def moving(self) -> list[str]:
        """Computed tensors that it reads."""
        return [
            name for name in dict.fromkeys(self.inputs)
            if name and not self.is_constant(name) and name not in self._graph.of_shapes
        ]  # fmt: skip

    @property
    def trained(self) -> list[str]:
        """Constant tensors that it reads, of more than one value; none of integers."""
        constants = [name for name in dict.fromkeys(self.inputs) if self.is_constant(name)]
        return [name for name in constants if self._is_trained(name)]

    def _is_trained(self, name: str) -> bool:
        if math.prod(self._graph.shape(name) or ()) < 2:
            return False
        value = self.value(name)
        return value is not None and value.dtype.kind == "f"

    @property
    def has_output(self) -> bool:
        """Whether it makes a tensor."""
        return bool(self.key)

    @property
    def output(self) -> tuple[int, ...]:
        """Shape of its first output; ``(0,)`` if that is not known."""
        shape = self._graph.shape(self.key)
        return (0,) if shape is None else shape

    @property
    def window(self) -> int:
        """Taps of the window of a pooling; 0 where that is not said."""
        kernel = self.attribute("kernel_shape")
        return math.prod(kernel) if kernel else 0

    @property
    def is_folded_padding(self) -> bool:
        """Whether the convolutions that read it pad in its place."""
        return self.key in self.padded

    def input(self, place: int) -> str:
        """Name of an input; empty where there is none."""
        return self.inputs[place] if place < len(self.inputs) else ""

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of a value; empty if it is not known."""
        return self._graph.shape(name) or ()

    def known_shape(self, name: str) -> tuple[int, ...]:
        """Shape of a value.

        Raises
        ------
        InputError
            If it is not known.
        """
        shape = self._graph.shape(name)
        if shape is None or 0 in shape:
            raise InputError(
                f"node {self.name()!r}: the shape of its input {name!r} is not known; give that "
                "of the network's input behind the file, as model.onnx@1x3x224x224"
            )
        return shape

    def is_constant(self, name: str) -> bool:
        """Whether a value depends on stored tensors alone."""
        return self._graph.constants.is_constant(name)

    def value(self, name: str) -> Any:
        """A constant as an array; ``None`` where it is none or not read."""
        if not name or not self.is_constant(name):
            return None
        try:
            return self._graph.constants.value(name)
        except UnreadError:
            return None

    def follows_alone(self, source: str) -> bool:
        """Whether nothing else reads what it reads."""
        return self._graph.readers[source] == 1

    def unseen_words(self, values: list[str]) -> int:
        """Words of constants that no operation had before."""
        new = [each for each in values if each not in self._graph.counted]
        self._graph.counted.update(new)
        return sum(math.prod(self.shape(each)) for each in new)

    def name(self, weight: str | None = None) -> str:
        """What to call it: as its weights, if their name says that they are; else as the node."""
        if weight:
            root = self._graph.constants.name(weight, self.node)
            ending = next((each for each in _ENDINGS if root.endswith(each)), "")
            if ending and not root.startswith(_NAMELESS) and root != ending[1:]:
                return root.removesuffix(ending).removeprefix("/")
        name = str(self.node.name).strip("/").removesuffix(f"/{self.node.op_type}")
        return name or self.key or self.node.op_type

    def attribute(self, name: str) -> Any:
        """The value of an attribute; ``None`` if it is absent."""
        for item in self.node.attribute:
            if item.name == name:
                # FLOAT, INT, STRING, FLOATS and INTS of AttributeProto.
                return {
                    1: item.f, 2: item.i, 3: item.s.decode("utf-8", "replace"),
                    6: list(item.floats), 7: list(item.ints),
                }.get(item.type)  # fmt: skip
        return None
