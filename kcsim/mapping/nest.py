"""A mapping: the loop nest of a layer, spread over the levels of a hardware."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import TYPE_CHECKING, Any

from kcsim.errors import InputError, MappingError, Problem, nearest
from kcsim.hardware.schema import Hardware
from kcsim.reading.arguments import check_types
from kcsim.workload.layer import DIMENSIONS, TENSORS, ConvLayer, Tensor

if TYPE_CHECKING:
    import numpy as np

_NO_TEXTS = ("true", "false", "null")
"""Words that YAML takes for something else unless they stand in quotes."""


@dataclass(frozen=True)
class Loop:
    """One loop: a dimension and how often it iterates.

    Attributes
    ----------
    dimension : str
        One of N, G, M, C, P, Q, R, S.
    bound : int
        Number of iterations, at least 1.
    """

    dimension: str
    bound: int

    def __post_init__(self) -> None:
        name: object = self.dimension
        bound: object = self.bound
        is_plain = type(name) is str and not isinstance(bound, bool) and isinstance(bound, Integral)
        if not is_plain or name not in DIMENSIONS or not 1 <= self.bound < 2**63:
            raise InputError(
                Problem(
                    f"a loop over {self.dimension!r} with the bound {self.bound!r}",
                    f"one of {', '.join(DIMENSIONS)}, and a whole number above 0",
                )
            )

    @classmethod
    def parse(cls, text: str) -> Loop:
        """Read ``P=13``.

        Raises
        ------
        InputError
            If the text is no loop.
        """
        dimension, _, bound = (part.strip() for part in text.partition("="))
        if dimension not in DIMENSIONS:
            raise InputError(
                Problem(
                    f"'{text}' is not a loop",
                    "DIMENSION=BOUND, as P=13, with a dimension of " + ", ".join(DIMENSIONS),
                    nearest(dimension, DIMENSIONS),
                )
            )
        if not (bound.isascii() and bound.isdigit() and 0 < len(bound) < 16 and int(bound) > 0):
            raise InputError(Problem(f"the bound of '{text}' is not a positive integer", "as P=13"))
        return cls(dimension, int(bound))

    def __str__(self) -> str:
        return f"{self.dimension}={self.bound}"


_LOOPS: dict[str, Any] = dict.fromkeys(("temporal", "spatial_x", "spatial_y"), Sequence[Loop])
"""The lists of loops of a level."""
_PLACES: dict[str, Any] = {"bypass": Sequence[str], "heights": Sequence[int]}
_EVEN = (0, 0, 0)


@dataclass(frozen=True)
class LevelLoops:
    """The loops that belong to one level.

    Attributes
    ----------
    level : str
        Name of the level.
    temporal : tuple of Loop
        Loops over the tiles of the level below, outermost first.
    spatial_x, spatial_y : tuple of Loop
        Loops over the children below, along X and Y, outermost first: the
        last one moves between neighbors.
    bypass : tuple of str
        Tensors that this mapping does not keep here although the level could.
    heights : (int, int, int)
        For weights, inputs and outputs, how many of the loops in `temporal` stand outside of the
        tensor's place in the nest: its tile spans what is inside. Zeros, as for tensors that are
        not kept, where all tiles change together (an *even* level).
    """

    level: str
    temporal: tuple[Loop, ...] = ()
    spatial_x: tuple[Loop, ...] = ()
    spatial_y: tuple[Loop, ...] = ()
    bypass: tuple[str, ...] = ()
    heights: tuple[int, int, int] = _EVEN

    def __post_init__(self) -> None:
        # Searches make many of them, of which nothing has to be looked at in detail.
        parts = (*self.nests, self.bypass, self.heights)
        is_plain = type(self.level) is str and all(type(part) is tuple for part in parts)
        if not (is_plain and all(type(loop) is Loop for nest in self.nests for loop in nest)):
            check_types(vars(self), {"level": str, **_LOOPS, **_PLACES})
            for name in (*_LOOPS, *_PLACES):
                object.__setattr__(self, name, tuple(getattr(self, name)))
        if self.heights is not _EVEN:
            if not all(type(height) is int for height in self.heights):
                check_types({"heights": self.heights}, {"heights": _PLACES["heights"]})
            object.__setattr__(self, "heights", self._checked_heights())

    def _checked_heights(self) -> tuple[int, int, int]:
        """The heights, with zeros for what is not kept."""
        given, most = [int(n) for n in self.heights], len(self.temporal)
        if len(given) != len(TENSORS) or not all(0 <= n <= most for n in given):
            message = f"the heights of weights, inputs and outputs at '{self.level}' are {given}"
            raise InputError(Problem(message, f"three numbers from 0 to its {most} loops in time"))
        here = (n * (t not in self.bypass) for t, n in zip(TENSORS, given, strict=True))
        weights, inputs, outputs = here
        return weights, inputs, outputs

    @property
    def nests(self) -> tuple[tuple[Loop, ...], tuple[Loop, ...], tuple[Loop, ...]]:
        """Temporal loops, X loops, Y loops."""
        return self.temporal, self.spatial_x, self.spatial_y

    @property
    def inner(self) -> tuple[Tensor, ...]:
        """Tensors that stand behind some loop in time."""
        return tuple(t for t, n in zip(TENSORS, self.heights, strict=True) if n)

    def places(self, kept: Collection[str] = TENSORS) -> tuple[Loop | str, ...]:
        """The loops in time, and the tensors of `kept` where they stand, outermost first.

        Just the loops where no loop stands before one of these tensors.
        """
        here = [t for t in TENSORS if t in kept and t not in self.bypass]
        heights = dict(zip(TENSORS, self.heights, strict=True))
        if not any(heights[tensor] for tensor in here):
            return self.temporal
        found: list[Loop | str] = []
        for position in range(len(self.temporal) + 1):
            found += [tensor for tensor in here if heights[tensor] == position]
            found += self.temporal[position : position + 1]
        return tuple(found)

    def with_loops(self, nests: Sequence[Sequence[Loop]]) -> LevelLoops:
        """The level with other bounds of its loops, of which those that iterate once are left out.

        Parameters
        ----------
        nests : sequence of sequence of Loop
            Temporal loops, X loops, Y loops: as many as there are.
        """
        weights, inputs, outputs = (sum(n.bound > 1 for n in nests[0][:h]) for h in self.heights)
        heights = weights, inputs, outputs
        temporal, along_x, along_y = (tuple(n for n in nest if n.bound > 1) for nest in nests)
        return LevelLoops(self.level, temporal, along_x, along_y, self.bypass, heights)


@dataclass(frozen=True)
class Mapping:
    """A loop nest over the levels of a hardware, outermost level first.

    The bounds of all loops over a dimension multiply to its size. Where they multiply to more
    (imperfect factors), the last round of the outermost loop is short.

    Attributes
    ----------
    levels : tuple of LevelLoops
        Levels without loops may be left out.
    """

    levels: tuple[LevelLoops, ...]

    def __post_init__(self) -> None:
        check_types(vars(self), {"levels": Sequence[LevelLoops]})
        object.__setattr__(self, "levels", tuple(self.levels))

    def bound(self, dimension: str) -> int:
        """Product of the bounds of all loops over a dimension."""
        product = 1
        for level in self.levels:
            for nest in level.nests:
                for loop in nest:
                    product *= loop.bound if loop.dimension == dimension else 1
        return product

    def is_perfect(self, layer: ConvLayer) -> bool:
        """Whether the bounds over every dimension multiply to exactly its size."""
        return all(self.bound(d) == size for d, size in layer.dimensions.items())

    def loop_array(self, hardware: Hardware) -> np.ndarray:
        """The loops as the kernels take them: LOOP[loops]."""
        import numpy as np

        from kcsim.kernels.layout import LOOP

        rows = [
            (hardware.level_index(level.level), kind, DIMENSIONS.index(loop.dimension), loop.bound)
            for level in self.levels
            for kind, nest in enumerate(level.nests)
            for loop in nest
            if loop.bound > 1
        ]
        return np.array(rows, LOOP)

    def keeps_array(self, hardware: Hardware) -> np.ndarray:
        """Which level stores which tensor under this mapping: bool[levels, 3]."""
        import numpy as np

        bypassed = {level.level: level.bypass for level in self.levels}
        return np.array(
            [
                [t in level.kept_tensors and t not in bypassed.get(level.name, ()) for t in TENSORS]
                for level in hardware.levels
            ],
            np.bool_,
        )

    def heights_array(self, hardware: Hardware) -> np.ndarray:
        """How many loops of `loop_array` in time stand outside of a tensor: int64[levels, 3].

        Of the loops of its level, that is; 0 where the tensor is not kept.
        """
        import numpy as np

        heights = np.zeros((len(hardware.levels), len(TENSORS)), np.int64)
        for level in self.levels:
            if level.heights != _EVEN:
                plain = level.with_loops(level.nests)
                heights[hardware.level_index(level.level)] = plain.heights
        heights[~self.keeps_array(hardware)] = 0
        return heights

    def problems(self, layer: ConvLayer, hardware: Hardware) -> tuple[Problem, ...]:
        """What keeps this mapping from running a layer, capacities aside."""
        found: list[Problem] = []
        position = -1
        for index, level in enumerate(self.levels):
            path = ("levels", index)
            if level.level not in hardware.level_names:
                found.append(
                    Problem(
                        f"{hardware.name} has no level '{level.level}'",
                        "one of " + ", ".join(hardware.level_names),
                        nearest(level.level, hardware.level_names),
                        path=(*path, "level"),
                    )
                )
                continue
            if hardware.level_index(level.level) <= position:
                found.append(
                    Problem(
                        f"level '{level.level}' stands in the wrong place",
                        "each level once, in the order " + ", ".join(hardware.level_names),
                        path=(*path, "level"),
                    )
                )
            position = max(position, hardware.level_index(level.level))
            found += _level_problems(level, hardware, path)
        for dimension, size in layer.dimensions.items():
            found += self._cover_problems(dimension, size, layer.name)
        return tuple(found)

    def _cover_problems(self, dimension: str, size: int, layer: str) -> list[Problem]:
        """Whether the loops over a dimension leave out something, or have nothing left to do."""
        bounds = [
            loop.bound
            for level in self.levels
            for nest in level.nests
            for loop in nest
            if loop.dimension == dimension and loop.bound > 1
        ]
        product = math.prod(bounds)
        if product < size:
            expected = "factors that multiply to that, or to more if the last round is short"
        elif bounds and (bounds[0] - 1) * (product // bounds[0]) >= size:
            needed = -(-size // (product // bounds[0]))
            expected = f"{dimension}={needed} outermost, so that no round has nothing to do"
            if needed == 1:
                expected = f"inner loops that multiply to less than {size}"
            if size == 1:
                expected = f"no loop over {dimension}"
        else:
            return []
        message = f"the loops over {dimension} multiply to {product}, but {layer} has "
        return [Problem(f"{message}{dimension} = {size}", expected, path=("levels",))]

    def check(self, layer: ConvLayer, hardware: Hardware) -> None:
        """Raise a MappingError with everything that `problems` finds."""
        found = self.problems(layer, hardware)
        if found:
            raise MappingError(found)

    def to_yaml(self, hardware: Hardware | None = None) -> str:
        """The mapping as a file that `read_mapping` reads back.

        Parameters
        ----------
        hardware : Hardware, optional
            Says which levels keep which tensors, where tensors stand between loops: all of them
            when absent, but for those that the mapping has bypass the level.
        """
        keeps = {} if hardware is None else {n.name: n.kept_tensors for n in hardware.levels}
        lines = ["levels:"]
        for level in self.levels:
            is_plain = level.level.isalpha() and level.level.lower() not in _NO_TEXTS
            name = level.level if is_plain else json.dumps(level.level, ensure_ascii=False)
            parts = [f"level: {name}"]
            places = level.places(keeps.get(level.level, TENSORS))
            keys = ("temporal" if places == level.temporal else "nest", *list(_LOOPS)[1:])
            for key, nest in zip(keys, (places, *level.nests[1:]), strict=True):
                if nest:
                    parts.append(f"{key}: [{', '.join(map(str, nest))}]")
            if level.bypass:
                parts.append(f"bypass: [{', '.join(level.bypass)}]")
            lines.append("  - {" + ", ".join(parts) + "}")
        return "\n".join(lines) + "\n"

    def __str__(self) -> str:
        # A tensor is named where it stands behind a loop; all others stand first.
        lines: list[str] = []
        depth = 0
        for level in self.levels:
            note = f"  (bypassed by {', '.join(level.bypass)})" if level.bypass else ""
            lines.append(f"{'  ' * depth}{level.level}{note}")
            nests = (level.places(level.inner), *level.nests[1:])
            for kind, nest in zip(("for", "for X", "for Y"), nests, strict=True):
                word = "parallel-for" if kind != "for" else "for"
                axis = f" on {kind[-1]}" if kind != "for" else ""
                for loop in nest:
                    if isinstance(loop, str):
                        lines.append(f"{'  ' * depth}  [{loop}]")
                        continue
                    depth += 1
                    lines.append(f"{'  ' * depth}{word} {loop.dimension} in {loop.bound}{axis}")
            depth += 1
        return "\n".join(lines)


def _level_problems(
    level: LevelLoops, hardware: Hardware, path: tuple[str | int, ...]
) -> list[Problem]:
    """What is wrong with the loops of one level."""
    found = []
    index = hardware.level_index(level.level)
    fanout = hardware.levels[index].fanout
    for axis, size, nest in (("x", fanout.x, level.spatial_x), ("y", fanout.y, level.spatial_y)):
        used = 1
        for loop in nest:
            used *= loop.bound
        if used > size:
            found.append(
                Problem(
                    f"the loops along {axis.upper()} below '{level.level}' need {used} children",
                    f"at most the {size} that {hardware.name} has",
                    path=(*path, f"spatial_{axis}"),
                )
            )
    if index == 0 and level.heights != _EVEN:
        message = f"loops of the outermost level '{level.level}' stand before "
        message += ", ".join(level.inner)
        expected = "all tensors first: it keeps them as a whole"
        found.append(Problem(message, expected, path=(*path, "nest")))
    for tensor in level.bypass:
        kept = hardware.levels[index].kept_tensors
        if tensor not in TENSORS:
            message = f"'{tensor}' is not a tensor"
        elif index == 0:
            message = f"{tensor} cannot bypass the outermost level '{level.level}'"
        elif tensor not in kept:
            message = f"level '{level.level}' does not keep {tensor} in the first place"
        else:
            continue
        choices = TENSORS if tensor not in TENSORS else kept if index else ()
        found.append(
            Problem(
                message,
                "one of " + ", ".join(choices) if choices else "",
                nearest(tensor, choices),
                path=(*path, "bypass"),
            )
        )
    return found
