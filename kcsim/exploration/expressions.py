"""Arithmetic and conditions that users write, read without Python's own evaluation.

An expression has numbers, texts in quotes, names, ``+ - * / // % **``, comparisons (which may be
chained), ``and``, ``or``, ``not``, and the functions of `FUNCTIONS`. A name with spaces or other
marks stands in backquotes. What is not known, as a figure that a hardware does not have, makes
unknown all that depends on it.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from kcsim.errors import InputError, Problem, nearest

FUNCTIONS: dict[str, Callable[..., Any]] = {
    "min": min, "max": max, "abs": abs, "sqrt": math.sqrt, "log2": math.log2,
    "log10": math.log10, "ceil": math.ceil, "floor": math.floor,
}  # fmt: skip
LONGEST, DEEPEST = 1000, 50
_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)"
    r"|(?P<name>[A-Za-z_][\w.]*(?:\[\d+\][\w.]*)*)|`(?P<quoted>[^`]+)`"
    r"|(?P<text>\"[^\"]*\"|'[^']*')|(?P<mark>\*\*|//|<=|>=|==|!=|[-+*/%<>(),]))"
)
_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
    "==": operator.eq, "!=": operator.ne,
}  # fmt: skip
_SUMS = {"+": operator.add, "-": operator.sub}
_PRODUCTS = {
    "*": operator.mul, "/": operator.truediv, "//": operator.floordiv, "%": operator.mod
}  # fmt: skip
_LARGEST_POWER = 1024
_Values = Mapping[str, Any]
_Node = Callable[[_Values], Any]


@dataclass(frozen=True)
class Expression:
    """Something to be computed from values by name.

    Attributes
    ----------
    text : str
    names : tuple of str
        The names that it has, each once.
    is_condition : bool
        Whether it compares anything.
    """

    text: str
    names: tuple[str, ...]
    node: _Node
    is_condition: bool = False

    def value(self, values: Mapping[str, Any]) -> Any:
        """The value; ``None`` where something that it depends on is not known.

        Raises
        ------
        InputError
            If it cannot be computed from these values.
        """
        try:
            return self.node(values)
        except (ArithmeticError, ValueError, TypeError, OverflowError) as error:
            reason = str(error) if isinstance(error, ArithmeticError) else "the values do not suit"
            shown = ", ".join(f"{name} = {values.get(name)}" for name in self.names)
            where = f" for {shown}" if shown else ""
            raise InputError(f"'{self.text}' has no value ({reason}){where}") from None

    def check_names(self, known: tuple[str, ...]) -> list[Problem]:
        """Names that are none of those known."""
        return [
            Problem(
                f"'{self.text}' has the unknown name '{name}'",
                "" if nearest(name, known) else "one of " + ", ".join(known[:20]),
                nearest(name, known),
            )
            for name in self.names
            if name not in known
        ]


def read_expression(text: str) -> Expression:
    """Read an expression.

    Parameters
    ----------
    text : str

    Raises
    ------
    InputError
        If it is none.

    Examples
    --------
    >>> read_expression("2 * x <= area_mm2 + 1").value({"x": 1, "area_mm2": 4.5})
    True
    """
    if len(text) > LONGEST:
        raise InputError(Problem("an expression is too long", f"at most {LONGEST} characters"))
    reader = _Reader(text)
    node = reader.choice()
    if reader.kind:
        raise reader.wrong("an operator, or the end")
    return Expression(text, tuple(dict.fromkeys(reader.names)), node, reader.compares)


class _Reader:
    """Reads from left to right, one token ahead, by descending through the ranks of operators."""

    def __init__(self, text: str) -> None:
        self.text, self.at, self.depth = text, 0, 0
        self.names: list[str] = []
        self.compares = False
        self.kind, self.token = "", ""
        self.next()

    def next(self) -> None:
        rest = self.text[self.at :]
        found = _TOKEN.match(rest)
        if not rest.strip():
            self.kind, self.token = "", ""
            return
        if not found:
            self.kind, self.token = "mark", rest.strip()[0]
            raise self.wrong("a number, a name or an operator")
        self.at += found.end()
        self.kind = str(found.lastgroup)
        self.token = found[self.kind]
        if self.kind == "name" and self.token in ("and", "or", "not"):
            self.kind = "mark"

    def wrong(self, expected: str) -> InputError:
        there = f"'{self.token}'" if self.token else "the end"
        return InputError(Problem(f"'{self.text}': {there} cannot stand there", expected))

    def take(self, *marks: str) -> str:
        """The mark that comes next, if it is one of these."""
        found = self.token if self.kind == "mark" and self.token in marks else ""
        if found:
            self.next()
        return found

    def choice(self) -> _Node:
        self.depth += 1
        if self.depth > DEEPEST:
            raise InputError(f"an expression is nested more than {DEEPEST} levels deep")
        parts = [self.both()]
        while self.take("or"):
            parts.append(self.both())
        self.depth -= 1
        return parts[0] if len(parts) == 1 else lambda values: _any([p(values) for p in parts])

    def both(self) -> _Node:
        parts = [self.negation()]
        while self.take("and"):
            parts.append(self.negation())
        return parts[0] if len(parts) == 1 else lambda values: _all([p(values) for p in parts])

    def negation(self) -> _Node:
        if self.take("not"):
            self.depth += 1
            if self.depth > DEEPEST:
                raise InputError(f"an expression is nested more than {DEEPEST} levels deep")
            inner = self.negation()
            self.depth -= 1
            return _known(operator.not_, inner)
        return self.comparison()

    def comparison(self) -> _Node:
        sides, marks = [self.sum()], []
        while mark := self.take(*_COMPARISONS):
            self.compares = True
            marks.append(_COMPARISONS[mark])
            sides.append(self.sum())
        if not marks:
            return sides[0]
        pairs = [
            _known(mark, left, right)
            for mark, left, right in zip(marks, sides, sides[1:], strict=False)
        ]
        return lambda values: _all([pair(values) for pair in pairs])

    def sum(self) -> _Node:
        found = self.product()
        while mark := self.take(*_SUMS):
            found = _known(_SUMS[mark], found, self.product())
        return found

    def product(self) -> _Node:
        found = self.sign()
        while mark := self.take(*_PRODUCTS):
            found = _known(_PRODUCTS[mark], found, self.sign())
        return found

    def sign(self) -> _Node:
        flips = False
        while mark := self.take("-", "+"):
            flips ^= mark == "-"
        found = self.power()
        return _known(operator.neg, found) if flips else found

    def power(self) -> _Node:
        base = self.single()
        if self.take("**"):
            self.depth += 1
            if self.depth > DEEPEST:
                raise InputError(f"an expression is nested more than {DEEPEST} levels deep")
            exponent = self.sign()
            self.depth -= 1
            return _known(_power, base, exponent)
        return base

    def single(self) -> _Node:
        kind, token = self.kind, self.token
        if self.take("("):
            inner = self.choice()
            self.close()
            return inner
        if kind in ("", "mark"):
            raise self.wrong("a number, a name or '('")
        self.next()
        if kind == "number":
            number = float(token) if re.search("[.eE]", token) else int(token)
            return lambda values: number
        if kind == "text":
            return lambda values: token[1:-1]
        if kind == "name" and self.take("("):
            return self.call(token)
        if kind == "name" and token in ("true", "false"):
            return lambda values: token == "true"
        self.names.append(token)
        return lambda values: values.get(token)

    def call(self, name: str) -> _Node:
        if name not in FUNCTIONS:
            expected = "one of " + ", ".join(FUNCTIONS)
            problem = f"'{self.text}': there is no function '{name}'"
            raise InputError(Problem(problem, expected, nearest(name, FUNCTIONS)))
        arguments = [self.choice()]
        while self.take(","):
            arguments.append(self.choice())
        self.close()
        return _known(FUNCTIONS[name], *arguments)

    def close(self) -> None:
        if not self.take(")"):
            raise self.wrong("')'")


def _known(function: Callable[..., Any], *parts: _Node) -> _Node:
    """Applies a function, if all that it needs is known."""

    def node(values: _Values) -> Any:
        given = [part(values) for part in parts]
        return None if any(each is None for each in given) else function(*given)

    return node


def _all(parts: list[Any]) -> bool | None:
    if any(part is not None and not part for part in parts):
        return False
    return None if None in parts else True


def _any(parts: list[Any]) -> bool | None:
    if any(parts):
        return True
    return None if None in parts else False


def _power(base: Any, exponent: Any) -> Any:
    if abs(exponent) > _LARGEST_POWER:
        raise OverflowError("the power is too large")
    return float(base) ** exponent
