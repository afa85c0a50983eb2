"""Networks and layers from YAML files: the schema, and what may be left out.

A layer that leaves out its input shape takes it from the output of the layer before it, pooling
included; so a sequential network needs only the shape of its image.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Annotated, Any, cast

from pydantic import Field
from pydantic.dataclasses import dataclass

from kcsim.errors import InputError, Mark, Problem, nearest
from kcsim.reading.source import Document, Path_, in_file_order, parse_yaml, read_yaml
from kcsim.reading.validation import validate
from kcsim.workload.layer import LARGEST_COUNT, ConvLayer, LayerError
from kcsim.workload.network import Network, free_name
from kcsim.workload.network_entries import (
    BY_TYPE,
    FORBID,
    Bits,
    Computing,
    Shape,
    Size,
    Zeros,
)
from kcsim.workload.network_operations import Add, Fused, Listed
from kcsim.workload.operation import Operation
from kcsim.workload.precision import LayerBits
from kcsim.workload.zeros import ZeroShares

_OTHER_KEYS = {
    "in_channels": "in_features",
    "out_channels": "out_features",
    "in_height": "in_size",
    "in_width": "in_size",
    "kernel_height": "kernel",
    "kernel_width": "kernel",
    "kernel_depth": "kernel",
    "groups": "out_channels",
    "kind": "type",
}
"""The key that stands for a field of `ConvLayer` where the field's own name is no key."""


@dataclass(config=FORBID, kw_only=True)
class Image:
    """The network's input."""

    channels: Size
    height: Size
    width: Size
    depth: Size | None = None


@dataclass(config=FORBID, kw_only=True)
class NetworkFile:
    """A whole file."""

    name: str
    source: str = ""
    batch: Size = 1
    norm_parameters: Annotated[int, Field(ge=0, le=LARGEST_COUNT)] = 0
    input: Image | None = None
    notes: list[str] = Field(default_factory=list)
    layers: Annotated[list[Annotated[Computing | Listed | Fused, BY_TYPE]], Field(min_length=1)]


@dataclass(config=FORBID, kw_only=True)
class LayerFile:
    """A file of one layer, under the key `layer`."""

    layer: Annotated[Computing, BY_TYPE]


def read_network_file(path: str | os.PathLike[str]) -> Network:
    """The network in a YAML file; see `kcsim.workload.reader.read_network`."""
    return _network(read_yaml(path))


def parse_network(text: str, file: str) -> Network:
    """The network in a YAML text; `file` is what messages call it."""
    return _network(parse_yaml(text, file))


def _network(document: Document) -> Network:
    file = validate(document, NetworkFile, what="network file")
    image = file.input
    shape = Shape(image.channels, image.height, image.width, image.depth or 0) if image else None
    sequence = _Sequence(document, shape, file.batch)
    for index, entry in enumerate(file.layers):
        sequence.add(entry, ("layers", index))
    layers = sequence.finish(("layers",))
    try:
        return Network(
            file.name,
            layers,
            file.norm_parameters + sequence.norm_parameters,
            file.source,
            operations=tuple(sequence.operations),
            edges=tuple(sequence.edges),
            notes=(*file.notes, *sequence.notes),
        )
    except InputError as error:
        # The parts having been checked, only the name can be wrong.
        problem = document.problem(("name",), error.problems[0].message)
        raise InputError(problem) from None


