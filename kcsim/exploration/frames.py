"""Rows as Parquet: types of columns, units, files that are written whole."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kcsim.errors import InputError
from kcsim.fields import FIELDS
from kcsim.reading.files import write_whole

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

Row = dict[str, Any]
_INTEGERS = ("integer",)
_REALS = ("number", "energy", "bits", "ratio", "share", "signed share")
_LARGEST = 2**63
UNITS = "kcsim.units"
"""Where a file keeps units of its columns, and a frame, in its `attrs`."""


def table_of(rows: Sequence[Row], units: Mapping[str, str] | None = None) -> pa.Table:
    """A table of rows that may lack columns."""
    import pyarrow as pa

    names = list(dict.fromkeys(name for row in rows for name in row))
    arrays, fields = [], []
    for name in names:
        values = [row.get(name) for row in rows]
        kind = _type(name, values)
        if pa.types.is_floating(kind):
            values = [None if value is None else float(value) for value in values]
        if pa.types.is_string(kind):
            values = [None if value is None else text_of(value) for value in values]
        unit = (units or {}).get(name) or unit_of(name)
        metadata = {"unit": unit} if unit else None
        fields.append(pa.field(name, kind, metadata=metadata))
        arrays.append(pa.array(values, kind))
    return pa.Table.from_arrays(arrays, schema=pa.schema(fields))


def unit_of(name: str) -> str:
    """The unit of a field; of energies, that is the hardware's."""
    return FIELDS[name].unit if name in FIELDS else ""


def _type(name: str, values: Iterable[Any]) -> Any:
    import pyarrow as pa

    present = [value for value in values if value is not None]
    kind = FIELDS[name].kind if name in FIELDS else ""
    if kind in _REALS:
        return pa.float64()
    if kind in _INTEGERS and all(isinstance(v, int) for v in present):
        return pa.int64() if all(abs(v) < _LARGEST for v in present) else pa.float64()
    if not present:
        return pa.string() if kind == "text" else pa.null()
    if all(isinstance(v, bool) for v in present):
        return pa.bool_()
    if all(isinstance(v, int) and not isinstance(v, bool) for v in present):
        return pa.int64() if all(abs(v) < _LARGEST for v in present) else pa.float64()
    if all(isinstance(v, int | float) and not isinstance(v, bool) for v in present):
        return pa.float64()
    return pa.string()


def text_of(value: Any) -> str:
    """A value of a hardware file as YAML has it in one line."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {text_of(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(text_of, value)) + "]"
    return str(value)


def joined(tables: Sequence[pa.Table]) -> pa.Table:
    """Tables below each other, with the columns of all."""
    import pyarrow as pa

    return pa.concat_tables(tables, promote_options="permissive")


def read_table(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """A Parquet file, or some columns of it.

    Raises
    ------
    InputError
        If it is none.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # A single file, whatever its folder is called.
        return pq.ParquetFile(path, memory_map=False).read(columns)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"cannot read '{path}': {error}") from None


def write_table(path: Path, table: pa.Table) -> None:
    """Write a Parquet file as a whole.

    Raises
    ------
    InputError
        If it cannot be written.
    """
    import pyarrow.parquet as pq

    content = io.BytesIO()
    pq.write_table(table, content, compression="zstd")
    write_whole(path, content.getvalue())


class TableWriter:
    """Writes a Parquet file part by part, so that it appears whole or not at all.

    Parameters
    ----------
    path : path
    schema : pyarrow.Schema
        Of all parts; columns that one lacks are empty there.
    """

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        import pyarrow.parquet as pq

        self._path, self._schema = path, schema
        self._beside = path.with_name(f".{path.name}.{os.getpid()}")
        self._writer = pq.ParquetWriter(self._beside, schema, compression="zstd")

    def write(self, table: pa.Table) -> None:
        """Add rows."""
        import pyarrow as pa

        columns = [
            table[name].cast(kind.type)
            if (name := kind.name) in table.column_names
            else pa.nulls(len(table), kind.type)
            for kind in self._schema
        ]
        self._writer.write_table(pa.Table.from_arrays(columns, schema=self._schema))

    def finish(self) -> None:
        """Let the file appear."""
        self._writer.close()
        self._beside.replace(self._path)

    def give_up(self) -> None:
        """Leave what was there."""
        with contextlib.suppress(OSError):
            self._writer.close()
        self._beside.unlink(missing_ok=True)


def to_frame(table: pa.Table) -> pd.DataFrame:
    """A table as a frame, with units of columns in its `attrs`."""
    units = {
        field.name: field.metadata[b"unit"].decode()
        for field in table.schema
        if field.metadata and b"unit" in field.metadata
    }
    frame: pd.DataFrame = table.replace_schema_metadata(None).to_pandas()
    frame.attrs = {UNITS: units}
    return frame
