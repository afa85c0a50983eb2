"""Tables of a comparison: numbers are those of its runs, and parts add up."""

import csv
import io
from dataclasses import replace

import pytest

from kcsim.report.compare_data import (
    comparison_tables,
    costs_table,
    energies_table,
    operations_table,
)
from kcsim.report.comparison_figure import draw_comparison
from kcsim.report.documents import to_dict
from kcsim.report.latex import to_latex
from kcsim.report.tables import rows_to_csv, to_markdown

RUNS = ("dense", "decode", "share_products", "share_sums", "auto")


def test_one_row_a_run(comparison):
    for table in (costs_table(comparison), operations_table(comparison)):
        assert table.column("run") == RUNS


def test_costs_are_those_of_the_runs(comparison):
    table = costs_table(comparison)
    dense, runs = comparison.runs["dense"], comparison.runs.values()
    assert table.column("energy") == tuple(run.energy for run in runs)
    assert table.column("energy_ratio") == tuple(dense.energy / r.energy for r in runs)
    assert table.column("cycles") == tuple(run.cycles for run in runs)
    assert table.column("edp_ratio") == pytest.approx(
        [dense.energy * dense.cycles / (run.energy * run.cycles) for run in runs]
    )
    assert table.column("weights_bits") == tuple(run.weights_bits for run in runs)
    assert max(table.column("edp_ratio")) == table.column("edp_ratio")[-1]


def test_operations_are_those_of_the_runs(comparison):
    table = operations_table(comparison)
    runs = comparison.runs.values()
    for kind in ("multiplies", "adds"):
        counted = [getattr(run.operations, kind) for run in runs]
        assert table.column(kind) == tuple(counted)
        assert table.column(f"{kind}_ratio") == tuple(counted[0] / n for n in counted)
    assert table.column("full_adders") == tuple(run.full_adders for run in runs)
    assert table.column("lookups") == tuple(run.lookups for run in runs)
    # The kernels of 12 and of 16 filters are 4 for each channel at most.
    assert table.column("multiplies_ratio")[2] > 2


@pytest.mark.parametrize("label", ["component", "tensor"])
def test_energies_add_up(comparison, label):
    account = {
        "component": lambda run: run.energy_by_component(),
        "tensor": lambda run: run.energy_by_tensor(),
    }[label]
    table = energies_table(comparison, label, account)
    (total,) = table.footers
    for i, run in enumerate(comparison.runs.values(), 1):
        assert sum(row[i] or 0 for row in table.rows) == pytest.approx(run.energy)
        assert total[i] == pytest.approx(run.energy)
        assert {row[0]: row[i] for row in table.rows if row[i] is not None} == account(run)
    names = table.column(label)
    assert names[-1] == {"component": "codebook", "tensor": "other"}[label]


def test_csv_has_all_numbers_of_a_run_in_one_row(comparison):
    rows = list(csv.DictReader(io.StringIO(rows_to_csv(comparison.summary_rows()))))
    for row, run in zip(rows, comparison.runs.values(), strict=True):
        assert row["run"] == run.name
        assert float(row["energy"]) == run.energy
        assert row["energy_unit"] == "MAC"
        assert int(row["adds"]) == run.operations.adds


def test_accuracy_stands_beside_energy_in_every_form(comparison):
    known = {"dense": 0.99, "decode": 0.97}
    runs = {
        name: replace(run, accuracy=known.get(name, 0.97)) for name, run in comparison.runs.items()
    }
    result = replace(comparison, runs=runs)
    table = costs_table(result)
    keys = [column.key for column in table.columns]
    assert keys[1:4] == ["energy", "energy_ratio", "accuracy"]
    assert table.column("accuracy") == (0.99, 0.97, 0.97, 0.97, 0.97)
    assert [row["accuracy"] for row in result.summary_rows()] == [0.99, 0.97, 0.97, 0.97, 0.97]
    assert [run["accuracy"] for run in to_dict(result)["runs"]] == [0.99, 0.97, 0.97, 0.97, 0.97]
    texts = [text.get_text() for text in draw_comparison(result).texts]
    assert "Accuracy: dense 99.00 %, clustered 97.00 %" in texts[0]


def test_what_auto_chose_is_shown_and_expectations_are_marked(comparison):
    titles = [table.title.partition(":")[0] for table in comparison_tables(comparison)]
    assert titles == [
        "Executions (expected)", "Operations", "Energy by component", "Energy by tensor",
        "Execution", "Shared products and sums (expected)", "Where to decode", "Why",
        "Area and leakage",
    ]  # fmt: skip
    chosen = comparison_tables(comparison)[4]
    assert chosen.column("execution") == ("share_products", "share_products")


def test_markdown_and_latex_of_a_comparison(comparison):
    tables = comparison_tables(comparison)
    assert to_markdown(tables).count("### ") == len(tables)
    assert to_latex(tables).count(r"\begin{tabular}") == len(tables)
