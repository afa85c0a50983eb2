"""What a user fixes of a mapping; a search finds the rest.

Every part of a level may be left open. What is given is a pattern: ``C=8`` stands for a loop of
just this bound, ``C<=8`` for one of at most it, ``C`` for one of any, and ``...`` for what else
there may be.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from kcsim.errors import InputError, Problem, nearest
from kcsim.reading.arguments import check_types
from kcsim.reading.source import Document
from kcsim.workload.layer import DIMENSIONS, TENSORS

ANYTHING = "..."
_FORM = re.compile(r"([^<=\s]*)\s*(?:(<=|=)\s*([0-9]{1,15}))?")


class Bound(NamedTuple):
    """A dimension with a number: of iterations, of children, or of indices.

    Attributes
    ----------
    dimension : str
    relation : str
        ``=`` for just the number, ``<=`` for at most the number, empty for any.
    number : int
        0 for any.
    """

    dimension: str
    relation: str = ""
    number: int = 0

    @classmethod
    def parse(cls, text: str) -> Bound:
        """Read ``C=8``, ``C<=8`` or ``C``.

        Raises
        ------
        InputError
            If the text is none of them.
        """
        found = _FORM.fullmatch(text.strip())
        dimension, relation, digits = found.groups() if found else ("", None, None)
        number = int(digits or 0)
        if not found or dimension not in DIMENSIONS or (relation and not number):
            expected = "DIMENSION=NUMBER, DIMENSION<=NUMBER or a dimension alone, as C=8, of "
            near = "" if dimension in DIMENSIONS else nearest(dimension, DIMENSIONS)
            problem = Problem(f"'{text}' is no bound", expected + ", ".join(DIMENSIONS), near)
            raise InputError(problem)
        return cls(dimension, relation or "", number)

    def __str__(self) -> str:
        return f"{self.dimension}{self.relation}{self.number or ''}"

    @property
    def axis(self) -> int:
        """Position of the dimension."""
        return DIMENSIONS.index(self.dimension)

    @property
    def is_exact(self) -> bool:
        """Whether there is one number."""
        return self.relation == "="

    def admits(self, number: int) -> bool:
        """Whether a number is what is asked for."""
        if self.is_exact:
            return number == self.number
        return not self.relation or number <= self.number

    def leads_on(self, number: int) -> bool:
        """Whether a number, or some multiple of it, is."""
        return self.number % number == 0 if self.is_exact else self.admits(number)


Item = Bound | str
"""A loop, a tensor, or `ANYTHING`."""


def parse_items(texts: Sequence[str], *, tensors: bool = False) -> tuple[Item, ...]:
    """Read a pattern of loops, which may have tensors among them.

    Raises
    ------
    InputError
        At the first text that is neither.
    """
    return tuple(map(parse_place if tensors else parse_loop, texts))


def parse_loop(text: str) -> Item:
    """Read a loop or ``...``."""
    return ANYTHING if text.strip() == ANYTHING else Bound.parse(text)


def parse_place(text: str) -> Item:
    """Read a loop, ``...`` or a tensor."""
    if text in TENSORS:
        return text
    if len(text) > 1 and "=" not in text and text.strip() != ANYTHING:
        expected = f"C=8, C<=8, C, {ANYTHING} or one of " + ", ".join(TENSORS)
        message = f"'{text}' is neither a loop nor a tensor"
        raise InputError(Problem(message, expected, nearest(text, TENSORS)))
    return parse_loop(text)


_LISTS = ("temporal", "nest", "spatial_x", "spatial_y", "bypass", "factors", "tile")
_TYPES: dict[str, Any] = dict.fromkeys(_LISTS, Sequence[str] | None)


@dataclass(frozen=True)
class FixedLevel:
    """What is fixed of one level; ``None`` for what is not.

    Attributes
    ----------
    level : str
        Name of the level.
    temporal : tuple of str, optional
        The loops in time, outermost first, with all tensors before them.
    nest : tuple of str, optional
        The loops in time, outermost first, with tensors at their places among them; those that
        are not named may stand anywhere.
    spatial_x, spatial_y : tuple of str, optional
        The loops over the children along X and Y.
    bypass : tuple of str, optional
        The tensors that the level does not keep although it could.
    factors : tuple of str, optional
        How often all loops in time over a dimension iterate together.
    tile : tuple of str, optional
        What the tiles of the level span.
    stationary : str, optional
        The tensor that stays put: loops that do not see it come innermost.
    """

    level: str
    temporal: tuple[str, ...] | None = None
    nest: tuple[str, ...] | None = None
    spatial_x: tuple[str, ...] | None = None
    spatial_y: tuple[str, ...] | None = None
    bypass: tuple[str, ...] | None = None
    factors: tuple[str, ...] | None = None
    tile: tuple[str, ...] | None = None
    stationary: str | None = None

    def __post_init__(self) -> None:
        check_types(vars(self), {"level": str, "stationary": str | None, **_TYPES})
        for name in _LISTS:
            if getattr(self, name) is not None:
                object.__setattr__(self, name, tuple(getattr(self, name)))
        parse_items(self.nest or (), tensors=True)
        for texts in (self.temporal, self.spatial_x, self.spatial_y):
            parse_items(texts or ())
        for text in (*(self.factors or ()), *(self.tile or ())):
            Bound.parse(text)
        for name in (*(self.bypass or ()), *filter(None, [self.stationary])):
            if name not in TENSORS:
                expected = "one of " + ", ".join(TENSORS)
                problem = Problem(f"'{name}' is not a tensor", expected, nearest(name, TENSORS))
                raise InputError(problem)

    @property
    def pattern(self) -> tuple[Item, ...] | None:
        """The loops in time, and tensors among them, outermost first."""
        if self.nest is not None:
            return parse_items(self.nest, tensors=True)
        return None if self.temporal is None else parse_items(self.temporal)

    @property
    def named(self) -> tuple[str, ...]:
        """Tensors that have a place, and so are kept."""
        return tuple(item for item in self.pattern or () if item in TENSORS)

    @property
    def bounds(self) -> tuple[Bound, ...]:
        """The ``factors``."""
        return tuple(map(Bound.parse, self.factors or ()))

    @property
    def tile_bounds(self) -> tuple[Bound, ...]:
        """Of the ``tile``."""
        return tuple(map(Bound.parse, self.tile or ()))

    @property
    def along(self) -> tuple[tuple[Item, ...] | None, tuple[Item, ...] | None]:
        """What is spread along X and along Y."""
        x, y = (None if n is None else parse_items(n) for n in (self.spatial_x, self.spatial_y))
        return x, y


@dataclass(frozen=True)
class FixedMapping:
    """What is fixed of a mapping.

    Attributes
    ----------
    levels : tuple of FixedLevel
        Those of which something is, the outermost first.
    document : Document, optional
        The file that says so.
    """

    levels: tuple[FixedLevel, ...]
    document: Document | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        check_types({"levels": self.levels}, {"levels": Sequence[FixedLevel]})
        object.__setattr__(self, "levels", tuple(self.levels))

    def marked(self, problem: Problem) -> Problem:
        """A problem with its place in the file, if there is one."""
        if self.document is None:
            return problem
        return self.document.problem(
            problem.path, problem.message, expected=problem.expected, suggestion=problem.suggestion
        )


Fixes = FixedMapping | Mapping[str, FixedMapping]
"""What is fixed of all layers of a network, or of each by its name; with ``.clustered`` behind it,
what is fixed of the layer with clustered weights, if that is something else."""


def fixed_of(fixes: Fixes | None, layer: str, *, clustered: bool = False) -> FixedMapping | None:
    """What is fixed of a layer."""
    if fixes is None or isinstance(fixes, FixedMapping):
        return fixes
    own = fixes.get(layer)
    return fixes.get(f"{layer}.clustered", own) if clustered else own
