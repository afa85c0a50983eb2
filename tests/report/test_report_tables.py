"""Markdown, CSV and LaTeX."""

import csv
import io
import re

from kcsim.report.layer_data import layer_tables
from kcsim.report.network_data import estimate_tables
from kcsim.report.table import Column, Table
from kcsim.report.tables import rows_to_csv, to_csv, to_latex, to_markdown

AWKWARD = Table(
    "50 % of $x_1^2$ & more",
    (Column("a|b"), Column("energy", "MAC", "energy"), Column("size", "bit", "bits")),
    (("_x_ | *y* \\ {z} ~ #1 <t>", 12_345.678901234567, None), ("[1.5em]", 0.1 + 0.2, 80)),
    (("TOTAL", 12_346.0, None),),
    ("A note with 100 %.",),
)


def test_csv_parses_back_to_the_exact_numbers(clustered):
    exact = clustered.layer_rows()
    rows = list(csv.DictReader(io.StringIO(rows_to_csv(exact))))
    assert len(rows) == 2 * len(clustered.network)
    for row, numbers in zip(rows, exact, strict=True):
        assert list(row) == list(numbers)
        for name, value in numbers.items():
            assert row[name] == ("" if value is None else str(value))
            assert (
                not isinstance(value, int | float)
                or isinstance(value, bool)
                or (type(value)(row[name]) == value)
            )


def test_csv_of_one_layer_is_that_of_its_accesses(layer):
    rows = list(csv.DictReader(io.StringIO(to_csv(layer_tables(layer)))))
    assert rows[0]["level"] == "DRAM"
    assert rows[0]["energy_unit"] == "pJ"
    assert int(rows[0]["reads"]) == layer.counts.words("DRAM", "weights", "reads")


def test_csv_quotes_and_leaves_gaps():
    text = to_csv(Table("t", (Column("a"), Column("b", "", "ratio")), (('x,"y"', None),)))
    assert text == 'a,b\n"x,""y""",\n'


def test_markdown_has_equal_columns_in_every_row(clustered, layer):
    for table in (*estimate_tables(clustered), *layer_tables(layer), AWKWARD):
        lines = [line for line in to_markdown(table).splitlines() if line.startswith("|")]
        assert len(lines) == 2 + len(table.rows) + len(table.footers)
        assert {len(re.findall(r"(?<!\\)\|", line)) for line in lines} == {len(table.columns) + 1}
        assert len(set(map(len, lines))) == 1


def test_markdown_of_several_tables(clustered):
    text = to_markdown(estimate_tables(clustered))
    assert text.startswith("### Layers: lenet5 on eyeriss, dense beside kernel:k=16\n\n| layer")
    assert text.count("### ") == len(estimate_tables(clustered))


def test_markdown_escapes():
    text = to_markdown(AWKWARD)
    assert r"\_x\_ \| \*y\* \\ {z} ~ #1 \<t>" in text
    assert r"a\|b" in text
    assert "12.3 k" in text


def test_latex_escapes():
    text = to_latex(AWKWARD)
    assert r"\caption{50 \% of \$x\_1\textasciicircum{}2\$ \& more}" in text
    assert r"\_x\_ \textbar{} {*}y{*} \textbackslash{} \{z\} \textasciitilde{} \#1" in text
    assert "\n{[}1.5em{]} & 0.300 & 10.0~B" in text
    assert "energy {[}MAC{]}" in text


def test_latex_is_balanced(clustered):
    tables = estimate_tables(clustered)
    text = to_latex(tables)
    for environment in ("table", "tabular"):
        begun = text.count(rf"\begin{{{environment}}}")
        assert begun == text.count(rf"\end{{{environment}}}") == len(tables)
    for rule in ("toprule", "bottomrule"):
        assert text.count(rf"\{rule}") == len(tables)
    for table, body in zip(tables, text.split(r"\begin{table}")[1:], strict=True):
        rows = [line for line in body.splitlines() if line.endswith(r"\\")]
        assert len(rows) == 1 + len(table.rows) + len(table.footers)
        unescaped = {len(re.findall(r"(?<!\\)&", row)) for row in rows}
        assert unescaped == {len(table.columns) - 1}
    assert "µ" not in text
    assert "–" not in text
