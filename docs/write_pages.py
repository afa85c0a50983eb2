"""Write the generated parts of the pages: what follows the mark in json.md and nomenclature.md.

Run ``python docs/write_pages.py`` after a field or a record of a document has changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from kcsim.fields import FIELDS
from kcsim.report.documents import DOCUMENTS

DOCS = Path(__file__).parent
MARK = "<!-- Written by docs/write_pages.py: -->\n"


def json_page() -> str:
    """The documents, and the records that they consist of, each once."""
    documents = list(DOCUMENTS.values())
    parts = {part.name: part for document in documents for part in document.parts()}
    first = [document.name for document in documents]
    others = [name for name in parts if name not in first]
    return "\n".join(parts[name].description() for name in (*first, *others))


def nomenclature_page() -> str:
    """All fields, by the module that computes them."""
    return "\n".join(_fields())


def _fields() -> Iterator[str]:
    for home, fields in groupby(FIELDS.values(), lambda field: field.home):
        yield f"### `{home}`\n"
        yield "| field | kind | unit | meaning |"
        yield "|---|---|---|---|"
        for field in fields:
            yield f"| `{field.name}` | {field.kind} | {field.unit} | {field.meaning} |"
        yield ""


PAGES = {"json.md": json_page, "nomenclature.md": nomenclature_page}


def page(name: str) -> str:
    """A page with its generated part as it should be."""
    written, mark, _ = (DOCS / name).read_text(encoding="utf-8").partition(MARK)
    return f"{written}{mark}\n{PAGES[name]()}"


if __name__ == "__main__":
    for each in PAGES:
        (DOCS / each).write_text(page(each), encoding="utf-8")
