"""A network: the named sequence of its convolution and fully connected layers."""

from __future__ import annotations

import reprlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from html import escape
from typing import Any

from kcsim.errors import InputError, Problem, nearest
from kcsim.workload.layer import ConvLayer, is_name
from kcsim.workload.operation import Operation

Weights = Mapping[str, Any]
"""Arrays by name."""
Edge = tuple[str, str]


@dataclass(frozen=True, repr=False)
class Network:
    """The layers of a network that compute, in order of execution.

    Parameters
    ----------
    name : str
        What the network is called in tables.
    layers : tuple of ConvLayer
        At least one; no two of the same name.
    norm_parameters : int
        Trained scales and shifts of batch normalization, which belong to no layer here.
    source : str
        Where the structure comes from: the paper or the framework.
    whole : tuple of ConvLayer
        All layers of the network that `select` took these from; empty if these are all. What is
        said of layers that were left out stays valid.
    operations : tuple of Operation
        What else the network does; told apart from layers in results.
    edges : tuple of (str, str)
        Who feeds whom, by names of layers and operations. Empty where that is not known.
    notes : tuple of str
        Sentences about what the layers leave out of what they stand for.
    weights : mapping of str to array
        Trained weights that came with the network, as ``LAYER.weight`` (M, C, R, S) and
        ``LAYER.bias``; empty if none did.

    The last four do not count when networks are compared.

    Raises
    ------
    InputError
        If there is no layer, two layers or operations share a name, an edge is of none of them, or
        `norm_parameters` is not a count.
    """

    name: str
    layers: tuple[ConvLayer, ...]
    norm_parameters: int = 0
    source: str = ""
    whole: tuple[ConvLayer, ...] = field(default=(), compare=False)
    operations: tuple[Operation, ...] = field(default=(), compare=False)
    edges: tuple[Edge, ...] = field(default=(), compare=False)
    notes: tuple[str, ...] = field(default=(), compare=False)
    weights: Weights = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        try:
            layers: tuple[object, ...] = tuple(self.layers)
        except TypeError:
            layers = (None,)
        if not all(isinstance(layer, ConvLayer) for layer in layers):
            problem = f"the layers of network {self.name!r} are {reprlib.repr(self.layers)}"
            raise InputError(Problem(problem, "a sequence of ConvLayer"))
        object.__setattr__(self, "layers", layers)
        if not is_name(self.name):
            raise InputError(f"a network cannot be named {self.name!r}; expected a printable text")
        if not self.layers:
            raise InputError(f"network {self.name!r} has no layers")
        if type(self.norm_parameters) is not int or not 0 <= self.norm_parameters < 2**63:
            problem = f"network {self.name!r}: norm_parameters is {self.norm_parameters!r}"
            raise InputError(Problem(problem, "a count from 0 to 2^63 - 1"))
        seen: set[str] = set()
        for layer in self.layers:
            if layer.name in seen:
                raise InputError(f"network {self.name!r} has two layers named {layer.name!r}")
            seen.add(layer.name)
        for operation in self.operations:
            if operation.name in seen:
                raise InputError(f"network {self.name!r} has two steps named {operation.name!r}")
            seen.add(operation.name)
        for edge in self.edges:
            if lost := [name for name in edge if name not in seen]:
                raise InputError(
                    Problem(f"network {self.name!r} has no layer or operation {lost[0]!r}",
                            suggestion=nearest(lost[0], seen))
                )  # fmt: skip

    def __len__(self) -> int:
        return len(self.layers)

    def __iter__(self) -> Iterator[ConvLayer]:
        return iter(self.layers)

    def __repr__(self) -> str:
        return (
            f"Network({self.name!r}: {len(self)} layers, {self.parameters:,} parameters, "
            f"{self.macs:,} MACs{self._unmodeled})"
        )

    @property
    def _unmodeled(self) -> str:
        count = sum(not operation.is_counted for operation in self.operations)
        return f", {count} operations not modeled" if count else ""

    def _repr_html_(self) -> str:
        columns = ("layer", "input", "output", "kernel", "groups", "parameters", "MACs")
        rows = [
            (
                layer.name,
                f"{layer.in_channels}×{layer.in_height}×{layer.in_width}",
                f"{layer.out_channels}×{layer.out_height}×{layer.out_width}",
                f"{layer.kernel_height}×{layer.kernel_width}",
                str(layer.groups),
                f"{layer.parameters:,}",
                f"{layer.macs:,}",
            )
            for layer in self
        ]
        head = "".join(f"<th>{column}</th>" for column in columns)
        body = "".join(
            "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
        )
        caption = f"<caption>{escape(repr(self))}</caption>"
        return f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"

    @property
    def macs(self) -> int:
        """Multiply-accumulates of all layers."""
        return sum(layer.macs for layer in self.layers)

    @property
    def weight_words(self) -> int:
        """Words of all trained weight tensors, without biases."""
        return sum(layer.trained_words for layer in self.layers)

    @property
    def trained_layers(self) -> tuple[ConvLayer, ...]:
        """The layers that have trained weights."""
        return tuple(layer for layer in self.layers if layer.trained_words)

    @property
    def images(self) -> int:
        """Images that are processed together, by the first layer."""
        return self.layers[0].images

    @property
    def parameters(self) -> int:
        """Everything that is trained: weights, biases, batch normalization."""
        return (
            sum(layer.parameters for layer in self.layers)
            + sum(operation.weight_words for operation in self.operations)
            + self.norm_parameters
        )

    def feeders(self, name: str) -> tuple[str, ...]:
        """What feeds a layer or an operation, by `edges`."""
        return tuple(source for source, target in self.edges if target == name)

    def layer(self, name: str) -> ConvLayer:
        """The layer called `name`.

        Raises
        ------
        InputError
            If there is none; suggests the nearest name.
        """
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise self._no_layer(name)

    def select(self, names: str | Iterable[str]) -> Network:
        """The network reduced to some of its layers, in their order.

        Parameters
        ----------
        names : str or iterable of str
            Layer names or glob patterns such as ``"conv*"``.

        Returns
        -------
        Network
            Its `norm_parameters` are 0 unless all layers were kept: which of them belong to the
            kept layers is not known. Operations are left out, as are edges to what is.

        Raises
        ------
        InputError
            If a name or pattern matches no layer.
        """
        kept: set[str] = set()
        for pattern in (names,) if isinstance(names, str) else names:
            matches = {layer.name for layer in self if fnmatchcase(layer.name, pattern)}
            # A layer's name may itself contain the characters of a pattern.
            matches |= {layer.name for layer in self if layer.name == pattern}
            if not matches:
                raise self._no_layer(pattern)
            kept |= matches
        return self._reduced(tuple(layer for layer in self if layer.name in kept))

    def select_one(self, name: str) -> Network:
        """The network reduced to the layer called `name`; see `select`."""
        return self._reduced((self.layer(name),))

    def _reduced(self, layers: tuple[ConvLayer, ...]) -> Network:
        if len(layers) == len(self):
            return self
        names = {layer.name for layer in layers}
        edges = tuple(edge for edge in self.edges if names.issuperset(edge))
        return replace(
            self, layers=layers, norm_parameters=0, whole=self.whole or self.layers,
            operations=(), edges=edges,
        )  # fmt: skip

    def with_batch(self, batch: int) -> Network:
        """The same network for another number of images."""
        return replace(
            self,
            layers=tuple(layer.with_batch(batch) for layer in self),
            operations=tuple(operation.with_batch(batch) for operation in self.operations),
        )

    def _no_layer(self, name: str) -> InputError:
        names = [layer.name for layer in self]
        return InputError(
            Problem(
                f"network {self.name!r} has no layer {name!r}",
                suggestion=nearest(name, names),
                expected=f"one of {', '.join(names)}" if len(names) <= 8 else "",
            )
        )


def free_name(wanted: str, taken: Iterable[str]) -> str:
    """A name that nothing has yet: the wanted one, or that with a number behind it."""
    names, number, name = set(taken), 1, wanted
    while name in names:
        name, number = f"{wanted}_{number}", number + 1
    return name
