"""Clustering schemes: which block of the weights shares a codebook entry, and on what terms."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from fnmatch import fnmatchcase
from typing import Any

from kcsim.clustering.options import (
    DENSE_GROUPS,
    PER_LAYER,
    SCHEMES,
    Scheme,
    override_problems,
    scheme_problems,
)
from kcsim.errors import InputError, Problem, nearest
from kcsim.reading.arguments import check_types
from kcsim.workload.layer import ConvLayer


@dataclass(frozen=True)
class Unit:
    """The block of weights that one index stands for.

    Attributes
    ----------
    channels, height, width : int
        Extents along (C, R, S) of a weight tensor W[M, C, R, S], C within a group.
    """

    channels: int
    height: int
    width: int

    @property
    def shape(self) -> tuple[int, int, int]:
        """Extents along (C, R, S)."""
        return (self.channels, self.height, self.width)

    @property
    def size(self) -> int:
        """Weights in a full unit."""
        return self.channels * self.height * self.width

    def channel_blocks(self, layer: ConvLayer) -> int:
        """Units along the input channels of a group; the last may hold fewer channels."""
        return -(-(layer.in_channels // layer.groups) // self.channels)

    def count(self, layer: ConvLayer) -> int:
        """Number of units N of the layer's weights."""
        taps = layer.kernel_height * layer.kernel_width // (self.height * self.width)
        return layer.out_channels * self.channel_blocks(layer) * taps


@dataclass(frozen=True)
class Override:
    """Settings of the layers whose names match a pattern; ``None`` keeps the scheme's.

    Parameters
    ----------
    layers : str
        Shell pattern of layer names, case-sensitive.
    k, rate, sparse, length, transforms
        As in `Clustering`; giving `k` drops an inherited `rate`, and the reverse.

    Raises
    ------
    InputError
        If a setting is out of its range, or none is given.
    """

    layers: str
    k: int | None = None
    rate: float | None = None
    sparse: float | None = None
    length: int | None = None
    transforms: int | None = None

    def __post_init__(self) -> None:
        check_types({"layers": self.layers}, {"layers": str})
        _raise(override_problems(None, self.layers, self.settings))

    def __str__(self) -> str:
        return f"{self.layers}:{_settings_text(self.settings)}"

    @property
    def settings(self) -> dict[str, Any]:
        """The settings that are given, by name."""
        given = {name: getattr(self, name) for name in PER_LAYER}
        return {name: value for name, value in given.items() if value is not None}

    def matches(self, layer: ConvLayer) -> bool:
        """Whether the pattern matches the layer's name."""
        return fnmatchcase(layer.name, self.layers)


