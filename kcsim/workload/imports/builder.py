"""A network put together step by step from a graph of another tool."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from kcsim.errors import InputError, Problem
from kcsim.workload.layer import ConvLayer, LayerError
from kcsim.workload.lazy_arrays import LazyArrays
from kcsim.workload.lowering import Lowered
from kcsim.workload.network import Network, free_name
from kcsim.workload.operation import Operation

Maker = Callable[[], Any]
"""What makes an array when it is wanted."""

_MAX_SHOWN = 6


class NetworkBuilder:
    """Collects layers, operations and who feeds whom.

    Values are whatever the graph calls them by; steps say which they read and which they make.

    Parameters
    ----------
    name : str
        Of the network.
    source : str
        Where it comes from.
    """

    def __init__(self, name: str, source: str) -> None:
        self._name = name
        self._source = source
        self._layers: list[ConvLayer] = []
        self._operations: list[Operation] = []
        self._edges: dict[tuple[str, str], None] = {}
        self._origins: dict[Hashable, tuple[str, ...]] = {}
        self._direct: dict[Hashable, int] = {}
        self._names: set[str] = set()
        self._trained: dict[str, str] = {}
        self._fused: Counter[str] = Counter()
        self._notes: list[str] = []
        self._weights: dict[str, Maker] = {}
        self._norm_parameters = 0
        self._problems: list[Problem] = []

    def origins(self, values: Iterable[Hashable]) -> tuple[str, ...]:
        """The layers and operations that some values come from."""
        known = (name for value in values for name in self._origins.get(value, ()))
        return tuple(dict.fromkeys(known))

    def free_name(self, wanted: str) -> str:
        """A name that nothing has yet: the wanted one, or that with a number behind it."""
        wanted = "".join(c if c.isprintable() else "?" for c in wanted).strip() or "layer"
        name = free_name(wanted, self._names)
        self._names.add(name)
        return name

    def add(
        self,
        layers: Lowered | ConvLayer,
        inputs: Sequence[Hashable],
        outputs: Sequence[Hashable],
        weights: Maker | None = None,
        bias: Maker | None = None,
        trained: str = "",
    ) -> None:
        """Append what stands for one convolution or product.

        Parameters
        ----------
        layers : Lowered or ConvLayer
            Under names from `free_name`.
        inputs, outputs : sequence of hashable
        weights : callable, optional
            Makes them as the source has them, for `Lowered.cut`; of a layer (M, C, R, S).
        bias : callable, optional
            Makes float[M].
        trained : str
            What the source calls the weights: equal for steps that share them.
        """
        if isinstance(layers, ConvLayer):
            layers = Lowered((layers,), (), lambda values: [values])
        for layer in layers.layers:
            self._layers.append(layer)
            self._names.add(layer.name)
            self._connect(inputs, layer.name)
        self._leave(outputs, [layer.name for layer in layers.layers])
        if len(layers.layers) == 1 and outputs:
            self._direct[outputs[0]] = len(self._layers) - 1
        self._notes += layers.notes
        self._norm_parameters += layers.biases_apart
        if weights is not None:
            for i, layer in enumerate(layers.layers):
                self._weights[f"{layer.name}.weight"] = _part(layers, weights, i)
        first = layers.layers[0]
        self.share(trained, first.name)
        if bias is not None and first.bias:
            self._weights[f"{first.name}.bias"] = bias

    def share(self, trained: str, name: str) -> None:
        """Note that a step has weights, and whether another one has the same."""
        if trained and trained in self._trained:
            self.note(f"{name} has the weights of {self._trained[trained]}; parameters count both.")
        elif trained:
            self._trained[trained] = name

    def operate(
        self, operation: Operation, inputs: Sequence[Hashable], outputs: Sequence[Hashable]
    ) -> None:
        """Append what is listed and not mapped."""
        self._operations.append(operation)
        self._names.add(operation.name)
        self._connect(inputs, operation.name)
        self._leave(outputs, [operation.name])

    def fuse(
        self,
        kind: str,
        inputs: Sequence[Hashable],
        outputs: Sequence[Hashable],
        *,
        direct: bool = False,
    ) -> None:
        """What moves nothing of its own: activations behind a layer, other views of a tensor.

        Parameters
        ----------
        kind : str
            What it is called in a note; empty for what is not worth one.
        inputs, outputs : sequence of hashable
        direct : bool
            Whether it can be folded into the layer.
        """
        if direct and inputs[0] in self._direct:
            self._direct[outputs[0]] = self._direct[inputs[0]]
        if kind and self.origins(inputs):
            self._fused[kind] += 1
        self._leave(outputs, self.origins(inputs))

    def normalize(self, parameters: int) -> None:
        """Count the scales and shifts of a batch normalization that a layer takes over."""
        self._norm_parameters += parameters

    def note(self, sentence: str) -> None:
        """Say something of the whole network."""
        if sentence not in self._notes:
            self._notes.append(sentence)

    def refuse(self, message: str, expected: str = "") -> None:
        """Keep a fault, to be raised with all others at the end."""
        self._problems.append(Problem(message, expected))

    def refuse_layer(self, error: LayerError) -> None:
        """Likewise, a layer that cannot exist."""
        self._problems += error.problems

    def is_direct(self, value: Hashable) -> bool:
        """Whether a value is what one layer puts out, nothing done to it but a normalization."""
        return value in self._direct

    def give_bias(self, source: Hashable, output: Hashable, size: int, bias: Maker | None) -> bool:
        """Let the layer that puts out `source` add `size` constants, if that is one a channel."""
        place = self._direct.get(source)
        if place is None:
            return False
        layer = self._layers[place]
        if layer.bias or size != layer.out_channels or layer.kind == "matmul":
            return False
        self._layers[place] = replace(layer, bias=True)
        if bias is not None and f"{layer.name}.weight" in self._weights:
            self._weights[f"{layer.name}.bias"] = bias
        self.fuse("", [source], [output], direct=True)
        return True

    def finish(self) -> Network:
        """The network.

        Raises
        ------
        InputError
            If nothing computes, or a step was refused.
        """
        if self._problems:
            raise InputError(self._problems)
        if not self._layers:
            there = ", ".join(dict.fromkeys(op.kind for op in self._operations))
            raise InputError(
                Problem(f"{self._source} has no convolution and no product of matrices"
                        + (f", but {there}" if there else ""), "a network that computes")
            )  # fmt: skip
        notes = list(self._notes)
        if self._fused:
            kinds = [f"{count} {kind}" for kind, count in self._fused.most_common(_MAX_SHOWN)]
            more = ", ..." if len(self._fused) > _MAX_SHOWN else ""
            notes.append(f"Fused with what they follow: {', '.join(kinds)}{more}.")
        return Network(
            self._name,
            tuple(self._layers),
            self._norm_parameters,
            self._source,
            operations=tuple(self._operations),
            edges=tuple(self._edges),
            notes=tuple(notes),
            weights=LazyArrays(self._weights),
        )

    def _connect(self, inputs: Sequence[Hashable], name: str) -> None:
        self._edges |= {(origin, name): None for origin in self.origins(inputs) if origin != name}

    def _leave(self, outputs: Sequence[Hashable], names: Sequence[str]) -> None:
        for output in outputs:
            self._origins[output] = tuple(names)


def _part(layers: Lowered, weights: Maker, place: int) -> Maker:
    """What makes the weights of one of the layers."""
    return lambda: layers.cut(weights())[place]
