"""What the data rest on: sources as text and as BibTeX."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache

from kcsim.hardware.components.tables import text_of

CONFIDENCE = {
    "run": "computed with the named tool",
    "read": "read in a public text",
    "read2": "two public copies agree",
    "notes": "taken from notes, not read again",
    "calc": "arithmetic on the above",
}
_NOT_BIBTEX = ("text", "type", "confidence")


@cache
def all_sources() -> dict[str, dict[str, str]]:
    """Every source by its key."""
    found: dict[str, dict[str, str]] = json.loads(text_of("sources.json"))
    return found


def citation(key: str) -> str:
    """A source in a line; its key where it is not one of the library's."""
    known = all_sources().get(key)
    return f"{known['text']} ({CONFIDENCE[known['confidence']]})" if known else key


def bibtex(keys: Iterable[str]) -> str:
    """Entries of BibTeX for sources of the library."""
    entries = []
    for key in dict.fromkeys(keys):
        known = all_sources().get(key)
        if known:
            fields = "".join(
                f"  {name} = {{{value}}},\n"
                for name, value in known.items()
                if name not in _NOT_BIBTEX
            )
            entries.append(f"@{known['type']}{{{key},\n{fields}}}\n")
    return "\n".join(entries)