@dataclass(frozen=True)
class Clustering:
    """How the weights of a network are clustered.

    `str` gives the specification that `kcsim.clustering.spec.parse_clustering` reads.

    Parameters
    ----------
    scheme : str
        ``scalar``, ``row``, ``kernel``, ``scaled_kernel``, ``linear_kernel`` or ``product``; an
        alias is replaced by the scheme's name.
    k : int or None
        Entries K of a codebook; exactly one of `k`, `rate` and `ratio` is given.
    rate : float or None
        Cluster rate K/N, with N the units that the codebook serves (Deep k-Means, Section 4).
    scope : str
        ``layer`` or ``network``: which layers share a codebook; empty for the scheme's default.
        Network-wide codebooks are shared by layers with the same unit shape and settings, so
        overrides make ranges of layers.
    codebook_bits : int or None
        Width of one value in a codebook [bit]; ``None`` for the width of a dense weight.
    scale_bits, offset_bits : int
        Width of the scale and the offset of a unit [bit], where the scheme has them.
    transforms : int
        Flips and rotations T of an entry to choose from, the identity included: 1, 2, 4 or 8.
    sparse : float
        Share p of the units that is tied to one zero entry (Deep k-Means, Section 5.3); that
        entry is one of the K.
    length : int or None
        Channels of a sub-vector (product scheme). Where it does not divide the channels of a
        group, the last sub-vector is short.
    index : str
        ``fixed``: ceil(log2 K) bits an index; ``huffman``: a Huffman code for each codebook;
        ``entropy``: the entropy of the indexes, which no code undercuts.
    dense : str
        Layers that keep dense weights, joined by ``+``: ``first``, ``pointwise`` (1x1
        convolutions), ``linear`` (fully connected), or shell patterns of layer names; ``none``
        for no layer; empty for the scheme's default.
    overrides : tuple of Override
        Settings of single layers; of several that match, a later one wins.
    ratio : float or None
        Compression ratio that the whole network is to reach with as many entries as possible;
        `kcsim.clustering.target.meet_ratio` finds the `k`.

    Raises
    ------
    InputError
        If a setting is out of its range or has no meaning in this scheme.
    """

    scheme: str
    k: int | None = None
    rate: float | None = None
    scope: str = ""
    codebook_bits: int | None = None
    scale_bits: int = 16
    offset_bits: int = 16
    transforms: int = 1
    sparse: float = 0.0
    length: int | None = None
    index: str = "fixed"
    dense: str = ""
    overrides: tuple[Override, ...] = ()
    ratio: float | None = None

    def __post_init__(self) -> None:
        check_types(vars(self), {name: _TYPES.get(name, Any) for name in vars(self)})
        kind = SCHEMES.get(self.scheme)
        problems = scheme_problems(self.scheme, self._given())
        if kind is not None:
            object.__setattr__(self, "scheme", kind.name)
            object.__setattr__(self, "scope", self.scope or kind.scope)
            object.__setattr__(self, "dense", self.dense or kind.dense)
            for override in self.overrides:
                problems += override_problems(kind, override.layers, override.settings)
        _raise(problems)

    def __str__(self) -> str:
        parts = (f"{self.scheme}:{_settings_text(self._given())}", *map(str, self.overrides))
        return ";".join(parts)

    @property
    def kind(self) -> Scheme:
        """What the scheme stores, and where it comes from."""
        return SCHEMES[self.scheme]

    @property
    def is_product(self) -> bool:
        """Whether every sub-space of the input channels has a codebook of its own."""
        return self.kind.unit == "sub-vector"

    @property
    def extras_bits(self) -> int:
        """Width of a unit's scale and offset together; 0 where the scheme has none [bit]."""
        kind = self.kind
        return kind.has_scales * self.scale_bits + kind.has_offsets * self.offset_bits

    def for_layer(self, layer: ConvLayer) -> Clustering:
        """The settings that hold for one layer, with the overrides applied."""
        if not self.overrides:
            return self
        result = replace(self, overrides=())
        for override in self.overrides:
            if override.matches(layer):
                settings = override.settings
                if "k" in settings or "rate" in settings:
                    settings = {"k": None, "rate": None, "ratio": None, **settings}
                result = replace(result, **settings)
        return result

    def stays_dense(self, layer: ConvLayer, *, first: bool = False) -> bool:
        """Whether the layer keeps dense weights; `first`: it is the first of its network."""
        groups = {
            "none": False,
            "first": first,
            "pointwise": layer.is_pointwise and layer.kind == "conv",
            "linear": layer.kind == "linear",
        }
        return any(
            groups[item] if item in groups else fnmatchcase(layer.name, item)
            for item in self.dense.split("+")
        )

    def unit(self, layer: ConvLayer, *, first: bool = False) -> Unit | None:
        """The unit of one layer, or ``None`` if the layer stays dense.

        The row of a 1x1 filter is a scalar, as in the published code of Deep k-Means.

        Parameters
        ----------
        layer : ConvLayer
            The layer.
        first : bool
            Whether it is the first of its network.

        Raises
        ------
        InputError
            If the layer is to be clustered but has no such units: scaled kernels of one tap, or
            rotations of a kernel that is not square.
        """
        if self.stays_dense(layer, first=first):
            return None
        rows, columns = layer.kernel_height, layer.kernel_width
        settings = self.for_layer(layer)
        if settings.transforms == 8 and rows != columns:
            raise InputError(
                Problem(
                    f"layer {layer.name!r}: a {rows}x{columns} kernel cannot be rotated",
                    f"transforms of at most 4, or dense={layer.name}",
                )
            )
        if self.kind.has_scales and layer.is_pointwise:
            raise InputError(
                Problem(
                    f"layer {layer.name!r}: 1x1 kernels have no shape to share beside their scale",
                    "pointwise and linear among the dense layers",
                )
            )
        extents = {
            "scalar": (1, 1, 1),
            "row": (1, 1, columns),
            "kernel": (1, rows, columns),
            "sub-vector": (settings.length or 1, 1, 1),
        }
        return Unit(*extents[self.kind.unit])

    def network_problems(self, layers: Iterable[ConvLayer]) -> list[Problem]:
        """What does not fit a network: patterns that match no layer, or only dense layers."""
        layers = tuple(layers)
        names = [layer.name for layer in layers]
        problems = []
        for item in self.dense.split("+"):
            if item not in DENSE_GROUPS and not any(fnmatchcase(name, item) for name in names):
                problems.append(_unmatched(item, [*names, *DENSE_GROUPS]))
        for override in self.overrides:
            matched = [i for i, layer in enumerate(layers) if override.matches(layer)]
            if not matched:
                problems.append(_unmatched(override.layers, names))
            elif all(self.stays_dense(layers[i], first=i == 0) for i in matched):
                problems.append(
                    Problem(
                        f"settings for {override.layers!r} have no effect: these layers stay dense",
                        f"another choice than dense={self.dense}",
                    )
                )
        return problems

    def _given(self) -> dict[str, Any]:
        """The settings that differ from the scheme's defaults, in the order of the fields."""
        kind = SCHEMES.get(self.scheme)
        defaults: dict[str, tuple[object, ...]] = {
            field.name: (field.default,) for field in fields(self)
        }
        if kind is not None:
            defaults |= {"scope": ("", kind.scope), "dense": ("", kind.dense)}
        return {
            name: getattr(self, name)
            for name, unset in defaults.items()
            if name not in ("scheme", "overrides") and not _is_in(getattr(self, name), unset)
        }


_TYPES = {"scheme": str, "scope": str, "dense": str, "overrides": Sequence[Override]}


def _is_in(value: object, choices: tuple[object, ...]) -> bool:
    """Whether a value is one of some, where it can be compared with them at all."""
    return isinstance(value, str | int | float | None) and value in choices


def _unmatched(pattern: str, choices: list[str]) -> Problem:
    return Problem(
        f"{pattern!r} matches no layer", "a layer's name or pattern", nearest(pattern, choices)
    )


def _settings_text(settings: Mapping[str, Any]) -> str:
    return ",".join(f"{name}={value}" for name, value in settings.items())


def _raise(problems: list[tuple[str, Problem]]) -> None:
    if problems:
        raise InputError([problem for _, problem in problems])