def read_layer_file(path: str | os.PathLike[str]) -> ConvLayer:
    """The layer in a YAML file; see `kcsim.workload.reader.load_layer`."""
    document = read_yaml(path)
    keys = document.data if isinstance(document.data, dict) else {}
    if "layers" in keys:
        message = "the file holds a network, and one layer is wanted"
        expected = f"'{document.file}/NAME' with the name of a layer"
        raise InputError(document.problem(("layers",), message, expected=expected, key=True))
    sequence = _Sequence(document, None, 1)
    place: Path_ = ()
    if "layer" in keys:
        place = ("layer",)
        entry = validate(document, LayerFile, what="layer file").layer
    else:
        # To mypy, an annotated union is no type.
        by_type = cast("Any", Annotated[Computing, BY_TYPE])
        entry = validate(document, by_type, what="layer file")
    sequence.add(entry, place)
    layers = sequence.finish(place)
    if len(layers) > 1:
        names = ", ".join(layer.name for layer in layers)
        message = f"the entry stands for the layers {names}, and one layer is wanted"
        expected = "a network file with it, and one of these by FILE/NAME"
        raise InputError(document.problem(place, message, expected=expected))
    return layers[0]


def read_zeros_file(path: str | os.PathLike[str]) -> list[tuple[str, dict[str, float], Mark]]:
    """Layer or pattern, shares and place of every entry; see `network_with_zeros`."""
    document = read_yaml(path)
    entries = validate(document, dict[str, Zeros], what="file of zero shares")
    return [
        (layers, zeros.given, document.mark((layers,), key=True))
        for layers, zeros in entries.items()
    ]


def read_precision_file(path: str | os.PathLike[str]) -> list[tuple[str, dict[str, int], Mark]]:
    """Layer or pattern, widths and place of every entry; see `network_with_precision`."""
    document = read_yaml(path)
    entries = validate(document, dict[str, Bits], what="file of widths")
    return [
        (layers, bits.given, document.mark((layers,), key=True)) for layers, bits in entries.items()
    ]


