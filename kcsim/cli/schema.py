"""``kcsim schema``: JSON Schemas of the files that kcsim reads and writes."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from kcsim.cli.options import text_argument
from kcsim.errors import InputError, Problem, nearest

KINDS = (
    "hardware", "network", "mapping", "fix", "result", "layer", "cluster", "mappings", "front",
)  # fmt: skip


def command(
    kind: Annotated[str, text_argument(metavar="KIND", help=", ".join(KINDS) + ".")],
) -> None:
    """Print the JSON Schema of a kind of file, for editors and validators."""
    if kind not in KINDS:
        raise InputError(
            Problem(f"there is no schema '{kind}'", "one of " + ", ".join(KINDS),
                    nearest(kind, KINDS))
        )  # fmt: skip
    typer.echo(json.dumps(_schema(kind), indent=2))


def _schema(kind: str) -> dict[str, Any]:
    if kind == "hardware":
        from kcsim.hardware.reader import hardware_schema

        return hardware_schema()
    if kind == "network":
        from kcsim.workload.reader import network_schema

        return network_schema()
    if kind == "mapping":
        from kcsim.mapping.reader import mapping_schema

        return mapping_schema()
    if kind == "fix":
        from kcsim.mapping.fixed_reader import fixed_schema

        return fixed_schema()
    from kcsim.report.documents import DOCUMENTS

    return DOCUMENTS[kind].schema()
