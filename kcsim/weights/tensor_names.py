"""What the names of tensors say about the modules that they belong to."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

_WEIGHT_ENDINGS = (".weight", ".kernel", "/kernel")


def module_of(tensor: str) -> str:
    """The name of the module that a tensor belongs to."""
    for ending in _WEIGHT_ENDINGS:
        tensor = tensor.removesuffix(ending)
    return tensor


def inside_container(tensors: Iterable[str]) -> Callable[[str], str]:
    """Names without the modules that all of them are in, as ``backbone.``."""
    paths = [module_of(tensor).split(".") for tensor in tensors]
    depth = 0
    while depth < min(map(len, paths), default=0) - 1 and len({path[depth] for path in paths}) == 1:
        depth += 1
    return lambda tensor: ".".join(module_of(tensor).split(".")[depth:])


def _tokens(name: str) -> list[str]:
    """Words and numbers of a name; a number keeps the single letter behind it, as ``3a``."""
    pattern = r"\d+x\d+[a-z]?|\d+(?:[a-z](?![a-z]))?|[a-z]+"
    return re.findall(pattern, module_of(name).lower())


def skeleton(name: str) -> tuple[str, ...]:
    """A name without its numbers."""
    return tuple("#" if token[0].isdigit() else token for token in _tokens(name))


def numbers(name: str) -> tuple[tuple[int, str], ...]:
    """The numbers of a name, to be compared as numbers."""
    found = [token for token in _tokens(name) if token[0].isdigit()]
    return tuple(
        (int(match[1]), match[2]) for match in (re.match(r"(\d+)(.*)", n) for n in found) if match
    )


def abbreviates(layer: str, tensor: str) -> bool:
    """Whether each word of one name abbreviates that of the other, numbers being equal."""
    ours, theirs = _tokens(layer), _tokens(tensor)
    return len(ours) == len(theirs) and all(
        a == b or _shortens(a, b) or _shortens(b, a) for a, b in zip(ours, theirs, strict=True)
    )


def _shortens(short: str, long: str) -> bool:
    """Whether a word has the first letter of another and others of it, in their order."""
    letters = iter(long)
    return short[0].isalpha() and short[0] == long[0] and all(letter in letters for letter in short)
