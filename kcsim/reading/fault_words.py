"""Words for what pydantic finds wrong, by its kinds of errors."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

from kcsim.errors import InputError, Problem

WANTED = {
    "int_type": "an integer",
    "int_from_float": "an integer",
    "float_type": "a number",
    "string_type": "a text",
    "bool_type": "true or false",
    "list_type": "a list",
    "tuple_type": "a list",
    "set_type": "a list",
    "frozen_set_type": "a list",
    "dict_type": "a mapping",
    "mapping_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "dataclass_type": "a mapping",
    "none_required": "null",
}
BOUNDS = {
    "greater_than": "a number > {gt}",
    "greater_than_equal": "a number >= {ge}",
    "less_than": "a number < {lt}",
    "less_than_equal": "a number <= {le}",
    "multiple_of": "a multiple of {multiple_of}",
    "finite_number": "a finite number",
}
CHOICES = {"literal_error": "{expected}", "enum": "{expected}"}
EXPECTED = WANTED | BOUNDS | CHOICES
LENGTHS = {
    "too_short": ("has too few entries ({actual_length})", "at least {min_length}"),
    "too_long": ("has too many entries ({actual_length})", "at most {max_length}"),
    "string_too_short": ("is too short", "at least {min_length} characters"),
    "string_too_long": ("is too long", "at most {max_length} characters"),
    "string_pattern_mismatch": ("has the wrong form", "a text that matches {pattern}"),
}
UNKNOWN_KEY = ("extra_forbidden", "unexpected_keyword_argument")
_MISSING = ("missing", "missing_argument", "missing_keyword_only_argument")


def argument_problems(error: ValidationError, name: str) -> Iterator[Problem]:
    """What is wrong with the arguments of a dataclass, in kcsim's words.

    Parameters
    ----------
    error : ValidationError
    name : str
        Of the dataclass.
    """
    for detail in error.errors(include_url=False):
        context, place = detail.get("ctx", {}), ".".join(map(str, detail["loc"]))
        kind = detail["type"].replace("_parsing", "_type")
        what = f"{name}: '{place}' is {reprlib.repr(detail['input'])}"
        if isinstance(context.get("error"), InputError):
            yield from context["error"].problems
        elif kind in _MISSING:
            yield Problem(f"{name}: missing '{place}'")
        elif kind in UNKNOWN_KEY:
            yield Problem(f"{name}: unknown key '{place}'")
        elif kind in EXPECTED:
            yield Problem(what, expected_words(kind, context))
        elif kind in LENGTHS:
            message, expected = (text.format(**context) for text in LENGTHS[kind])
            yield Problem(f"{what}, which {message}", expected)
        else:
            yield Problem(f"{what}: {detail['msg'][:1].lower()}{detail['msg'][1:]}")


def expected_words(kind: str, context: dict[str, Any]) -> str:
    """What was expected instead; empty for kinds of errors that do not tell.

    Parameters
    ----------
    kind : str
        Of the error.
    context : dict
        What pydantic adds: bounds, choices.
    """
    short = {k: f"{v:.12g}" if isinstance(v, float) else v for k, v in context.items()}
    text = EXPECTED.get(kind, "").format(**short)
    names = [f"'{name}'" for name in choices_in(text)] if kind in CHOICES else []
    return " or ".join(filter(None, (", ".join(names[:-1]), *names[-1:]))) or text


def choices_in(text: str) -> list[str]:
    """The texts that pydantic lists as choices, each in quotes there."""
    return re.findall(r"'([^']*)'", text)
