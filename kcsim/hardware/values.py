"""What values of a hardware may be, and errors of those that are not."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Annotated, Any, TypeVar

from pydantic import ConfigDict, Field, ValidationError, WrapValidator

from kcsim.errors import InputError, Problem
from kcsim.reading.fault_words import argument_problems

Name = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\s.=/][^.=/]*$")]
EnergyPj = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]
Rate = Annotated[float, Field(ge=1e-9, le=1e9, allow_inf_nan=False)]
Latency = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]
Bits = Annotated[int, Field(ge=1, le=65536)]
Count = Annotated[int, Field(ge=1, le=65536)]
CapacityKib = Annotated[float, Field(gt=0, le=1e12, allow_inf_nan=False)]
CapacityWords = Annotated[int, Field(ge=1, le=2**50)]

STRICT = ConfigDict(extra="forbid")


class AssumedBits(int):
    """Width of a word that nobody has given; a `Hardware` derives it anew from its precision."""


def _keep_assumed(value: Any, validate: Callable[[Any], int]) -> int:
    return value if isinstance(value, AssumedBits) else validate(value)


WordBits = Annotated[Bits, WrapValidator(_keep_assumed)]


def unknown_word() -> int:
    """The width of a word before anything is known of the precision."""
    return AssumedBits(16)


T = TypeVar("T")


def plain_errors(cls: type[T]) -> type[T]:
    """Let a dataclass of pydantic raise an InputError, one line a problem, when constructed."""
    construct = cls.__init__

    @functools.wraps(construct)
    def __init__(self: T, *args: Any, **kwargs: Any) -> None:  # noqa: N807
        try:
            construct(self, *args, **kwargs)
        except ValidationError as error:
            raise InputError(list(argument_problems(error, cls.__name__))) from None

    cls.__init__ = __init__  # type: ignore[assignment]
    return cls


def raise_all(problems: Iterator[Problem]) -> None:
    """Raise an InputError with all problems, if there are any."""
    found = tuple(problems)
    if found:
        raise InputError(found)
