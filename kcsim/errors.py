"""The errors that kcsim raises: plain data first, text second.

Every message says what is wrong, where, what was expected and, when a name is
close to a valid one, which name was probably meant.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Mark:
    """A place in a text that a user wrote.

    Attributes
    ----------
    file : str
        The file as the user named it, or the option that carried the text.
    line, column : int
        Both count from 1.
    text : str
        The whole line, for showing it with a caret below.
    """

    file: str
    line: int
    column: int
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"

    def excerpt(self) -> str:
        """The line and a caret under the column, both indented by four spaces."""
        shown = self.text.rstrip()
        start = 0
        if len(shown) > 100:
            start = max(0, self.column - 50)
            shown = shown[start : start + 100]
        visible = "".join(" " if c == "\t" or not c.isprintable() else c for c in shown)
        return f"    {visible}\n    {' ' * (self.column - 1 - start)}^"


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with an input.

    Attributes
    ----------
    message : str
        What is wrong, as one clause without a full stop.
    expected : str
        What would have been right; empty where the message says it already.
    suggestion : str
        The nearest valid choice; empty when none is near.
    mark : Mark or None
        Where it is; ``None`` for inputs that are not text.
    path : tuple of (str or int)
        Where it is below the value that was being checked, for those who can
        turn that into a mark.
    """

    message: str
    expected: str = ""
    suggestion: str = ""
    mark: Mark | None = None
    path: tuple[str | int, ...] = ()

    def __str__(self) -> str:
        line = f"{self.mark}: {self.message}" if self.mark else self.message
        if self.expected:
            line += f"; expected {self.expected}"
        if self.suggestion:
            line += f"; did you mean '{self.suggestion}'?"
        # Damaged files are quoted, too; no terminal shall obey them.
        return "".join(each if each.isprintable() else "\ufffd" for each in line)

    def with_excerpt(self) -> str:
        """The one-line message, followed by the offending line and a caret."""
        return f"{self}\n{self.mark.excerpt()}" if self.mark else str(self)


class KcsimError(Exception):
    """Base of every error that kcsim raises on purpose."""


class InputError(KcsimError, ValueError):
    """An input (file, option, argument) is wrong; carries all its problems.

    Parameters
    ----------
    problems : Problem, str or sequence of Problem
        Everything that is wrong, in the order of the input.
    """

    def __init__(self, problems: Problem | str | Sequence[Problem]) -> None:
        if isinstance(problems, str):
            problems = Problem(problems)
        if isinstance(problems, Problem):
            problems = (problems,)
        self.problems: tuple[Problem, ...] = tuple(problems)
        super().__init__("\n".join(str(p) for p in self.problems))

    def with_excerpts(self) -> str:
        """All problems, each with its offending line."""
        return "\n".join(p.with_excerpt() for p in self.problems)


class MappingError(InputError):
    """A mapping cannot run on this hardware, or does not cover this layer."""


class OverflowedCountError(KcsimError, OverflowError):
    """A count does not fit in a signed 64-bit integer."""


def missing_package(subject: str, package: str, extra: str = "") -> InputError:
    """The error where a package is not installed that something needs.

    Parameters
    ----------
    subject : str
        What needs it, with its verb: as ``"reading 'x.onnx' needs"``.
    package : str
    extra : str
        The extra of kcsim that brings it; the package itself is named where there is none.
    """
    source = f"'kcsim[{extra}]'" if extra else package
    return InputError(f"{subject} {package}; install it with: pip install {source}")


def nearest(name: object, choices: Iterable[str]) -> str:
    """The choice that looks most like `name`, or an empty string if none does."""
    options = {choice.lower(): choice for choice in choices}
    close = difflib.get_close_matches(str(name).lower(), options, n=1, cutoff=0.6)
    return options[close[0]] if close else ""
