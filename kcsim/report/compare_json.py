"""Comparisons of executions as JSON; `kcsim.report.schema` says what is in it."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter

from kcsim.estimation.compare import Comparison
from kcsim.report.json_report import (
    DRAFT,
    hardware_document,
    network_document,
    run_document,
    versions,
)
from kcsim.report.schema import ComparisonDocument

_COMPARISON = TypeAdapter(ComparisonDocument)

COMPARISON_SCHEMA: dict[str, Any] = DRAFT | _COMPARISON.json_schema(mode="serialization")
"""JSON Schema of what `comparison_to_dict` returns."""


def comparison_to_dict(comparison: Comparison) -> dict[str, Any]:
    """A comparison in plain types, for JSON.

    Parameters
    ----------
    comparison : Comparison

    Returns
    -------
    dict
        Valid under `COMPARISON_SCHEMA`.
    """
    document = ComparisonDocument(
        schema="kcsim.compare/2",
        versions=versions(),
        hardware=hardware_document(comparison.hardware),
        network=network_document(comparison.network),
        clustering=comparison.clustering,
        objective=comparison.objective,  # type: ignore[arg-type]
        runs=tuple(run_document(run) for run in comparison.runs.values()),
    )
    return dict(_COMPARISON.dump_python(document, mode="json"))
