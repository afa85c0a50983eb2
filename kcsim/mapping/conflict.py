"""Why no mapping has what is fixed: the parts that cannot hold together, and what is too small."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from kcsim.errors import MappingError, Problem
from kcsim.hardware.level import Level
from kcsim.hardware.schema import Hardware
from kcsim.kernels.search.progress import ENERGY
from kcsim.mapping.deadline import Deadline
from kcsim.mapping.explore import Explorer, explore
from kcsim.mapping.fit import why_nothing_fits
from kcsim.mapping.fixed import FixedLevel, FixedMapping
from kcsim.mapping.limits import limits_of, with_stationary
from kcsim.mapping.task import Task

TRY_SECONDS = 2.0
"""For every look at whether there is a mapping; where that is too short, there may be."""
_EVERYTHING = 2**40
"""Words."""
_WHOLE = ("temporal", "nest", "spatial_x", "spatial_y", "bypass", "stationary")
_APART = ("factors", "tile")


class _Part(NamedTuple):
    """One thing that is fixed: where, and what of the level."""

    path: tuple[str | int, ...]
    level: FixedLevel

    def __str__(self) -> str:
        key = str(self.path[2])
        value = getattr(self.level, key)
        shown = value if isinstance(value, str) else f"[{', '.join(value)}]"
        return f"'{self.level.level}' {key} {shown}"


def why_not_as_fixed(task: Task, fix: FixedMapping) -> MappingError:
    """Say which parts of what is fixed leave no mapping: none of them can be left out.

    Parameters
    ----------
    task : Task
        Of which nothing was found.
    fix : FixedMapping
    """
    plain = replace(task, limits=())
    if not _has_mapping(plain):
        text = why_nothing_fits(task.layer, task.hardware, task.weights, even=task.even)
        return MappingError(text)

    def fails(parts: Sequence[_Part]) -> bool:
        return not _has_mapping(_limited(plain, parts))

    parts = _smallest(list(_parts(fix)), fails)
    where = [fix.marked(Problem("", path=part.path)).mark for part in parts]
    told = [f"{part} (line {mark.line})" if mark and i else str(part)
            for i, (part, mark) in enumerate(zip(parts, where, strict=True))]  # fmt: skip
    text = f"no mapping of {task.layer.name} on {task.hardware.name} has {' and '.join(told)}"
    text += _too_small(_limited(plain, parts)) or _no_place(plain, parts)
    path = parts[0].path if parts else ()
    return MappingError(fix.marked(Problem(text, path=path)))


def _parts(fix: FixedMapping) -> Iterator[_Part]:
    for index, level in enumerate(fix.levels):
        for key in _WHOLE:
            if getattr(level, key) is not None:
                own = FixedLevel(level.level, **{key: getattr(level, key)})
                yield _Part(("levels", index, key), own)
        for key in _APART:
            for place, text in enumerate(getattr(level, key) or ()):
                given: dict[str, Any] = {key: (text,)}
                own = FixedLevel(level.level, **given)
                yield _Part(("levels", index, key, place), own)


def _smallest(parts: list[_Part], fails: Callable[[Sequence[_Part]], bool]) -> list[_Part]:
    """Some parts that cannot hold together, of which none can be left out."""
    for part in list(parts):
        without = [other for other in parts if other is not part]
        if fails(without):
            parts = without
    return parts


def _joined(parts: Sequence[_Part]) -> FixedMapping:
    """What some parts fix together."""
    found: dict[str, dict[str, Any]] = {}
    for part in parts:
        own, key = found.setdefault(part.level.level, {}), str(part.path[2])
        value = getattr(part.level, key)
        own[key] = (*own.get(key, ()), *value) if key in _APART else value
    levels = [FixedLevel(name, **own) for name, own in found.items()]
    return FixedMapping(tuple(levels))


def _limited(task: Task, parts: Sequence[_Part]) -> Task:
    fix = _joined(parts)
    hardware = with_stationary(task.hardware, fix)
    return replace(task, hardware=hardware, limits=limits_of(fix, hardware))


def _has_mapping(task: Task) -> bool:
    """Whether there is a mapping, or may be one."""
    found = explore(Explorer(task, ENERGY, Deadline(TRY_SECONDS), any_mapping=True))
    return bool(found.points or found.left_out)


def _too_small(task: Task) -> str:
    """Which level would have to be larger for there to be a mapping; empty if that is not why."""
    for index, level in enumerate(task.hardware.levels):
        if level == _unlimited(level):
            continue
        levels = list(task.hardware.levels)
        levels[index] = _unlimited(level)
        hardware: Hardware = replace(task.hardware, levels=tuple(levels))
        if _has_mapping(replace(task, hardware=hardware)):
            return f": the tiles do not fit level '{level.name}'"
    return ""


def _no_place(task: Task, parts: Sequence[_Part]) -> str:
    """Which dimension there would be a mapping for if it were open; empty if there is none."""
    outermost = task.hardware.level_names[0]
    for dimension, size in task.layer.dimensions.items():
        if size > 1:
            fix = _joined(parts)
            levels = tuple(_opened(level, dimension, outermost) for level in fix.levels)
            hardware = with_stationary(task.hardware, fix)
            limits = limits_of(FixedMapping(levels), hardware)
            if _has_mapping(replace(task, hardware=hardware, limits=limits)):
                return f": they leave no place for all of {dimension} = {size}"
    return ""


def _opened(level: FixedLevel, dimension: str, outermost: str) -> FixedLevel:
    """The level with any bounds over a dimension, and at the outermost level some of them."""
    changes: dict[str, Any] = {}
    for key in ("temporal", "nest", "spatial_x", "spatial_y", *_APART):
        texts = getattr(level, key)
        if texts is not None:
            changes[key] = [dimension if text[0] == dimension else text for text in texts]
    for key in ("temporal", "nest"):
        if level.level == outermost and key in changes and dimension not in changes[key]:
            changes[key].append(dimension)
    return replace(level, **changes)


def _unlimited(level: Level) -> Level:
    """The level with room for everything."""
    size: dict[str, Any] = {"capacity_kib": None, "capacity_words": _EVERYTHING}
    parts = tuple(replace(part, **size) for part in level.partitions)
    return replace(level, partitions=parts, **({} if parts else size))
