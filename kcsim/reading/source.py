"""YAML that remembers where everything stood.

A text is read as YAML 1.2 (core schema) into plain data. Every key and value
keeps its line and column, so that a later complaint can point at it. Whatever
could surprise or harm is refused: foreign tags, merge keys, duplicate keys,
aliases that explode, nesting without end.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, NoReturn

import yaml

from kcsim.errors import InputError, Mark, Problem, nearest
from kcsim.reading.files import read_text_file, too_large
from kcsim.reading.scalars import SCALAR_KINDS, convert, describe, shown
from kcsim.reading.yaml_syntax import is_too_deep, syntax_message

Path_ = tuple[str | int, ...]

MAX_BYTES = 2_000_000
MAX_NODES = 100_000
MAX_DEPTH = 50

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_LINE_BREAK = re.compile("\r\n|[\r\n\x85\u2028\u2029]")
# Control characters, lone surrogates, and the invisible marks that make a text
# read differently from what it says.
_FORBIDDEN = re.compile(
    "[^\t\n\r\x20-\x7e\x85\xa0-\u200d\u2010-\u2029\u202f-\u2065\u206a-\ud7ff"
    "\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)
_TAB_INDENT = re.compile(r" *\t")
_TAG_PREFIX = "tag:yaml.org,2002:"
_Place = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Node:
    """A scalar, a list of nodes or a dict of (place of the key, node), and its place."""

    value: Any
    place: _Place
    size: int = 1
    height: int = 1


class Text:
    """A text cut into lines, for making marks."""

    def __init__(self, text: str, file: str) -> None:
        self.file = file
        self.lines = _LINE_BREAK.split(text)

    def mark(self, place: _Place) -> Mark:
        """The mark of a place."""
        line, column = place
        if line >= len(self.lines):
            # The parser may place the end of the text on a line of its own.
            line, column = len(self.lines) - 1, len(self.lines[-1])
        return Mark(self.file, line + 1, column + 1, self.lines[line])


class Document:
    """A YAML text as plain data plus the place of every key and value.

    Attributes
    ----------
    file : str
        The file as named by the user.
    data : Any
        Nothing but dict, list, str, int, float, bool and ``None``.
    """

    def __init__(self, text: Text, root: Node) -> None:
        self.file = text.file
        self.data: Any = _plain(root)
        self._text = text
        self._root = root

    def mark(self, path: Path_, *, key: bool = False) -> Mark:
        """The place of a value, or of the nearest ancestor that exists.

        Parameters
        ----------
        path : tuple of str and int
            Keys and list positions from the root, as ``("levels", 1, "name")``.
        key : bool
            Give the place of the key rather than of its value.
        """
        node, place = self._root, self._root.place
        for step in path:
            if isinstance(node.value, dict) and step in node.value:
                key_place, node = node.value[step]
                place = key_place if key else node.place
            elif isinstance(node.value, list) and step in range(len(node.value)):
                node = node.value[int(step)]
                place = node.place
            else:
                # What lacks the step is the value, even where a key was asked for.
                return self._text.mark(node.place)
        return self._text.mark(place)

    def problem(
        self,
        path: Path_,
        message: str,
        *,
        expected: str = "",
        suggestion: str = "",
        key: bool = False,
    ) -> Problem:
        """A problem marked at `path`; see `mark` for the place that is chosen."""
        return Problem(message, expected, suggestion, self.mark(path, key=key))


def read_yaml(path: str | os.PathLike[str]) -> Document:
    """Read a YAML file.

    Raises
    ------
    InputError
        If the file cannot be read or is not acceptable YAML.
    """
    file = os.fspath(path)
    return parse_yaml(decode(read_text_file(file, MAX_BYTES), file), file)


def parse_yaml(text: str, file: str = "<text>") -> Document:
    """Parse a YAML text.

    Raises
    ------
    InputError
        If the text is not acceptable YAML; carries every problem up to the
        first error of syntax.
    """
    if len(text) > MAX_BYTES:
        raise InputError(too_large(file, MAX_BYTES))
    text = text.removeprefix("\ufeff")
    lines = Text(text, file)
    check_characters(text, lines)
    return Document(lines, Builder(text, lines).build())


def check_characters(text: str, lines: Text) -> None:
    """Refuse characters that are none, or that make a text read differently from what it says.

    Raises
    ------
    InputError
        Marked at the first of them.
    """
    bad = _FORBIDDEN.search(text)
    if bad:
        message = f"the character U+{ord(bad[0]):04X} is not allowed"
        raise InputError(Problem(message, mark=lines.mark(end_of(text[: bad.start()]))))


def in_file_order(problems: Iterable[Problem]) -> list[Problem]:
    """The problems without repetitions, sorted by their place."""
    return sorted(
        dict.fromkeys(problems),
        key=lambda problem: (problem.mark.line, problem.mark.column) if problem.mark else (0, 0),
    )


def _plain(node: Node) -> Any:
    if isinstance(node.value, dict):
        return {key: _plain(child) for key, (_, child) in node.value.items()}
    if isinstance(node.value, list):
        return [_plain(child) for child in node.value]
    return node.value


def end_of(text: str) -> _Place:
    """The place right behind `text`."""
    lines = _LINE_BREAK.split(text)
    return len(lines) - 1, len(lines[-1])


def decode(content: bytes, file: str) -> str:
    """The text of a file.

    Raises
    ------
    InputError
        If it is not UTF-8.
    """
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8").removeprefix("\ufeff")
        text = content.decode("utf-8", errors="replace").removeprefix("\ufeff")
        message = f"the byte 0x{content[error.start]:02X} is not UTF-8"
        mark = Text(text, file).mark(end_of(before))
        raise InputError(Problem(message, "a text in UTF-8", mark=mark)) from None


class Builder:
    """Turns the events of the YAML parser into nodes, collecting problems.

    Events rather than PyYAML's own nodes: its composer recurses without limit
    and forgets at which key an alias stood.
    """

    def __init__(self, text: str, lines: Text, loader: Any = None) -> None:
        self._text = text
        self._events: Iterator[Any] = iter(yaml.parse(text, Loader=loader or _LOADER))
        self._lines = lines
        self._problems: list[Problem] = []
        self._anchors: dict[str, Node | None] = {}
        self._count = 0

    def build(self) -> Node:
        """The root of the document.

        Raises
        ------
        InputError
            With everything that is wrong with the text.
        """
        try:
            root = self._document()
        except InputError:
            raise
        # Without libyaml, escapes of characters that there are not raise other errors.
        except (yaml.YAMLError, ValueError, OverflowError) as error:
            if is_too_deep(error):
                return type(self)(self._text, self._lines, yaml.SafeLoader).build()
            self._stop(_syntax_problem(error, self._lines))
        if self._problems:
            raise InputError(in_file_order(self._problems))
        return root

    def _document(self) -> Node:
        next(self._events)
        if not isinstance(next(self._events), yaml.DocumentStartEvent):
            self._stop(Problem("file is empty", mark=self._lines.mark((0, 0))))
        first = next(self._events)
        root = self._node(first, 1)
        next(self._events)
        following = next(self._events)
        if isinstance(following, yaml.DocumentStartEvent):
            self._stop(self._problem(following, "a second document starts here", "only one"))
        if is_plain(first) and first.value == "":
            self._stop(Problem("file is empty", mark=self._lines.mark((0, 0))))
        return root

    def _problem(self, event: Any, message: str, expected: str = "", near: str = "") -> Problem:
        return Problem(message, expected, near, self._lines.mark(place_of(event)))

    def _report(self, event: Any, message: str, expected: str = "") -> None:
        self._problems.append(self._problem(event, message, expected))

    def _stop(self, problem: Problem) -> NoReturn:
        raise InputError(in_file_order([*self._problems, problem])) from None

    def _node(self, event: Any, depth: int) -> Node:
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event, depth)
        self._check_limits(event, 1, depth)
        if event.anchor:
            self._anchors[event.anchor] = None
        if isinstance(event, yaml.ScalarEvent):
            node = Node(self._scalar(event), place_of(event))
        elif isinstance(event, yaml.SequenceStartEvent):
            self._tag(event, "a list", ("seq",))
            node = self._sequence(event, depth)
        else:
            self._tag(event, "a mapping", ("map",))
            node = self._mapping(event, depth)
        if event.anchor:
            self._anchors[event.anchor] = node
        return node

    def _check_limits(self, event: Any, size: int, depth: int) -> None:
        self._count += size
        if depth > MAX_DEPTH:
            self._stop(self._problem(event, f"nested more than {MAX_DEPTH} levels deep"))
        if self._count > MAX_NODES:
            self._stop(self._problem(event, f"more than {MAX_NODES} values, aliases expanded"))

    def _alias(self, event: Any, depth: int) -> Node:
        name = event.anchor
        if name not in self._anchors:
            near = nearest(name, self._anchors)
            self._stop(self._problem(event, f"no anchor '&{name}' before this alias", "", near))
        node = self._anchors[name]
        if node is None:
            self._stop(self._problem(event, f"the anchor '&{name}' contains itself"))
        self._check_limits(event, node.size, depth + node.height - 1)
        return replace(node, place=place_of(event))

    def _sequence(self, start: Any, depth: int) -> Node:
        children = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            children.append(self._node(event, depth + 1))
        return self.collection(children, children, start)

    def _mapping(self, start: Any, depth: int) -> Node:
        entries: dict[str, tuple[_Place, Node]] = {}
        for event in self.until_mapping_end():
            key = self._key(event, depth)
            child = self._node(next(self._events), depth + 1)
            if key in entries:
                line = entries[key][0][0] + 1
                self._report(event, f"duplicate key '{shown(key)}', first given on line {line}")
            elif key is not None:
                entries[key] = (place_of(event), child)
        return self.collection(entries, [child for _, child in entries.values()], start)

    def until_mapping_end(self) -> Iterator[Any]:
        """The events that begin the keys of a mapping."""
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            yield event

    @staticmethod
    def collection(value: Any, children: list[Node], start: Any) -> Node:
        """The node of a list or a mapping."""
        size = 1 + sum(child.size for child in children)
        size += len(children) if isinstance(value, dict) else 0
        height = 1 + max((child.height for child in children), default=0)
        return Node(value, place_of(start), size, height)

    def _key(self, event: Any, depth: int) -> str | None:
        node = self._node(event, depth + 1)
        if is_plain(event) and event.value == "<<":
            self._report(event, "merge keys ('<<') are not supported", "every key written out")
        elif isinstance(node.value, str):
            return node.value
        else:
            hint = "" if isinstance(node.value, list | dict) else "the key in quotes"
            self._report(event, f"key must be a text, not {describe(node.value)}", hint)
        return None

    def _tag(self, event: Any, what: str, allowed: tuple[str, ...]) -> str | None:
        """The short name of an explicit tag, if it is one of `allowed`."""
        if event.tag is None:
            return None
        name: str = event.tag.removeprefix(_TAG_PREFIX)
        if name in allowed and name != event.tag:
            return name
        shown = event.tag if name == event.tag else f"!!{name}"
        self._report(event, f"the tag '{shown}' is not allowed for {what}")
        return None

    def _scalar(self, event: Any) -> Any:
        bad = _FORBIDDEN.search(event.value)
        if bad:
            self._report(event, f"the character U+{ord(bad[0]):04X} is not allowed in a text")
        tag = self._tag(event, "a single value", SCALAR_KINDS)
        kinds = SCALAR_KINDS if is_plain(event) else (tag or "str",)
        try:
            return convert(event.value, kinds)
        except ValueError as error:
            return self._report(event, str(error))


def place_of(event: Any) -> _Place:
    """Where an event of the parser stands."""
    return event.start_mark.line, event.start_mark.column


def is_plain(event: Any) -> bool:
    """Whether an event is a scalar without quotes and tag."""
    return isinstance(event, yaml.ScalarEvent) and event.tag is None and event.implicit[0]


def _syntax_problem(error: Exception, lines: Text) -> Problem:
    place = getattr(error, "problem_mark", None)
    mark = lines.mark((place.line, place.column) if place else (0, 0))
    tab = _TAB_INDENT.match(mark.text)
    if tab and place:
        mark = lines.mark((mark.line - 1, tab.end() - 1))
        return Problem("a tab is used for indentation", "spaces", mark=mark)
    message = syntax_message(error)
    start = getattr(error, "context_mark", None)
    if start and start.line + 1 != mark.line:
        message += f" (in what starts on line {start.line + 1})"
    return Problem(f"not valid YAML: {message}", mark=mark)
