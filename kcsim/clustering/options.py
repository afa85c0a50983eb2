"""The schemes and their settings as tables, and the checks that follow from them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from kcsim.clustering.positions import MOST_POSITION_BITS
from kcsim.errors import Problem, nearest

DENSE_GROUPS = ("first", "pointwise", "linear", "none")
"""Words of the setting ``dense`` that are not patterns of layer names."""

LAYOUT = (
    "codebook_filters", "codebook_channels", "stages", "filter_scale_bits", "sparse", "positions",
    "position_bits", "outliers",
)  # fmt: skip
"""Settings that say how units of one layer are stored, whatever their shape."""

PER_LAYER = ("scheme", "k", "rate", "length", "transforms", "shape", *LAYOUT)
"""Settings that may differ between layers."""

_SIZES = ("k", "rate", "ratio")
"""Settings that say how many clusters there are; one of them is given."""

_SHAPE = re.compile(r"(?:([1-9]\d{0,8})x)?([1-9]\d{0,8}|C)x([1-9]\d{0,8}|R)x([1-9]\d{0,8}|S)")

SEPARATORS = ",;:"
"""Characters of a specification that a pattern of layer names cannot hold."""


@dataclass(frozen=True)
class Scheme:
    """One way of clustering from the literature.

    Attributes
    ----------
    name : str
        Name of the scheme.
    unit : str
        What an index stands for: a scalar, a row, a kernel, a sub-vector or a block.
    scope, dense : str
        Defaults of the settings of that name.
    options : frozenset of str
        Settings that it knows beside those of every scheme.
    has_scales, has_offsets : bool
        Whether every unit has a scale or an offset of its own.
    source : str
        Where the scheme was published.
    """

    name: str
    unit: str
    scope: str
    dense: str
    options: frozenset[str]
    source: str
    has_scales: bool = False
    has_offsets: bool = False

    @property
    def settings(self) -> frozenset[str]:
        """All settings that it knows."""
        return self.options | {*_SIZES, "codebook_bits", "index", "dense"}


_ALL = (
    Scheme(
        "scalar",
        "scalar",
        "layer",
        "none",
        frozenset({"scope", *LAYOUT}),
        "Han, Mao, Dally, Deep Compression, ICLR 2016",
    ),
    Scheme(
        "row",
        "row",
        "layer",
        "linear",
        frozenset({"scope", *LAYOUT}),
        "Wu et al., Deep k-Means, ICML 2018",
    ),
    Scheme(
        "kernel",
        "kernel",
        "network",
        "pointwise+linear",
        frozenset({"scope", "transforms", *LAYOUT}),
        "Matsui et al., A Study of Kernel Clustering, IEICE CPSY2017-140, 2018",
    ),
    Scheme(
        "scaled_kernel",
        "kernel",
        "network",
        "pointwise+linear",
        frozenset({"scope", "transforms", "scale_bits"}),
        "Son, Nah, Lee, Clustering Convolutional Kernels, ECCV 2018",
        has_scales=True,
    ),
    Scheme(
        "linear_kernel",
        "kernel",
        "network",
        "pointwise+linear",
        frozenset({"scope", "scale_bits", "offset_bits"}),
        "Chen, Chen, Su, linear representation of kernels, ICMV 2018 (SPIE 11041)",
        has_scales=True,
        has_offsets=True,
    ),
    Scheme(
        "product",
        "sub-vector",
        "layer",
        "none",
        frozenset({"length", "filter_scale_bits", "outliers"}),
        "Wu et al., Quantized CNNs for Mobile Devices, CVPR 2016",
    ),
    Scheme(
        "block",
        "block",
        "layer",
        "none",
        frozenset({"scope", "shape", *LAYOUT}),
        "Stock et al., And the Bit Goes Down, ICLR 2020",
    ),
)
_ALIASES = {
    "deep_compression": "scalar",
    "deep_kmeans": "row",
    "matsui": "kernel",
    "son": "scaled_kernel",
    "linear_representation": "linear_kernel",
    "pq": "product",
    "q_cnn": "product",
}
_BY_NAME = {scheme.name: scheme for scheme in _ALL}
SCHEMES = {**_BY_NAME, **{alias: _BY_NAME[name] for alias, name in _ALIASES.items()}}
"""Every scheme by its name and by its aliases."""


@dataclass(frozen=True)
class Option:
    """What values a setting takes.

    Attributes
    ----------
    type : type
        ``int``, ``float`` or ``str``.
    valid : callable
        Whether a value of that type is allowed.
    expected : str
        The allowed values, for messages.
    choices : tuple of str
        The allowed words, if they are a list.
    """

    type: type[int] | type[float] | type[str]
    valid: Callable[[Any], bool]
    expected: str
    choices: tuple[str, ...] = ()

    def problem(self, name: str, value: object) -> Problem | None:
        """What is wrong with a value of this setting."""
        allowed = (int, float) if self.type is float else self.type
        if isinstance(value, allowed) and not isinstance(value, bool) and self.valid(value):
            return None
        return Problem(f"{name} is {value!r}", self.expected, nearest(value, self.choices))


def _word(*choices: str) -> Option:
    return Option(str, lambda value: value in choices, " or ".join(choices), choices)


def _dense_is_valid(text: str) -> bool:
    items = text.split("+")
    return (
        all(item and item == item.strip() for item in items)
        and not set(text) & set(SEPARATORS)
        and ("none" not in items or items == ["none"])
    )


_WIDTH = Option(int, lambda bits: 1 <= bits <= 64, "a whole number from 1 to 64")
_COUNT = Option(int, lambda count: 1 <= count < 2**63, "a whole number of at least 1")
OPTIONS = {
    "k": _COUNT,
    "rate": Option(float, lambda rate: 0 < rate <= 1, "a share above 0 and at most 1"),
    "ratio": Option(float, lambda ratio: 1 < ratio <= 1e6, "a number above 1 and at most 10^6"),
    "scope": _word("layer", "network"),
    "codebook_bits": _WIDTH,
    "scale_bits": _WIDTH,
    "offset_bits": _WIDTH,
    "transforms": Option(int, lambda count: count in (1, 2, 4, 8), "1, 2, 4 or 8"),
    "sparse": Option(float, lambda share: 0 <= share < 1, "a share of at least 0 and below 1"),
    "length": _COUNT,
    "scheme": Option(str, lambda name: name in SCHEMES, "a scheme", tuple(SCHEMES)),
    "shape": Option(
        str,
        lambda text: _SHAPE.fullmatch(text) is not None,
        "channels x rows x columns as 2x3x3, or filters before them, or C, R, S for all of them",
    ),
    "codebook_filters": _COUNT,
    "codebook_channels": _COUNT,
    "stages": Option(int, lambda count: 1 <= count <= 16, "a whole number from 1 to 16"),
    "filter_scale_bits": _WIDTH,
    "positions": _word("all", "relative", "bitmask"),
    "position_bits": Option(
        int,
        lambda bits: 1 <= bits <= MOST_POSITION_BITS,
        f"a whole number from 1 to {MOST_POSITION_BITS}",
    ),
    "outliers": Option(float, lambda share: 0 <= share <= 0.5, "a share from 0 to 0.5"),
    "index": _word("fixed", "huffman", "entropy"),
    "dense": Option(
        str,
        _dense_is_valid,
        "'none', or 'first', 'pointwise', 'linear' and patterns of layer names, joined by '+'",
    ),
}
"""Every setting of a specification by its name."""


def unit_extents(text: str, whole: tuple[int, int, int]) -> tuple[int, int, int, int]:
    """Channels, rows, columns and filters of a unit.

    Parameters
    ----------
    text : str
        A valid value of the setting ``shape``.
    whole : tuple of int
        Channels, rows and columns of the layer, which letters stand for.
    """
    match = _SHAPE.fullmatch(text)
    assert match is not None
    filters, *rest = match.groups()
    sizes = [size if each.isalpha() else int(each) for each, size in zip(rest, whole, strict=True)]
    return sizes[0], sizes[1], sizes[2], int(filters or 1)


def scheme_problems(scheme: str, given: Mapping[str, object]) -> list[tuple[str, Problem]]:
    """What is wrong with the settings of a scheme.

    Parameters
    ----------
    scheme : str
        The scheme's name or alias.
    given : mapping
        The settings that were given, by name.

    Returns
    -------
    list of (str, Problem)
        Every problem after the setting that it is about; the setting is empty for problems of
        the whole.
    """
    kind = SCHEMES.get(scheme)
    if kind is None:
        expected = ", ".join(scheme.name for scheme in _ALL)
        return [("", Problem(f"no scheme {scheme!r}", expected, nearest(scheme, SCHEMES)))]
    problems = _setting_problems(kind, kind.settings, given)
    if not any(name in given for name in _SIZES):
        problems.append(("", Problem(f"{kind.name} has no number of clusters", "k, rate or ratio")))
    if "length" in kind.options and "length" not in given:
        problems.append(("", Problem(f"{kind.name} has no length of its sub-vectors", "length")))
    if "shape" in kind.options and "shape" not in given:
        problems.append(
            ("", Problem(f"{kind.name} has no shape of its units", "shape, as shape=2x3x3"))
        )
    return problems or _layout_problems(given)


def _layout_problems(given: Mapping[str, Any]) -> list[tuple[str, Problem]]:
    """Valid settings that contradict each other, or that have no effect."""
    problems = []
    is_sparse = bool(given.get("sparse")) or given.get("positions", "all") != "all"
    several = [name for name in ("stages", "transforms") if given.get(name, 1) > 1]
    if several and (is_sparse or len(several) > 1):
        other = several[1] if len(several) > 1 else "sparse or positions"
        what = f"{several[0]} cannot be combined with {other}"
        problems.append((several[0], Problem(what, "one of them")))
    grid = [name for name in ("codebook_filters", "codebook_channels") if name in given]
    if grid and given.get("scope") == "network":
        what = f"{grid[0]} divides the codebooks of layers"
        problems.append((grid[0], Problem(what, "scope=layer")))
    if "position_bits" in given and given.get("positions") != "relative":
        what = "position_bits are those of relative positions"
        problems.append(("position_bits", Problem(what, "positions=relative")))
    return problems


def override_problems(
    kind: Scheme | None, layers: str, given: Mapping[str, object]
) -> list[tuple[str, Problem]]:
    """What is wrong with the settings of single layers.

    Parameters
    ----------
    kind : Scheme or None
        The scheme that they override; ``None`` while it is unknown.
    layers : str
        The pattern of layer names.
    given : mapping
        The settings that were given, by name.

    Returns
    -------
    list of (str, Problem)
        As of `scheme_problems`; the setting is ``layers`` for problems of the pattern.
    """
    kind = SCHEMES.get(str(given.get("scheme")), kind)
    allowed = frozenset(PER_LAYER)
    if kind:
        allowed = allowed & {*kind.settings, "scheme"}
    problems = _setting_problems(kind, allowed, given)
    if not layers.strip() or layers != layers.strip() or set(layers) & set(SEPARATORS):
        expected = "a layer's name or pattern without ',', ';' and ':'"
        problems.append(("layers", Problem(f"layer pattern is {layers!r}", expected)))
    if not given:
        problems.append(("", Problem(f"no settings for {layers!r}", ", ".join(sorted(allowed)))))
    return problems


def _setting_problems(
    kind: Scheme | None, allowed: frozenset[str], given: Mapping[str, object]
) -> list[tuple[str, Problem]]:
    problems = []
    for name, value in given.items():
        if name not in allowed:
            problems.append((name, _misplaced(kind, name, allowed)))
        elif problem := OPTIONS[name].problem(name, value):
            problems.append((name, problem))
    sizes = [name for name in _SIZES if name in given]
    if len(sizes) > 1:
        both = f"both {sizes[0]} and {sizes[1]} are given"
        problems.append((sizes[1], Problem(both, "one of them")))
    return problems


def _misplaced(kind: Scheme | None, name: str, allowed: frozenset[str]) -> Problem:
    expected = ", ".join(sorted(allowed))
    if name not in OPTIONS:
        return Problem(f"no setting {name!r}", expected, nearest(name, allowed))
    if kind and name in kind.settings:
        return Problem(f"{name} cannot differ between layers", expected)
    return Problem(f"{kind.name if kind else 'this scheme'} has no setting {name!r}", expected)
