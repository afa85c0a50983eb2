"""The commands explore, answer and plot."""

import csv
import io
import re

import pandas as pd
import pytest
from sweeps import SMALL, write_sweep

SPACE = {**SMALL, "parameters": {"k": [16]}, "derived": {"kib": "levels.buffer.capacity"},
         "constraints": ["kib <= 32"]}  # fmt: skip


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    return write_sweep(tmp_path_factory.mktemp("sweep") / "sweep.yaml", SPACE)


@pytest.fixture(scope="module")
def folder(sweep, tmp_path_factory):
    import kcsim

    return kcsim.explore(sweep, tmp_path_factory.mktemp("out"), workers=1).folder


def test_a_dry_run_says_what_a_sweep_amounts_to_and_evaluates_nothing(kcsim, sweep, tmp_path):
    result = kcsim("explore", sweep, "-o", tmp_path / "out", "--dry-run")
    assert result.code == 0
    assert "8 points, 4 more ruled out by constraints, 8 to evaluate, 24 distinct" in result.err
    assert re.search(r"from [1-5] points? that were tried", result.err)
    assert not (tmp_path / "out").exists()


def test_a_sweep_that_is_done_costs_nothing_and_writes_csv_on_request(kcsim, sweep, folder):
    result = kcsim("explore", sweep, "-o", folder, "--csv")
    assert result.code == 0
    assert "8 points, 4 more ruled out by constraints, 8 known" in result.err
    assert len(pd.read_csv(folder / "points.csv")) == 8
    assert len(pd.read_csv(folder / "layers.csv")) == 8 * 4


@pytest.mark.parametrize(
    "arguments",
    [["--front", "energy,area_mm2"], ["--best", "edp", "--each", "k"],
     ["--sensitivity", "energy"], [], ["--where", "k == 16"]],
)  # fmt: skip
@pytest.mark.parametrize("form", ["table", "csv", "markdown", "latex"])
def test_answers_in_every_form(kcsim, folder, arguments, form):
    result = kcsim("answer", folder, *arguments, "--format", form)
    assert result.code == 0
    assert result.out.strip()
    if form == "csv":
        assert list(csv.DictReader(io.StringIO(result.out)))


@pytest.mark.parametrize(
    "arguments",
    [
        ["--x", "area_mm2", "--y", "energy", "--color", "k", "--front"],
        ["--kind", "lines", "--x", "buffer.capacity", "--y", "energy", "--by", "k"],
        ["--kind", "u-curve", "--x", "buffer.capacity"],
        ["--kind", "ski-slope", "--x", "buffer.capacity", "--color", "k", "--size", "page"],
        ["--kind", "heat-map", "--x", "buffer.capacity", "--y", "register file.capacity"],
        ["--kind", "sensitivity", "--y", "edp"],
    ],
)
def test_every_kind_of_plot_is_written(kcsim, folder, arguments, tmp_path):
    result = kcsim("plot", folder, *arguments, "-o", tmp_path / "plot.pdf")
    assert result.code == 0, result.err
    content = (tmp_path / "plot.pdf").read_bytes()
    assert content.startswith(b"%PDF-")
    assert b"/Type3" not in content


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["plot", "FOLDER", "--x", "energy"], "--y is missing"),
        (["plot", "FOLDER", "--kind", "pie"], "no kind of plot 'pie'"),
        (["plot", "FOLDER", "--x", "enrgy", "--y", "edp"], "did you mean 'energy'"),
        (["plot", "FOLDER", "--x", "network", "--y", "edp"], "'network' has texts"),
        (["plot", "FOLDER", "--kind", "u-curve", "--x", "edp", "--front"], "--front has no effect"),
        (["plot", "FOLDER", "--x", "energy", "--y", "edp", "--size", "huge"], "no size 'huge'"),
        (["plot", "nowhere", "--x", "energy", "--y", "edp"], "holds no exploration"),
        (["answer", "FOLDER", "--front", "energy", "--best", "edp"], "several questions"),
        (["answer", "FOLDER", "--each", "k"], "--each has no effect"),
        (
            ["answer", "FOLDER", "--break-even", "k", "--between", "execution"],
            "does not say what is compared",
        ),
        (["answer", "FOLDER", "--where", "k <"], "cannot stand there"),
        (["explore", "nowhere.yaml", "-o", "x"], "no such file"),
        (["explore", "SWEEP", "-o", "x", "--engine", "ray"], "no engine 'ray'"),
        (["explore", "SWEEP", "-o", "x", "--scheduler", "a:1"], "for the engine dask"),
        (["explore", "SWEEP", "-o", "SWEEP"], "cannot"),
    ],
)
def test_mistakes_are_one_line(kcsim, sweep, folder, arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {"FOLDER": folder, "SWEEP": sweep}
    result = kcsim(*(names.get(each, each) for each in arguments))
    assert result.code == 2
    assert message in result.err
    assert result.err.startswith("error: ")
    assert result.err.count("error: ") == 1
