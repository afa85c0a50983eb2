"""A graph of ONNX, step by step."""

from __future__ import annotations

import ast
import math
from collections import Counter
from collections.abc import Callable
from typing import Any

from kcsim.errors import InputError
from kcsim.reading.onnx_constants import Constants, UnreadError

_ENDINGS = (".weight", "_weight", "/kernel", ".kernel", ".weight_orig")
_NAMELESS = ("onnx::", "val_", "const_", "Constant_")
_FLOATS = (0, 1, 10, 11, 16, 17, 18, 19, 20)
"""Types of TensorProto: not said, FLOAT, FLOAT16, DOUBLE, BFLOAT16, and those of 8 bits."""
_SCOPES = "pkg.torch.onnx.name_scopes"
_SAME_IN_TORCH = {"reducemean": "mean", "averagepool": "avgpool"}


def _path_of(scopes: str) -> str:
    """The path of a module, from scopes as torch writes them: ``a.b.c`` of ``a/a.b/c``."""
    outer, last = "", ""
    for scope in scopes.split("/"):
        if not scope.startswith(f"{last}."):
            outer = f"{outer}{last}." if last else outer
        last = scope
    return f"{outer}{last}"


def read_constant(constants: Constants, name: str) -> Any:
    """A constant of a graph.

    Raises
    ------
    UnreadError
        If it is none, or damaged.
    """
    try:
        return constants.value(name)
    except (UnreadError, InputError):
        raise
    # What is raised for tensors that contradict themselves depends on their fault.
    except Exception as error:
        lines = str(error).splitlines() or [type(error).__name__]
        raise UnreadError(f"damaged: {lines[0][:200]}") from None


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
        self._types: dict[str, int] = {}
        graph = model.graph
        for value in (*graph.value_info, *graph.input, *graph.output):
            kind = value.type.tensor_type
            dims = kind.shape.dim
            known = kind.HasField("shape") and all(dim.HasField("dim_value") for dim in dims)
            self._shapes[value.name] = tuple(dim.dim_value for dim in dims) if known else None
            self._types[value.name] = kind.elem_type
        for tensor in graph.initializer:
            self._shapes[tensor.name] = tuple(tensor.dims)
            self._types[tensor.name] = tensor.data_type
        self._stored = {tensor.name for tensor in graph.initializer}
        self._makers = {name: node for node in graph.node for name in node.output}
        for node in graph.node:
            if node.op_type == "Constant" and node.attribute and node.attribute[0].name == "value":
                tensor = node.attribute[0].t
                self._stored.add(node.output[0])
                self._shapes[node.output[0]] = tuple(tensor.dims)
                self._types[node.output[0]] = tensor.data_type
        self.readers = Counter(name for node in graph.node for name in node.input)
        self.readers.update(value.name for value in graph.output)
        self.of_shapes: set[str] = set()

    def shape(self, name: str) -> tuple[int, ...] | None:
        """Shape of a value; ``None`` if it is not known."""
        shape = self._shapes.get(name)
        if shape is None and self.constants.is_constant(name):
            try:
                shape = read_constant(self.constants, name).shape
            except UnreadError:
                return None
            self._shapes[name] = shape
        return shape

    def trained(self, name: str) -> dict[str, int]:
        """The stored tensors of floating point that a constant is made of, with their words."""
        found: dict[str, int] = {}
        waiting, seen = [name], set[str]()
        while waiting:
            each = waiting.pop()
            if each in seen:
                continue
            seen.add(each)
            if each in self._stored:
                words = math.prod(self._shapes[each] or ())
                if words > 1 and self._types.get(each, 1) in _FLOATS:
                    found[each] = words
            elif each in self._makers:
                waiting += self._makers[each].input
        return found


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
        return math.prod(self._graph.shape(name) or ()) > 1 and bool(self._graph.trained(name))

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
            return read_constant(self._graph.constants, name)
        except UnreadError:
            return None

    def maker(self, name: str) -> Callable[[], Any] | None:
        """What makes the array of a constant; ``None`` where there is none."""
        if not name or not self.is_constant(name):
            return None
        constants = self._graph.constants

        def make() -> Any:
            try:
                return read_constant(constants, name)
            except UnreadError as error:
                raise InputError(f"the weights {name!r} are {error}") from None

        return make

    def follows_alone(self, source: str) -> bool:
        """Whether nothing else reads what it reads."""
        return self._graph.readers[source] == 1

    def unseen_words(self, values: list[str]) -> int:
        """Words of constants that no operation had before."""
        tensors = {k: v for each in values for k, v in self._graph.trained(each).items()}
        new = tensors.keys() - self._graph.counted
        self._graph.counted |= new
        return sum(tensors[name] for name in new)

    def name(self, weight: str | None = None) -> str:
        """What to call it: as its weights, if their name says that they are; else as the node."""
        if weight:
            root = self._graph.constants.name(weight, self.node)
            ending = next((each for each in _ENDINGS if root.endswith(each)), "")
            # Weights that several nodes share are the name of none.
            alone = self._graph.readers[weight] < 2 or not self.node.name
            if ending and alone and not root.startswith(_NAMELESS) and root != ending[1:]:
                return root.removesuffix(ending).removeprefix("/")
        name = self._module(weight is not None)
        if not name:
            text = str(self.node.name)
            name = text.strip("/").removesuffix(f"/{self.node.op_type}")
            name = _path_of(name) if text.startswith("/") else name
        return name or self.key or self.node.op_type

    def _module(self, is_layer: bool) -> str:
        """Where torch's exporter says that the node is from; empty where it does not."""
        text = next((item.value for item in self.node.metadata_props if item.key == _SCOPES), "")
        try:
            scopes = ast.literal_eval(text) if text and len(text) < 10_000 else []
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            return ""
        if not (isinstance(scopes, list) and len(scopes) > 1 and isinstance(scopes[-2], str)):
            return ""
        path = scopes[-2]
        return path if is_layer and path else f"{path}.{scopes[-1]}".strip(".")

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
