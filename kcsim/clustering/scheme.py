"""Clustering schemes: which block of the weights shares a codebook entry, and on what terms."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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
    unit_extents,
)
from kcsim.clustering.override import Override, kind_word, raise_problems, settings_text
from kcsim.clustering.unit import Unit
from kcsim.errors import InputError, Problem, nearest
from kcsim.reading.arguments import check_types
from kcsim.workload.layer import ConvLayer


@dataclass(frozen=True)
class Clustering:
    """How the weights of a network are clustered.

    `str` gives the specification that `kcsim.clustering.spec.parse_clustering` reads.

    Parameters
    ----------
    scheme : str
        ``scalar``, ``row``, ``kernel``, ``scaled_kernel``, ``linear_kernel``, ``product`` or
        ``block``; an alias is replaced by the scheme's name.
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
    shape : str or None
        Channels x rows x columns of a unit (block scheme), as ``4x1x1`` or ``2x3x3``, with filters
        before them where it spans several, as ``8x1x1x1``; ``C``, ``R`` and ``S`` stand for all
        of a layer's.
    codebook_filters, codebook_channels : int or None
        Filters, and channels of a group, that one codebook of a layer serves; ``None`` for all.
    stages : int
        Codebooks whose entries add up to a unit, each with K entries and an index.
    filter_scale_bits : int or None
        Width of a scale that each filter has [bit]; ``None`` for no such scales.
    positions : str
        ``all``: every unit has an index. Else zero units have none: ``relative`` stores with each
        other index the number of zero units before it (EIE; Han et al., ISCA 2016, Section III),
        ``bitmask`` one bit for each unit.
    position_bits : int
        Width of such a number [bit]; more zero units than it can hold take indexes of zero.
    outliers : float
        Share of the weights, those of largest magnitude, that are kept exactly beside the indexes
        (SqueezeLLM; Kim et al., ICML 2024).

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
    shape: str | None = None
    codebook_filters: int | None = None
    codebook_channels: int | None = None
    stages: int = 1
    filter_scale_bits: int | None = None
    positions: str = "all"
    position_bits: int = 4
    outliers: float = 0.0

    def __post_init__(self) -> None:
        check_types(vars(self), {name: _TYPES.get(name, Any) for name in vars(self)})
        kind = SCHEMES.get(self.scheme)
        problems = scheme_problems(self.scheme, self._given())
        if kind is not None:
            object.__setattr__(self, "scheme", kind.name)
            divided = self.codebook_filters or self.codebook_channels
            object.__setattr__(self, "scope", self.scope or ("layer" if divided else kind.scope))
            object.__setattr__(self, "dense", self.dense or kind.dense)
            for override in self.overrides:
                problems += override_problems(kind, override.layers, override.settings)
        raise_problems(problems)
        for override in self.overrides:
            self._overridden(override)

    def __str__(self) -> str:
        parts = (f"{self.scheme}:{settings_text(self._given())}", *map(str, self.overrides))
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
                result = result._overridden(override)
        return result

    def _overridden(self, override: Override) -> Clustering:
        """The settings with those of an override in their place."""
        settings = override.settings
        if "k" in settings or "rate" in settings:
            settings = {"k": None, "rate": None, "ratio": None, **settings}
        if "scheme" not in settings:
            return replace(self, overrides=(), **settings)
        known = SCHEMES[settings["scheme"]].settings - {*PER_LAYER} | {"k", "rate"}
        kept = self._given() | {"scope": self.scope, "dense": self.dense}
        kept = {name: value for name, value in kept.items() if name in known}
        return Clustering(**{**kept, **settings})

    def stays_dense(self, layer: ConvLayer, *, first: bool = False) -> bool:
        """Whether the layer keeps dense weights; `first`: it is the first of its network.

        What is not trained is never clustered.
        """
        is_named = any(each.scheme and each.matches(layer) for each in self.overrides)
        kind = "" if is_named else kind_word(layer)
        groups = {
            "none": False,
            "first": first,
            "pointwise": kind == "pointwise",
            "linear": kind == "linear",
        }
        return layer.kind == "matmul" or any(
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
        if settings.kind.has_scales and layer.is_pointwise:
            raise InputError(
                Problem(
                    f"layer {layer.name!r}: 1x1 kernels have no shape to share beside their scale",
                    "pointwise and linear among the dense layers",
                )
            )
        if settings.shape is not None:
            return _block(layer, settings)
        extents = {
            "scalar": (1, 1, 1),
            "row": (1, 1, columns),
            "kernel": (1, rows, columns),
            "sub-vector": (settings.length or 1, 1, 1),
        }
        return Unit(*extents[settings.kind.unit])

    def named(self, layers: Iterable[ConvLayer]) -> Clustering:
        """The same, where an override's word for a kind that is a layer's name is that name."""
        names = {layer.name for layer in layers}
        overrides = tuple(
            replace(each, layers=f"[{each.layers[0]}]{each.layers[1:]}")
            if each.layers in names and each.layers in DENSE_GROUPS
            else each
            for each in self.overrides
        )
        return self if overrides == self.overrides else replace(self, overrides=overrides)

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


def _block(layer: ConvLayer, settings: Clustering) -> Unit:
    """The unit of the block scheme; refuses one that the layer's weights cannot be cut into."""
    rows, columns = layer.kernel_height, layer.kernel_width
    filters, channels = layer.out_channels // layer.groups, layer.in_channels // layer.groups
    unit = Unit(*unit_extents(str(settings.shape), (channels, rows, columns)))
    sizes = zip((channels, rows, columns, filters), (*unit.shape, unit.filters), strict=True)
    if any(size % extent for size, extent in sizes):
        raise InputError(
            Problem(
                f"layer {layer.name!r}: {layer.out_channels}x{channels}x{rows}x{columns} weights "
                f"are not cut into units of {settings.shape}",
                f"{layer.name}:shape=..., or dense={layer.name}",
            )
        )
    return unit


_TYPES = {"scheme": str, "scope": str, "dense": str, "overrides": Sequence[Override]}


def _is_in(value: object, choices: tuple[object, ...]) -> bool:
    """Whether a value is one of some, where it can be compared with them at all."""
    return isinstance(value, str | int | float | None) and value in choices


def _unmatched(pattern: str, choices: list[str]) -> Problem:
    return Problem(
        f"{pattern!r} matches no layer", "a layer's name or pattern", nearest(pattern, choices)
    )
