"""Settings of a clustering that hold for some layers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from kcsim.clustering.options import PER_LAYER, override_problems
from kcsim.errors import InputError, Problem
from kcsim.reading.arguments import check_types
from kcsim.workload.layer import ConvLayer


@dataclass(frozen=True)
class Override:
    """Settings of the layers whose names match a pattern; ``None`` keeps the scheme's.

    Parameters
    ----------
    layers : str
        Shell pattern of layer names, case-sensitive; or ``pointwise`` or ``linear``, as in
        `Clustering.dense`.
    k, rate, sparse, length, transforms, shape, ...
        As in `Clustering`; giving `k` drops an inherited `rate`, and the reverse. With a
        `scheme`, of the settings of all layers only `k` or `rate` and those that cannot differ
        hold, as far as it knows them; and the layers are clustered even if they are of a kind
        that stays dense.

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
    scheme: str | None = None
    shape: str | None = None
    codebook_filters: int | None = None
    codebook_channels: int | None = None
    stages: int | None = None
    filter_scale_bits: int | None = None
    positions: str | None = None
    position_bits: int | None = None
    outliers: float | None = None

    def __post_init__(self) -> None:
        check_types({"layers": self.layers}, {"layers": str})
        raise_problems(override_problems(None, self.layers, self.settings))

    def __str__(self) -> str:
        return f"{self.layers}:{settings_text(self.settings)}"

    @property
    def settings(self) -> dict[str, Any]:
        """The settings that are given, by name."""
        given = {name: getattr(self, name) for name in PER_LAYER}
        return {name: value for name, value in given.items() if value is not None}

    def matches(self, layer: ConvLayer) -> bool:
        """Whether the pattern matches the layer's name, or is the word for its kind."""
        return fnmatchcase(layer.name, self.layers) or self.layers == kind_word(layer)


def kind_word(layer: ConvLayer) -> str:
    """The word of `kcsim.clustering.options.DENSE_GROUPS` for a layer's kind, if there is one."""
    if layer.kind == "linear":
        return "linear"
    return "pointwise" if layer.is_pointwise and layer.kind == "conv" else ""


def settings_text(settings: Mapping[str, Any]) -> str:
    """Settings as a specification writes them."""
    return ",".join(f"{name}={value}" for name, value in settings.items())


def raise_problems(problems: list[tuple[str, Problem]]) -> None:
    """Raise an InputError if there are any problems."""
    if problems:
        raise InputError([problem for _, problem in problems])
