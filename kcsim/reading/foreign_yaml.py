"""YAML of other tools: with tags, merge keys and repeated keys, read as plain data.

Tags are names and nothing more: a mapping with one has it under `TAG`. Limits on size, depth and
aliases are those of `kcsim.reading.source`.
"""

from __future__ import annotations

import os
import re
from typing import Any

import yaml

from kcsim.errors import InputError, Problem
from kcsim.reading.files import read_text_file
from kcsim.reading.source import (
    MAX_BYTES,
    Builder,
    Document,
    Node,
    Text,
    check_characters,
    decode,
    is_plain,
    place_of,
)

TAG = "!"
"""The key of the tag of a mapping, without its exclamation mark."""
_MERGES = ("<<", "<<<")
_TEMPLATE = re.compile(r"\{\{|\{%")


def read_foreign_yaml(path: str | os.PathLike[str]) -> Document:
    """Read a YAML file of another tool.

    Raises
    ------
    InputError
        If the file cannot be read, is a template, or no YAML.
    """
    file = os.fspath(path)
    return parse_foreign_yaml(decode(read_text_file(file, MAX_BYTES), file), file)


def parse_foreign_yaml(text: str, file: str = "<text>") -> Document:
    """Parse a YAML text of another tool; see `read_foreign_yaml`."""
    text = text.removeprefix("\ufeff")
    lines = Text(text, file)
    check_characters(text, lines)
    template = _TEMPLATE.search(text)
    if template:
        line = text.count("\n", 0, template.start()) + 1
        raise InputError(
            Problem(f"'{file}' is a template ('{template[0]}' on line {line}), which is not filled "
                    "in here", "the YAML that its own tool makes of it (Timeloop's front end "
                    "writes parsed-processed-input.yaml)")
        )  # fmt: skip
    return Document(lines, _ForeignBuilder(text, lines).build())


class _ForeignBuilder(Builder):
    """Takes tags, merges and keys that are given twice, of which the last one counts."""

    def _tag(self, event: Any, what: str, allowed: tuple[str, ...]) -> str | None:
        if event.tag is None or event.tag.startswith("!"):
            return None
        return super()._tag(event, what, allowed)

    def _mapping(self, start: Any, depth: int) -> Node:
        entries: dict[str, tuple[Any, Node]] = {}
        merged: list[Node] = []
        if start.tag and start.tag.startswith("!"):
            entries[TAG] = place_of(start), Node(start.tag.lstrip("!"), place_of(start))
        for event in self.until_mapping_end():
            if is_plain(event) and event.value in _MERGES:
                merged.append(self._node(next(self._events), depth + 1))
                continue
            node = self._node(event, depth + 1)
            child = self._node(next(self._events), depth + 1)
            key = node.value
            if isinstance(key, list | dict):
                self._report(event, "a key cannot be a list or a mapping")
            else:
                entries.pop(str(key), None)
                entries[str(key)] = place_of(event), child
        for node in merged:
            for each in node.value if isinstance(node.value, list) else [node]:
                if not isinstance(each.value, dict):
                    self._report(start, "what is merged is no mapping", "a mapping")
                    continue
                for key, entry in each.value.items():
                    entries.setdefault(key, entry)
        return self.collection(entries, [child for _, child in entries.values()], start)

    def _scalar(self, event: Any) -> Any:
        if event.tag and event.tag.startswith("!"):
            return event.value
        if is_plain(event):
            return super()._scalar(event)
        return event.value


def listed(value: Any) -> list[Any]:
    """A list as it is, one value as a list, nothing as an empty one."""
    return value if isinstance(value, list) else [] if value is None else [value]


def foreign_text(data: Any) -> str:
    """Data as YAML, mappings with a `TAG` behind their tag, short lists in one line.

    Parameters
    ----------
    data : Any
        As `Document.data` of what was read here.
    """
    return str(yaml.dump(data, Dumper=_Dumper, sort_keys=False, width=100))


class _Dumper(yaml.SafeDumper):
    """Writes tags; lists of plain values in one line; no anchors."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _mapping(dumper: Any, data: dict[str, Any]) -> Any:
    rest = {key: value for key, value in data.items() if key != TAG}
    tag = f"!{data[TAG]}" if TAG in data else "tag:yaml.org,2002:map"
    return dumper.represent_mapping(tag, rest)


def _list(dumper: Any, data: list[Any]) -> Any:
    plain = not any(isinstance(each, dict) for each in data)
    return dumper.represent_sequence("tag:yaml.org,2002:seq", data, flow_style=plain)


_Dumper.add_representer(dict, _mapping)
_Dumper.add_representer(list, _list)
