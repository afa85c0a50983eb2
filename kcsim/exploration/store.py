"""The folder of an exploration: what was found, kept so that nothing is lost.

Results of a point go to the journal of the process at once, a line with a checksum; every few
hundred points the journal becomes a part, a pair of Parquet files. Whatever dies at whatever
moment, at most a torn last line is left out. A process that starts takes over the journals of
those that died. Points that a process works at are claimed with locks that end with it.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kcsim.errors import InputError
from kcsim.exploration.frames import joined, read_table, table_of, write_table
from kcsim.exploration.locks import Claims, lock_whole

if TYPE_CHECKING:
    import pyarrow as pa

Row = dict[str, Any]
RESULTS = "results"
POINTS_OF_PART = 256
_JOURNAL, _POINTS, _LAYERS = ".journal", ".points.parquet", ".layers.parquet"


class Store:
    """What was found, by point.

    Parameters
    ----------
    folder : path
        Of the exploration; made if it is not there.

    Raises
    ------
    InputError
        If it cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder / RESULTS
        self._token = secrets.token_hex(6)
        self._rows: list[tuple[Row, list[Row]]] = []
        self._parts = 0
        self._read: dict[str, int] = {}
        self.done: set[str] = set()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._claims = Claims(self.folder / "claims")
            self._journal = os.open(
                self.folder / f"{self._token}{_JOURNAL}",
                os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o666,
            )  # fmt: skip
        except OSError as error:
            raise InputError(f"cannot write to the folder '{folder}': {error.strerror}") from None
        lock_whole(self._journal)
        self.refresh()
        self._adopt()

    def refresh(self) -> None:
        """Look at what other processes have found."""
        names = self._names()
        # What a journal no longer has is in a part, but what no part had yet may be there now.
        for name in names:
            if name.endswith(_JOURNAL) and not name.startswith(self._token):
                self._look_at(name)
        for name in self._names():
            if name.endswith(_POINTS) and name not in self._read:
                self._read[name] = 1
                ids = read_table(self.folder / name, ["point"])["point"].to_pylist()
                self.done.update(ids)

    def claim(self, points: Iterable[str]) -> list[str]:
        """Those points that nobody works at and nobody has done; they are this process's now."""
        taken = [point for point in points if point not in self.done and self._claims.take(point)]
        if taken:
            self.refresh()
        for point in taken:
            if point in self.done:
                self._claims.leave(point)
        return [point for point in taken if point not in self.done]

    def leave(self, points: Iterable[str]) -> None:
        """Give back points that were not done."""
        for point in points:
            self._claims.leave(point)

    def add(self, row: Row, layers: list[Row]) -> None:
        """Keep the results of a point.

        Raises
        ------
        InputError
            If they cannot be written; what was kept before stays.
        """
        line = _line(row, layers)
        before = os.fstat(self._journal).st_size
        try:
            written = os.write(self._journal, line)
            while written < len(line):
                written += os.write(self._journal, line[written:])
        except OSError as error:
            with contextlib.suppress(OSError):
                os.ftruncate(self._journal, before)
            raise self._failed(error.strerror or "failed") from None
        self._rows.append((row, layers))
        self.done.add(row["point"])
        self._claims.leave(row["point"])
        if len(self._rows) >= POINTS_OF_PART:
            self.flush()

    def flush(self) -> None:
        """Make a part of the journal."""
        if not self._rows:
            return
        self._write_part(self._rows)
        self._rows = []
        os.ftruncate(self._journal, 0)

    def close(self) -> None:
        """Make a part of what is left, and let go of the folder."""
        try:
            self.flush()
            (self.folder / f"{self._token}{_JOURNAL}").unlink(missing_ok=True)
        finally:
            self.let_go()

    def let_go(self) -> None:
        """Leave the journal to whoever comes next."""
        with contextlib.suppress(OSError):
            os.close(self._journal)
            self._claims.close()

    def _failed(self, reason: str) -> InputError:
        kept = len(self.done)
        return InputError(
            f"cannot write to '{self.folder}': {reason.lower()}; "
            f"{kept} points are kept: the same command goes on from there"
        )

    def _names(self) -> list[str]:
        try:
            return sorted(os.listdir(self.folder))
        except OSError as error:
            raise InputError(f"cannot read '{self.folder}': {error.strerror}") from None

    def _look_at(self, name: str) -> None:
        """Points of another journal that are new."""
        with contextlib.suppress(FileNotFoundError), (self.folder / name).open("rb") as file:
            start = self._read.get(name, 0)
            start = start if start <= file.seek(0, os.SEEK_END) else 0
            file.seek(start)
            for line in file:
                found = _read_line(line)
                if found is None:
                    break
                self.done.add(found[0]["point"])
                start += len(line)
            self._read[name] = start

    def _adopt(self) -> None:
        """Make parts of the journals that processes have left which died."""
        for name in self._names():
            if not name.endswith(_JOURNAL) or name.startswith(self._token):
                continue
            with contextlib.suppress(FileNotFoundError):
                file = os.open(self.folder / name, os.O_RDWR)
                try:
                    if lock_whole(file):
                        rows = list(read_journal(self.folder / name))
                        known = self._ids_of_parts()
                        new = {row["point"]: (row, layers) for row, layers in rows}
                        self._write_part([v for k, v in new.items() if k not in known])
                        (self.folder / name).unlink(missing_ok=True)
                finally:
                    os.close(file)

    def _ids_of_parts(self) -> set[str]:
        names = [name for name in self._names() if name.endswith(_POINTS)]
        tables = (read_table(self.folder / name, ["point"]) for name in names)
        return {point for table in tables for point in table["point"].to_pylist()}

    def _write_part(self, rows: list[tuple[Row, list[Row]]]) -> None:
        if not rows:
            return
        name = f"{self._token}-{self._parts:04d}"
        self._parts += 1
        layers = [layer for _, of_point in rows for layer in of_point]
        try:
            if layers:
                write_table(self.folder / f"{name}{_LAYERS}", table_of(layers))
            # A part counts once this file is there.
            write_table(self.folder / f"{name}{_POINTS}", table_of([row for row, _ in rows]))
        except InputError as error:
            raise self._failed(str(error).rpartition(": ")[2]) from None
        self._read[f"{name}{_POINTS}"] = 1


