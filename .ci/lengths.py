#!/usr/bin/env python3
"""Name what is too long: modules, functions, and lines of pages; exits with 1 if anything is.

A module of kcsim has at most 400 lines. A function has at most 60, from its ``def`` to its end
without its docstring. A line of a page has at most 100 columns, but for rows of tables, headings,
comments, code that has no comment to move, and what is one word or one piece of code.
"""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MODULE_LINES, FUNCTION_LINES, COLUMNS = 400, 60, 100


def lines_of(node: ast.stmt) -> int:
    """From its first line to its last."""
    return (node.end_lineno or node.lineno) - node.lineno + 1


def long_code(path: Path) -> Iterator[str]:
    """The module, and functions in it."""
    text = path.read_text(encoding="utf-8")
    if len(text.splitlines()) > MODULE_LINES:
        yield f"{path}: {len(text.splitlines())} lines; expected at most {MODULE_LINES}"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            docstring = lines_of(node.body[0]) if ast.get_docstring(node) is not None else 0
            lines = lines_of(node) - docstring
            if lines > FUNCTION_LINES:
                wanted = f"expected at most {FUNCTION_LINES}"
                yield f"{path}:{node.lineno}: {node.name} has {lines} lines; {wanted}"


def long_lines(path: Path) -> Iterator[str]:
    """Lines of a page that can be broken."""
    is_code = False
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if line.startswith("```"):
            is_code = not is_code
        words = re.sub("`[^`]*`", "code", line).split()
        is_whole = line.startswith(("|", "#", "<!--")) or len(words) == 1
        if len(line) > COLUMNS and not (is_whole or (is_code and " # " not in line)):
            yield f"{path}:{number}: {len(line)} columns; expected at most {COLUMNS}"


def main() -> None:
    """Print all that is too long."""
    pages = [path for each in ("*.md", "docs/*.md", "reports/*.md") for path in ROOT.glob(each)]
    found = [each for path in sorted(ROOT.glob("kcsim/**/*.py")) for each in long_code(path)]
    found += [each for path in sorted(pages) for each in long_lines(path)]
    for each in found:
        print(each.removeprefix(f"{ROOT}/"), file=sys.stderr)
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
