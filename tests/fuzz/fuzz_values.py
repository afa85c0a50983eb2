"""Odd values, and files that are a little wrong: by structure, or by bytes."""

from __future__ import annotations

import copy
import json
import math
from random import Random
from typing import Any

import yaml

NUMBERS = (
    0, -1, 1, 2, 3, 255, 65536, 2**31 - 1, 2**31, 2**53 + 1, 2**63 - 1, 2**63, -(2**63), 10**39,
    10**41, 10**400, 0.5, -0.0, 1.5, 1e-9, 1e-300, 1e9, 1e12, 1e300, math.inf, -math.inf, math.nan,
)  # fmt: skip
TEXTS = (
    "", " ", "x", "1", "-1", "1e3", "nan", "null", "true", "inputs", "weights", "outputs", "DRAM",
    "buffer", "P=13", "P=0", "M=2", "N=99999999999999999999", "conv1", "conv*", "[red]", "a\nb",
    "a\tb", "é", "\u202e", "\u200b", "日本", "\ud7ff", "../x", "/", "%s%n", "{}", "x" * 1000,
    "=", ":", ",", ";", "*", "[", "-", "--help", "kernel:k=4", "scalar:k=16,index=huffman",
    "flexible", "double", "tile", "gate", "MAC", "2020-01-01", "0x10", "1_000", ".inf", "~",
)  # fmt: skip
OTHERS: tuple[Any, ...] = (
    None, True, False, [], {}, [[]], [None], {"": 1}, {"a": {"b": [1, 2]}}, [1, 2], [1, 2, 3, 4],
    ["inputs"], ["P", "Q"], [["P", 2]], [0] * 100,
)  # fmt: skip


def odd_value(random: Random) -> Any:
    return copy.deepcopy(random.choice(random.choice((NUMBERS, TEXTS, OTHERS))))


def odd_text(random: Random) -> str:
    if random.random() < 0.5:
        return random.choice(TEXTS)
    return "".join(chr(random.choice((random.randrange(1, 128), random.randrange(0x3000))))
                   for _ in range(random.randrange(1, 12)))  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all values below a value."""
    items: Any = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    found = []
    for key, item in items:
        found += [(*path, key), *places(item, (*path, key))]
    return found


def parent_of(tree: Any, path: tuple[Any, ...]) -> Any:
    for step in path[:-1]:
        tree = tree[step]
    return tree


def change_structure(tree: Any, random: Random) -> Any:
    """A copy of plain data with a few things deleted, doubled, swapped, renamed or replaced."""
    tree = copy.deepcopy(tree)
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        paths = places(tree)
        if not paths:
            return odd_value(random)
        path = random.choice(paths)
        parent, key = parent_of(tree, path), path[-1]
        kind = random.randrange(10)
        if kind == 0:
            del parent[key]
        elif kind == 1 and isinstance(parent, list):
            parent.insert(random.randrange(len(parent) + 1), copy.deepcopy(parent[key]))
        elif kind == 2:
            other = random.choice(paths)
            value = copy.deepcopy(parent_of(tree, other)[other[-1]])
            parent[key] = value
        elif kind == 3 and isinstance(parent, dict):
            name = str(key)
            renamed = random.choice((name[:-1], f"{name}s", name.upper(), odd_text(random)))
            parent[renamed] = parent.pop(key)
        elif kind in (4, 5, 6) and isinstance(parent[key], int | float):
            near = parent[key] * random.choice((-1, 0, 0.5, 2, 3, 10**6, 10**12))
            parent[key] = random.choice((near, near, 1, 2, 3, 7, 13, 64, 65536, 1e-9, 1e9))
        elif kind == 7 and isinstance(parent, dict):
            parent[odd_text(random)] = odd_value(random)
        else:
            parent[key] = odd_value(random)
    return tree


def change_values(tree: Any, random: Random) -> Any:
    """A copy with some values replaced by others of their type, most of them allowed."""
    tree = copy.deepcopy(tree)
    paths = [path for path in places(tree) if not isinstance(_at(tree, path), dict | list)]
    words = [_at(tree, path) for path in paths if isinstance(_at(tree, path), str)]
    for path in random.sample(paths, min(len(paths), random.choice((1, 2, 4, 8)))):
        value = _at(tree, path)
        if isinstance(value, bool):
            value = not value
        elif isinstance(value, int):
            value = random.choice((0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 13, 16, 64, 255, 4096, 65536))
        elif isinstance(value, float):
            value = random.choice((0.0, 0.5, 1.0, 1e-9, 3.3, 1e6, 1e9))
        elif isinstance(value, str):
            value = random.choice((*words, *words, *TEXTS))
        parent_of(tree, path)[path[-1]] = value
    return tree


def _at(tree: Any, path: tuple[Any, ...]) -> Any:
    return parent_of(tree, path)[path[-1]]


def changed(tree: Any, random: Random) -> Any:
    """A copy that is a little wrong, or by chance still right."""
    kind = random.random()
    if kind < 0.45:
        return change_values(tree, random)
    return change_structure(tree, random) if kind < 0.9 else tree


def change_bytes(content: bytes, random: Random) -> bytes:
    """Bytes with a few changes: turned, deleted, doubled, inserted, cut off."""
    data = bytearray(content)
    for _ in range(random.choice((1, 1, 2, 4, 16))):
        start = random.randrange(len(data) + 1)
        end = min(len(data), start + random.choice((1, 1, 2, 8, 100)))
        kind = random.randrange(6)
        if kind == 0 and start < len(data):
            data[start] ^= 1 << random.randrange(8)
        elif kind == 1:
            del data[start:end]
        elif kind == 2:
            data[start:start] = data[start:end]
        elif kind == 3:
            data[start:start] = random.choice(
                (b"\0", b"\xff", b"\xef\xbb\xbf", b"\t", b"\n", b"  ", b"&a ", b"*a ", b"<<: ",
                 b"!!binary ", b"- ", b"? ", b"|\n", b"%", b"---\n", b"\xe2\x80\xae", b"'", b'"')
            )  # fmt: skip
        elif kind == 4:
            data[start:end] = random.randbytes(end - start)
        elif random.random() < 0.3:
            del data[start:]
    return bytes(data)


def to_yaml(tree: Any, random: Random) -> bytes:
    try:
        text = yaml.safe_dump(
            tree, sort_keys=False, allow_unicode=random.random() < 0.5,
            default_flow_style=random.choice((None, True, False)),
        )  # fmt: skip
    except yaml.YAMLError:
        text = json.dumps(tree)
    return text.encode("utf-8", errors="surrogatepass")


def changed_yaml(tree: Any, random: Random) -> bytes:
    content = to_yaml(changed(tree, random), random)
    return change_bytes(content, random) if random.random() < 0.2 else content


def changed_json(tree: Any, random: Random) -> bytes:
    content = json.dumps(changed(tree, random)).encode()
    return change_bytes(content, random) if random.random() < 0.2 else content
