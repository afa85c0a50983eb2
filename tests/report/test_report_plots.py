"""The data of plots, and the files that they become."""

import os

import numpy as np
import pytest
from matplotlib.figure import Figure

from kcsim.errors import InputError
from kcsim.report.plots import component_colours, energy_by_layer, plot_energy


def test_data_adds_up(clustered):
    data = energy_by_layer(clustered)
    assert data.unit == "pJ"
    assert data.layers == ("conv1", "conv2", "ip1", "ip2")
    assert data.kinds == ("conv", "conv", "linear", "linear")
    assert data.components == (
        "DRAM", "buffer", "buffer network", "scratchpads", "MAC", "codebook", "static",
    )  # fmt: skip
    for run, energy in zip(clustered.runs, data.energy, strict=True):
        assert energy.sum() == pytest.approx(run.energy_pj)
        by_layer = [layer.energy_pj for layer in run.layers]
        assert energy.sum(axis=1) == pytest.approx(np.array(by_layer))
    assert not data.energy[0, :, data.components.index("codebook")].any()


def test_the_smallest_of_many_components_are_added_up(clustered):
    whole, few = energy_by_layer(clustered), energy_by_layer(clustered, largest=3)
    assert few.components == ("DRAM", "static", "other")
    assert few.energy.sum(axis=-1) == pytest.approx(whole.energy.sum(axis=-1))


@pytest.mark.parametrize(
    ("ending", "magic"), [("png", b"\x89PNG\r\n"), ("pdf", b"%PDF-"), ("SVG", b"<?xml")]
)
@pytest.mark.parametrize("name", ["clustered", "dense", "shared"])
def test_files(ending, magic, name, request, tmp_path):
    file = tmp_path / f"plot.{ending}"
    plot_energy(request.getfixturevalue(name), file)
    assert file.read_bytes().startswith(magic)
    assert os.listdir(tmp_path) == [file.name]


def test_equal_estimates_give_equal_files(clustered, tmp_path):
    for ending in ("png", "pdf", "svg"):
        files = [tmp_path / f"{i}.{ending}" for i in range(2)]
        for file in files:
            plot_energy(clustered, file)
        assert files[0].read_bytes() == files[1].read_bytes()


def test_text_stays_text(clustered, tmp_path):
    plot_energy(clustered, tmp_path / "a.svg")
    text = (tmp_path / "a.svg").read_text(encoding="utf-8")
    for word in ("conv2", "scratchpads", "energy [µJ]", "right: clustered", "lenet5 on eyeriss"):
        assert word in text
    plot_energy(clustered, tmp_path / "a.pdf")
    assert b"/Type3" not in (tmp_path / "a.pdf").read_bytes()
    assert b"/CIDFontType2" in (tmp_path / "a.pdf").read_bytes()


@pytest.mark.parametrize("name", ["plot", "plot.jpeg", "plot.", ".png"])
def test_other_endings_are_refused(clustered, tmp_path, name):
    with pytest.raises(InputError, match=r"expected one of \.png, \.pdf, \.svg"):
        plot_energy(clustered, tmp_path / name)
    assert os.listdir(tmp_path) == []


def test_a_near_ending_is_suggested(clustered):
    with pytest.raises(InputError, match=r"did you mean '\.svg'"):
        plot_energy(clustered, "plot.svgz")


def test_a_failed_drawing_leaves_the_old_file(clustered, tmp_path, monkeypatch):
    file = tmp_path / "plot.png"
    file.write_bytes(b"old")

    def fail(self, target, **settings):
        target.write(b"half")
        raise RuntimeError("no memory")

    monkeypatch.setattr(Figure, "savefig", fail)
    with pytest.raises(RuntimeError, match="no memory"):
        plot_energy(clustered, file)
    assert file.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["plot.png"]


def test_components_keep_their_colours():
    some = dict(zip("AB", component_colours(("A", "B")), strict=True))
    more = ("A", "B", "C", "D", "E", "MAC", "codebook", "static")
    colours = dict(zip(more, component_colours(more), strict=True))
    assert some == {"A": colours["A"], "B": colours["B"]}
    assert component_colours(("static",)) == [colours["static"]]
    for names in (more, tuple("ABCDEFGH"), ("MAC", *"ABCDEFG")):
        assert len(set(component_colours(names))) == 8