def read_points(folder: Path) -> pa.Table:
    """Rows of all points that were found, each once; no rows if there are none."""
    return _unique(_tables(folder, _POINTS, 0))


def read_layers(folder: Path) -> Iterator[pa.Table]:
    """Rows of the layers of all points that were found, some at a time; a point may come twice."""
    yield from _tables(folder, _LAYERS, 1)


def _tables(folder: Path, ending: str, part: int) -> Iterator[pa.Table]:
    results = folder / RESULTS
    names = sorted(os.listdir(results)) if results.is_dir() else []
    for name in names:
        if name.endswith(_JOURNAL):
            pairs = list(read_journal(results / name))
            rows = [pair[0] for pair in pairs] if part == 0 else [r for _, rs in pairs for r in rs]
            if rows:
                yield table_of(rows)
    for name in sorted(os.listdir(results)) if results.is_dir() else []:
        if name.endswith(ending):
            yield read_table(results / name)


def _unique(tables: Iterable[pa.Table]) -> pa.Table:
    found = list(tables)
    if not found:
        return table_of([])
    table = joined(found)
    first: dict[str, int] = {}
    for i, point in enumerate(table["point"].to_pylist()):
        first.setdefault(point, i)
    return table if len(first) == len(table) else table.take(list(first.values()))


def read_journal(path: Path) -> Iterator[tuple[Row, list[Row]]]:
    """What a journal holds, up to where it was torn."""
    with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
        for line in file:
            found = _read_line(line)
            if found is None:
                return
            yield found


def _line(row: Row, layers: list[Row]) -> bytes:
    names = list(dict.fromkeys(name for layer in layers for name in layer))
    columns = {name: [layer.get(name) for layer in layers] for name in names}
    content = json.dumps([row, len(layers), columns], separators=(",", ":")).encode()
    return b"%08x %s\n" % (zlib.crc32(content), content)


def _read_line(line: bytes) -> tuple[Row, list[Row]] | None:
    """A point and its layers; ``None`` for a line that was torn."""
    checksum, _, content = line.rstrip(b"\n").partition(b" ")
    if not line.endswith(b"\n") or checksum != b"%08x" % zlib.crc32(content):
        return None
    row, count, columns = json.loads(content)
    layers = [{name: values[i] for name, values in columns.items()} for i in range(count)]
    return row, layers