class _Sequence:
    """Turns entries into layers, one after the other, and collects what is wrong with them."""

    def __init__(self, document: Document, shape: Shape | None, batch: int) -> None:
        self.operations: list[Operation] = []
        self.edges: dict[tuple[str, str], None] = {}
        self.notes: list[str] = []
        self.norm_parameters = 0
        self._document = document
        self._shape = shape
        self._batch = batch
        self._after_fault = False
        self._lost = ""
        self._layers: dict[str, ConvLayer] = {}
        # Of each entry its shape, and the layers or the operation that it became.
        self._behind: dict[str, tuple[Shape, tuple[str, ...]]] = {}
        self._last: tuple[str, ...] = ()
        self._pending: list[tuple[str, str, Path_]] = []
        self._problems: list[Problem] = []

    def add(self, entry: Computing | Listed | Fused, place: Path_) -> None:
        """Append one entry, whose place in the document is `place`."""
        try:
            self._shape = self._take(entry, place)
            self._after_fault = self._shape is None
        except LayerError as error:
            self._report(error, place)
            self._shape, self._after_fault = None, True

    def finish(self, place: Path_) -> tuple[ConvLayer, ...]:
        """The layers.

        Raises
        ------
        InputError
            If anything was wrong with any of them.
        """
        if not self._layers and not self._problems:
            message = "no layer computes anything"
            if kinds := ", ".join(dict.fromkeys(each.kind for each in self.operations)):
                message += f" that is modeled, but {kinds}"
            expected = "a layer of the type conv, depthwise or linear"
            self._problems.append(self._document.problem(place, message, expected=expected))
        for source, target, where in self._pending:
            names = self._behind.get(source, (None, ()))[1]
            if not names and source not in self._behind:
                message, near = f"there is no layer {source!r}", nearest(source, self._behind)
                problem = self._document.problem((*where, "from"), message)
                self._problems.append(replace(problem, suggestion=near))
            self.edges |= {(name, target): None for name in names if name != target}
        if self._problems:
            raise InputError(in_file_order(self._problems))
        return tuple(self._layers.values())

    def _take(self, entry: Computing | Listed | Fused, place: Path_) -> Shape | None:
        """The shape behind an entry; None if a fault before it leaves that unknown."""
        known = [self._behind[name][0] for name in entry.sources if name in self._behind]
        self._lost = next((name for name in entry.sources if name not in self._behind), "")
        before = (self._shape,) if self._shape and entry.feeders is None else tuple(known)
        if isinstance(entry, Fused):
            if not before:
                return None
            self.norm_parameters += entry.parameters(before[0])
            shape = entry.behind(before[0])
            if entry.name:
                self._behind[entry.name] = shape, self._last
            return shape
        if isinstance(entry, Listed):
            return self._list(entry, before, place)
        return self._compute(entry, before, place)

    def _list(self, entry: Listed, before: tuple[Shape, ...], place: Path_) -> Shape | None:
        needs = not isinstance(entry, Add) or entry.given(before) is None
        if (
            not before
            and needs
            and getattr(entry, "type", "") not in ("other", "lstm", "gru", "rnn")
        ):
            self._complain_about_missing(entry.name, "the size of its input", "")
            return None
        if not before and getattr(entry, "in_features", 1) is None:
            self._complain_about_missing(entry.name, "in_features", "a value here, ")
            return None
        taken = [*self._layers, *(known.name for known in self.operations)]
        name = free_name(entry.name, taken)
        operation, shape = entry.operation(name, before)
        self.operations.append(operation.with_batch(self._batch))
        self._feed(self._last if entry.feeders is None else entry.sources, (name,), place)
        self._leave(entry.name, shape, (name,))
        return shape

    def _compute(self, entry: Computing, before: tuple[Shape, ...], place: Path_) -> Shape | None:
        inputs = entry.inputs(before[0] if before else None)
        known = {key: size for key, size in inputs.items() if size is not None}
        if len(known) < len(inputs):
            missing = ", ".join(key for key in inputs if key not in known)
            self._complain_about_missing(entry.name, missing, "a value here, ")
            return None
        zeros, bits = ZeroShares(**entry.zeros.given), LayerBits(**entry.precision_bits.given)
        lowered, shape = entry.layers(known)
        for layer in lowered.layers:
            if layer.name in self._layers:
                fault = ("name", "an earlier layer has the same name", "")
                self._report(LayerError(layer.name, [fault]), place)
            layer = layer.with_batch(entry.batch or self._batch)
            layer = replace(layer, zeros=zeros, precision_bits=bits)
            self._layers[layer.name] = layer
        self.notes += lowered.notes
        self.norm_parameters += lowered.biases_apart
        names = tuple(layer.name for layer in lowered.layers)
        # One whose input is given need not read what the entry before makes.
        inherits = entry.inputs(None) != inputs
        implied = self._last if inherits and entry.feeders is None else ()
        self._feed(entry.sources or implied, names, place)
        self._leave(entry.name, shape, names)
        return shape

    def _feed(self, sources: tuple[str, ...], targets: tuple[str, ...], place: Path_) -> None:
        for source in sources:
            for target in targets:
                if source in self._layers or source in self._operation_names:
                    self.edges[source, target] = None
                else:
                    self._pending.append((source, target, place))

    @property
    def _operation_names(self) -> set[str]:
        return {operation.name for operation in self.operations}

    def _leave(self, name: str, shape: Shape | None, names: tuple[str, ...]) -> None:
        self._last = names
        if shape is not None:
            self._behind[name] = shape, names
        elif name not in self._behind:
            self._behind[name] = Shape(1, 1, 1), names

    def _complain_about_missing(self, name: str, missing: str, remedy: str) -> None:
        # A fault that was reported before may be all that hides them.
        if not self._after_fault:
            expected = f"{remedy}a layer before it, or an 'input' of the network"
            if self._lost:
                missing += f", as there is no layer {self._lost!r} before it"
            raise LayerError(name, [("name", f"nothing gives {missing}", expected)])

    def _report(self, error: LayerError, place: Path_) -> None:
        keys: Any = self._document.data
        for step in place:
            keys = keys[step]
        for field, problem in zip(error.fields, error.problems, strict=True):
            key = field if field in keys else _OTHER_KEYS.get(field, field)
            self._problems.append(
                self._document.problem((*place, key), problem.message, expected=problem.expected)
            )
