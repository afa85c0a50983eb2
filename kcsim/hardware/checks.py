"""What keys of a hardware do not go together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from kcsim.errors import Problem, nearest
from kcsim.hardware.codebook_store import CodebookStore
from kcsim.hardware.level import Level


def padding_problems(padding: str, named: str | None, levels: Sequence[Level]) -> Iterator[Problem]:
    """Problems of the level that generates padding, if one is named."""
    if named is None:
        return
    for level in levels:
        if level.name == named and "inputs" not in level.kept_tensors:
            message = f"level '{named}' generates padding, but does not keep inputs"
            yield Problem(message, "a level that keeps them", path=("padding_level",))
    if padding == "moved":
        message = f"'{named}' generates padding, but padding is moved"
        yield Problem(message, "padding: generated", path=("padding_level",))


def first_read_problems(levels: Sequence[Level], skips: bool) -> Iterator[Problem]:
    """Problems of levels that count first reads, where MACs with zeros are skipped."""
    for index, level in enumerate(levels):
        if level.counted.first_reads and skips:
            message = f"first reads of sums, as of '{level.name}', are not counted where zeros"
            place = ("levels", index, "counted", "first_reads")
            yield Problem(f"{message} are skipped", "zeros that are gated", path=place)


def store_problems(store: CodebookStore | None, names: tuple[str, ...]) -> Iterator[Problem]:
    """Problems of the levels that the section of the codebook names."""
    if store is None:
        return
    if store.level not in names:
        yield unknown_level(store.level, names, ("codebook", "level"))
    others = tuple(name for name in names if name != store.level)
    for name in store.at:
        path = ("codebook", "at", name)
        if name == store.level:
            message = f"the decoder is at '{name}' already: its store is that of 'codebook' itself"
            expected = "another level: " + ", ".join(others) if others else ""
            yield Problem(message, expected, path=path)
        elif name not in names:
            yield unknown_level(name, others, path)


def named_level_problems(
    names: tuple[str, ...], dataflow: Iterable[str], padding: str | None
) -> Iterator[Problem]:
    """Problems of levels that a dataflow names, and of the one that generates padding."""
    for name in dataflow:
        if name not in names:
            yield unknown_level(name, names, ("dataflow", "levels", name))
    if padding is not None and padding not in names:
        yield unknown_level(padding, names, ("padding_level",))


def unknown_level(name: str, names: tuple[str, ...], path: tuple[str | int, ...]) -> Problem:
    """A name that no level has, at its place in the file."""
    return Problem(
        f"there is no level '{name}'", "one of " + ", ".join(names), nearest(name, names), path=path
    )
