"""Networks and layers from YAML files: the schema, and what may be left out.

A layer that leaves out its input shape takes it from the output of the layer before it, pooling
included; so a sequential network needs only the shape of its image.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Annotated, Any, Literal, NamedTuple, cast

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from kcsim.errors import InputError, Mark, Problem
from kcsim.reading.source import Document, Path_, in_file_order, parse_yaml, read_yaml
from kcsim.reading.validation import validate
from kcsim.workload.layer import LARGEST_COUNT, LARGEST_SIZE, ConvLayer, LayerError
from kcsim.workload.network import Network
from kcsim.workload.zeros import ZeroShares

Size = Annotated[int, Field(ge=1, le=LARGEST_SIZE)]
Margin = Annotated[int, Field(ge=0, le=LARGEST_SIZE)]
Pair = Size | tuple[Size, Size]
Margins = Margin | tuple[Margin, ...]
Share = Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)]

_FORBID = ConfigDict(extra="forbid")

_OTHER_KEYS = {
    "in_channels": "in_features",
    "out_channels": "out_features",
    "in_height": "in_size",
    "in_width": "in_size",
    "kernel_height": "kernel",
    "kernel_width": "kernel",
    "groups": "out_channels",
    "kind": "type",
}
"""The key that stands for a field of `ConvLayer` where the field's own name is no key."""


class Shape(NamedTuple):
    """What one layer hands to the next, for one image."""

    channels: int
    height: int
    width: int


@dataclass(config=_FORBID, kw_only=True)
class Zeros:
    """Shares of values that are zero."""

    weights: Share | None = None
    inputs: Share | None = None
    outputs: Share | None = None

    @property
    def given(self) -> dict[str, float]:
        """The shares that are given."""
        return {tensor: share for tensor, share in vars(self).items() if share is not None}


@dataclass(config=_FORBID, kw_only=True)
class _Layer:
    name: str
    batch: Size | None = None
    zeros: Zeros = Field(default_factory=Zeros)


@dataclass(config=_FORBID, kw_only=True)
class _Window(_Layer):
    """What convolutions of both kinds share."""

    in_channels: Size | None = None
    in_height: Size | None = None
    in_width: Size | None = None
    in_size: Pair | None = None
    kernel: Pair
    stride: Pair = 1
    padding: Margins = 0
    dilation: Pair = 1
    bias: bool = False

    def inputs(self, before: Shape | None) -> dict[str, int | None]:
        """The fields of `ConvLayer` that the layer before this one can supply."""
        given = {"in_height": self.in_height, "in_width": self.in_width}
        if self.in_size is not None:
            both = [key for key, size in given.items() if size is not None]
            if both:
                fault = ("in_size", f"both 'in_size' and '{both[0]}' are given", "one of them")
                raise LayerError(self.name, [fault])
            height, width = _doubled(self.in_size)
            given = {"in_height": height, "in_width": width}
        given = {"in_channels": self.in_channels, **given}
        if before is None:
            return given
        return {
            key: inherited if own is None else own
            for (key, own), inherited in zip(given.items(), before, strict=True)
        }

    def convolution(self, inputs: dict[str, int], out_channels: int, groups: int) -> ConvLayer:
        """The layer, its inputs being known."""
        kernel_height, kernel_width = _doubled(self.kernel)
        return ConvLayer(
            self.name,
            inputs["in_channels"],
            out_channels,
            inputs["in_height"],
            inputs["in_width"],
            kernel_height,
            kernel_width,
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
            groups=groups,
            bias=self.bias,
        )


@dataclass(config=_FORBID, kw_only=True)
class Conv(_Window):
    """A convolution."""

    type: Literal["conv"]
    out_channels: Size
    groups: Size = 1

    def layer(self, inputs: dict[str, int]) -> ConvLayer:
        """The layer, its inputs being known."""
        return self.convolution(inputs, self.out_channels, self.groups)


@dataclass(config=_FORBID, kw_only=True)
class Depthwise(_Window):
    """A convolution that filters every input channel by itself."""

    type: Literal["depthwise"]
    out_channels: Size | None = None

    def layer(self, inputs: dict[str, int]) -> ConvLayer:
        """The layer, its inputs being known."""
        channels = inputs["in_channels"]
        return self.convolution(inputs, self.out_channels or channels, channels)


@dataclass(config=_FORBID, kw_only=True)
class Linear(_Layer):
    """A fully connected layer."""

    type: Literal["linear"]
    in_features: Size | None = None
    out_features: Size
    bias: bool = True

    def inputs(self, before: Shape | None) -> dict[str, int | None]:
        """The number of input words, taken from the layer before where it is left out."""
        if self.in_features is None and before is not None:
            return {"in_features": before.channels * before.height * before.width}
        return {"in_features": self.in_features}

    def layer(self, inputs: dict[str, int]) -> ConvLayer:
        """The layer, its inputs being known."""
        return ConvLayer.linear(self.name, inputs["in_features"], self.out_features, bias=self.bias)


