"""Errors of YAML's syntax in kcsim's own words, whatever words PyYAML has for them."""

from __future__ import annotations

_LEFT_OVER = "wrong indentation, or something left over after a value"
_COLON = "':' cannot stand here (wrong indentation, or a text without quotes)"
_OPEN_QUOTES = "the quotes are never closed"
_ESCAPE = "a wrong escape after '\\' in a text in double quotes"
_DIRECTIVE = "a wrong directive (a text that starts with '%' needs quotes)"
_TAG = "a wrong tag (a text that starts with '!' needs quotes)"
_VERSION = "a version of YAML other than 1"
OTHER = "unreadable from here on"
"""What is said of an error that is none of the known ones."""

# Fragments of what PyYAML says with and without libyaml, the context first; first match wins.
_MESSAGES = {
    "incompatible": _VERSION,
    "directive": _DIRECTIVE,
    "duplicate tag handle": _DIRECTIVE,
    "tag handle": _TAG,
    "scanning a tag": _TAG,
    "parsing a tag": _TAG,
    "scanning an alias": "a name is missing after '*' (a text that starts with it needs quotes)",
    "scanning an anchor": "a name is missing after '&' (a text that starts with it needs quotes)",
    "scanning a block scalar": "'|' or '>' with something else behind it on its line, or a tab "
    "below it (a text that starts with one of them needs quotes)",
    "unexpected end of stream": _OPEN_QUOTES,
    "document separator": _OPEN_QUOTES,
    "document indicator": _OPEN_QUOTES,
    "escape": _ESCAPE,
    "parsing a quoted scalar": _ESCAPE,
    "hexdecimal number": _ESCAPE,
    "mapping values are not": _COLON,
    "unexpected ':'": _COLON,
    "mapping keys are not": "'?' cannot stand here (wrong indentation, or a text without quotes)",
    "sequence entries are not": "'-' cannot stand here (wrong indentation, or a text without "
    "quotes)",
    "cannot start any token": "a text that starts with this character needs quotes",
    "'-' indicator": _LEFT_OVER,
    "<block end>": _LEFT_OVER,
    "<document start>": _LEFT_OVER,
    "expected key": _LEFT_OVER,
    "expected ':'": "a key without ':', or a text over two lines that needs indentation",
    "node content": "a value is missing",
    "',' or ']'": "',' or ']' is missing",
    "',' or '}'": "',' or '}' is missing",
    "tab character": "a tab cannot stand here; expected spaces",
}


def syntax_message(error: Exception) -> str:
    """What is wrong with the text.

    Parameters
    ----------
    error : Exception
        From PyYAML.
    """
    theirs = f"{getattr(error, 'context', '')}: {getattr(error, 'problem', '')}"
    return next((ours for text, ours in _MESSAGES.items() if text in theirs), OTHER)


def is_too_deep(error: Exception) -> bool:
    """Whether libyaml gave up at brackets within brackets, for which some versions look ahead.

    Parameters
    ----------
    error : Exception
        From PyYAML.
    """
    return "nesting depth" in (getattr(error, "problem", None) or "")
