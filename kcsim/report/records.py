"""JSON documents as records of fields: how they are written, their schema, and their description.

A record names its fields; `kcsim.fields` says what each is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

from kcsim.fields import field_named

_TYPES: dict[str, dict[str, Any]] = {
    "text": {"type": "string"},
    "texts": {"type": "array", "items": {"type": "string"}},
    "flag": {"type": "boolean"},
    "integer": {"type": "integer", "minimum": 0},
    "integers": {"type": "array", "items": {"type": "integer", "minimum": 0}},
    "shares": {"type": "array", "items": {"type": "number", "minimum": 0}},
    "signed share": {"type": "number"},
    "by name": {"type": "object", "additionalProperties": {"type": "number", "minimum": 0}},
}
_NUMBER = {"type": "number", "minimum": 0}
_WORDS = {
    "text": "text", "texts": "list of texts", "flag": "true or false", "integer": "integer",
    "integers": "list of integers", "shares": "list of numbers", "by name": "number by name",
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Record:
    """A part of a document: an object of JSON.

    Attributes
    ----------
    name : str
    meaning : str
        One sentence.
    names : str
        Its fields, parted by spaces; those with a question mark may be ``null``.
    get : mapping of str to callable
        How to get fields from what the record is of; all others are attributes of it.
    of : mapping of str to Record
        The records that fields consist of.
    choices : mapping of str to tuple
        All that a text may be.
    """

    name: str
    meaning: str
    names: str
    get: Mapping[str, Callable[[Any], Any]] = field(default_factory=dict)
    of: Mapping[str, Record] = field(default_factory=dict)
    choices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def fields(self) -> dict[str, bool]:
        """The names of the fields, and whether they may be ``null``."""
        return {name.rstrip("?"): name.endswith("?") for name in self.names.split()}

    def write(self, value: Any) -> dict[str, Any]:
        """What the record is of, in plain types."""
        document = {}
        for name in self.fields:
            part = self.get.get(name, attrgetter(name))(value)
            if part is not None and name in self.of:
                write = self.of[name].write
                many = field_named(name).kind == "records"
                part = [write(each) for each in part] if many else write(part)
            document[name] = list(part) if isinstance(part, tuple) else part
        return document

    def schema(self) -> dict[str, Any]:
        """JSON Schema of the record and of all that it consists of."""
        parts = {each.name: each._schema() for each in self.parts()}
        own = parts.pop(self.name)
        draft = "https://json-schema.org/draft/2020-12/schema"
        return {"$schema": draft, **own, "$defs": parts}

    def parts(self) -> Iterator[Record]:
        """The record, and each one that it consists of once."""
        seen: dict[str, Record] = {self.name: self}
        waiting = list(self.of.values())
        while waiting:
            each = waiting.pop(0)
            if each.name not in seen:
                seen[each.name] = each
                waiting += each.of.values()
        return iter(seen.values())

    def description(self) -> str:
        """The record as a section of a page."""
        rows = [
            f"| `{name}` | {self._words(name, optional)} | {meaning(name)} |"
            for name, optional in self.fields.items()
        ]
        head = ["| field | type | meaning |", "|---|---|---|"]
        return "\n".join([f"## {self.name}", "", self.meaning, "", *head, *rows, ""])

    def _words(self, name: str, optional: bool) -> str:
        kind = field_named(name).kind
        words = _WORDS.get(kind, "number")
        if name in self.of:
            link = f"[{self.of[name].name}](#{self.of[name].name.lower()})"
            words = f"list of {link}" if kind == "records" else link
        return f"{words} or null" if optional else words

    def _schema(self) -> dict[str, Any]:
        properties = {}
        for name, optional in self.fields.items():
            kind = field_named(name).kind
            entry = dict(_TYPES.get(kind, _NUMBER))
            if name in self.of:
                entry = {"$ref": f"#/$defs/{self.of[name].name}"}
                entry = {"type": "array", "items": entry} if kind == "records" else entry
            if name in self.choices:
                entry["enum"] = list(self.choices[name])
            if optional:
                entry = {"anyOf": [entry, {"type": "null"}]}
            properties[name] = {**entry, "description": meaning(name)}
        return {
            "type": "object", "title": self.name, "description": self.meaning,
            "properties": properties, "required": list(properties), "additionalProperties": False,
        }  # fmt: skip


def meaning(name: str) -> str:
    """What a field means, with its unit."""
    of = field_named(name)
    return f"{of.meaning[:-1]} [{of.unit}]." if of.unit else of.meaning
