"""What keys of a hardware do not go together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kcsim.errors import Problem, nearest
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


def unknown_level(name: str, names: tuple[str, ...], path: tuple[str | int, ...]) -> Problem:
    """A name that no level has, at its place in the file."""
    return Problem(
        f"there is no level '{name}'", "one of " + ", ".join(names), nearest(name, names), path=path
    )
