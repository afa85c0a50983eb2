"""The tables of an exploration: what was asked joined to what was found."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kcsim.errors import InputError, Problem
from kcsim.estimation.result import RUN_FIGURES
from kcsim.exploration import answers
from kcsim.exploration.break_even import break_even
from kcsim.exploration.columns import ENERGY_OF, TRAFFIC
from kcsim.exploration.expressions import Expression, read_expression
from kcsim.exploration.frames import (
    TableWriter,
    joined,
    read_table,
    table_of,
    to_frame,
    write_table,
)
from kcsim.exploration.local_engine import Failed
from kcsim.exploration.plan import Plan
from kcsim.exploration.store import read_layers, read_points
from kcsim.reading.arguments import checked
from kcsim.reading.files import write_whole

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

PLAN, POINTS, LAYERS = "plan.parquet", "points.parquet", "layers.parquet"
_CONSTRAINTS = b"kcsim.constraints"


@dataclass(frozen=True)
class Exploration:
    """A folder with what was asked and found.

    Attributes
    ----------
    folder : path
    failed : tuple of Failed
        Points that could not be evaluated in the run that this came from.
    """

    folder: Path
    failed: tuple[Failed, ...] = field(default=())

    def points(self) -> pd.DataFrame:
        """One row for each point, in the order of the space: its inputs, then its results.

        `attrs` has the units of columns. ``feasible`` says whether something fits and all
        constraints hold. Points that were not evaluated yet are missing.
        """
        return to_frame(points_table(self.folder))

    def layers(self) -> pd.DataFrame:
        """One row for each layer of each point, with the inputs of the point."""
        tables = list(layers_tables(self.folder))
        return to_frame(joined(tables) if tables else table_of([]))

    def front(self, minimize: Sequence[str] = (), maximize: Sequence[str] = ()) -> pd.DataFrame:
        """The Pareto front; see `kcsim.exploration.answers.front`."""
        return answers.front(self.points(), minimize, maximize)

    def best(
        self,
        by: str = "edp",
        constraints: Sequence[str] = (),
        each: Sequence[str] = (),
        maximize: bool = False,
    ) -> pd.DataFrame:
        """The best point under constraints; see `kcsim.exploration.answers.best`."""
        return answers.best(self.points(), by, constraints, each, maximize)

    def sensitivity(self, of: str = "energy", parameters: Sequence[str] = ()) -> pd.DataFrame:
        """Which parameter matters; see `kcsim.exploration.answers.sensitivity`."""
        return answers.sensitivity(self.points(), of, parameters)

    def break_even(
        self, along: str, column: str, first: Any, second: Any, of: str = "energy"
    ) -> pd.DataFrame:
        """From where on one way is better; see `kcsim.exploration.break_even`."""
        return break_even(self.points(), along, column, first, second, of)

    def __repr__(self) -> str:
        return f"Exploration('{self.folder}')"


@checked
def load_exploration(folder: str | os.PathLike[str]) -> Exploration:
    """What a folder has of an exploration, finished or not.

    Raises
    ------
    InputError
        If there is none.
    """
    if not (Path(folder) / PLAN).is_file():
        problem = f"'{folder}' holds no exploration"
        raise InputError(Problem(problem, "a folder that 'kcsim explore -o' has written"))
    return Exploration(Path(folder))


def write_plan(plan: Plan, folder: Path) -> None:
    """Write down what is asked, so that what was found can be read at any time."""
    table = table_of([{"point": p.name, **p.inputs} for p in plan.points], plan.units)
    texts = json.dumps([each.text for each in plan.late_constraints])
    metadata = {**(table.schema.metadata or {}), _CONSTRAINTS: texts.encode()}
    write_table(folder / PLAN, table.replace_schema_metadata(metadata))


def points_table(folder: Path) -> pa.Table:
    """The inputs and results of all points that were evaluated, in the order of the plan."""
    import pyarrow as pa

    plan = read_table(folder / PLAN)
    found = read_points(folder)
    if not len(found):
        return plan.slice(0, 0).replace_schema_metadata(None)
    places = {point: i for i, point in enumerate(found["point"].to_pylist())}
    rows = [places.get(point) for point in plan["point"].to_pylist()]
    kept = [i for i, row in enumerate(rows) if row is not None]
    table = plan.take(kept)
    results = found.take([row for row in rows if row is not None])
    for name in sorted(results.column_names, key=_rank):
        if name not in table.column_names:
            table = table.append_column(results.schema.field(name), results[name])
    texts = json.loads((plan.schema.metadata or {}).get(_CONSTRAINTS, b"[]"))
    feasible = _feasible(table, [read_expression(text) for text in texts])
    return table.append_column("feasible", pa.array(feasible, pa.bool_())).replace_schema_metadata(
        None
    )


def _rank(name: str) -> tuple[int, str]:
    """The place of a column of results, whichever point brought it first."""
    order = (*RUN_FIGURES, TRAFFIC, ENERGY_OF, "proved", "note", "error")
    known = ENERGY_OF if name.startswith(ENERGY_OF) else name
    return (order.index(known) if known in order else len(order)), name


def _feasible(table: pa.Table, constraints: Sequence[Expression]) -> list[bool]:
    """Whether something fits and all constraints hold; what is not known does not hold."""
    names = dict.fromkeys(name for each in constraints for name in each.names)
    columns = {name: table[name].to_pylist() for name in names if name in table.column_names}
    errors = [None] * len(table)
    if "error" in table.column_names:
        errors = table["error"].to_pylist()
    found = []
    for i, error in enumerate(errors):
        values = {name: column[i] for name, column in columns.items()}
        found.append(error is None and all(bool(each.value(values)) for each in constraints))
    return found


def layers_tables(folder: Path) -> Any:
    """The layers of all points of the plan, some at a time, with the inputs of the points."""
    plan = read_table(folder / PLAN)
    places = {point: i for i, point in enumerate(plan["point"].to_pylist())}
    seen: set[str] = set()
    for table in read_layers(folder):
        points = table["point"].to_pylist()
        new = set(points) - seen
        rows = [i for i, point in enumerate(points) if point in places and point in new]
        seen |= new
        if not rows:
            continue
        own = table.take(rows)
        inputs = plan.take([places[points[i]] for i in rows])
        for name in own.column_names:
            if name not in inputs.column_names:
                inputs = inputs.append_column(own.schema.field(name), own[name])
        yield inputs.replace_schema_metadata(None)


def write_exploration(plan: Plan, folder: Path, failed: Sequence[Failed] = ()) -> Exploration:
    """Write the tables of points and of layers, each whole or not at all.

    Raises
    ------
    InputError
        If they cannot be written.
    """
    import pyarrow as pa

    write_table(folder / POINTS, points_table(folder))
    schema = None
    for table in layers_tables(folder):
        parts = [table.schema] if schema is None else [schema, table.schema]
        schema = pa.unify_schemas(parts, promote_options="permissive")
    if schema is not None:
        _write_layers(folder, schema)
    return Exploration(folder, tuple(failed))


def _write_layers(folder: Path, schema: pa.Schema) -> None:
    try:
        writer = TableWriter(folder / LAYERS, schema)
    except OSError as error:
        raise InputError(f"cannot write '{folder / LAYERS}': {error.strerror}") from None
    try:
        for table in layers_tables(folder):
            writer.write(table)
        writer.finish()
    except OSError as error:
        writer.give_up()
        raise InputError(f"cannot write '{folder / LAYERS}': {error.strerror}") from None


def write_csv(folder: Path) -> None:
    """Write the tables as CSV, too."""
    found = load_exploration(folder)
    write_whole(folder / "points.csv", found.points().to_csv(index=False))
    write_whole(folder / "layers.csv", found.layers().to_csv(index=False))
