"""Tables on a terminal."""

import io
import subprocess
import sys

import pytest
from rich.console import Console

from kcsim.cli.terminal import render
from kcsim.report.cells import shown, shown_rows
from kcsim.report.compare_data import comparison_tables
from kcsim.report.layer_data import layer_tables
from kcsim.report.network_data import estimate_tables
from kcsim.report.table import Column, Table


def rendered(tables, width: int, **settings) -> str:
    text = io.StringIO()
    render(tables, Console(file=text, width=width, **settings))
    return text.getvalue()


@pytest.mark.parametrize("width", [60, 80, 120])
def test_nothing_is_cut_or_wider_than_the_console(clustered, layer, width):
    text = rendered((*estimate_tables(clustered), *layer_tables(layer)), width)
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text


@pytest.mark.parametrize("width", [60, 80, 120])
def test_nor_are_executions_and_comparisons(shared, comparison, width):
    tables = (*estimate_tables(shared), *layer_tables(shared["auto"].layers[1]))
    text = rendered((*tables, *comparison_tables(comparison)), width)
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text


@pytest.mark.parametrize("width", [1, 40, 60])
def test_narrow_consoles_cut_no_number_and_break_no_word(clustered, shared, comparison, width):
    tables = (*estimate_tables(clustered), *estimate_tables(shared), *comparison_tables(comparison))
    for table in tables:
        text = rendered(table, width)
        assert "…" not in text
        words = text.split()
        rows, footers = shown_rows(table)
        for cells in (*rows, *footers):
            for column, cell in zip(table.columns, cells, strict=True):
                if not column.optional:
                    assert set(cell.split()) <= set(words)


def test_columns_that_do_not_fit_side_by_side_follow_below_with_the_names_again():
    table = Table(
        "title",
        (Column("layer"), Column("energy", "pJ", "energy"), Column("cycles", kind="integer")),
        (("layer4.2.downsample.0", 1e6, 123456), ("x" * 60, 2e6, 7)),
        (("TOTAL", 3e6, 123463),),
    )
    # Words of more than 24 characters are broken; 26 are left beside the numbers.
    assert [line.rstrip() for line in rendered(table, 35).splitlines()] == [
        "title",
        "layer                        energy",
        "─" * 35,
        "layer4.2.downsample.0       1.00 µJ",
        f"{'x' * 26}  2.00 µJ",
        "x" * 26,
        "x" * 8,
        "─" * 35,
        "TOTAL                       3.00 µJ",
        "",
        "layer                        cycles",
        "─" * 35,
        "layer4.2.downsample.0       123,456",
        f"{'x' * 26}        7",
        "x" * 26,
        "x" * 8,
        "─" * 35,
        "TOTAL                       123,463",
    ]


def test_totals_are_there(clustered):
    lines = rendered(estimate_tables(clustered)[0], 80).splitlines()
    (total,) = (line for line in lines if line.startswith("TOTAL"))
    energy = shown(clustered.dense.energy, Column("energy", "pJ", "energy"))
    assert total.split()[1:4] == ["2,293,000", *energy.split()]


def test_columns_that_do_not_fit_are_named(clustered):
    table = estimate_tables(clustered)[0]
    narrow = " ".join(rendered(table, 60).split())
    assert "Not shown at this width: dense cycles, utilization, bound by." in narrow
    assert "Not shown" not in rendered(table, 120)


def test_names_in_brackets_are_no_markup(dense):
    assert "[MAC]" in rendered(estimate_tables(dense)[0], 80)
    table = Table("[red]title", (Column("layer"),), (("[bold]conv[/]",),))
    assert "[red]title" in rendered(table, 80)
    assert "[bold]conv[/]" in rendered(table, 80)


def test_no_colors_where_they_are_unwanted(clustered, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    text = rendered(estimate_tables(clustered), 80, force_terminal=True)
    for code in range(30, 50):
        assert f"\x1b[{code}m" not in text


def test_a_plain_console_gets_plain_characters(clustered):
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding="ascii")
    render(estimate_tables(clustered), Console(file=file, width=80))
    file.flush()
    assert b"283 uJ" in raw.getvalue()


def test_tables_load_neither_pandas_nor_matplotlib():
    code = (
        "import sys, kcsim.cli.terminal, kcsim.report.network_data, kcsim.report.tables, "
        "kcsim.report.documents, kcsim.report.plot, kcsim.report.energy_figure, "
        "kcsim.report.mapping_figure, kcsim.report.compare_data, kcsim.report.comparison_figure; "
        "print([m for m in ('pandas', 'matplotlib') if m in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"
