"""Markdown, CSV and LaTeX."""

import csv
import io
import re

import matplotlib
import pytest
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

from kcsim.report.latex import to_latex
from kcsim.report.layer_data import layer_tables
from kcsim.report.network_data import estimate_tables
from kcsim.report.table import Column, Table
from kcsim.report.tables import rows_to_csv, to_csv, to_markdown

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
    assert r"energy \\ {[}MAC{]}" in text


def test_latex_is_balanced(clustered):
    tables = estimate_tables(clustered)
    text = to_latex(tables)
    assert text.count(r"\begin{table") == text.count(r"\end{table") == len(tables)
    assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}") == len(tables)
    for rule in ("toprule", "bottomrule"):
        assert text.count(rf"\{rule}") == len(tables)
    for table, body in zip(tables, re.split(r"\\begin{table\*?}", text)[1:], strict=True):
        rows = [line for line in body.splitlines() if line.endswith(r"\\")]
        assert len(rows) == 1 + len(table.rows) + len(table.footers)
        unescaped = {len(re.findall(r"(?<!\\)&", row)) for row in rows}
        hidden = body.count(",", body.find("Not shown")) + 1 if "Not shown" in body else 0
        assert unescaped == {len(table.columns) - 1 - hidden}
    assert "µ" not in text
    assert "–" not in text


def printed_width(tabular):
    """Width of a tabular in footnotesize, from the widths of Computer Modern [pt]."""
    font = FontProperties(fname=matplotlib.get_data_path() + "/fonts/ttf/cmr10.ttf", size=8.5)
    rows = [line[:-2] for line in tabular.splitlines() if line.endswith(r"\\")]
    cells = [re.split(r"(?<!\\) & ", row) for row in rows]
    widths = []
    for column in zip(*cells, strict=True):
        lines = [
            line
            for cell in column
            for line in re.sub(r"\\shortstack\[.\]{(.*)}", r"\1", cell).split(r"\\")
        ]
        plain = [re.sub(r"\\text\w+{}|\\\(\\\w+\\\)", "x", line) for line in lines]
        plain = [re.sub(r"[\\{}]", "", line).replace("~", " ").strip() for line in plain]
        widths.append(max(text_to_path.get_text_width_height_descent(t, font, False)[0]
                          for t in plain))  # fmt: skip
    fixed = [float(each) for each in re.findall(r"p{(\d+)pt}", tabular)]
    # Columns whose texts are broken are as wide as they say.
    for each in fixed:
        widths[widths.index(max(widths))] = each
    return sum(widths) + 6 * (len(widths) - 1)


LONG = Table(
    "Many long columns",
    (
        *(Column(f"a column number {i} of numbers", "bit", "bits") for i in range(14)),
        Column("remark"),
        Column("more", optional=True),
    ),
    tuple((*(2**30 + i for i in range(14)), "a remark of many words " * 4, "x" * 30)
          for _ in range(3)),
)  # fmt: skip


@pytest.mark.parametrize("name", ["clustered", "dense", "shared", "long"])
def test_latex_tables_fit_a_column_or_span_two(name, request):
    tables = [LONG] if name == "long" else estimate_tables(request.getfixturevalue(name))
    text = to_latex(tables)
    for star, body in re.findall(r"\\begin{table(\*?)}(.*?)\\end{table", text, re.DOTALL):
        for tabular in re.findall(r"\\begin{tabular}(.*?)\\end{tabular}", body, re.DOTALL):
            assert printed_width(tabular) <= (516 if star else 252)
