"""Rows as pandas frames."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


def frame(rows: Iterable[tuple[Any, ...]], columns: Sequence[str]) -> pd.DataFrame:
    """Rows under columns, without an index."""
    import pandas as pd

    return pd.DataFrame.from_records(list(rows), columns=list(columns))


def frame_of(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Rows by column, all of the columns of the first."""
    return frame((tuple(row.values()) for row in rows), tuple(rows[0]))