@dataclass(config=_FORBID, kw_only=True)
class Pool:
    """A pooling, which only changes the shape of what follows."""

    type: Literal["pool"]
    name: str = "pool"
    kernel: Pair
    stride: Pair | None = None
    padding: Margins = 0
    ceil_mode: bool = False

    def output(self, before: Shape) -> Shape:
        """The shape behind the pooling, by PyTorch's rule."""
        kernel_height, kernel_width = _doubled(self.kernel)
        window = ConvLayer(
            self.name,
            before.channels,
            before.channels,
            before.height,
            before.width,
            kernel_height,
            kernel_width,
            stride=self.kernel if self.stride is None else self.stride,
            padding=self.padding,
            groups=before.channels,
        )
        if self.ceil_mode:
            (top, bottom, left, right), (down, across) = window.padding, window.stride
            hanging = (top, bottom + down - 1, left, right + across - 1)
            window = replace(window, padding=hanging)
        # A window may hang over the end, but not begin there.
        begins = [
            (size + start - 1) // step + 1
            for size, start, step in zip(
                before[1:], window.padding[::2], window.stride, strict=True
            )
        ]
        return Shape(
            before.channels, min(window.out_height, begins[0]), min(window.out_width, begins[1])
        )


Computing = Conv | Depthwise | Linear
_ByType = Field(discriminator="type")


@dataclass(config=_FORBID, kw_only=True)
class Image:
    """The network's input."""

    channels: Size
    height: Size
    width: Size


@dataclass(config=_FORBID, kw_only=True)
class NetworkFile:
    """A whole file."""

    name: str
    source: str = ""
    batch: Size = 1
    norm_parameters: Annotated[int, Field(ge=0, le=LARGEST_COUNT)] = 0
    input: Image | None = None
    layers: Annotated[list[Annotated[Computing | Pool, _ByType]], Field(min_length=1)]


@dataclass(config=_FORBID, kw_only=True)
class LayerFile:
    """A file of one layer, under the key `layer`."""

    layer: Annotated[Computing, _ByType]


def read_network_file(path: str | os.PathLike[str]) -> Network:
    """The network in a YAML file; see `kcsim.workload.reader.read_network`."""
    return _network(read_yaml(path))


def parse_network(text: str, file: str) -> Network:
    """The network in a YAML text; `file` is what messages call it."""
    return _network(parse_yaml(text, file))


def _network(document: Document) -> Network:
    file = validate(document, NetworkFile, what="network file")
    image = file.input
    shape = Shape(image.channels, image.height, image.width) if image else None
    sequence = _Sequence(document, shape)
    for index, entry in enumerate(file.layers):
        sequence.add(entry, ("layers", index), file.batch)
    layers = sequence.finish(("layers",))
    try:
        return Network(file.name, layers, file.norm_parameters, file.source)
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
    sequence = _Sequence(document, None)
    place: Path_ = ()
    if "layer" in keys:
        place = ("layer",)
        entry = validate(document, LayerFile, what="layer file").layer
    else:
        # To mypy, an annotated union is no type.
        by_type = cast("Any", Annotated[Computing, _ByType])
        entry = validate(document, by_type, what="layer file")
    sequence.add(entry, place, 1)
    return sequence.finish(place)[0]


def read_zeros_file(path: str | os.PathLike[str]) -> list[tuple[str, dict[str, float], Mark]]:
    """Layer or pattern, shares and place of every entry; see `network_with_zeros`."""
    document = read_yaml(path)
    entries = validate(document, dict[str, Zeros], what="file of zero shares")
    return [
        (layers, zeros.given, document.mark((layers,), key=True))
        for layers, zeros in entries.items()
    ]


class _Sequence:
    """Turns entries into layers, one after the other, and collects what is wrong with them."""

    def __init__(self, document: Document, shape: Shape | None) -> None:
        self._document = document
        self._shape = shape
        self._after_fault = False
        self._layers: dict[str, ConvLayer] = {}
        self._problems: list[Problem] = []

    def add(self, entry: Computing | Pool, place: Path_, batch: int) -> None:
        """Append one entry, whose place in the document is `place`."""
        try:
            self._shape = self._behind(entry, place, batch)
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
            expected = "a layer of the type conv, depthwise or linear"
            self._problems.append(self._document.problem(place, message, expected=expected))
        if self._problems:
            raise InputError(in_file_order(self._problems))
        return tuple(self._layers.values())

    def _behind(self, entry: Computing | Pool, place: Path_, batch: int) -> Shape | None:
        """The shape behind an entry; None if a fault before it leaves that unknown."""
        if isinstance(entry, Pool):
            if self._shape is None:
                self._complain_about_missing(entry.name, "the size of its input", "")
                return None
            return entry.output(self._shape)
        inputs = entry.inputs(self._shape)
        known = {key: size for key, size in inputs.items() if size is not None}
        if len(known) < len(inputs):
            missing = ", ".join(key for key in inputs if key not in known)
            self._complain_about_missing(entry.name, missing, "a value here, ")
            return None
        zeros = ZeroShares(**entry.zeros.given)
        layer = replace(entry.layer(known), batch=entry.batch or batch, zeros=zeros)
        if layer.name in self._layers:
            fault = ("name", "an earlier layer has the same name", "")
            self._report(LayerError(layer.name, [fault]), place)
        self._layers[layer.name] = layer
        return Shape(layer.out_channels, layer.out_height, layer.out_width)

    def _complain_about_missing(self, name: str, missing: str, remedy: str) -> None:
        # A fault that was reported before may be all that hides them.
        if not self._after_fault:
            expected = f"{remedy}a layer before it, or an 'input' of the network"
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


def _doubled(value: int | tuple[int, int]) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else value
